"""What hosts do about people, the same through three doors, and what it does to every open door."""

import json
import os
import pty
import re
import select
import socket
import sqlite3
import subprocess
import time
from urllib.parse import urlencode

import pytest
from conftest import Box, needs, program, wait_for
from test_talk import take_name

pytestmark = pytest.mark.threads
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def box():
    """One box, with a host called hanna; each test takes names of its own."""
    program("riad")
    made = Box({})
    try:
        made.start()
        made.ssh("hanna", "who", check=0)
        made.riad("people", "promote", "hanna", check=0)
        made.cookie = sign_in(made, "hanna")
        yield made
        made.stop()
    finally:
        made.remove()


def sign_in(box, name):
    """The cookie of a browser signed in by a link."""
    link = box.ssh(name, "web", check=0).stdout
    path = "/join/" + re.search(r"/join/([\w-]+)", link)[1]
    return re.search(r"riad=([^;]+)", box.request("POST", path)[1]["set-cookie"])[1]


def listed(box):
    return {row["name"]: row for row in json.loads(box.riad("people", "--json").stdout)}


def shown(box, name):
    return json.loads(box.riad("people", "show", name, "--json", check=0).stdout)


# ---- three doors ----


def by_line(box, act, name, other=None, until=None, reason=None, words=False):
    line = [act, name] + ([other] if other else [])
    line += ["--until", until] if until else []
    line += ["--reason", reason] if reason else []
    done = box.riad("people", *line, *(["--words"] if words else []))
    return done.returncode == 0 and "nothing to do" not in done.stdout


def by_chat(box, act, name, other=None, until=None, reason=None, words=False):
    line = [act, name] + [word for word in (other, until, reason) if word]
    line += ["--words"] if words else []
    done = box.ssh("hanna", *line)
    if act in ("forget", "merge") and done.returncode:
        assert re.search("--yes|nobody is called|that is you", done.stderr)
        done = box.ssh("hanna", "people", *line, "--yes")  # and by the words of `riad people`
    return done.returncode == 0


def by_browser(box, act, name, other="", until="", reason="", words=False):
    fields = {"act": act, "name": name, "other": other, "until": until, "reason": reason}
    fields["words"] = "1" if words else ""
    body = urlencode(fields)
    mine = {**FORM, "Cookie": f"riad={box.cookie}", "Origin": box.url("")}
    status, _, text = box.request("POST", "/people/act", body, mine)
    if act in ("forget", "merge") and status == 409 and b"sure=1" in text:
        status, _, _ = box.request("POST", "/people/act", body + "&sure=1", mine)
    return status == 200


@pytest.mark.parametrize("door", [by_line, by_chat, by_browser])
def test_the_same_acts_by_three_doors(box, door):
    name, other = f"one-{door.__name__[3:]}", f"two-{door.__name__[3:]}"
    box.ssh(name, "say", f"by {name}", check=0)
    box.ssh(other, "say", f"by {other}", check=0)
    assert door(box, "mute", name, until="2h")
    assert listed(box)[name]["muted_until"] > (time.time() + 7000) * 1000
    assert door(box, "unmute", name) and not door(box, "unmute", name)
    assert door(box, "promote", name) and listed(box)[name]["role"] == "host"
    assert door(box, "demote", name) and listed(box)[name]["role"] == "person"
    assert door(box, "kick", name)
    key = shown(box, name)["credentials"][0]["fingerprint"]
    for who in (name, "192.0.2.7", key):
        assert door(box, "ban", who, until="2h", reason="noise")
        bans = {row["subject"]: row for row in json.loads(box.riad("people", "bans", "--json").stdout)}
        assert bans[who]["reason"] == "noise" and bans[who]["until"] > (time.time() + 7000) * 1000
        if who != "192.0.2.7":
            assert box.ssh(name, "who").returncode != 0
        assert door(box, "unban", who)
    assert not door(box, "ban", "nobody.at.all")
    assert door(box, "rename", name, other=f"{name}.x") and not door(box, "rename", other, other="root")
    assert f"by {name}" in box.ssh("hanna", "history", check=0).stdout
    assert door(box, "merge", f"{name}.x", other=other) and other not in listed(box)
    assert shown(box, f"{name}.x")["messages"] == 2
    assert door(box, "forget", f"{name}.x", words=True) and f"{name}.x" not in listed(box)
    assert f"by {name}" not in box.ssh("hanna", "history", "--limit", "200", check=0).stdout
    assert not door(box, "forget", f"{name}.x")


