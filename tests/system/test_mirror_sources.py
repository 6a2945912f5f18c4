"""The mirror and its sources: liars, limits, links that go dark; what is asked of whom, and when."""

import http.client
import os
import signal
import socket
import threading
import time

import pytest
from conftest import PATIENCE, wait_for
from test_mirror import KB, MB, begin, get, get_all, make_mirror, noise, upstream  # noqa: F401
from upstream import Repository, Weather, digests

LIARS = {
    "longer": [Weather(lie=1000)] * 3,
    "shorter": [Weather(lie=-1000)],
    "longer after a cut": [Weather(cut=200 * KB), Weather(lie=1000)],
    "another total": [Weather(cut=200 * KB), Weather(total=77)],
    "a redirect in circles": [Weather(location="/circle")],
    "a redirect to a file": [Weather(location="file:///etc/passwd")],
    "a new ETag each time": [Weather(cut=n * KB, etag=f'"{n}"') for n in (90, 180, 270)],
    "no Range behind a cut": [Weather(cut=200 * KB), Weather(status=416)],
}


# Whoever comes while such a source is read is promised its length, and cut off for it.
LIES_OF_LENGTH = ("longer", "shorter", "longer after a cut", "another total")


def test_liars(make_mirror, upstream):
    """Lengths and ranges that are not so, redirects that lead nowhere: all bodies are right, but
    for who was promised another length than it has and is cut off: asking again helps."""
    repository, paths, bodies = Repository(upstream), [], []
    upstream.put("/circle", b"")
    upstream.weather("/circle", *[Weather(location="/circle")] * 99)
    for number, sky in enumerate(LIARS.values()):
        bodies.append(noise(number, 400 * KB))
        paths.append(repository.add(f"p{number}.1", bodies[-1])["md5"])
        upstream.weather(paths[-1], *sky)
    repository.publish()
    box = make_mirror(parallel=16)
    answers = get_all(box, paths * 3)
    names = list(LIARS) * 3
    for i, answer in enumerate(answers):
        if answer[1] is None and names[i] in LIES_OF_LENGTH:
            answers[i] = get(box, paths[i % len(paths)])
    wrong = [(names[i], answer[0], answer[1] and answer[1][:80])
             for i, answer in enumerate(answers) if answer != (200, bodies[i % len(paths)])]  # fmt: skip
    assert not wrong


