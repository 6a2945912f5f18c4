"""HTTP from people who mean harm, or whose programs are broken."""

import json
import socket
import threading
import time

import pytest

from conftest import PATIENCE, SANITIZED, Box, wait_for
from test_talk import resident_mb, said, take_name


@pytest.fixture(scope="module")
def web():
    with Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}, "web": {"max_file": "1M"}}) as box:
        yield box


def connect(web, address="127.0.0.1", receive=None):
    """From that address of the loopback device; with a small buffer, so that little is read."""
    raw = socket.socket()
    if receive:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    raw.bind((address, 0))
    raw.settimeout(20)
    raw.connect(("127.0.0.1", web.web_port))
    return raw


def talk(web, bytes_, end=False):
    """Sends bytes, and reads until the box closes; only for requests after which it must."""
    with connect(web) as raw:
        raw.sendall(bytes_)
        if end:
            raw.shutdown(socket.SHUT_WR)
        seen = b""
        try:
            while piece := raw.recv(65536):
                seen += piece
        except ConnectionResetError:
            pass
        return seen


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


HOST = b"Host: localhost\r\n"
HEADS = [
    # What is sent, and the only status that may come back before the connection closes.
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / ", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na", 400),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Content-Length: 1 1\r\n\r\na", 400),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n", (400, 501)),
    (b"PUT /files/x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    # Blanks by which two servers see different lines.
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Content-Length : 1\r\n\r\na", 400),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\nContent-Length: 30\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: localhost\nX: a\r\n folded\nContent-Length: 30\n\nGET /healthz HTTP/1.1\n\n", 400),
    (b"GET / HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: y\r\n" % i for i in range(70)) + b"\r\n", 431),
    (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20000 + b"\r\n\r\n", (400, 413, 431)),
    (b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /files/%0d%0aX:y HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /files/../../etc/passwd HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 400),
    (b"GET /files/..%2f..%2fetc/passwd HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 400),
    (b"GET /files/.arriving/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 400),
    (b"PUT /files/.hidden HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nConnection: close\r\n\r\na", 400),
    (b"PUT /files/CON HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nConnection: close\r\n\r\na", 400),
    (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", (400, 505)),
    (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", (400, 501)),
    (b"PROPFIND / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", (400, 405, 501)),
    (b"GET  / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over TLS", 400),
    (b"SSH-2.0-OpenSSH_9.2\r\n", (400, None)),
    (b"PUT /files/x HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\nContent-Length: 1\r\n\r\na", 417),
]  # fmt: skip


@pytest.mark.parametrize("head,wanted", HEADS, ids=range(len(HEADS)))
def test_heads_that_are_refused(web, head, wanted):
    answer = talk(web, head, end=True)
    assert status(answer) in (wanted if isinstance(wanted, tuple) else (wanted,)), answer
    assert answer.count(b"HTTP/1.1 4") + answer.count(b"HTTP/1.1 5") <= 1 and b"HTTP/1.1 2" not in answer, answer
    assert web.request("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_the_barest_heads_are_understood(web, end):
    """What people type into nc."""
    for head in ([b"GET /healthz HTTP/1.0"], [b"GET /healthz HTTP/1.1", b"Host: localhost", b"Connection: close"]):
        answer = talk(web, end.join([*head, b"", b""]), end=True)
        assert status(answer) == 200 and answer.endswith(b"ok\n"), (head, answer)


def test_a_body_behind_a_bare_head_is_not_waited_for(web):
    """civetweb reads it together with the head, whose length depends on how its lines end."""
    begun = time.monotonic()
    for i in range(16):
        head = b"PUT /files/bare%d HTTP/1.1\nHost: localhost\nContent-Length: 5\nConnection: close\n\n"
        assert status(talk(web, head % i + b"hello")) == 201
    assert time.monotonic() - begun < 2 * PATIENCE  # each body was waited for twice, 0.3 s
    assert web.request("GET", "/files/bare15")[2] == b"hello"


def test_a_bare_head_over_another_one(web):
    """What is left of an earlier request in the same memory is no folded line of this one."""
    bare = b"GET /healthz HTTP/1.1\nHost: localhost\n\n"
    with connect(web) as raw:
        for head in (b"GET /healthz HTTP/1.1\nX: a" + b" " * 40 + b"b\nHost: localhost\n\n", bare, bare):
            raw.sendall(head)
            assert status(raw.recv(65536)) == 200, head
        raw.sendall(b"PUT /files/folded HTTP/1.1\nHost: localhost\r\n folded: 1\nContent-Length: 1\n\nx")
        assert status(raw.recv(65536)) == 400


def test_a_body_is_no_part_of_a_bare_head(web):
    """It may begin as the blank line of another head would look: that hides nothing behind a later one."""
    put = b"PUT /files/bare-%d HTTP/1.1\nHost: localhost\nContent-Length: 3\n\n\r\0x"
    folded = b" f\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(web) as raw:
        for i in range(len(folded) // 2):
            raw.sendall(put % i)
            assert status(raw.recv(65536)) == 201
        raw.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + folded)
        assert status(raw.recv(65536)) == 400


CHUNKS = [
    b"zz\r\nab\r\n0\r\n\r\n",
    b"-1\r\nab\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nab\r\n0\r\n\r\n",
    b"2\r\nabXX0\r\n\r\n",
    b"5\r\nab",
]


@pytest.mark.parametrize("body", CHUNKS, ids=range(len(CHUNKS)))
def test_chunks_that_are_wrong_store_nothing(web, body):
    talk(web, b"PUT /files/chunks HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body, True)
    assert web.request("GET", "/files/chunks")[0] == 404
    assert web.request("GET", "/healthz")[0] == 200


def test_a_chunk_with_a_long_extension(web):
    """Allowed, though no client sends any: stored rightly (civetweb 1.16) or not at all (1.15)."""
    body = b"2;" + b"x" * 100 + b"\r\nab\r\n0\r\n\r\n"
    talk(web, b"PUT /files/extended HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body, True)
    code, _, content = web.request("GET", "/files/extended")
    assert code == 404 or content == b"ab"


def test_a_length_that_was_a_lie(web):
    talk(web, b"PUT /files/short HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc", end=True)
    assert web.request("GET", "/files/short")[0] == 404
    answer = talk(web, b"PUT /files/long HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nConnection: close\r\n\r\nabcdef")
    assert status(answer) == 201
    assert web.request("GET", "/files/long")[2] == b"abc"


def test_pipelined_requests_are_answered_in_order(web):
    web.request("PUT", "/files/one", b"1")
    answer = talk(
        web,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
        b"PUT /files/two HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\ntwo"
        b"GET /files/two HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 ") == 3
    assert answer.index(b"ok\n") < answer.index(b" 201 ") and answer.endswith(b"two")


def test_what_is_too_large_is_refused_before_the_body(web):
    with connect(web) as raw:
        raw.sendall(b"PUT /files/big HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")
        answer = raw.recv(65536)
    assert status(answer) == 413 and b"100 Continue" not in answer
    # Without waiting, and with a client that does not stop sending: the answer still arrives.
    answer = talk(web, b"PUT /files/big HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\n" + b"a" * 2000000)
    assert status(answer) == 413
    # Not known before: refused on the way.
    body = b"".join(b"10000\r\n" + b"a" * 65536 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
    answer = talk(web, b"PUT /files/big HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert status(answer) == 413
    assert web.request("GET", "/files/big")[0] == 404


def test_an_expectation_is_met(web):
    with connect(web) as raw:
        raw.sendall(b"PUT /files/expected HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"ab")
        assert status(raw.recv(65536)) == 201


ORIGINS = [
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403),
    ({}, 201),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
]


@pytest.mark.parametrize("headers,wanted", ORIGINS, ids=range(len(ORIGINS)))
def test_writes_from_other_pages(web, headers, wanted):
    got = web.request("PUT", f"/o{time.monotonic_ns()}", b"x", headers)
    assert got[0] == wanted
    own = {"Origin": f"http://127.0.0.1:{web.web_port}"}
    assert web.request("PUT", f"/o{time.monotonic_ns()}", b"x", own)[0] == 201


def test_a_foreign_name_is_sent_to_the_address(web):
    for host in ["evil.example", "riad.lan.evil.example", "8.8.8.8"]:
        status_, head, _ = web.request("GET", "/files/?a=b", headers={"Host": host})
        assert status_ in (302, 307), host
        assert head["location"] == f"http://127.0.0.1:{web.web_port}/files/?a=b"
    path = "/" + "%C3%A9" * 2000
    head = web.request("GET", path, headers={"Host": "evil.example"})[1]
    assert head["location"] == f"http://127.0.0.1:{web.web_port}{path}"
    for host in ["riad.lan", "riad.local:80", "files.lan", "chat.lan", "opam.lan", "localhost", "127.0.0.1"]:
        assert web.request("GET", "/healthz", headers={"Host": host})[0] == 200, host


def test_phones_that_probe_are_told_where_to_go(make_box, web):
    probes = ["captive.apple.com", "connectivitycheck.gstatic.com:80", "www.msftconnecttest.com"]
    box = make_box(dhcp={"portal": "on"}, chat={"enabled": "no"}, mirror={"enabled": "no"})
    for host in probes:
        status_, head, body = box.request("GET", "/generate_204", headers={"Host": host})
        assert status_ == 200 and head["content-type"].startswith("text/html"), host
        assert f"http://127.0.0.1:{box.web_port}/".encode() in body and b"Success" not in body
        assert "default-src 'none'" in head["content-security-policy"]
        assert web.request("GET", "/x", headers={"Host": host})[0] == 302, "no portal here"
    assert box.request("GET", "/x", headers={"Host": "evil.example"})[0] == 302
    assert box.request("PUT", "/x", b"x", {"Host": probes[0]})[0] == 307


def test_multipart_that_is_wrong(web):
    kind = {"Content-Type": "multipart/form-data; boundary=XX"}
    file = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="m.txt"\r\n\r\nhello'
    for body, wanted in [
        (file, 400),
        (file + b"\r\n--XXnonsense", 400),
        (b"", 400),
        (b"--XX--\r\n", 400),
        (b"--XX\r\n" + b"a" * 10000, 400),
        (b"a=b\0" * 10, 400),
    ]:
        assert web.request("POST", "/files/", body, kind)[0] == wanted, body
        assert web.request("GET", "/files/m.txt")[0] == 404
    assert web.request("POST", "/files/", b"a=b", {"Content-Type": "text/plain"})[0] == 415
    assert web.request("POST", "/files/", file.replace(b"m.txt", b"../m.txt") + b"\r\n--XX--", kind)[0] == 400
    assert web.request("POST", "/files/", file + b"\r\n--XX--", kind)[0] == 201
    assert web.request("GET", "/files/m.txt")[2] == b"hello"


@pytest.mark.threads
def test_silent_and_trickling_connections_do_not_hinder_others(web):
    silent = [connect(web) for _ in range(200)]
    trickling = []
    for i in range(50):
        raw = connect(web)
        raw.sendall(b"PUT /files/t%d HTTP/1.1\r\n" % i + HOST + b"Content-Length: 100000\r\n\r\na")
        trickling.append(raw)
    try:
        for _ in range(5):
            for raw in trickling:
                raw.sendall(b"a")
            begun = time.monotonic()
            assert web.request("GET", "/healthz")[0] == 200
            assert time.monotonic() - begun < PATIENCE
    finally:
        for raw in silent + trickling:
            raw.close()


@pytest.mark.campaign
def test_only_clients_that_trickle_are_cut_off(web):
    """What the box has not got to say for a while is no fault of who waits for it."""
    stream, body, follower = (connect(web) for _ in range(3))
    stream.sendall(b"GET /chat/events HTTP/1.1\r\n" + HOST + b"\r\n")
    body.sendall(b"PUT /files/slow HTTP/1.1\r\n" + HOST + b"Content-Length: 9000\r\n\r\nfirst")
    wait_for(lambda: web.request("HEAD", "/files/slow")[0] == 200, "the body to have been begun")
    follower.sendall(b"GET /files/slow HTTP/1.1\r\n" + HOST + b"\r\n")
    begun = time.monotonic()
    while time.monotonic() - begun < 18:
        body.sendall(b"x" * 100)  # 200 bytes a second, above what is asked for
        time.sleep(0.5)
    cut_at = None
    while cut_at is None and time.monotonic() - begun < 60:
        try:
            body.sendall(b"x")
        except OSError:
            cut_at = time.monotonic() - begun
        time.sleep(0.5)
    assert cut_at is not None and cut_at > 25
    stream.settimeout(0.1)
    seen = b""
    try:
        while piece := stream.recv(65536):
            seen += piece
        raise AssertionError(f"the quiet stream was ended: {seen}")
    except TimeoutError:
        assert b"event: " in seen or b": still here" in seen
    assert b"first" in follower.recv(65536)
    for raw in (stream, body, follower):
        raw.close()


@pytest.mark.threads
def test_more_connections_than_threads_are_told_so(web):
    """Each asks for something and keeps its connection: beyond the threads there is 503, not silence."""
    held, answers = [], []
    for i in range(410):
        raw = connect(web)
        raw.sendall(b"PUT /files/h%d HTTP/1.1\r\n" % i + HOST + b"Content-Length: 10\r\n\r\n")
        held.append(raw)
        if i > 372:
            raw.settimeout(0.2)
            try:
                answers.append(raw.recv(65536))
            except TimeoutError:
                pass
    refused = [answer for answer in answers if answer]
    assert refused and all(status(answer) == 503 and b"Retry-After" in answer for answer in refused)
    for raw in held:
        raw.close()
    wait_for(lambda: web.request("GET", "/healthz")[0] == 200, "the box to have time again")


HOLDING_ON = {
    "unread": b"GET /files/large HTTP/1.1\r\n" + HOST + b"\r\n",
    "begun": b"GET /healthz HTTP/1.1\r\nHost: local",
}


@pytest.mark.parametrize("way", HOLDING_ON)
def test_one_address_leaves_room_for_others(make_box, way):
    """Whoever holds on to as many connections as they get has their share of them."""
    web = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    assert web.request("PUT", "/files/large", bytes(8 << 20))[0] == 201
    held = []
    try:
        for _ in range(400):
            held.append(connect(web, "127.0.0.2", 2048))
            held[-1].sendall(HOLDING_ON[way])
        for address in ("127.0.0.3", "127.0.0.4"):
            for _ in range(20):
                with connect(web, address) as other:
                    begun = time.monotonic()
                    other.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
                    assert status(other.recv(65536)) == 200
                    assert time.monotonic() - begun < 2 * PATIENCE
        answer = b""
        for _ in range(20):  # what others had then may have come back since
            if answer == b"" or status(answer) == 200:
                held.append(connect(web, "127.0.0.2"))
                held[-1].sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
                answer = held[-1].recv(65536)
        assert status(answer) == 503 and b"Retry-After" in answer
    finally:
        for raw in held:
            raw.close()
    with connect(web, "127.0.0.2") as again:
        again.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert status(again.recv(65536)) == 200


def test_answers_that_nobody_reads(make_box):
    """Who asks for as much as there is, again and again, and reads none of it, waits for
    themselves: others are answered, memory stays low, and the keeper sees a web that works."""
    web = make_box(chat={"rate": 1000000}, mirror={"enabled": "no"})
    cookie = take_name(web, "mallory")
    for _ in range(120):
        said(web, cookie, 'a"' * 4090)
    held = []
    try:
        for _ in range(400):
            held.append(connect(web, "127.0.0.2", 2048))
            held[-1].sendall(b"GET /api/messages?limit=1000 HTTP/1.1\r\n" + HOST + b"\r\n")
        for _ in range(20):
            begun = time.monotonic()
            assert web.request("GET", "/api/messages?limit=1")[0] == 200
            assert time.monotonic() - begun < 2 * PATIENCE
        assert SANITIZED or resident_mb(web) < 250  # sanitizers keep what was released
        assert web.service("web")["restarts"] == 0
    finally:
        for raw in held:
            raw.close()


def test_large_folders_that_nobody_reads(make_box):
    """The list of what is packed stays in memory until it was read: there is so much for all."""
    web = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    many = web.state / "drop" / ("m" * 200)
    many.mkdir()
    for n in range(6000):
        (many / f"{n:0200}").write_bytes(b"")
    (web.state / "drop" / "large").write_bytes(bytes(4 << 20))
    (web.state / "drop" / "few").mkdir()
    (web.state / "drop" / "few" / "one").write_bytes(b"1")
    wait_for(lambda: len(web.curl("/files/?text&q=m").stdout) > 6000 * 400, "all to be known", 30)
    wait_for(lambda: web.request("GET", "/files/few/one")[0] == 200, "the other to be known", 30)
    held = []
    try:
        for _ in range(200):
            held.append(connect(web, "127.0.0.2", 2048))
            held[-1].sendall(b"GET /files/?zip HTTP/1.1\r\n" + HOST + b"\r\n")
        answers = []
        for raw in held[:180]:
            raw.settimeout(60 * PATIENCE)
            answers.append(raw.recv(12))
        assert b"HTTP/1.1 200" in answers and b"HTTP/1.1 503" in answers
        assert web.request("GET", "/files/few/?zip")[0] == 200
        assert SANITIZED or resident_mb(web) < 250
    finally:
        for raw in held:
            raw.close()
    wait_for(lambda: web.request("GET", "/files/?tar")[0] == 200, "all of it to be free again")


def test_a_full_box_is_not_a_hung_one(web):
    """The keeper's question whether the web works is answered while all others are refused."""
    held = []
    try:
        for i in range(380):
            held.append(connect(web))
            held[-1].sendall(b"PUT /files/f%d HTTP/1.1\r\n" % i + HOST + b"Content-Length: 10\r\n\r\n")
        wait_for(lambda: web.request("GET", "/")[0] == 503, "the box to be full")
        assert web.request("GET", "/healthz")[0] == 200
    finally:
        for raw in held:
            raw.close()
    wait_for(lambda: web.request("GET", "/")[0] == 200, "the box to have time again")


def test_random_bytes(web):
    import random

    dice = random.Random(7)
    good = b"PUT /files/r?x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nRange: bytes=0-\r\n\r\nhello"
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        with connect(web) as raw:
            raw.sendall(bytes(bad))
            raw.shutdown(socket.SHUT_WR)
            try:
                while raw.recv(65536):
                    pass
            except OSError:
                pass
    assert web.request("GET", "/healthz")[0] == 200
    assert web.service("web")["restarts"] == 0
