"""The conversation: on a terminal, without one, by commands; and what survives."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from chat import Terminal

from conftest import PATIENCE, ROOT, Box, wait_for


@pytest.fixture(scope="module")
def house():
    """One box for all tests that do not mind each other."""
    with Box({}) as house:
        yield house


# ---- without a terminal ----


def test_one_line_is_one_message(house):
    done = house.ssh("liner", input="one\r\ntwo\nlast without end", check=0)
    lines = done.stdout.splitlines()
    assert [line.split(" ", 2)[1:] for line in lines] == [
        ["liner", "one"], ["liner", "two"], ["liner", "last without end"]]  # fmt: skip
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ", line) for line in lines)
    assert "\033" not in done.stdout + done.stderr


def test_messages_reach_others_and_json_resumes(house):
    bot = house.ssh_open("robot", "chat", "--json")
    bot.stdin.write("ready\n")
    first = json.loads(bot.stdout.readline())
    assert first["name"] == "robot" and first["text"] == "ready" and first["room"] == "lobby"
    house.ssh("talker", "say", "hello", "bot", check=0)
    second = json.loads(bot.stdout.readline())
    assert second["text"] == "hello bot" and second["id"] > first["id"]
    bot.stdin.close()
    assert bot.wait(10) == 0
    house.ssh("talker", "say", "meanwhile", check=0)
    again = house.ssh("robot", "chat", "--json", "--since", str(second["id"]), check=0).stdout
    assert [json.loads(line)["text"] for line in again.splitlines()] == ["meanwhile"]
    assert house.ssh("robot", "chat", "--since", "x").returncode == 2


def test_a_shell_script_is_a_bot(house):
    """The one in the manual."""
    page = (ROOT / "config" / "riad-chat.7").read_text()
    script = re.search(r"#!/bin/sh\n(.*?)\.Ed", page, re.S).group(1)
    script = script.replace("ssh robot@box", " ".join(house.ssh_line("datebot")))
    house.ssh("datebot", "whoami", check=0)
    folder = house.folder / "bot"
    folder.mkdir()
    bot = subprocess.Popen(["sh", "-c", script], cwd=folder, start_new_session=True)
    try:
        wait_for(lambda: "datebot" in house.ssh("asker", "who").stdout, "the bot")
        house.ssh("asker", "say", "!date", check=0)
        wait_for(lambda: re.search(r" datebot \w+ ", house.ssh("asker", "history").stdout), "a date")
    finally:
        os.killpg(bot.pid, signal.SIGTERM)
        bot.wait(10)


def test_unclean_text_never_gets_through(house):
    bad = "a\033[31mb\u202ec\u0007d\u200be\ue000f"
    house.ssh("evil", input=bad + "\n", check=0)
    said = house.ssh("evil", "history", "--limit", "1", check=0).stdout
    assert said.endswith(" evil a[31mbcdef\n")


def test_commands_and_statuses(house):
    assert house.ssh("cmd", "say", "find the needle", check=0)
    assert "needle" in house.ssh("cmd", "search", "needle", check=0).stdout
    assert house.ssh("cmd", "search", "haystack9", check=1).stdout == ""
    assert house.ssh("cmd", "msg", "nobody9", "hi", check=1)
    assert "did you mean history" in house.ssh("cmd", "histroy", check=2).stderr
    assert "--since" in house.ssh("cmd", "history", "--since", "never", check=2).stderr
    assert "there, /away" in house.ssh("cmd", "away", check=2).stderr
    assert house.ssh("cmd", "/who", check=0).stdout.startswith("cmd ")
    assert house.ssh("cmd", "history", "--bogus", check=2)
    assert "needle" in house.ssh("cmd", "history", "--since", "yesterday", check=0).stdout
    assert "cmd" in house.ssh("cmd", "who", check=0).stdout
    assert "example: ssh -p" in house.ssh("cmd", "help", "history", check=0).stdout
    page = house.url("/")
    assert house.ssh("cmd", "topic", check=0).stdout.startswith(f"lobby: {page} (topic TEXT sets")
    assert house.ssh("cmd", "topic", "all about tests", check=0)
    assert f"{page} · all about tests" in house.ssh("cmd", "rooms", check=0).stdout
    assert house.ssh("cmd", "topic", check=0).stdout == f"lobby: {page} · all about tests\n"
    done = house.ssh("cmd", "say", input="from\nstdin\n", check=0)
    assert done.stdout == ""
    assert house.ssh("cmd", "history", "--limit", "2").stdout.count(" cmd ") == 2


def test_every_command_has_help(house):
    listed = house.ssh("helper", "help", check=0).stdout
    names = re.findall(r"^  (\w+) ", listed, re.M)
    assert len(names) > 20
    for word in ("who", "say", "history", "search", "msg", "files", "drop", "get", "rm", "web",
                 "token", "whoami", "key"):  # fmt: skip
        assert word in names


def test_too_long_is_said_clearly(house):
    done = house.ssh("longer", input="x" * 20000 + "\n")
    assert "at most 8192 bytes" in done.stderr and done.returncode == 1


def test_web_link_and_token(house):
    link = house.ssh("webber", "web", check=0).stdout
    assert re.fullmatch(r"http://127\.0\.0\.1:%d/join/\S{22}\n" % house.web_port, link)
    token = house.ssh("webber", "token", "--expires", "7d", "my", "bot", check=0).stdout
    assert re.fullmatch(r"\S{22}\n", token)
    assert house.ssh("webber", "token", "--expires", "soon", check=2)
    with house.store() as store:
        row = store.execute("SELECT * FROM credential WHERE kind = 'token'").fetchone()
        assert row["label"] == "my bot" and row["expires_at"] > row["created_at"]


def test_settings_stick(house):
    house.ssh("setter", "color", "off", check=0)
    assert "off" in house.ssh("setter", "color", check=0).stdout
    assert house.ssh("setter", "bell", "loud", check=2)


def test_rename(house):
    done = house.ssh("oldname", "nick", "newname", check=0)
    assert f"ssh -p {house.ssh_port} newname@127.0.0.1\n" in done.stdout
    assert house.ssh("newname", "whoami", key=house.key("oldname"), check=0)
    assert house.ssh("oldname", "nick", "root").returncode != 0


def test_a_flood_is_held_back_not_lost(make_box):
    """Three times the limit at once: slowed down, none lost, in order."""
    box = make_box(chat={"rate": 50, "rate_window": "1s"})
    lines = "".join(f"flood {i}\n" for i in range(150))
    done = box.ssh("flooder", input=lines, check=0, timeout=40)
    assert [line.split(" ", 2)[2] for line in done.stdout.splitlines() if " flooder " in line] == [
        f"flood {i}" for i in range(150)]  # fmt: skip
    # At a terminal it is said, for somebody sits there; of what was pasted, once.
    box.config(chat={"rate": 5, "rate_window": "60s"}).reload("chat")
    with Terminal(box, "typist") as typist:
        typist.wait_prompt()
        typist.run("set-buffer", "".join(f"quick {i}\r" for i in range(60)))
        typist.run("paste-buffer")
        typist.wait("at most 5 messages in 60 seconds")
        typist.type("behind it")
        lines = typist.wait(lambda lines: lines[-1] == "lobby> behind it" and "quick 4" in str(lines))
        assert sum("at most 5 messages" in line for line in lines) == 1, lines


@pytest.mark.parametrize("size,count", [(100, 4000), (1000, 5000), (8000, 600)])
def test_a_long_pipe_is_said_whole(make_box, size, count):
    """Megabytes, faster than they can be said: more than the box holds for a client, so that the
    client waits; no line is lost or changed, and nobody is sent out for it."""
    box = make_box(chat={"rate": 1000000}, web={"enabled": "no"}, mirror={"enabled": "no"})
    said = [f"{i} ".ljust(size, "&") for i in range(count)]
    assert box.ssh("gus", input="\n".join(said) + "\n").returncode == 0
    assert [text for (text,) in box.store().execute("SELECT text FROM message ORDER BY id")] == said


# ---- on a terminal ----


def test_conversation_on_two_terminals(house):
    with Terminal(house, "anna") as anna, Terminal(house, "ben") as ben:
        anna.wait_prompt()
        ben.wait_prompt()
        anna.say("hello everybody")
        ben.wait(lambda lines: any(re.match(r"\d\d:\d\d anna: hello everybody", x) for x in lines))
        # What arrives while one types garbles nothing.
        anna.type("half a li")
        ben.say("hi anna!")
        lines = anna.wait("ben: hi anna!")
        anna.wait(lambda lines: lines[-1] == "lobby> half a li")
        anna.type("ne")
        anna.press("C-a")
        anna.type("not ")
        anna.wait(lambda lines: lines[-1] == "lobby> not half a line")
        anna.press("Enter")
        ben.wait("anna: not half a line")
        ben.say("/me waves")
        anna.wait("* ben waves")
        ben.say("/msg anna psst")
        anna.wait("you: psst")
        anna.say("/reply what")
        ben.wait("you: what")
        ben.say("/who")
        lines = ben.wait("anna")
        ben.say("/quit")
        ben.wait("good-bye")


def test_coming_and_going_is_told_and_does_not_flood(make_box):
    box = make_box()
    with Terminal(box, "anna") as anna:
        anna.wait_prompt()
        with Terminal(box, "ben") as ben:
            ben.wait_prompt()
            anna.wait("ben is here")
        anna.wait("ben left")
        assert "anna is here" not in "\n".join(anna.screen())
        for i in range(8):
            with Terminal(box, f"p{i}") as one:
                one.wait_prompt()
        assert sum(" is here" in line for line in anna.screen()) <= 6


def test_long_lines_wrap_and_reflow(house):
    text = "".join(f"{i:04d} " for i in range(40)).strip()
    with Terminal(house, "wrap", columns=50) as wrap:
        wrap.wait_prompt()
        wrap.type(text)
        joined = "lobby> " + text

        def shows(lines):
            return joined in "".join(line.ljust(wrap_columns) for line in lines)

        wrap_columns = 50
        wrap.wait(shows)
        wrap_columns = 33
        wrap.resize(33, 24)
        wrap.wait(shows)
        house.ssh("other", "say", "in between", check=0)
        lines = wrap.wait("in between")
        wrap.wait(shows)
        wrap_columns = 70
        wrap.resize(70, 24)
        wrap.wait(shows)
        wrap.press("C-u")
        lines = wrap.wait_prompt()
        assert lines[-1] == "lobby>" and not any("0039" in line for line in lines[-3:])


def test_wide_and_combined_characters(house):
    with Terminal(house, "wide") as wide:
        wide.wait_prompt()
        wide.type("日本語 e\u0301x 👍🏽")
        wide.wait(lambda lines: "日本語" in lines[-1])
        wide.press("BSpace")
        wide.press("C-b")
        wide.press("BSpace")
        wide.press("C-a")
        wide.press("Right")
        wide.press("DC")
        wide.wait(lambda lines: lines[-1] == "lobby> 日語 e\u0301")
        wide.press("Enter")
        wide.wait("wide: 日語 e\u0301")


def test_paste_of_many_lines_is_one_message(house):
    with Terminal(house, "paster") as paster, Terminal(house, "reader") as reader:
        paster.wait_prompt()
        reader.wait_prompt()
        paster.paste("first line\nsecond line\nthird line\n")
        paster.wait("first line↵second line↵third line")
        paster.press("Enter")
        lines = reader.wait("third line")
        at = next(i for i, line in enumerate(lines) if "paster: first line" in line)
        assert lines[at + 1].strip() == "second line" and lines[at + 2].strip() == "third line"
    with house.store() as store:
        found = store.execute("SELECT text FROM message WHERE text LIKE 'first line%'").fetchall()
        assert [row[0] for row in found] == ["first line\nsecond line\nthird line"]


def test_history_completion_and_search(house):
    with Terminal(house, "keys") as keys:
        keys.wait_prompt()
        for text in ("alpha one", "beta two", "alpha three"):
            keys.say(text)
            keys.wait(f"keys: {text}")
        keys.press("Up")
        keys.press("Up")
        keys.wait(lambda lines: lines[-1] == "lobby> beta two")
        keys.press("C-u")
        keys.press("C-r")
        keys.type("one")
        keys.wait("alpha one")
        keys.press("Enter")
        keys.wait(lambda lines: sum("keys: alpha one" in line for line in lines) == 2)
        keys.type("/hist")
        keys.press("Tab")
        keys.wait(lambda lines: lines[-1] == "lobby> /history")
        keys.press("C-u")
        keys.type("ke")
        keys.press("Tab")
        keys.wait(lambda lines: lines[-1] == "lobby> keys:")


def test_a_mention_rings_and_stands_out(house):
    with Terminal(house, "rung") as rung:
        rung.wait_prompt()
        rung.run("set-option", "-g", "monitor-bell", "on")
        house.ssh("ringer", "say", "are you there, Rung?", check=0)
        rung.wait("are you there")
        assert wait_for(lambda: "are you" in rung.run("capture-pane", "-p", "-e"), "the text")
        line = next(x for x in rung.run("capture-pane", "-p", "-e").split("\n") if "are you" in x)
        assert "\033[1m" in line or "\033[7m" in line


def test_new_since_you_left(house):
    with Terminal(house, "returner") as first:
        first.wait_prompt()
        first.say("I am off")
        first.wait("returner: I am off")
        first.press("C-d")
        first.wait("good-bye")
    house.ssh("stayer", "say", "you missed this", check=0)
    with Terminal(house, "returner", rows=80) as second:
        lines = second.wait("you missed this")
        marks = [i for i, line in enumerate(lines) if "new since you left" in line]
        assert len(marks) == 1
        assert "I am off" in "\n".join(lines[: marks[0]])
        assert "you missed this" in "\n".join(lines[marks[0] :])


def test_rooms(house):
    with Terminal(house, "rita") as rita, Terminal(house, "rob") as rob:
        rita.wait_prompt()
        rob.wait_prompt()
        rita.say("/join ocaml")
        rita.wait(lambda lines: lines[-1] == "ocaml>")
        rita.say("anybody here?")
        rita.wait("rita: anybody here?")
        rob.say("/join #ocaml")
        rob.wait("rita: anybody here?")
        rob.say("me")
        rita.wait("rob: me")
        rita.say("/leave")
        rita.wait_prompt()
        rob.say("alone now")
        rob.wait("rob: alone now")
        rita.say("in the lobby")
        rob.wait("#lobby rita: in the lobby")
        assert "alone now" not in "\n".join(rita.screen())


def test_delete_and_report(house):
    with Terminal(house, "dora") as dora, Terminal(house, "dan") as dan:
        dora.wait_prompt()
        dan.wait_prompt()
        dora.say("a secret, oops")
        dan.wait("a secret, oops")
        dora.say("/delete")
        dan.wait("was taken back")
        dan.say("/report dora shares secrets")
        dan.wait("the hosts are told about dora")
    assert "secret" not in house.ssh("dan", "history", check=0).stdout
    with house.store() as store:
        assert store.execute("SELECT count(*) FROM report").fetchone()[0] == 1


def test_ignore(house):
    with Terminal(house, "igor") as igor:
        igor.wait_prompt()
        house.ssh("noisy", "say", "first noise", check=0)
        igor.wait("first noise")
        igor.say("/ignore noisy")
        igor.wait("you do not read noisy any more")
        house.ssh("noisy", "say", "second noise", check=0)
        house.ssh("calm", "say", "calm words", check=0)
        assert "second noise" not in "\n".join(igor.wait("calm words"))


@pytest.mark.parametrize("term", ["dumb", "linux", "xterm", "screen"])
def test_terminals(house, term):
    with Terminal(house, f"on-{term}", term=term) as one:
        one.wait("lobby>")
        one.type("typed")
        house.ssh("breaker", "say", f"for {term}", check=0)
        one.wait(f"for {term}")
        one.wait("lobby> typed")
        one.press("BSpace")
        one.press("Enter")
        one.wait(f"on-{term}: type")


def test_size_nought_is_eighty(house):
    import paramiko

    key = paramiko.Ed25519Key.from_private_key_file(str(house.key("nought")))
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", house.ssh_port, "nought", pkey=key, allow_agent=False,
                       look_for_keys=False)  # fmt: skip
        channel = client.invoke_shell(term="xterm", width=0, height=0)
        channel.settimeout(10)
        seen = b""
        while b"lobby> " not in seen:
            seen += channel.recv(4096)
        channel.send(b"works\r")
        while b"nought\x1b[0m: works" not in seen:
            seen += channel.recv(4096)


# ---- what survives ----


@pytest.mark.threads
def test_killed_in_a_busy_minute(make_box):
    """Every message that was acknowledged is in the history, once, after kill -9."""
    box = make_box()
    names = [f"w{i}" for i in range(6)]
    for name in names:
        box.ssh(name, "whoami", check=0)
    acknowledged = []
    for round_number in range(3):
        talkers, seen = [], []
        for name in names:
            talkers.append(box.ssh_open(name, "chat", "--json"))
            talkers[-1].stdin.write("".join(f"{name} {round_number} {i}\n" for i in range(14)))
            talkers[-1].stdin.flush()
            if not seen:  # the one who is read is in before the others speak
                seen.append(json.loads(talkers[0].stdout.readline())["text"])
        seen += [json.loads(talkers[0].stdout.readline())["text"] for _ in range(19)]
        box.restart_service("chat")
        for talker in talkers:
            rest, _ = talker.communicate(timeout=20 * PATIENCE)
            for line in rest.splitlines():
                if line.startswith("{") and line.endswith("}"):
                    seen.append(json.loads(line)["text"])
        acknowledged += seen
    with box.store() as store:
        kept = [row[0] for row in store.execute("SELECT text FROM message ORDER BY id")]
    assert len(kept) == len(set(kept))
    assert set(acknowledged) <= set(kept)
    again = box.ssh("w0", "chat", "--json", "--since", "0", check=0).stdout.splitlines()
    assert [json.loads(line)["text"] for line in again] == kept


def test_a_long_history_costs_nothing(make_box):
    """Somebody joins a room of 50,000 messages as fast as an empty one."""
    box = make_box()
    box.ssh("ada", "whoami", check=0)
    began = time.monotonic()
    box.ssh("ada", "history", check=0)
    empty = time.monotonic() - began
    subprocess.run(
        ["sqlite3", "-cmd", ".timeout 10000", f"{box.state}/store/riad.db",
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
         "INSERT INTO message (at, room_id, person_id, kind, text) "
         "SELECT 1700000000000 + i, 1, 1, 'say', 'message ' || i FROM n"],
        check=True,
    )  # fmt: skip
    box.restart_service("chat")
    with Terminal(box, "ada") as ada:
        began = time.monotonic()
        ada.wait("message 50000")
        assert time.monotonic() - began < 2 * PATIENCE + empty
