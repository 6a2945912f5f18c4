"""What is typed ahead: every line stands in the room, and under the settings, that the ones before it made."""

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
