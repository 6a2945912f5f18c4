"""`riad people` on a running and on a stopped box, and what it does to open doors."""

import json
import sqlite3
import subprocess
import time

from conftest import wait_for


def people(box, *words, check=0):
    return box.riad("people", *words, check=check)


def listed(box):
    return {row["name"]: row for row in json.loads(people(box, "list", "--json").stdout)}


def fingerprint(box, name):
    line = subprocess.run(
        ["ssh-keygen", "-lf", f"{box.key(name)}.pub"], capture_output=True, text=True, check=True
    )
    return line.stdout.split()[1]


def open_chat(box, name):
    """A chat over a pipe that has entered."""
    chat = box.ssh_open(name)
    wait_for(lambda: listed(box).get(name, {}).get("doors"), f"{name} to be here")
    return chat


def ends_soon(chat):
    """The connection is closed from the other side, within a second or two."""
    chat.stdin.close()
    chat.stdin = None
    chat.wait(5)
    said = chat.stdout.read() + chat.stderr.read()
    chat.stdout.close()
    chat.stderr.close()
    return said


def test_people_are_listed_shown_renamed_and_given_roles(box):
    box.ssh("ada", "say", "hello from ada", check=0)
    box.ssh("bob", "say", "hello from bob", check=0)
    rows = listed(box)
    assert rows["ada"]["role"] == "person" and rows["ada"]["id"] < rows["bob"]["id"]
    assert not rows["ada"]["banned"]
    assert [line.split("\t")[0] for line in people(box).stdout.splitlines()] == ["ada", "bob"]
    shown = json.loads(people(box, "show", "ADA", "--json").stdout)
    assert shown["messages"] == 1
    assert shown["credentials"][0]["fingerprint"] == fingerprint(box, "ada")
    assert fingerprint(box, "ada") in people(box, "show", "ada").stdout

    assert "countess" in people(box, "rename", "ada", "Countess").stdout
    assert "countess" in box.ssh("bob", "history", check=0).stdout
    box.ssh("countess", "say", "still me", key=box.key("ada"), check=0)
    people(box, "rename", "bob", "c0untess", check=1)
    assert "letters a to z" in people(box, "rename", "bob", "b b", check=1).stderr
    assert "nobody is called `ada`" in people(box, "show", "ada", check=1).stderr

    with sqlite3.connect(box.state / "store" / "riad.db") as store:  # as riad-dhcp would
        store.execute(
            "INSERT INTO lease (ip, mac, host, started_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            ("127.0.0.1", "02:00:00:00:00:01", "laptop-of-bob", 1, 1 << 50),
        )
    assert "127.0.0.1 laptop-of-bob" in people(box, "show", "bob").stdout
    shown = json.loads(people(box, "show", "bob", "--json").stdout)
    assert shown["credentials"][0]["device"] == "laptop-of-bob"
    for told in (box.curl("/api/people").stdout, box.ssh("bob", "who", check=0).stdout):
        assert "laptop-of-bob" not in told and "127.0.0.1" not in told

    people(box, "promote", "bob")
    assert listed(box)["bob"]["role"] == "host"
    assert "nothing to do" in people(box, "promote", "bob").stdout
    people(box, "demote", "bob")
    assert listed(box)["bob"]["role"] == "person"

    people(box, "frobnicate", check=2)
    people(box, "rename", "bob", check=2)
    people(box, "list", "--until", "2h", check=2)
    assert "--until" in people(box, "ban", "bob", "--until", "yesterday", check=2).stderr

    box.stop()
    assert not listed(box)["bob"]["here"]
    people(box, "promote", "bob")
    assert listed(box)["bob"]["role"] == "host"


