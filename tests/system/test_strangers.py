"""What people get who may not come in: banned, waiting, with a token that has ended, or nobody."""

import json
import re
import socket
from urllib.parse import urlencode

import pytest
from conftest import Box, program
from test_talk import Follower

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def box():
    """One box with a host called hanna; each test takes names of its own."""
    program("riad")
    with Box({}) as made:
        made.ssh("hanna", "who", check=0)
        made.riad("people", "promote", "hanna", check=0)
        yield made


def cookie(headers):
    return {**FORM, "Cookie": "riad=" + re.search(r"riad=([^;]+)", headers["set-cookie"])[1]}


def sign_in(box, name):
    """The headers of a browser signed in by a link."""
    link = box.ssh(name, "web", check=0).stdout
    return cookie(box.request("POST", "/join/" + re.search(r"/join/([\w-]+)", link)[1])[1])


def bearer(secret):
    return {**FORM, "Authorization": f"Bearer {secret}"}


def writes(box, headers):
    """The answers to every way to write that a guest has."""
    plain = {name: value for name, value in headers.items() if name != "Content-Type"}
    tus = {**plain, "Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": "filename eA=="}
    form = {**plain, "Content-Type": "multipart/form-data; boundary=X"}
    body = b'--X\r\nContent-Disposition: form-data; name="f"; filename="m"\r\n\r\nx\r\n--X--'
    return [
        box.request("PUT", "/files/theirs.txt", b"x", plain),
        box.request("PUT", "/theirs.txt", b"x", plain),
        box.request("POST", "/files/", body, form),
        box.request("POST", "/uploads/", b"", tus),
    ]


def test_a_banned_browser_becomes_nobody_else(box):
    theirs = sign_in(box, "mallory")
    token = box.ssh("mallory", "token", check=0).stdout.strip()
    link = box.ssh("mallory", "web", check=0).stdout.split()[0]
    box.riad("people", "ban", "mallory", "--reason", "noise", check=0)
    answers = [
        *writes(box, theirs),
        *writes(box, bearer(token)),
        box.request("POST", "/you/name", "name=mallory2", theirs),
        box.request("POST", link[link.index("/join/") :]),
        box.request("GET", "/chat/events", headers=theirs),
        box.request("GET", "/api/messages", headers=bearer(token)),
    ]
    for status, headers, body in answers:
        assert status == 403 and b"You are banned here: noise." in body, body
        assert "drop-token" not in headers and "set-cookie" not in headers
    assert "theirs" not in box.curl("/files/?text").stdout
    assert "mallory2" not in box.riad("people", "--json", check=0).stdout
    box.riad("people", "unban", "mallory", check=0)
    assert b"You are mallory" in box.request("GET", "/you", headers=theirs)[2]


def test_a_token_that_ended_is_not_a_guest(make_box):
    box = make_box()
    box.ssh("tina", "token", check=0)
    ended = box.ssh("tina", "token", check=0).stdout.strip()
    box.ssh("tina", "token", "revoke", "2", check=0)
    for answer in [*writes(box, bearer(ended)), box.request("GET", "/chat/events", headers=bearer("short"))]:
        assert answer[0] in (401, 429) and "drop-token" not in answer[1], answer
        assert answer[0] == 429 or (b"token is not good" in answer[2] and "www-authenticate" in answer[1])
    assert box.curl("/files/?text").stdout == ""
    guest = box.request("PUT", "/files/mine.txt", b"x")[1]["drop-token"]
    for header in ({"Authorization": f"Bearer {guest}"}, {"Drop-Token": guest}):
        assert box.request("PUT", "/files/mine.txt", json.dumps(header), header)[0] == 200
    assert box.request("DELETE", "/files/mine.txt", headers={"Authorization": f"Bearer {guest}"})[0] == 204