def test_who_was_promised_less_gets_no_byte_beyond_it(make_mirror, upstream):
    """A source announces too little, the next one the truth: the first promise is neither fulfilled
    nor exceeded, since a byte behind it would be taken for the next answer."""
    repository, body = Repository(upstream), noise(1, 3 * MB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    box = make_mirror()
    upstream.weather(path, Weather(lie=-MB, pace=4 * MB), Weather(pace=4 * MB))
    with socket.create_connection(("127.0.0.1", box.web_port), 20 * PATIENCE) as client:
        client.sendall(f"GET /opam{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, sent = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 2000000\r\n" in head + b"\r\n"
    assert sent == body[: len(sent)] and len(sent) < 2000000
    assert "longer than its head" not in box.log()
    assert get(box, path) == (200, body)


def test_another_source_goes_on(make_mirror, upstream):
    """A source without Range breaks off: one that has it brings the rest, and no more."""
    repository, body = Repository(upstream), noise(1, MB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    upstream.weather(path, Weather(cut=600 * KB, ranges=False), Weather(ranges=False, pace=MB))
    assert get(box, path) == (200, body)
    assert upstream.asked("/src/a.1.tgz")[0][1]["Range"] == "bytes=600000-"
    assert upstream.sent < 1.1 * len(body)


def test_wrong_bytes_on_the_way(make_mirror, upstream):
    """A client that has seen nothing wrong goes on with the next source and notices nothing; one
    that has is cut off, and never has a whole body."""
    repository = Repository(upstream)
    late, early = noise(1, MB), noise(2, MB)
    paths = [repository.add("late.1", late)["md5"], repository.add("early.1", early)["md5"]]
    repository.publish()
    upstream.weather(paths[0], Weather(flip=900 * KB, pace=2 * MB))
    upstream.weather(paths[1], Weather(flip=100 * KB, pace=2 * MB))
    box = make_mirror()
    begun = [begin(box, path) for path in paths]
    got = begun[0][2] + begun[0][1].read()
    assert got == late
    with pytest.raises(http.client.IncompleteRead) as cut:
        begun[1][1].read()
    assert len(cut.value.partial) < MB - 1
    for connection, _, _ in begun:
        connection.close()
    assert get_all(box, paths) == [(200, late), (200, early)]


def test_http_10_is_told_the_length(make_mirror, upstream):
    """Without a length a cut is the end to HTTP/1.0: it waits, and never takes a part for the whole."""
    repository, bodies = Repository(upstream), [noise(n, 900 * KB) for n in range(2)]
    paths = [repository.add(f"p{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    repository.publish()
    upstream.weather(paths[0], Weather(flip=100 * KB, chunked=True, pace=3 * MB), Weather(chunked=True))
    for path in (paths[1], "/src/p1.1.tgz"):
        upstream.weather(path, *[Weather(flip=100 * KB, chunked=True)] * 9)
    box = make_mirror()
    answers = []
    for path in paths:
        with socket.create_connection(("127.0.0.1", box.web_port), 30 * PATIENCE) as client:
            client.sendall(b"GET /opam%s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
            with client.makefile("rb") as file:
                answers.append(file.read().split(b"\r\n\r\n", 1))
    assert answers[0][1] == bodies[0] and b"Content-Length: 900000\r\n" in answers[0][0]
    assert answers[1][0].startswith(b"HTTP/1.1 404 ")


def test_hosts_that_are_gone(make_mirror, upstream):
    """A forge that died is no link that is down: who asks for its archive is told so, a prefetch of
    more of them ends, and others are served meanwhile."""
    repository = Repository(upstream)
    paths = [repository.add(f"p{n}.1", noise(n, KB), cached=False)["md5"] for n in range(3)]
    for name, text in repository.packages.items():
        repository.packages[name] = text.replace(upstream.url, "http://gone.invalid")
    alive = noise(9, KB)
    there = repository.add("there.1", alive)["md5"]
    repository.publish()
    box = make_mirror()
    status, text = get(box, paths[0])
    assert status in (404, 503) and b"link" not in text
    assert box.riad("prefetch", "p1", "p2", check=1).stderr.count("No source") == 2
    assert get(box, there) == (200, alive)
    assert "link is down" not in box.log()


def test_a_host_that_wants_to_be_left_alone(make_mirror, upstream):
    """429 with Retry-After: nobody asks that host for anything before then."""
    repository = Repository(upstream)
    bodies = [noise(n, 20 * KB) for n in range(6)]
    paths = [repository.add(f"p{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    repository.publish()
    upstream.weather(paths[0], Weather(status=429, retry_after=2))
    box = make_mirror()
    first = threading.Thread(target=get, args=(box, paths[0]))
    first.start()
    wait_for(lambda: upstream.asked(paths[0]))
    asked = upstream.moments[paths[0]][0]
    wait_for(lambda: box.store().execute("SELECT 1 FROM flight").fetchone())
    time.sleep(0.1)  # the answer is on its way
    assert get_all(box, paths[1:]) == [(200, body) for body in bodies[1:]]
    first.join()
    later = [upstream.moments[path][-1] - asked for path in paths]
    assert min(later) >= 2
    assert len(upstream.asked(paths[0])) == 2


def test_few_connections(make_mirror, upstream):
    """At most `parallel` at once, and one connection is used again and again."""
    repository = Repository(upstream)
    bodies = [noise(n, 50 * KB) for n in range(12)]
    paths = [repository.add(f"p{n}.1", body)["md5"] for n, body in enumerate(bodies)]
    repository.publish()
    box = make_mirror(parallel=2)
    for path in paths[:6]:
        assert get(box, path)[0] == 200
    assert upstream.connections == 1
    upstream.busiest = 0
    for path in paths:
        upstream.weather(path, Weather(delay=0.05))
    assert get_all(box, paths) == [(200, body) for body in bodies]
    assert upstream.busiest == 2 and upstream.connections == 2


def test_nobody_waits_any_more(make_mirror, upstream):
    """Who gives up does not end it: what is paid for arrives, behind what somebody waits for."""
    repository, body = Repository(upstream), noise(1, MB)
    path, other = repository.add("a.1", body)["md5"], repository.add("b.1", b"beta")["md5"]
    repository.publish()
    box = make_mirror(parallel=1)
    upstream.sent = 0
    upstream.weather(path, Weather(pace=40 * KB), Weather(pace=400 * KB))
    connection, _, _ = begin(box, path)
    connection.close()
    wait_for(lambda: box.store().execute("SELECT priority FROM flight").fetchone()[0] == 1)
    assert get(box, other) == (200, b"beta")
    assert upstream.sent < len(body)
    box.wait_log("the archive of a.1 is here")
    assert get(box, path) == (200, body)
    assert upstream.sent < 1.2 * len(body)


@pytest.mark.threads
def test_the_box_is_killed(make_mirror, upstream):
    """kill -9 of everything at once: what came is not fetched again."""
    repository, body = Repository(upstream), noise(1, 2 * MB)
    path = repository.add("a.1", body)["md5"]
    repository.publish()
    box = make_mirror()
    upstream.sent = 0
    upstream.weather(path, Weather(pace=2 * MB))
    connection, answer, _ = begin(box, path)
    answer.read(800 * KB)
    pids = [box.pid(name) for name in ("web", "mirror")]
    for pid in [box.process.pid, *pids]:
        os.kill(pid, signal.SIGKILL)
    connection.close()
    box.process.wait()
    box.stderr.thread.join(5)
    box.process.stderr.close()
    box.start()
    assert get(box, path) == (200, body)
    assert int(upstream.asked(path)[-1][1]["Range"][6:-1]) > 700 * KB
    assert upstream.sent < 1.3 * len(body)


def test_digests_by_the_hundred(make_mirror, upstream):
    """What no package lists is asked for at a bounded rate, and no archive waits behind it."""
    repository = Repository(upstream)
    good = repository.add("a.1", b"alpha")["md5"]
    repository.publish()
    box = make_mirror()
    unknown = [digests(b"%d" % n)["sha256"] for n in range(120)]
    answers = get_all(box, [f"/cache/sha256/{digest[:2]}/{digest}" for digest in unknown])
    assert {answer[0] for answer in answers} == {404, 503}
    asked = [request for request in upstream.requests if "sha256" in request[0]]
    assert 60 <= len(asked) <= 80
    assert get(box, good) == (200, b"alpha")
    late = digests(b"late")["sha256"]
    status, headers, _ = box.request("GET", f"/opam/cache/sha256/{late[:2]}/{late}")
    assert status == 404 or (status, headers["retry-after"]) == (503, "5")


def ask_in_vain(box, path):
    """(status, Retry-After, seconds) of a GET for what cannot be had."""
    began = time.monotonic()
    status, headers, _ = box.request("GET", "/opam" + path, timeout=40 * PATIENCE)
    return status, headers.get("retry-after"), time.monotonic() - began


def test_no_link_from_the_beginning(make_mirror):
    """An error comes after a while, and says when to come again; the box is not to blame."""
    box = make_mirror(wait=False, upstream="http://127.0.0.1:1", caches="http://127.0.0.1:1/cache")
    digest = digests(b"x")["sha256"]
    status, again, took = ask_in_vain(box, f"/cache/sha256/{digest[:2]}/{digest}")
    assert (status, again) == (503, "15") and 5 < took < 14 * PATIENCE


@pytest.mark.campaign
def test_a_dark_link(make_mirror, upstream):
    """Packets vanish, nothing refuses: the same, a little later."""
    with socket.socket() as hole, socket.socket() as plug:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        plug.connect(hole.getsockname())  # the queue is full: further SYNs are dropped
        where = "http://127.0.0.1:%d" % hole.getsockname()[1]
        box = make_mirror(wait=False, upstream=where, caches=where + "/cache")
        digest = digests(b"x")["sha256"]
        status, again, took = ask_in_vain(box, f"/cache/sha256/{digest[:2]}/{digest}")
        assert (status, again) == (503, "15") and took < 19 * PATIENCE
        assert "nothing comes from any host" in box.log()