def test_a_ban_closes_every_open_door(box):
    box.ssh("ada", "say", "hello", check=0)
    token = box.ssh("ada", "token", check=0).stdout.split()
    secret = max(token, key=len)

    def says(text):
        status, _, _ = box.request(
            "POST",
            "/chat/messages",
            json.dumps({"room": "lobby", "text": text}),
            {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"},
        )
        return status

    assert says("by token") < 300
    chat = open_chat(box, "ada")
    people(box, "ban", "ada", "--reason", "be nice", "--until", "1h")
    assert says("still here?") in (401, 403)
    ends_soon(chat)
    refused = box.ssh("ada", "say", "hello", check=None)
    assert refused.returncode != 0
    assert "person\tada" in people(box, "bans").stdout
    other = box.ssh("eve", "say", "I am ada", key=box.key("ada"), check=None)
    assert other.returncode != 0  # the key of somebody banned takes no new name either
    box.ssh("bob", "say", "hello", check=0)

    people(box, "unban", "ada")
    box.ssh("ada", "say", "I am back", check=0)
    assert says("so is my token") < 300

    people(box, "ban", fingerprint(box, "ada"))
    assert box.ssh("ada", "say", "hello").returncode != 0
    people(box, "unban", fingerprint(box, "ada"))

    chat = open_chat(box, "bob")
    people(box, "ban", "127.0.0.1")
    ends_soon(chat)
    assert box.ssh("bob", "say", "hello").returncode != 0
    assert json.loads(people(box, "bans", "--json").stdout)[0]["subject"] == "127.0.0.1"
    people(box, "unban", "127.0.0.1")
    box.ssh("bob", "say", "hello", check=0)


def test_forgetting_and_merging(box):
    box.ssh("ada", "say", "adas sentence", check=0)
    box.ssh("lovelace", "say", "lovelaces sentence", check=0)
    box.ssh("bob", "say", "bobs sentence", check=0)
    people(box, "merge", "ada", "lovelace")
    assert set(listed(box)) == {"ada", "bob"}
    assert json.loads(people(box, "show", "ada", "--json").stdout)["messages"] == 2
    box.ssh("ada", "say", "by my other key", key=box.key("lovelace"), check=0)

    chat = open_chat(box, "bob")
    people(box, "forget", "bob", "--words")
    ends_soon(chat)
    people(box, "forget", "ada")
    assert listed(box) == {}
    history = box.ssh("carol", "history", check=0).stdout
    assert "adas sentence" in history and "bobs sentence" not in history
    assert "ada>" not in history and "lovelace" not in history.replace("lovelaces sentence", "")
    # The name is free again; the chat holds it back for the key that took it a few seconds ago.
    line = ["bob", "say", "a new bob"]
    wait_for(lambda: box.ssh(*line, key=box.key("newbob")).returncode == 0, "bob to be free")


def test_newcomers_wait_until_they_are_admitted(make_box):
    box = make_box(box={"newcomers": "ask"})
    box.ssh("ada", "say", "let me in")
    assert listed(box)["ada"]["role"] == "waiting"
    assert "let me in" not in box.ssh("ada", "history").stdout
    people(box, "admit", "ada")
    box.ssh("ada", "say", "thank you", check=0)
    assert "nothing to do" in people(box, "admit", "ada").stdout
    assert "thank you" in box.ssh("ada", "history", check=0).stdout


def test_who_typed_last_comes_first(make_box):
    box = make_box()

    def order():
        rows = json.loads(box.curl("/api/people").stdout)["people"]
        return [row["name"] for row in rows]

    chats = {}
    for name in ("ada", "bob"):
        chats[name] = box.ssh_open(name)
        wait_for(lambda: order()[:1] == [name], f"{name} to be here")
    for name in ("ada", "bob"):
        time.sleep(0.01)  # the list goes by milliseconds
        chats[name].stdin.write("/help\n")
        chats[name].stdin.flush()
        wait_for(lambda: order()[:1] == [name], f"{name} to be first")
    who = box.ssh("carl", "who", check=0).stdout
    assert 0 <= who.find("bob") < who.find("ada"), who
    for chat in chats.values():
        chat.stdin.close()
        assert chat.wait(10) == 0