def test_a_token_has_an_end_or_none(box):
    for life in ("0", "0s", "-1s", "soon"):
        assert "takes a time" in box.ssh("olga", "token", "--expires", life, check=2).stderr
    mine = sign_in(box, "olga")
    assert box.request("POST", "/you/token", "expires=0", mine)[0] == 400
    assert box.ssh("olga", "token", "list", check=0).stdout == ""


def test_what_is_private_is_there_for_two(box):
    """Neither a host nor anybody else takes it back, or learns that there is such a message."""
    for name in ("pia", "quentin", "rosa"):
        box.ssh(name, "who", check=0)
    box.ssh("pia", "msg", "quentin", "between us", check=0)
    said = json.loads(box.request("GET", "/api/messages?with=quentin", headers=sign_in(box, "pia"))[2])
    number = said["messages"][-1]["id"]
    for name in ("hanna", "rosa"):
        there, nowhere = (box.request("POST", "/chat/remove", f"id={n}", sign_in(box, name))[::2]
                          for n in (number, number + 1000))  # fmt: skip
        assert there == nowhere and there[0] == 404
        there, nowhere = (box.ssh(name, "delete", str(n)) for n in (number, number + 1000))
        assert there.returncode == nowhere.returncode == 1 and there.stderr == nowhere.stderr
    assert box.request("POST", "/chat/remove", f"id={number}", sign_in(box, "quentin"))[0] == 403
    assert box.request("POST", "/chat/remove", f"id={number}", sign_in(box, "pia"))[0] == 200


def test_an_open_page_writes_to_whom_it_meant(box):
    """Names become free: who takes one gets nothing that was meant for who had it."""
    anna, ben, eve = (sign_in(box, name) for name in ("anna", "ben", "eve"))
    page = box.request("GET", "/chat?with=ben", headers=anna)[2].decode()
    form = {name: re.search(rf'name={name} value="([^"]*)"', page)[1] for name in ("to", "to_id")}
    say = lambda text: box.request("POST", "/chat/messages", urlencode({**form, "text": text}), anna)
    assert say("for ben")[0] == 201
    assert box.request("POST", "/you/rename", "name=benedict", ben)[0] == 303
    assert say("nobody of that name")[0] == 404
    assert box.request("POST", "/you/rename", "name=ben", eve)[0] == 303
    status, _, body = say("secret")
    assert status == 409 and b"somebody else's now" in body
    heard = [box.request("GET", "/api/messages?with=anna", headers=who)[2] for who in (ben, eve)]
    assert b"for ben" in heard[0] and b"for ben" not in heard[1] and b"secret" not in heard[1]


def test_who_waits_may_not_drop_nor_learn_who_is_here(make_box):
    box = make_box()
    box.ssh("hanna", "drop", "paper.txt", input="x", check=0)
    box.riad("people", "promote", "hanna", check=0)
    box.config(box={"newcomers": "ask"}).reload("web")
    status, headers, _ = box.request("POST", "/you/name", "name=walt", FORM)
    assert status == 200
    walt, nobody = cookie(headers), {}
    for answer in writes(box, walt):
        assert answer[0] == 403 and b"A host has to let you in first." in answer[2], answer
    assert all(answer[0] == 401 for answer in writes(box, nobody))
    for who in (walt, nobody):
        for path in ("/", "/files/?html", "/files/?json", "/api/files"):
            page = box.request("GET", path, headers={**who, "Accept": "text/html"})[2]
            assert b"paper.txt" in page and b"hanna" not in page, path
        for path in ("/api/files?person=", "/files/?text&person=", "/chat?with=", "/api/messages?person=", "/people/"):
            asked = [box.request("GET", path + name, headers=who)[::2] for name in ("hanna", "zoe")]
            assert asked[0] == asked[1], path
        said = [box.request("POST", "/chat/messages", f"to={name}&text=hi", {**FORM, **who})[::2]
                for name in ("hanna", "zoe")]  # fmt: skip
        assert said[0] == said[1] and said[0][0] in (401, 403)
    box.riad("people", "admit", "walt", check=0)
    assert b"hanna" in box.request("GET", "/api/files", headers=walt)[2]
    assert writes(box, walt)[0][0] == 201


