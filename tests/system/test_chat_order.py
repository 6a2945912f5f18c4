"""What is typed ahead: every line stands in the room, and under the settings, that the ones before it made."""

import json

import pytest
from chat import Terminal

from conftest import Box


@pytest.fixture(scope="module")
def house():
    with Box({}) as house:
        house.ssh("ada", "whoami", check=0)
        yield house


def texts(box, room):
    lines = box.ssh("ada", "history", "--room", room, check=0).stdout.splitlines()
    return [line.split(" ", 2)[2].removeprefix(f"#{room} ") for line in lines]


def test_words_behind_join_are_said_in_that_room(house):
    lines = "/join deep\nonly for the room\n/leave\nfor everybody\n"
    done = house.ssh("bob", input=lines, check=0)
    assert texts(house, "deep") == ["only for the room"]
    assert "for everybody" in texts(house, "lobby") and "only for the room" not in texts(house, "lobby")
    assert done.stderr == ""


def test_a_terminal_typed_ahead_of(house):
    with Terminal(house, "carol") as carol:
        carol.wait_prompt()
        carol.run("set-buffer", "/join quick\r/topic of the quick\rsaid in quick\r")
        carol.run("paste-buffer")  # as keys, not as a paste
        carol.wait("said in quick")
    assert "said in quick" in texts(house, "quick")
    assert "of the quick" in house.ssh("carol", "rooms", check=0).stdout
    assert "of the quick" not in house.ssh("carol", "topic", check=0).stdout


def test_answers_come_before_the_end(house):
    """Whoever pipes into a terminal (plink does, without -T) gets the last answer, too."""
    done = house.ssh("dora", tty=True, input="hello there\r/whoami\r", check=0)
    assert "person since" in done.stdout


def test_mistyped_commands_by_the_thousand(house):
    before = house.pid("chat")
    done = house.ssh("erin", tty=True, input="/x\r" * 40000 + "/quit\r", timeout=30)
    assert done.returncode == 0 and "no command /x" in done.stdout
    done = house.ssh("erin", input="/who --x\n" * 14000)
    assert done.stderr.count("no option --x") == 14000
    assert house.pid("chat") == before


def test_a_line_of_a_megabyte_is_refused_once(house):
    done = house.ssh("frank", input="before\n" + "x" * 1_000_000 + "\nafter\n", check=1)
    assert done.stderr.count("that was not said") == 1
    assert [line.split(" ", 2)[2] for line in done.stdout.splitlines()] == ["before", "after"]


def test_hosts_words_are_taken_as_meant(house):
    house.riad("people", "promote", "ada", check=0)
    house.ssh("gus", "whoami", check=0)
    wrong = house.ssh("ada", "mute", "gus", "1hour", check=2)
    assert "not 1hour" in wrong.stderr
    assert house.ssh("gus", "say", "still speaking", check=0)
    house.ssh("ada", "mute", "gus", "2h", check=0)
    muted = house.ssh("gus", "say", "x", check=1)
    assert "a host has muted you until" in muted.stderr
    house.ssh("ada", "unmute", "gus", check=0)
    # ssh joins what the shell has parted.
    house.ssh("ada", "ban", "gus", "--until", "2h", "--reason", "cool down", check=0)
    assert house.ssh("ada", "bans", check=0).stdout.rstrip().endswith(": cool down")
    house.ssh("ada", "unban", "gus", check=0)
    assert "which command? help lists them" in house.ssh("ada", "  ", check=2).stderr


def test_an_answer_that_is_too_long_says_so(make_box):
    """Whole lines, and no success, so that a bot asks again from where they end."""
    house = make_box(chat={"rate": 100000})
    text = "&" * 8000  # six times as long in JSON
    for _ in range(95):
        house.ssh("gus", "say", text, check=0)
    house.ssh("ada", "say", "behind them", check=0)
    got = house.ssh("ada", "history", "--limit", "1000", "--json", check=1)
    assert "too much for one answer" in got.stderr
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    assert len(rows) > 50
    seen = {row["text"] for row in rows}
    assert text in seen and "behind them" not in seen
    last = rows[-1]["id"]
    got = house.ssh("ada", "history", "--since", str(last), "--json", check=0)
    assert json.loads(got.stdout.splitlines()[0])["id"] > last and "behind them" in got.stdout


def test_reply_to_what_came_while_one_was_away(house):
    for name in ("hal", "iris"):
        house.ssh(name, "whoami", check=0)
    house.ssh("hal", "msg", "iris", "are you back?", check=0)
    with Terminal(house, "iris") as iris:
        iris.wait("are you back?")
        iris.say("/reply just now")
        iris.wait("you → hal: just now")
    assert "just now" in house.ssh("hal", "history", "--with", "iris", check=0).stdout
    nobody = house.ssh("hal", input="/reply yes\n/msg hal x\n", check=0)
    assert "that is you" in nobody.stderr


def test_files_that_are_not_there_are_not_found(house):
    assert "under that name" in house.ssh("ada", "files", "nosuch", check=1).stderr
    assert house.ssh("ada", "files", check=0).stdout == ""
