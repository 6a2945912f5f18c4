"""What somebody at a terminal sees, screen by screen: OpenSSH within tmux, compared."""

import re
import subprocess

import pytest
from chat import Terminal

from conftest import Box, program, wait_for


@pytest.fixture(scope="module")
def house():
    program("riad-chat")
    house = Box({"box": {"title": "Retreat", "zone": "UTC"}})
    house.start()
    house.ssh("first", "whoami", check=0)
    house.ssh("hostess", "whoami", check=0)
    house.riad("people", "promote", "hostess", check=0)
    yield house
    try:
        house.stop()
    finally:
        house.remove()


def without_times(lines):
    return [re.sub(r"^\d\d:\d\d ", "", line) for line in lines]


def clear(terminal):
    terminal.press("C-l")
    terminal.wait(lambda lines: lines and lines[0].endswith(">"))


def colours(terminal):
    """The screen with its escape sequences."""
    return terminal.run("capture-pane", "-p", "-e")


def test_topic_begins_with_the_address(house):
    with Terminal(house, "arriving", columns=100) as one:
        one.wait(f"lobby: {house.url('/')}")
        one.wait_prompt()
        clear(one)
        one.say("/join elsewhere")
        one.wait("elsewhere>")
        assert not any("http" in line for line in one.screen())


def test_help_fits_the_window(house):
    with Terminal(house, "reader") as one:
        one.wait_prompt()
        clear(one)
        one.say("/help")
        lines = one.wait("/help COMMAND")
        assert lines[0].startswith("  /help /who /say") and lines[-1] == "lobby>"
        assert max(len(line) for line in lines) < 80
        one.resize(100, 60)
        clear(one)
        one.say("/help")
        lines = one.wait("/help COMMAND")
        assert "  /who      who is here" in lines and "  /quit     leave; so does Ctrl-D" in lines
        one.resize(40, 24)
        clear(one)
        one.say("/help history")
        one.wait("example:")
        words = " ".join(one.screen())
        assert "how long ago, or the" in re.sub(r"\s+", " ", words)


def test_plain_for_screen_readers(house):
    with Terminal(house, "blind") as one:
        one.wait_prompt()
        one.say("/plain on")
        one.wait("plain is on")
        clear_at = len(one.screen())
        house.ssh("mate", "msg", "blind", "are you there?", check=0)
        lines = one.wait("are you there?")
        assert "mate to you: are you there?" in without_times(lines[clear_at - 1:])
        last = [x for x in colours(one).split("\n") if "are you there" in x]
        assert "\033" not in last[0]
        one.say("/me nods")
        one.wait("* blind nods")
    # It sticks: the next session begins so.
    with Terminal(house, "blind") as again:
        lines = again.wait("lobby>")
        assert "\033" not in colours(again) and "--" not in "".join(lines)


def test_settings_stick(house):
    with Terminal(house, "setter") as one:
        one.wait_prompt()
        for line in ("/color off", "/time off", "/bell off"):
            one.say(line)
            one.wait(line[1:].split()[0] + " is off")
    with Terminal(house, "setter") as again:
        again.wait_prompt()
        house.ssh("mate", "say", "the day's first", check=0)
        again.wait("the day's first")
        clear(again)
        house.ssh("mate", "say", "hello setter", check=0)
        again.wait("mate: hello setter")
        lines = [line for line in again.screen() if not line.startswith("-- ")]  # others come and go
        assert lines == ["mate: hello setter", "lobby>"]
        assert "\033[" not in colours(again)


def test_right_to_left_stays_to_itself(house):
    with Terminal(house, "rtl") as one:
        one.wait_prompt()
        clear(one)
        house.ssh("mate", "say", "שלום rtl-free", check=0)
        lines = one.wait("שלום")
        assert without_times(lines)[0] == "mate: \u2068שלום rtl-free\u2069"
        # Without a terminal the text is as it was said.
        assert house.ssh("mate", "history", "--limit", "1").stdout.endswith("mate שלום rtl-free\n")