def test_looking_by_three_doors(box):
    box.ssh("lena", "say", "hello", check=0)
    hosts = {"Cookie": f"riad={box.cookie}"}
    everybody = json.loads(box.ssh("hanna", "people", "--json", check=0).stdout)
    assert {row["name"] for row in everybody} == set(listed(box))
    one = json.loads(box.ssh("hanna", "show", "lena", "--json", check=0).stdout)
    assert one["credentials"] == shown(box, "lena")["credentials"]
    page = box.request("GET", "/people/lena", headers=hosts)[2].decode()
    assert one["credentials"][0]["fingerprint"] in page and "127.0.0.1" in page
    assert 'href="/people/lena"' in box.request("GET", "/people", headers=hosts)[2].decode()
    theirs = {"Cookie": f"riad={sign_in(box, 'lena')}"}
    assert box.request("GET", "/people/hanna", headers=theirs)[0] == 403
    assert box.request("GET", "/people/hanna")[0] == 401
    assert "127.0.0.1" not in box.request("GET", "/people", headers=theirs)[2].decode()
    assert "127.0.0.1" not in box.ssh("lena", "who", check=0).stdout
    for command in (["people"], ["show", "hanna"], ["bans"], ["forget", "hanna", "--yes"]):
        assert "is for hosts only" in box.ssh("lena", *command, check=1).stderr
    status, _, _ = box.request("POST", "/people/act", "act=forget&name=hanna&sure=1", {**FORM, **theirs})
    assert status == 403 and "hanna" in listed(box)
    foreign = {**FORM, **hosts, "Origin": "http://evil.example"}
    assert box.request("POST", "/people/act", "act=promote&name=lena", foreign)[0] == 403


def test_nobody_acts_on_themselves(box):
    for door in (by_chat, by_browser):
        for act in ("kick", "ban", "mute", "forget", "promote"):
            assert not door(box, act, "hanna"), act
    assert listed(box)["hanna"]["role"] == "host"


def test_a_terminal_is_asked_before_what_is_final(box):
    box.ssh("gert", "say", "hello", check=0)
    for answer, left in ((b"no\n", True), (b"yes\n", False)):
        mine, theirs = pty.openpty()
        line = [program("riad"), "people", "-c", str(box.conf), "forget", "gert"]
        asked = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        while b"Type yes" not in said and select.select([mine], [], [], 20)[0]:
            said += os.read(mine, 4096)
        assert b"Forget gert?" in said
        os.write(mine, answer)
        assert (asked.wait(20) == 0) != left
        os.close(mine)
        assert ("gert" in listed(box)) == left


# ---- every open door ----


