"""How long archives are before anybody fetches them: `riad prefetch --dry-run`, and its progress."""

import contextlib
import os
import re
import subprocess

from conftest import program
from test_mirror import KB, MB, get, make_mirror, noise, upstream  # noqa: F401
from upstream import Repository, Weather

def dry_run(box, *words):
    """package: (bytes, where), and the line of totals."""
    out = box.riad("prefetch", "--dry-run", *words, check=0).stdout
    rows = re.findall(r"^(\S+)\t\S+\t(\S+)\t([\w ]+)\t", out, re.M)
    return {name: (size, where) for name, size, where in rows}, out.splitlines()[-1]


def test_dry_run(make_mirror, upstream):
    """Sizes by HEAD, else by the first byte, else from the next source; what nobody tells is said to
    be unknown. Nothing is fetched, running box or not."""
    repository, expected = Repository(upstream), {}
    skies = {
        "plain": [],
        "no head": [Weather(head=405)] * 9,
        "no head, no Range": [Weather(head=501), Weather(ranges=False)],
        "head without length": [Weather(chunked=True), Weather()],
        "head cut": [Weather(drop=True), Weather()],
        "neither": [Weather(chunked=True)] * 9,
        "busy": [Weather(status=500)] * 9,
        "moved": [Weather(location="/moved")] * 9,
        "in circles": [Weather(location="/circle")] * 9,
        "longer": [Weather(lie=5)] * 9,
    }
    upstream.put("/circle", b"")
    upstream.weather("/circle", *[Weather(location="/circle")] * 99)
    for number, (name, sky) in enumerate(skies.items()):
        body, package = noise(number, 300 * KB + number), f"p{number}.1"
        path = repository.add(package, body)["md5"]
        upstream.weather(path, *sky)
        expected[package] = (str(len(body)), "to fetch")
        if name == "moved":
            upstream.put("/moved", body)
        if name == "neither":
            upstream.weather(f"/src/{package}.tgz", *sky)
            expected[package] = ("unknown", "to fetch")
        if name == "longer":
            expected[package] = (str(len(body) + 5), "to fetch")
    here = repository.add("here.1", b"alpha")["md5"]
    expected["here.1"] = ("5", "here")
    repository.publish()
    box = make_mirror()
    assert get(box, here)[0] == 200
    upstream.sent, upstream.requests = 0, []
    packages = [package.split(".")[0] for package in expected]
    sizes, totals = dry_run(box, *packages)
    assert sizes == expected
    assert totals.startswith("11 archives: 1 is here (5 bytes), 10 are to be fetched (2.7 MB, and 1 of")
    assert upstream.sent <= 3 * 301 * KB  # of those without Range, what buffers take
    assert not box.store().execute("SELECT 1 FROM flight WHERE state <> 'landed'").fetchone()
    box.stop()
    asked = len(upstream.requests)
    assert dry_run(box, "p0")[0] == {"p0.1": expected["p0.1"]}
    assert len(upstream.requests) == asked  # what was learnt is kept
    kept = box.state / "mirror" / "sizes"
    lines = kept.read_text().splitlines(True)
    kept.write_text("".join(lines[2:]) + "sha512:zz 5\n\n-1\n" + "garbage " * 99)
    upstream.weather("/src/p5.1.tgz", *[Weather(chunked=True)] * 9)
    assert dry_run(box, *packages)[0] == expected
    assert len(upstream.requests) > asked
    kept.unlink()
    assert dry_run(box, "p0")[0] == {"p0.1": expected["p0.1"]}


def test_dry_run_without_a_link(make_mirror, upstream):
    """Hosts that are silent, refuse, or are busy: the sizes are unknown, soon, and nobody is asked
    without bound."""
    repository = Repository(upstream)
    for number in range(30):
        path = repository.add(f"p{number}.1", noise(number, KB))["md5"]
        upstream.weather(path, Weather(status=429, retry_after=60))
    repository.publish()
    box = make_mirror(parallel=2)
    words = [f"p{number}" for number in range(30)]
    upstream.requests = []
    sizes, totals = dry_run(box, *words)
    assert {size for size, _ in sizes.values()} == {"unknown"}
    assert totals == "30 archives: 0 are here (0 bytes), 30 are to be fetched"
    assert len(upstream.requests) <= 4  # the host asked to be left alone
    for number in range(30):
        upstream.weather(repository.add(f"p{number}.1", noise(number, KB))["md5"], Weather(delay=60))
    upstream.requests = []
    sizes, _ = dry_run(box, *words)
    assert {size for size, _ in sizes.values()} == {"unknown"} and len(upstream.requests) <= 8
    upstream.close()
    box.stop()
    done = box.riad("prefetch", "--dry-run", *words, check=0)
    assert done.stdout.count("\tunknown\tto fetch\t") == 30 and "is the link up?" in done.stderr


def test_progress_in_bytes(make_mirror, upstream):
    """Bytes of all bytes, also of archives whose turn has not come; what is done soon is asked for
    once."""
    repository, bodies = Repository(upstream), [noise(number, MB) for number in range(5)]
    paths = [repository.add(f"big{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    upstream.weather(paths[0], Weather(pace=300 * KB))
    small = repository.add("small.1", noise(9, KB))["md5"]
    repository.publish()
    box = make_mirror(parallel=1)
    box.riad("prefetch", "small", check=0)
    assert len(upstream.asked(small)) == 1
    seen, terminal = b"", os.openpty()
    command = subprocess.Popen(
        [program("riad"), "prefetch", "-c", box.conf, *(f"big{n}" for n in range(5))],
        stdout=terminal[1],
    )
    os.close(terminal[1])
    with contextlib.suppress(OSError):  # its end
        while piece := os.read(terminal[0], 4096):
            seen += piece
    os.close(terminal[0])
    assert command.wait() == 0
    assert re.search(rb"0/5 archives, [1-9]\d* kB of 5.0 MB, \d+ kB/s, \d+ s left", seen)
    assert b"[" + b"#" * 28 + b"] 5/5 archives, 5.0 MB of 5.0 MB" in seen
    assert set(upstream.heads) == set(paths[1:])