def test_emoji_and_combining_marks_keep_the_line_in_order(house):
    family = "👨\u200d👩\u200d👧"
    with Terminal(house, "wide2") as one:
        one.wait_prompt()
        with Terminal(house, "mate2") as mate:
            mate.wait_prompt()
            clear(one)
            one.type("e\u0301 日本 👍 end")
            one.press("C-a", "C-f", "C-f", "C-f", "C-d")
            one.wait("lobby> e\u0301 日 👍 end")
            one.press("C-e")
            one.type("!")
            one.wait(lambda lines: lines[-1] == "lobby> e\u0301 日 👍 end!")
            one.press("Enter")
            mate.wait("wide2: e\u0301 日 👍 end!")
            house.ssh("mate", "say", f"the {family} arrives", check=0)
            mate.wait("arrives")
            assert family in house.ssh("mate", "history", "--limit", "1").stdout


def test_days_are_parted(house):
    day = 24 * 3600 * 1000
    with Terminal(house, "dayer") as one:
        one.wait_prompt()
    subprocess.run(
        ["sqlite3", "-cmd", ".timeout 10000", f"{house.state}/store/riad.db",
         "INSERT INTO room (name, topic, created_at) VALUES ('archive', '', 0); "
         f"INSERT INTO message (at, room_id, person_id, kind, text) "
         f"SELECT {1700000000000} + i * {day}, (SELECT id FROM room WHERE name = 'archive'), 1, "
         "'say', 'day ' || i FROM (SELECT 0 AS i UNION SELECT 1 UNION SELECT 2)"],
        check=True,
    )  # fmt: skip
    with Terminal(house, "dayer") as one:
        one.wait_prompt()
        clear(one)
        one.say("/join archive")
        lines = one.wait(lambda lines: lines[-1] == "archive>")
        assert without_times(lines) == [
            "-- archive",
            "--- Tuesday 14 November 2023 ---", "first: day 0",
            "--- Wednesday 15 November 2023 ---", "first: day 1",
            "--- Thursday 16 November 2023 ---", "first: day 2",
            "archive>",
        ]  # fmt: skip


def test_hosts_take_back_and_are_told(house):
    """/delete by hosts; /report tells them with what was said before."""
    with Terminal(house, "hostess") as hostess, Terminal(house, "victim") as victim:
        hostess.wait_prompt()
        victim.wait_prompt()
        clear(hostess)
        house.ssh("rude", "say", "a rude word", check=0)
        house.ssh("rude", "msg", "victim", "and one in private", check=0)
        victim.wait("and one in private")
        victim.say("/report rude this hurts")
        lines = "\n".join(hostess.wait("victim reports rude: this hurts"))
        hostess.wait("rude (to victim) and one in private")
        assert "rude a rude word" in "\n".join(hostess.screen()), lines
        assert house.ssh("victim", "delete", "rude").returncode == 1
        hostess.say("/delete rude")
        hostess.wait("taken back; the words are gone, a mark stays")
        victim.wait("what rude said at")
    said = house.ssh("victim", "history", check=0).stdout
    assert "rude (taken back)\n" in said and "rude word" not in said
    # What was private is nobody else's to read, hosts' neither.
    assert "in private" not in house.ssh("hostess", "search", "private").stdout


def test_a_crowd_is_one_line(make_box):
    box = make_box()
    with Terminal(box, "watcher") as one:
        one.wait_prompt()
        crowd = [box.ssh_open(f"c{i}", "chat") for i in range(12)]
        try:
            wait_for(lambda: box.ssh("watcher", "who").stdout.count("\n") == 13, "the crowd")
            # Some one by one, the others gathered.
            assert sum(" is here" in line for line in one.screen()) <= 6
        finally:
            for each in crowd:
                each.stdin.close()
            for each in crowd:
                each.wait(10)


def test_a_window_of_any_size(house):
    """The line stays whole while the window changes under it."""
    with Terminal(house, "sizes") as one:
        one.wait_prompt()
        one.type("a line that is longer than the narrow window will be")
        for columns, rows in ((40, 12), (200, 50), (20, 6), (80, 24)):
            one.resize(columns, rows)
            one.wait(lambda lines: "lobby> a line that is longer than the narrow window will be"
                     in "".join(line.ljust(columns) for line in lines))  # fmt: skip
        one.press("C-u")
        one.wait_prompt()