class Doors:
    """One person, coming in by every door at once."""

    def __init__(self, box, name):
        self.box = box
        self.before = self.parts()
        self.token = box.ssh(name, "token", check=0).stdout.strip()
        self.cookie = sign_in(box, name)
        self.chat = box.ssh_open(name)
        self.drop = box.ssh_open(name, "drop", f"{name}-slow.bin")
        line = [needs("sftp"), *box.ssh_options(box.key(name)), "-P", str(box.ssh_port), f"{name}@127.0.0.1"]
        self.sftp = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, bufsize=1)  # fmt: skip
        self.sftp.stdin.write("pwd\n")
        while "Remote working" not in self.sftp.stdout.readline():
            pass
        self.drop.stdin.write("x" * 100000)
        self.drop.stdin.flush()
        self.put = self.send(f"PUT /files/{name}-put.bin", f"Authorization: Bearer {self.token}",
                             "Content-Length: 1000000", body=b"y" * 4096)  # fmt: skip
        self.tus = self.upload(name)
        self.stream = self.send("GET /chat/events", f"Cookie: riad={self.cookie}")
        wait_for(lambda: b"retry:" in self.stream.recv(4096, socket.MSG_PEEK), "the stream")
        doors = {"ssh", "sftp", "web"}
        wait_for(lambda: set(listed(box)[name]["doors"]) >= doors - {"sftp"}, f"{name} everywhere")
        wait_for(lambda: self.parts() >= 3 + self.before, "the uploads to begin")

    def parts(self):
        """How many files have begun to arrive."""
        sizes = []
        for part in (self.box.state / "drop" / ".arriving").iterdir():
            try:
                sizes.append(part.stat().st_size)
            except FileNotFoundError:
                pass
        return sum(size >= 4096 for size in sizes)

    def send(self, line, *headers, body=b""):
        connection = socket.create_connection(("127.0.0.1", self.box.web_port))
        connection.settimeout(20)
        head = [f"{line} HTTP/1.1", "Host: 127.0.0.1", *headers]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return connection

    def upload(self, name):
        import base64

        path = base64.b64encode(f"{name}-tus.bin".encode()).decode()
        mine = {"Tus-Resumable": "1.0.0", "Cookie": f"riad={self.cookie}"}
        _, headers, _ = self.box.request("POST", "/uploads/", b"", {
            **mine, "Upload-Length": "1000000", "Upload-Metadata": f"filename {path}"})  # fmt: skip
        where = re.sub("^http://[^/]*", "", headers["location"])
        return self.send(f"PATCH {where}", "Tus-Resumable: 1.0.0", f"Cookie: riad={self.cookie}",
                         "Origin: http://127.0.0.1", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream",
                         "Content-Length: 1000000", body=b"z" * 4096)  # fmt: skip

    def all_closed(self):
        """How long it took until each of them had ended."""
        begin = time.monotonic()
        for connection in (self.stream, self.put, self.tus):
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            connection.close()
        self.sftp.stdin.write("ls /\n")  # until then OpenSSH's own waits for a command
        for process in (self.chat, self.drop, self.sftp):
            assert process.wait(20) != 0
            for end in (process.stdin, process.stdout, process.stderr):
                if end:
                    try:
                        end.close()
                    except BrokenPipeError:
                        pass
        return time.monotonic() - begin


@pytest.mark.parametrize("act", ["ban", "kick", "forget"])
def test_every_open_door_closes(box, act):
    name = f"mallory-{act}"
    doors = Doors(box, name)
    assert by_line(box, act, name)  # which rings no bell: it is noticed within a second
    assert doors.all_closed() < 10
    said = {"Authorization": f"Bearer {doors.token}", "Content-Type": "application/json"}
    status, _, body = box.request("POST", "/chat/messages", '{"text":"still here"}', said)
    page = box.request("GET", "/you", headers={"Cookie": f"riad={doors.cookie}"})[2]
    if act == "kick":
        assert status == 201 and b"You are" in page
    else:
        assert status == (403 if act == "ban" else 401), body
        assert act != "ban" or b"You are banned here" in body
        assert b"You are" not in page
    assert name not in [row["name"] for row in json.loads(box.curl("/api/people").stdout)["people"]]
    files = box.curl("/files/?text").stdout
    assert name not in files


