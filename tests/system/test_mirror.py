"""The mirror: every archive crosses the link once, whatever the weather."""

import gzip
import http.client
import io
import random
import re
import tarfile
import threading
import time

import pytest
from conftest import PATIENCE, wait_for
from upstream import Repository, Upstream, Weather, digests

KB, MB = 1000, 1000000


def noise(seed, size):
    return random.Random(seed).randbytes(size)


@pytest.fixture
def upstream():
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def make_mirror(make_box, upstream):
    """make_mirror(**keys): a box with only web and mirror, whose index has arrived."""

    def make(wait=True, more=None, **keys):
        keys = {"upstream": upstream.url, "caches": upstream.url + "/cache", **keys}
        box = make_box(more, chat={"enabled": "no"}, mirror=keys)
        if wait:
            box.wait_log(r"the index of .* is here")
        return box

    return make


def get(box, path, timeout=60, headers=None):
    """GET below /opam: (status, body). A body that was cut is None."""
    connection = http.client.HTTPConnection("127.0.0.1", box.web_port, timeout=timeout * PATIENCE)
    try:
        connection.request("GET", "/opam" + path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (http.client.HTTPException, OSError) as failure:
        return repr(failure), None
    finally:
        connection.close()


def get_all(box, paths):
    """All of them at once; the answers in the same order."""
    answers = [None] * len(paths)

    def one(i):
        answers[i] = get(box, paths[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def begin(box, path):
    """A GET whose first bytes have come: (connection, answer, those bytes)."""
    connection = http.client.HTTPConnection("127.0.0.1", box.web_port, timeout=30 * PATIENCE)
    connection.request("GET", "/opam" + path)
    answer = connection.getresponse()
    return connection, answer, answer.read(1)


SIZE = 400 * KB
SKIES = {
    "cut": [Weather(cut=200 * KB)],
    "cut again and again": [Weather(cut=n * KB) for n in (90, 180, 270, 399)],
    "reset": [Weather(reset=150 * KB)],
    "cut, no Range": [Weather(cut=200 * KB, ranges=False), Weather(ranges=False)],
    "cut, chunked": [Weather(cut=200 * KB, chunked=True), Weather(chunked=True)],
    "a new ETag": [Weather(cut=200 * KB, etag='"a"'), Weather(etag='"b"')],
    "503, later": [Weather(status=503, retry_after=1)],
    "429, later": [Weather(status=429, retry_after=1)],
    "500 thrice": [Weather(status=500)] * 3,
    "stalled": [Weather(stall=200 * KB)],
    "a wrong byte": [Weather(flip=399 * KB)],
    "a wrong byte, twice": [Weather(flip=300 * KB), Weather(flip=350 * KB)],
    "moved": [Weather(location="/moved")],
    "slow": [Weather(pace=400 * KB)],
    "a wrong Range": [Weather(cut=200 * KB), Weather(wrong_range=True)],
    "hangs up": [Weather(drop=True)] * 2,
    "cut before the first byte": [Weather(cut=0)] * 2,
    "only at its own address": None,
}


def test_weather(make_mirror, upstream):
    """Eighteen kinds of weather, ten clients each: every body is right, and seldom paid twice."""
    repository, paths, bodies = Repository(upstream), [], []
    for number, (name, sky) in enumerate(SKIES.items()):
        bodies.append(noise(number, SIZE))
        package = f"p{number}.1"
        path = repository.add(package, bodies[-1], cached=sky is not None)["md5"]
        paths.append(path)
        upstream.weather(path, *(sky or []))
        if name == "moved":
            upstream.put("/moved", bodies[-1])
    repository.publish()
    box = make_mirror(parallel=32)
    upstream.sent = 0
    answers = get_all(box, paths * 10)
    names = list(SKIES)
    wrong = [(names[i % len(paths)], answer[0], answer[1] and answer[1][:80])
             for i, answer in enumerate(answers) if answer != (200, bodies[i % len(paths)])]  # fmt: skip
    assert not wrong
    assert upstream.sent <= 1.5 * SIZE * len(paths)
    for name, path in zip(names, paths):
        if name in ("cut", "reset", "slow", "moved"):
            assert len(upstream.asked(path)) <= 2
    assert upstream.asked(paths[0])[1][1]["Range"] == "bytes=200000-"
    assert "If-Range" in upstream.asked(paths[0])[1][1]


def test_one_archive_is_one_download(make_mirror, upstream):
    """Under each of its digests, from many clients at once; then HEAD, Range, ETag, 304."""
    repository, body = Repository(upstream), noise(1, 300 * KB)
    paths = repository.add("a.1", body)
    repository.add("b.1", body)
    new = noise(2, 300 * KB)
    more = repository.add("c.1", new)["sha256"]
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    assert get_all(box, list(paths.values()) * 5) == [(200, body)] * 15
    assert upstream.sent == len(body)
    path = "/opam" + paths["sha512"]
    status, headers, none = box.request("HEAD", path)
    assert (status, headers["content-length"], none) == (200, str(len(body)), b"")
    assert box.request("GET", path, headers={"If-None-Match": headers["etag"]})[0] == 304
    assert box.request("GET", path, headers={"Range": "bytes=5-9"})[2] == body[5:10]
    assert get(box, "//cache" + paths["md5"][6:]) == (200, body)
    # A part of one that has yet to come, as `curl -C -` asks after a cut.
    status, headers, part = box.request("GET", "/opam" + more, headers={"Range": "bytes=299990-"})
    assert (status, headers["content-range"], part) == (206, "bytes 299990-299999/300000", new[-10:])
    assert box.request("GET", "/opam" + more, headers={"If-None-Match": headers["etag"]})[0] == 304
    upstream.sent -= len(new)
    assert get(box, "/cache/md5/ab/../../../repo")[0] in (400, 404)
    assert upstream.sent == len(body)


def test_bytes_come_as_they_arrive(make_mirror, upstream):
    """First bytes while the upstream is still sending, late joiners too; the end only when the
    digests agree; a client that leaves does not end it."""
    repository, body = Repository(upstream), noise(2, 2 * MB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    upstream.weather(path, Weather(pace=2 * MB))
    leaver, _, _ = begin(box, path)
    assert upstream.sent < len(body)
    joiner, answer, first = begin(box, path)
    assert upstream.sent < len(body) and answer.getheader("Content-Length") == str(len(body))
    leaver.close()
    assert first + answer.read() == body
    joiner.close()
    assert upstream.sent == len(body)
    flights = box.status()["mirror"]
    assert flights["link_bytes"] >= len(body) or wait_for(
        lambda: box.status()["mirror"]["link_bytes"] >= len(body)
    )


def test_wrong_bytes_never_arrive_whole(make_mirror, upstream):
    """No source has the right bytes: no client gets a whole body, nothing is kept."""
    repository, body = Repository(upstream), noise(3, 900 * KB)
    wrong = body[:-1] + bytes([body[-1] ^ 1])
    paths = repository.add("a.1", body, own=wrong)
    for path in paths.values():
        upstream.put(path, wrong)
    half = noise(4, 50 * KB)
    # Only one of two listed digests is wrong: that is not the archive either.
    other = repository.add("b.1", half, cached=False)
    text = repository.packages["b.1"]
    repository.packages["b.1"] = text.replace(digests(half)["sha256"], "0" * 64)
    repository.publish()
    box = make_mirror()
    for answer in get_all(box, [paths["md5"]] * 5 + [other["md5"]] * 5):
        assert answer[0] == 404 or answer[1] is None
    assert box.riad("mirror", "list", check=0).stdout == ""
    before = len(upstream.requests)
    assert get(box, other["sha512"])[0] == 404
    assert len(upstream.requests) == before  # remembered


def test_the_index(make_mirror, upstream):
    """It names our cache whatever upstream said; a broken package costs itself; what does not
    belong there is left out; it is asked for conditionally, and changes when upstream's does."""
    repository = Repository(upstream)
    good = repository.add("a.1", b"alpha")["md5"]
    repository.packages["broken.1"] = "url { src: "
    link, evil = tarfile.TarInfo("packages/a/a.1/link"), tarfile.TarInfo("packages/../../evil")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    repository.publish(more=[(link, b""), (evil, b"")])
    box = make_mirror()
    assert "broken.1" in box.log()
    assert get(box, "/repo") == (200, b'opam-version: "2.0"\narchive-mirrors: "cache"\n')
    packed = get(box, "/index.tar.gz")[1]
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        names = tar.getnames()
        assert tar.extractfile("repo").read() == get(box, "/repo")[1]
    assert sorted(names) == ["packages/a/a.1/opam", "packages/broken/broken.1/opam", "repo"]
    assert get(box, good) == (200, b"alpha")

    box.riad("mirror", "refresh", check=0)
    assert "If-None-Match" in upstream.asked("/index.tar.gz")[-1][1]
    assert get(box, "/index.tar.gz")[1] == packed
    new = repository.add("b.1", b"beta")["sha512"]
    repository.publish()
    assert "3 packages, 2 archives" in box.riad("mirror", "refresh", check=0).stdout
    assert get(box, new) == (200, b"beta")
    # What is no index does not replace the one that is here.
    upstream.put("/index.tar.gz", gzip.compress(b"not a tar"))
    box.riad("mirror", "refresh", check=1)
    assert get(box, "/index.tar.gz")[1] != packed
    assert get(box, new) == (200, b"beta")


def test_the_index_is_frozen(make_mirror, upstream):
    """refresh = 0: nobody asks upstream, restarted or not, until somebody says so; the index before
    serves while the new one arrives in pieces, and for ever offline. The cache lists without any."""
    repository = Repository(upstream)
    path = repository.add("a.1", noise(1, 50 * KB))["md5"]
    box = make_mirror(wait=False, refresh=0)
    listed = box.riad("mirror", "list", check=0)
    assert (listed.stdout, listed.stderr) == ("", "")
    assert "no index yet" in box.riad("prefetch", "a", check=1).stderr
    repository.publish()
    box.riad("mirror", "refresh")
    box.wait_log(r"the index of .* is here", 30)
    first, asked = get(box, "/index.tar.gz")[1], len(upstream.asked("/index.tar.gz"))
    repository.add("b.1", noise(2, 50 * KB))
    repository.publish(more=[(tarfile.TarInfo(f"packages/x/x.{i}/files/empty"), b"") for i in range(900)])
    box.stop()
    box.start()
    assert get(box, "/index.tar.gz")[1] == first and get(box, path)[0] == 200
    assert len(upstream.asked("/index.tar.gz")) == asked
    upstream.weather("/index.tar.gz", Weather(cut=2000))
    box.riad("mirror", "refresh", check=1)
    assert get(box, "/index.tar.gz")[1] == first
    box.riad("mirror", "refresh", check=0)
    assert get(box, "/index.tar.gz")[1] != first
    assert upstream.asked("/index.tar.gz")[-1][1]["Range"] == "bytes=2000-"
    upstream.close()
    box.riad("mirror", "refresh", check=1)
    box.stop()
    box.start()
    assert get(box, path)[0] == get(box, "/index.tar.gz")[0] == 200


def test_further_repositories(make_mirror, upstream):
    """[mirror NAME]: a forge's tar.gz with one leading folder becomes a repository of its own."""
    repository, overlay = Repository(upstream), Repository(upstream)
    repository.add("a.1", b"alpha")
    repository.publish()
    path = overlay.add("b.1", b"beta", cached=False)["sha256"]
    upstream.put("/forge/main.tar.gz", overlay.index(folder="overlay-main/"))
    box = make_mirror(
        more={"mirror over": {"upstream": upstream.url + "/forge/main.tar.gz", "caches": ""}}
    )
    box.wait_log(r"main.tar.gz is here")
    assert b'"cache"' in get(box, "/over/repo")[1]
    with tarfile.open(fileobj=io.BytesIO(get(box, "/over/index.tar.gz")[1])) as tar:
        assert sorted(tar.getnames()) == ["packages/b/b.1/opam", "repo"]
    assert get(box, "/over" + path) == get(box, path) == (200, b"beta")
    assert get(box, "/nothing/repo")[0] == 404
    for bare in ("", "/"):
        status, body = get(box, bare)
        assert status == 404 and f"set-url default {box.url('/opam')}".encode() in body


def test_savings_by_repository(make_mirror, upstream):
    """What each repository saved, and what is on its way with speed and time left: on the page, in
    riad status, in the metrics."""
    repository, overlay = Repository(upstream), Repository(upstream)
    slow = repository.add("slow.1", noise(1, 4 * MB))["md5"]
    repository.publish()
    path = overlay.add("b.1", noise(2, 300 * KB))["sha256"]
    overlay.publish("/over/index.tar.gz")
    box = make_mirror(more={"mirror over": {"upstream": upstream.url + "/over"}})
    box.wait_log("over/index.tar.gz is here")
    for _ in range(3):
        assert get(box, "/over" + path)[0] == 200
    upstream.weather(slow, Weather(pace=1 * MB))
    connection, _, _ = begin(box, slow)

    def saved():
        return {each["name"]: each for each in box.status()["mirror"]["repositories"]}

    wait_for(lambda: saved()["over"]["saved_bytes"] and saved()["over"]["link_bytes"] >= 300 * KB)
    wait_for(lambda: saved()["over"]["served_bytes"] >= 900 * KB)
    over = saved()["over"]
    assert (over["hits"], over["misses"]) == (2, 1)
    assert 300 * KB <= over["link_bytes"] < 310 * KB
    wait_for(lambda: any("seconds_left" in f for f in box.status()["mirror"]["flights"]))
    flight = box.status()["mirror"]["flights"][0]
    assert flight["package"] == "slow.1" and flight["length"] == 4 * MB
    text = box.riad("status", check=None).stdout
    assert "/opam/over: 6" in text and re.search(r"coming +slow\.1: .* of 4.0 MB, .*/s, .* left", text)
    metrics = box.request("GET", "/metrics")[2].decode()
    assert 'riad_mirror_hits_total{repository="/opam/over"} 2\n' in metrics
    assert re.search(r'flight_seconds_left{package="slow.1",archive="sha512:\w+"} \d', metrics)
    page = box.request("GET", "/", headers={"Accept": "text/html"})[2].decode()
    plain = box.request("GET", "/", headers={"User-Agent": "curl/8"})[2].decode()
    for shown in (page, plain):
        assert "/opam/over: 6" in shown and "slow.1: " in shown and " left" in shown
    connection.close()


def test_digests_that_no_package_lists(make_mirror, upstream):
    """A guest's repository is newer: the caches are asked, once; a 404 is remembered."""
    repository, newer = Repository(upstream), Repository(upstream)
    repository.add("a.1", b"alpha")
    repository.publish()
    known = newer.add("b.1", b"beta")["sha512"]
    lie = "/cache/md5/" + "00/" + "0" * 32
    upstream.put(lie, b"something else")
    box = make_mirror()
    assert get(box, known) == (200, b"beta")
    assert get(box, lie)[0] == 404
    none = "/cache/sha256/" + "ab/" + "ab" * 32
    assert get(box, none)[0] == 404
    assert get(box, none)[0] == 404
    assert len(upstream.asked(none)) == 1


def test_the_link_goes_down(make_mirror, upstream):
    """What is cached is served; what is not is held until the link is back."""
    repository = Repository(upstream)
    here, there = repository.add("a.1", b"alpha"), repository.add("b.1", noise(5, 100 * KB))
    repository.publish()
    box = make_mirror()
    assert get(box, here["md5"])[0] == 200
    upstream.close()
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(get(box, there["md5"])))
    waiter.start()
    box.wait_log("the link is down")
    assert get(box, here["sha512"]) == (200, b"alpha")
    assert get(box, "/index.tar.gz")[0] == 200
    back = Upstream(upstream.port)
    back.files = upstream.files
    waiter.join()
    assert answers == [(200, noise(5, 100 * KB))]
    assert "the link is up" in box.log()
    back.close()


@pytest.mark.threads
def test_kill_in_flight(make_mirror, upstream):
    """kill -9 of the fetcher, then of web, in the middle: what came is not fetched again."""
    repository, body = Repository(upstream), noise(6, 4 * MB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    upstream.weather(path, *[Weather(pace=2 * MB)] * 3)
    connection, answer, got = begin(box, path)
    got += answer.read(400 * KB)
    box.restart_service("mirror")
    got += answer.read(400 * KB)
    box.restart_service("web")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        answer.read()
    connection.close()
    assert body.startswith(got)
    assert get(box, path) == (200, body)
    assert upstream.sent < 1.4 * len(body)
    assert any("Range" in headers for _, headers in upstream.asked(path))


def test_the_cache_has_a_limit(make_mirror, upstream):
    """The least recently used leave, the kept ones last."""
    repository, paths = Repository(upstream), []
    for number in range(6):
        paths.append(repository.add(f"p{number}.1", noise(number, 300 * KB))["sha256"])
    repository.publish()
    box = make_mirror(cache_size="1M")
    box.riad("prefetch", "p0", check=0)
    for path in paths[1:]:
        assert get(box, path)[0] == 200
    box.wait_log("left the cache")
    left = box.riad("mirror", "list").stdout
    assert "p0.1" in left and "kept" in left and "p5.1" in left
    assert left.count("\n") <= 3
    assert get(box, paths[1])[0] == 200


def test_prefetch_and_after(make_mirror, upstream):
    """riad prefetch, with dependencies, from words and files; then list, verify, evict, pin."""
    repository = Repository(upstream)
    repository.add("app.2", b"app 2", more='depends: ["lib" {>= "2"} "test" {with-test}]')
    repository.add("app.1", b"app 1")
    for version in range(1, 7):
        repository.add(f"lib.{version}", b"lib %d" % version, more='depends: "base" {= "1"}')
    paths = repository.add("base.1", b"base")
    repository.add("test.1", b"test")
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    dry = box.riad("prefetch", "--deps", "--dry-run", "app", check=0).stdout
    chosen = re.findall(r"^(\w+\.\d)\t", dry, re.M)
    assert sorted(chosen) == ["app.2", "base.1", "lib.4", "lib.5", "lib.6"]
    assert "0 are here" in dry and "5 are to be fetched (24 bytes)" in dry and not upstream.sent
    assert "5/5 archives" in box.riad("prefetch", "--deps", "app", check=0).stdout
    export = box.folder / "export"
    export.write_text('opam-version: "2.0"\ninstalled: ["app.1" "pinned.1"]\n')
    words = box.folder / "words"
    words.write_text("lib=1 # the first\nlib.2\n")
    box.riad("prefetch", export, words, check=0)
    assert box.riad("prefetch", "nothing", check=1).stderr.count("`nothing`") == 1
    upstream.close()
    listed = box.riad("mirror", "list", check=0).stdout
    assert listed.count("kept") == 8
    assert get(box, paths["sha512"]) == (200, b"base")

    digest = digests(b"base")["sha256"]
    with open(box.state / "mirror" / "cache" / "sha256" / digest[:2] / digest, "r+b") as file:
        file.write(b"BASE")
    broken = box.riad("mirror", "verify", check=1).stdout
    assert digest in broken and "7 archives are as they should be" in broken
    box.riad("mirror", "verify", check=0)
    assert "6 archives left" in box.riad("mirror", "evict", "lib.1", "lib.2", "lib", "app.1",
                                         check=0).stdout.replace("5 archives", "6 archives")
    assert box.riad("mirror", "pin", "app.2", check=0).stdout.startswith("1 archive stays in")
    assert box.riad("mirror", "frob", check=2).stderr


def test_the_catalogue(box, upstream):
    """What a real opam reads, in all spellings, printed without a box."""
    repository = Repository(upstream)
    sums = digests(b"x")
    repository.packages["a.1"] = (
        'url {\n  src:\n    "https://h/\\x61\\\n   .tgz"\n checksum: ["md5=%s" "sha512=%s"]\n'
        '  mirrors: ["http://m/1" "git://no"] }\n'
        'extra-source "p.patch" { src: "http://h/p" checksum: "%s" }\n'
        'extra-source "git" { src: "git+https://h/p" checksum: "%s" }\n'
        % (sums["md5"], sums["sha512"], sums["md5"].upper(), sums["md5"])
    )
    index = box.folder / "some.tar.gz"
    index.write_bytes(repository.index())
    lines = box.riad("mirror", "catalog", index, check=0).stdout.splitlines()
    assert lines == [
        f"a.1\turl\thttps://h/a.tgz\tmd5={sums['md5']} sha512={sums['sha512']}\thttp://m/1",
        f"a.1\textra-source:p.patch\thttp://h/p\tmd5={sums['md5']}\t",
    ]


def test_rate_and_order(make_mirror, upstream):
    """max_rate holds for all transfers together, and people go before prefetches."""
    repository = Repository(upstream)
    for number in range(4):
        repository.add(f"big{number}.1", noise(number, 300 * KB))
    path = repository.add("wanted.1", noise(9, 100 * KB))["md5"]
    repository.publish()
    box = make_mirror(max_rate="500K", parallel=2)
    done = []
    prefetch = threading.Thread(
        target=lambda: done.append(box.riad("prefetch", "big0", "big1", "big2", "big3", check=0))
    )
    started = time.monotonic()
    prefetch.start()
    wait_for(lambda: any("/cache/" in request[0] for request in upstream.requests))
    assert get(box, path)[0] == 200
    assert not done
    prefetch.join()
    assert 2 < time.monotonic() - started < 12 * PATIENCE
