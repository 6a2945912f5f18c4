"""A mirror whose disk is full: what is there is served, what is not passes through, and nobody has to
leave for bytes that a source only promises.

The state of these boxes is a small file system of its own in a mount namespace of its own.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import needs, needs_root, program, wait_for
from test_drop_full import SmallDisk
from test_mirror import KB, MB, begin, get, get_all, noise, upstream  # noqa: F401
from upstream import Repository, Weather


class Full(SmallDisk):
    def __init__(self, box, megabytes):
        needs_root()
        if subprocess.run([needs("unshare"), "--mount", "true"], capture_output=True).returncode:
            pytest.skip("no mount namespaces here")
        self.box = box
        box.state.mkdir()
        mount = f"mount -t tmpfs -o size={megabytes}m,mode=755 riad-test {box.state}"
        box.wrapper = [needs("unshare"), "--mount", "sh", "-ec", mount + ' && exec "$@"', "sh"]
        box.start()
        box.wait_log("the index of .* is here")
        self.state = Path(f"/proc/{box.process.pid}/root{box.state}")
        self.ballast = self.state / "ballast"

    def riad(self, *words):
        """`riad` where the box sees its mounts."""
        line = [needs("nsenter"), "--mount", f"--target={self.box.process.pid}", program("riad"), words[0]]
        return subprocess.run([*line, "-c", self.box.conf, *words[1:]], capture_output=True, text=True)

    def kill(self, name):
        status = json.loads((self.state / "run/status.json").read_text())
        os.kill(status["services"][name]["pid"], signal.SIGKILL)

    def held(self):
        """How many archives lie in the cache."""
        return sum(1 for path in (self.state / "mirror/cache/sha256").rglob("*") if path.is_file())


@pytest.fixture
def make_full(make_box, upstream):  # noqa: F811
    """make_full(reserve, megabytes): such a box, whose index has arrived."""

    def make(reserve="0%", megabytes=48, **keys):
        keys = {"upstream": upstream.url, "caches": upstream.url + "/cache", "cache_size": "1G", **keys}
        box = make_box(start=False, box={"reserve": reserve}, chat={"enabled": "no"}, mirror=keys)
        return Full(box, megabytes)

    return make


def test_a_full_disk(make_full, upstream):  # noqa: F811
    """What was prefetched stays and is served; the rest makes way, and no more of it than comes;
    what does not fit passes through."""
    repository = Repository(upstream)
    bodies = {name: noise(len(name), 900 * KB) for name in ("a", "bb", "ccc", "dddd", "eeeee", "ffffff")}
    paths = {name: repository.add(f"{name}.1", body)["md5"] for name, body in bodies.items()}
    big, open_end = noise(9, 8 * MB), noise(11, 8 * MB)
    big_path = repository.add("big.1", big)["md5"]
    open_path = repository.add("open.1", open_end)["md5"]
    upstream.weather(open_path, *[Weather(chunked=True)] * 9)
    repository.publish()
    disk = make_full(megabytes=12)
    box = disk.box
    assert disk.riad("prefetch", "a", "bb").returncode == 0
    for name in ("ccc", "dddd"):
        assert get(box, paths[name]) == (200, bodies[name])
    disk.leave(2 * MB)
    requests = len(upstream.requests)
    assert get(box, big_path) == (200, big)
    assert get(box, open_path) == (200, open_end)
    assert len(upstream.requests) == requests + 2
    disk.leave(1500 * KB)
    for name in ("eeeee", "ffffff"):
        assert get(box, paths[name]) == (200, bodies[name])
    assert "left the cache" in box.log()
    requests = len(upstream.requests)
    for name in ("a", "bb", "ffffff"):
        assert get(box, paths[name]) == (200, bodies[name])
    assert len(upstream.requests) == requests
    assert get(box, "/index.tar.gz")[0] == 200
    assert disk.riad("mirror", "refresh").returncode == 0


def test_nothing_is_free(make_full, upstream):  # noqa: F811
    """Not a byte: whoever asks gets it all the same, many at once by one transfer, and who comes a
    moment later, too; late and slow ones, in bad weather, while all services are killed."""
    repository = Repository(upstream)
    names = [f"p{n}" for n in range(6)]
    bodies = {name: noise(n, 700 * KB) for n, name in enumerate(names)}
    paths = {name: repository.add(f"{name}.1", body) for name, body in bodies.items()}
    repository.publish()
    disk = make_full()
    box = disk.box
    assert get(box, paths["p0"]["md5"]) == (200, bodies["p0"])
    disk.leave(0)
    assert get(box, paths["p0"]["sha512"]) == (200, bodies["p0"])
    upstream.weather(paths["p1"]["md5"], Weather(pace=2 * MB))
    asked = [paths["p1"][kind] for kind in ("md5", "sha256", "sha512")] * 5
    assert get_all(box, asked) == [(200, bodies["p1"])] * 15
    assert get(box, paths["p1"]["sha256"]) == (200, bodies["p1"])
    assert get(box, paths["p1"]["md5"], headers={"Range": "bytes=5-9"})[0] in (200, 206)
    assert len(upstream.asked(paths["p1"]["md5"])) == 1
    box.wait_log("p1.1 passes through and is not kept")
    kinds = (Weather(cut=300 * KB), Weather(flip=100 * KB, chunked=True), Weather(stall=200 * KB))
    for name, kind in zip(("p2", "p3", "p4"), kinds):
        upstream.weather(paths[name]["md5"], kind)
    for name in ("p2", "p3", "p4"):
        status, body = get(box, paths[name]["md5"])
        assert (status, body) == (200, bodies[name]) or (name == "p3" and body is None)
    assert get(box, paths["p3"]["md5"]) == (200, bodies["p3"])
    assert disk.riad("prefetch", "p5").returncode == 1
    assert disk.free() == 0
    upstream.weather(paths["p5"]["md5"], Weather(pace=300 * KB), Weather(pace=300 * KB))
    connection, answer, first = begin(box, paths["p5"]["md5"])
    disk.kill("mirror")
    assert first + answer.read() == bodies["p5"]
    connection.close()
    disk.ballast.unlink()
    assert get(box, paths["p2"]["md5"])[0] == 200
    wait_for(lambda: get(box, paths["p2"]["md5"]) == (200, bodies["p2"]) and disk.held() >= 1, "room again")


def test_the_reserve_is_not_touched(make_full, upstream):  # noqa: F811
    """What others filled the disk with costs no archive its place; what comes does, one for one;
    and a source that floods takes nothing of what the box keeps for itself."""
    repository = Repository(upstream)
    bodies = [noise(n, 900 * KB) for n in range(8)]
    paths = [repository.add(f"p{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    flood = repository.add("flood.1", noise(99, 50 * KB), own=noise(98, 30 * MB), cached=False)["md5"]
    upstream.weather("/src/flood.1.tgz", *[Weather(chunked=True)] * 9)
    repository.publish()
    disk = make_full(reserve="50%")
    for n in range(6):
        assert get(disk.box, paths[n]) == (200, bodies[n])
    disk.leave(10 * MB)  # the reserve is 24
    time.sleep(3)
    assert disk.held() == 6
    wait_for(lambda: "the disk is full" in disk.riad("status").stdout, "`riad status` to say it")
    assert get(disk.box, paths[6]) == (200, bodies[6])
    assert disk.held() == 6
    status, text = get(disk.box, flood)
    assert status in (404, 503) or text is None  # cut, where it was shown already
    assert disk.free() > 10 * MB - 200 * KB
    assert get(disk.box, paths[7]) == (200, bodies[7])


def test_a_huge_claim_moves_nobody(make_full, upstream):  # noqa: F811
    """Sources that announce gigabytes and send little, or send lies: others stay, and the right
    bytes come from elsewhere."""
    repository = Repository(upstream)
    bodies = [noise(n, 500 * KB) for n in range(8)]
    paths = [repository.add(f"p{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    body = noise(50, 600 * KB)
    path = repository.add("claimed.1", body)["md5"]
    upstream.weather(path, *[Weather(lie=claim, cut=100 * KB) for claim in (20 * MB, 900 * MB, 3000 * MB)])
    repository.publish()
    disk = make_full(megabytes=20)
    for n in range(8):
        assert get(disk.box, paths[n]) == (200, bodies[n])
    disk.leave(1200 * KB)
    answers = [get(disk.box, path) for _ in range(2)]
    assert all(answer == (200, body) or answer[1] is None for answer in answers)
    assert get(disk.box, path) == (200, body)
    assert disk.held() >= 7