def test_a_ban_by_address_closes_guests_out(make_box):
    box = make_box()
    stream = socket.create_connection(("127.0.0.1", box.web_port))
    stream.sendall(b"GET /chat/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    put = socket.create_connection(("127.0.0.1", box.web_port))
    put.sendall(b"PUT /files/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nabc")
    stream.settimeout(20)
    put.settimeout(20)
    wait_for(lambda: b"retry:" in stream.recv(4096, socket.MSG_PEEK), "the stream")
    wait_for(lambda: json.loads(box.curl("/api/files").stdout)["arriving"], "the upload")
    box.riad("people", "ban", "127.0.0.1", "--until", "1h", check=0)
    for connection in (stream, put):
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        connection.close()
    for method, path in (("PUT", "/files/b"), ("GET", "/chat/events"), ("GET", "/api/messages"),
                         ("GET", "/api/people")):  # fmt: skip
        status, _, body = box.request(method, path, b"x" if method == "PUT" else None)
        assert status == 403 and b"banned" in body, (method, path, status)
    assert box.request("GET", "/")[0] == 200


# ---- one's own doors ----


def test_browsers_and_tokens_are_listed_and_revoked(box):
    cookie = sign_in(box, "rita")
    box.ssh("rita", "token", "--expires", "7d", "weather bot", check=0)
    assert "this one" not in box.ssh("rita", "web", "list", check=0).stdout
    rows = box.ssh("rita", "token", "list", check=0).stdout
    assert "weather bot" in rows and "until 20" in rows
    token = box.ssh("rita", "token", "other", check=0).stdout.strip()
    mine = {"Authorization": f"Bearer {token}", **FORM}
    assert box.request("POST", "/chat/messages", "text=hi", mine)[0] == 201
    box.ssh("rita", "token", "revoke", "2", check=0)
    status, _, body = box.request("POST", "/chat/messages", "text=hi", mine)
    assert status == 401 and b"token is not good" in body
    assert b"You are rita" in box.request("GET", "/you", headers={"Cookie": f"riad={cookie}"})[2]
    box.ssh("rita", "web", "revoke", "1", check=0)
    assert b"You are" not in box.request("GET", "/you", headers={"Cookie": f"riad={cookie}"})[2]
    assert box.ssh("rita", "web", "list", check=0).stdout == ""


def test_wrong_tokens_are_slowed_down_and_good_ones_are_not(make_box):
    box = make_box()
    token = box.ssh("tina", "token", check=0).stdout.strip()

    def says(secret):
        headers = {**FORM, "Authorization": f"Bearer {secret}"}
        return box.request("POST", "/chat/messages", "text=hi", headers)

    answers = [says("x" * 21 + "abcdefghij"[n])[0] for n in range(10)]
    assert answers[0] == 401 and answers[-1] == 429 and set(answers) == {401, 429}
    assert "retry-after" in says("y" * 22)[1]
    assert says(token)[0] == 201


def test_looking_at_a_link_burns_nothing(box):
    link = box.ssh("vera", "web", check=0).stdout
    path = "/join/" + re.search(r"/join/([\w-]+)", link)[1]
    for method in ("HEAD", "GET", "HEAD", "OPTIONS"):
        status, headers, _ = box.request(method, path)
        assert status in (200, 204) and "riad=" not in headers.get("set-cookie", "")
    assert box.request("POST", path, headers={"Origin": "http://evil.example"})[0] == 403
    assert box.request("POST", path)[0] == 303
    status, headers, _ = box.request("POST", path)
    assert status == 404 and "riad=" not in headers.get("set-cookie", "")


def test_closed_doors_do_not_tell_who_has_a_name(make_box):
    box = make_box()
    box.ssh("ada", "say", "hello", check=0)
    box.config(box={"newcomers": "closed"}).reload("chat", "web")

    def ssh(name):
        line = [word.replace("LogLevel=ERROR", "LogLevel=INFO")
                for word in box.ssh_line(name, "who", key=box.key("stranger"))]  # fmt: skip
        done = subprocess.run(line, input="", capture_output=True, text=True, timeout=30)
        assert done.returncode == 255
        return done.stderr.replace(name, "NAME")

    def web(name):
        status, _, body = box.request("POST", "/you/name", f"name={name}", FORM)
        return status, body.decode().replace(name, "NAME")

    for ask in (ssh, web):
        assert ask("ada") == ask("zoe") == ask("a-da"), ask
    assert "No newcomers" in ssh("ada") and "/key add" in ssh("zoe")
    for path in ("/api/files?person=", "/files/?text&person="):
        assert box.request("GET", path + "ada")[::2] == box.request("GET", path + "zoe")[::2]
    assert box.request("PUT", "/files/x", b"x")[0] == 401
    box.ssh("ada", "say", "still here", check=0)


def test_thousands_of_names_do_not_hide_who_waits(make_box):
    """Names are free for the taking: a host still gets the page, those who wait first, and from
    page to page everybody once."""
    box = make_box(chat={"enabled": "no"}, mirror={"enabled": "no"})
    cookie = take_name(box, "boss")
    box.riad("people", "promote", "boss", check=0)
    with sqlite3.connect(f"{box.state}/store/riad.db") as store:
        store.executemany(
            "INSERT INTO person (name, skeleton, role, created_at, seen_at) VALUES (?1, ?1, ?2, 1, 1)",
            [(f"a{n:031}", "waiting" if n % 3 == 0 else "person") for n in range(6000)],
        )
    store.close()
    way, seen = "/people", []
    while way:
        status, _, page = box.request(
            "GET", way, headers={"Accept": "text/html", "Cookie": f"riad={cookie}"}
        )
        assert status == 200 and len(page) < 400_000, way
        seen += re.findall(r'<li><a href="/people/([^"]+)"', page.decode())
        more = re.search(r'href="(/people\?from=\d+)">More', page.decode())
        way = more and more[1]
    assert len(seen) == len(set(seen)) == 6001
    assert all(int(name[1:]) % 3 == 0 for name in seen[:2000])
