"""Files by commands: drop, get, rm, files."""

import hashlib
import json
import signal
import subprocess

import pytest
from chat import Terminal
from cutting import held

from conftest import PATIENCE, Box, needs, wait_for

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def house():
    with Box({}) as house:
        yield house


def ssh(box, name, *command, input=b""):
    return subprocess.run(box.ssh_line(name, *command), input=input, capture_output=True,
                          timeout=30 * PATIENCE)  # fmt: skip


def test_in_and_out(house):
    content = bytes(range(256)) * 9000
    done = ssh(house, "ada", "drop", "my slides.pdf", input=content)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n")[:2] == [
        "my slides.pdf", hashlib.sha256(content).hexdigest()]  # fmt: skip
    assert ssh(house, "bob", "get", "my slides.pdf").stdout == content
    listed = ssh(house, "bob", "files", "slides").stdout.decode()
    assert "ada" in listed and "my slides.pdf" in listed and "2.3 MB" in listed
    house.request("PUT", "/files/whose.txt", b"x")
    rows = map(json.loads, ssh(house, "bob", "files", "--json").stdout.splitlines())
    owners = {row["path"]: row["owner"] for row in rows}
    assert owners["my slides.pdf"] == "ada" and owners["whose.txt"] is None
    empty = ssh(house, "ada", "drop", "empty")
    assert empty.returncode == 0 and ssh(house, "bob", "get", "empty").stdout == b""


def test_what_stands_still_is_seen_coming(house):
    """Less than what is shown at once, and then nothing more: by `drop` as by PUT."""
    content = b"x" * 100000
    for door, line in (("ssh", ["drop", "still.bin"]), ("scp", ["scp", "-t", "still.bin"])):
        slow = subprocess.Popen(house.ssh_line("slow", *line), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        slow.stdin.write((b"C0644 200000 still.bin\n" if door == "scp" else b"") + content)
        slow.stdin.flush()

        def arriving():
            rows = json.loads(house.request("GET", "/api/files")[2]).get("arriving", [])
            return [row["received"] for row in rows if row["path"] == "still.bin"] == [100000]

        wait_for(arriving, f"others to see it come by {door}")
        slow.stdin.close()
        slow.wait(10 * PATIENCE)
        house.ssh("slow", "rm", "still.bin", check=None)


def test_refusals(house):
    ssh(house, "ada", "drop", "hers.txt", input=b"hers")
    other = ssh(house, "bob", "drop", "hers.txt", input=b"his")
    assert other.returncode == 0 and other.stdout.startswith(b"hers (2).txt\n")
    assert ssh(house, "bob", "get", "hers.txt").stdout == b"hers"
    for words in (["rm", "hers.txt"], ["get", "nothing"], ["get", "../../etc/passwd"],
                  ["drop", "../up"], ["drop", ".hidden"], ["rm", "nothing"]):  # fmt: skip
        done = ssh(house, "bob", *words)
        assert done.returncode == 1 and done.stderr, words
    assert ssh(house, "ada", "rm", "hers.txt").returncode == 0
    assert ssh(house, "ada", "get", "hers.txt").returncode == 1


def test_others_chat_meanwhile_and_a_kick_ends_it(house):
    house.ssh("carol", "whoami", check=0)
    house.riad("people", "promote", "carol", check=0)
    slow = subprocess.Popen(house.ssh_line("slow", "drop", "slow.bin"), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    slow.stdin.write(b"x" * 100000)
    slow.stdin.flush()
    arriving = house.state / "drop" / ".arriving"
    wait_for(lambda: any(part.stat().st_size == 100000 for part in arriving.iterdir()), "the part")
    with Terminal(house, "dave") as dave:
        dave.wait_prompt()
        assert house.ssh("erin", "say", "meanwhile", check=0)
        dave.wait("erin: meanwhile")
        done = ssh(house, "dave", "drop", "announced.txt", input=b"hello")
        assert done.returncode == 0
        dave.wait("dave dropped announced.txt")
    house.ssh("carol", "kick", "slow", check=0)
    assert slow.wait(10 * PATIENCE) != 0
    slow.communicate()
    assert b"slow.bin" not in ssh(house, "carol", "files").stdout


def test_what_a_stopping_chat_cuts_off_does_not_look_done(make_box):
    """Found by the campaign of kills: a command that had not ended was told good-bye with status 0."""
    box = make_box()
    dropping, talking = box.ssh_open("ada", "drop", "half.txt"), box.ssh_open("bob", "chat")
    dropping.stdin.write("half of it" * 50000)
    dropping.stdin.flush()

    def begun():
        with box.store() as store:
            return store.execute("SELECT count(*) FROM person WHERE name = 'ada'").fetchone()[0]

    wait_for(begun, "ada to be known")
    wait_for(lambda: "bob" in box.ssh("eve", "who").stdout, "bob to be here")
    box.kill("chat", signal.SIGTERM)
    assert dropping.wait(15) != 0
    assert talking.wait(15) != 0
    assert not (box.state / "drop" / "half.txt").exists()


WAITS = r"chat info: file transfers under way have a moment"


@pytest.mark.parametrize("door", ["get", "sftp", "scp"])
def test_a_stop_lets_what_is_under_way_arrive(make_box, tmp_path, door):
    """The line is slow: the box has sent it all, but the client has yet to receive the most of it."""
    box, content, out = make_box(), bytes(range(256)) * 6000, tmp_path / "came"
    assert ssh(box, "ada", "drop", "talk.pdf", input=content).returncode == 0
    with held(box.ssh_port, 200_000) as line:
        if door == "get":
            command = box.ssh_line("ada", "get", "talk.pdf")
            command[command.index("-p") + 1] = str(line.port)
        else:
            command = [needs(door), "-q", *(["-O"] if door == "scp" else []), "-P", str(line.port),
                       *box.ssh_options(box.key("ada")), "ada@127.0.0.1:talk.pdf", str(out)]  # fmt: skip
        with open(out, "wb") as stream:
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream,
                                      stderr=subprocess.PIPE)  # fmt: skip
        assert line.held.wait(10 * PATIENCE)
        box.process.send_signal(signal.SIGTERM)
        box.wait_log(WAITS)
        line.go.set()
        assert client.wait(10 * PATIENCE) == 0, client.stderr.read()
    assert out.read_bytes() == content


def test_a_stop_does_not_wait_for_long(make_box):
    """Who takes nothing sees a failure, and keeps nobody waiting."""
    box = make_box()
    assert ssh(box, "ada", "drop", "talk.pdf", input=bytes(4_000_000)).returncode == 0
    with held(box.ssh_port, 200_000) as line:
        command = box.ssh_line("ada", "get", "talk.pdf")
        command[command.index("-p") + 1] = str(line.port)
        client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)  # fmt: skip
        assert line.held.wait(10 * PATIENCE)
        box.process.send_signal(signal.SIGTERM)
        box.wait_log(WAITS)
        assert box.process.wait(15 * PATIENCE) == 0
        assert "chat: did not end within" not in box.log()
        line.go.set()
        assert len(client.communicate(timeout=15 * PATIENCE)[0]) < 4_000_000
    assert client.returncode != 0
