"""Files that are asked for again and again: quick, never out of date, and counted."""

import http.client
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Box, wait_for


@pytest.fixture(scope="module")
def web():
    with Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}}) as box:
        yield box


def hot_answers(web):
    text = web.request("GET", "/metrics")[2].decode()
    return int(re.search(r"^riad_http_hot_total (\d+)", text, re.M).group(1))


def make_hot(web, name, body):
    """Stores it and asks for it until it is answered from memory; what the uploader got."""
    status, head, _ = web.request("PUT", f"/files/{name}", body)
    assert status == 201
    before = hot_answers(web)

    def is_hot():
        assert web.request("GET", f"/files/{name}")[2] == body
        return hot_answers(web) > before

    wait_for(is_hot, "an answer from memory")
    return {"Authorization": f"Bearer {head['drop-token']}"}


def test_it_is_the_same_answer(web):
    body = os.urandom(20000)
    web.request("PUT", "/files/same.html", body)
    first = web.request("GET", "/files/same.html")
    before = hot_answers(web)
    wait_for(lambda: web.request("GET", "/files/same.html") and hot_answers(web) > before, "it is hot")
    again = web.request("GET", "/files/same.html")
    for head in (first[1], again[1]):
        del head["date"]
    assert first == again
    assert web.request("GET", "/files/same.html?download")[1]["content-disposition"].startswith("attachment")
    etag = first[1]["etag"]
    assert web.request("GET", "/files/same.html", headers={"If-None-Match": etag})[0] == 304
    assert web.request("GET", "/files/same.html", headers={"Range": "bytes=1-2"})[2] == body[1:3]
    assert web.request("HEAD", "/files/same.html")[2] == b""


def test_what_a_hand_changes_is_seen_at_once(web):
    make_hot(web, "edited", b"a" * 100)
    path = web.state / "drop/edited"
    path.write_bytes(b"b" * 100)
    assert web.request("GET", "/files/edited")[2] == b"b" * 100
    other = web.state / "drop/other"
    make_hot(web, "other", b"c" * 100)
    os.utime(other, (path.stat().st_atime, path.stat().st_mtime))
    os.replace(other, path)
    assert web.request("GET", "/files/edited")[2] == b"c" * 100
    make_hot(web, "gone", b"g")
    (web.state / "drop/gone").unlink()
    assert web.request("GET", "/files/gone")[0] == 404


def test_what_its_owner_changes_is_seen_at_once(web):
    owner = make_hot(web, "mine", b"one")
    assert web.request("PUT", "/files/mine", b"two", owner)[0] == 200
    assert web.request("GET", "/files/mine")[2] == b"two"
    assert web.request("DELETE", "/files/mine", headers=owner)[0] == 204
    assert web.request("GET", "/files/mine")[0] == 404


def test_downloads_are_counted(web):
    make_hot(web, "counted", b"1234")

    def count():
        with web.store() as store:
            return store.execute("SELECT downloads FROM file WHERE path = 'counted'").fetchone()[0]

    wait_for(lambda: count() > 0, "the first counts")
    before = hot_answers(web)
    connection = http.client.HTTPConnection("127.0.0.1", web.web_port, timeout=10)
    asked = 0
    for _ in range(300):
        connection.request("GET", "/files/counted")
        asked += connection.getresponse().read() == b"1234"
    connection.close()
    assert asked == 300 and hot_answers(web) >= before + 290
    total = count()
    wait_for(lambda: count() >= 300, "300 downloads")
    assert total <= count() <= 300 + 60


@pytest.mark.threads
def test_a_crowd_gets_what_is_there(web):
    """While a file is replaced by hand again and again, nobody gets a mixture or an old digest."""
    path, aside = web.state / "drop/busy", web.state / "drop/.aside"
    make_hot(web, "busy", b"0" * 30000)
    stop = []

    def read(_):
        seen = set()
        connection = http.client.HTTPConnection("127.0.0.1", web.web_port, timeout=10)
        while not stop:
            connection.request("GET", "/files/busy")
            body = connection.getresponse().read()
            assert len(body) == 30000 and len(set(body)) == 1
            seen.add(body[:1])
        connection.close()
        return seen

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, i) for i in range(8)]
        try:
            for i in range(1, 40):
                aside.write_bytes(b"%d" % (i % 10) * 30000)
                os.replace(aside, path)
                assert web.request("GET", "/files/busy")[2][:1] == b"%d" % (i % 10)
        finally:
            stop.append(True)
        assert all(len(reader.result()) >= 1 for reader in readers)