def test_closing_the_doors_ends_what_strangers_hear(make_box):
    box = make_box()
    mine = sign_in(box, "nora")["Cookie"]
    with Follower(box) as stranger, Follower(box, "-b", mine) as nora:
        box.ssh("nora", "say", "good morning", check=0)
        stranger.wait("good morning")
        box.config(box={"newcomers": "ask"}).reload()
        assert stranger.process.wait(20) == 0
        assert stranger.blocks[-1]["event"] == "bye"
        box.ssh("nora", "say", "among us", check=0)
        nora.wait("among us")
        assert "among us" not in str(stranger.blocks)


def test_taking_away_what_one_came_by_is_answered(box):
    """It ends what is being sent by it, but not the request that did it."""
    mine = sign_in(box, "otto")
    number = json.loads(box.riad("people", "show", "otto", "--json").stdout)["credentials"][-1]["id"]
    assert box.request("POST", "/you/revoke", f"id={number}", mine)[0] == 303
    assert box.request("POST", "/you/revoke", f"id={number}", mine)[0] == 401


def test_errors_are_a_sentence_in_the_form_that_was_asked_for(box):
    mine = sign_in(box, "hanna")
    asked = [
        ("GET", "/join/" + "b" * 22, None, {}, 404),
        ("POST", "/you/name", "name=hanna", FORM, 409), ("POST", "/you/name", "name=!!", FORM, 400),
        ("POST", "/you/rename", "name=!!", mine, 409), ("POST", "/you/revoke", "id=9", mine, 409),
        ("GET", "/people/nobody-here", None, mine, 404), ("GET", "/people/hanna", None, {}, 401),
        ("POST", "/people/act", "act=kick&name=nobody-here", mine, 404), ("GET", "/chat?room=none", None, {}, 404),
        ("GET", "/nothing/here", None, {}, 404), ("DELETE", "/poster", None, {}, 405),
        ("GET", "/api/leases", None, {}, 401), ("POST", "/leave", "", {"Origin": "null"}, 403),
    ]  # fmt: skip
    for method, path, body, headers, status in asked:
        got = box.request(method, path, body, {**headers, "Accept": "application/json"})
        answer = json.loads(got[2])
        assert got[0] == answer["status"] == status and answer["error"].endswith((".", "!", "?")), got
        assert got[1]["content-type"].startswith("application/json")
        plain = box.request(method, path, body, {**headers, "Accept": "*/*"})
        assert plain[0] == status and plain[1]["content-type"].startswith("text/plain") and b"<" not in plain[2]
        page = box.request(method, path, body, {**headers, "Accept": "text/html"})
        assert page[0] == status and page[1]["content-type"].startswith("text/html")


def test_a_write_that_tells_no_origin_is_a_guests(box):
    """Browsers tell theirs with every write; a cookie alone, from whatever sends it, is no proof."""
    mine = {"Cookie": "riad=" + re.search(r"riad=([^;]+)", box.request(
        "POST", re.search(r"/join/[\w-]+", box.ssh("olga", "web", check=0).stdout)[0])[1]["set-cookie"])[1]}  # fmt: skip
    assert box.request("PUT", "/files/hers.txt", b"x", mine)[0] == 201
    with socket.create_connection(("127.0.0.1", box.web_port), 10) as bare:
        bare.sendall(f"PUT /files/whose.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {mine['Cookie']}\r\n"
                     "Connection: close\r\nContent-Length: 1\r\n\r\nx".encode())
        answer = b"".join(iter(lambda: bare.recv(4096), b""))
    assert b"201" in answer.splitlines()[0] and b"drop-token" in answer.lower()
    rows = {row["path"]: row for row in json.loads(box.request("GET", "/api/files")[2])["files"]}
    assert rows["hers.txt"]["owner"] == "olga" and rows["whose.txt"]["owner"] is None
