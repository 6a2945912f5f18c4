"""Several channels in one connection: ssh's ControlMaster, paramiko's client."""

import io
import os
import signal
import subprocess
import time

import paramiko
import pytest
from chat import Terminal

from conftest import PATIENCE, Box, needs, program, wait_for

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def house():
    program("riad-chat")
    house = Box({})
    house.start()
    yield house
    try:
        house.stop()
    finally:
        house.remove()


def sharing(box, name):
    return ["-o", "ControlMaster=auto", "-o", f"ControlPath={box.folder}/{name}.mux",
            "-o", "ControlPersist=60"]  # fmt: skip


def shared(box, name, *command, input=""):
    """ssh through the connection that is there, or one that stays for the next."""
    line = [word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in box.ssh_line(name, *command)]
    line[1:1] = sharing(box, name)
    return subprocess.run(line, input=input, capture_output=True, text=True, timeout=20 * PATIENCE)


def end_sharing(box, name):
    subprocess.run(["ssh", "-F", "/dev/null", "-O", "exit", *sharing(box, name), "x@127.0.0.1"],
                   capture_output=True, timeout=20)  # fmt: skip


class Client:
    """paramiko, for as long as it is needed."""

    def __init__(self, box, name):
        key = paramiko.Ed25519Key.from_private_key_file(str(box.key(name)))
        self.ssh = paramiko.SSHClient()
        self.ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.ssh.connect("127.0.0.1", box.ssh_port, name, pkey=key, allow_agent=False,
                         look_for_keys=False)  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ssh.close()

    def run(self, command, input=None):
        """(output, exit status); the end of input is only said if there is some."""
        stdin, out, _ = self.ssh.exec_command(command, timeout=20 * PATIENCE)
        if input is not None:
            stdin.write(input)
            stdin.flush()
            stdin.channel.shutdown_write()
        return out.read(), out.channel.recv_exit_status()


def test_a_chat_and_everything_else_in_one_connection(house):
    """As with `ControlMaster auto` in ~/.ssh/config: no complaint, one login."""
    with Terminal(house, "ada", command=()) as plain:
        plain.wait_prompt()
        master = house.ssh_line("ada", "chat")
        master[1:1] = sharing(house, "ada")
        chat = subprocess.Popen(master, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: (house.folder / "ada.mux").exists(), "the shared connection")
        done = shared(house, "ada", "who")
        assert (done.returncode, done.stderr) == (0, "") and "ada" in done.stdout
        done = shared(house, "ada", "say", "through the same door")
        assert (done.returncode, done.stderr) == (0, "")
        plain.wait("ada: through the same door")
        content = os.urandom(3_000_000)
        (house.folder / "big.bin").write_bytes(content)
        line = [needs("sftp"), *house.ssh_options(house.key("ada")), *sharing(house, "ada"), "-b", "-"]
        batch = f"put {house.folder}/big.bin\nget big.bin {house.folder}/back.bin\n"
        done = subprocess.run([*line, "-P", str(house.ssh_port), "ada@127.0.0.1"], input=batch,
                              capture_output=True, text=True, timeout=30 * PATIENCE)  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert (house.folder / "back.bin").read_bytes() == content
        assert shared(house, "ada", "get", "nothing").returncode == 1
        chat.stdin.write("still here\n")
        chat.stdin.flush()
        plain.wait("ada: still here")
        chat.stdin.close()
        assert chat.wait(10 * PATIENCE) == 0
        # The connection outlives the chat; who uses it next needs no new one.
        assert shared(house, "ada", "whoami").stdout.startswith("ada\n")
        end_sharing(house, "ada")


def test_one_client_many_commands(house):
    with Client(house, "para") as client:
        for _ in range(3):
            assert client.run("whoami")[0].startswith(b"para\n")
        content = os.urandom(1_000_000)
        output, status = client.run("drop a.bin", content)
        assert status == 0 and output.startswith(b"a.bin\n")
        assert client.run("get a.bin") == (content, 0)
        assert client.run("get nothing")[1] == 1


def test_a_transfer_makes_room_for_others(house):
    """SFTP alone on its connection has it to itself; whoever comes brings it back."""
    content = os.urandom(2_000_000)
    with Client(house, "carla") as client:
        files = client.ssh.open_sftp()
        file = files.open("carla.bin", "wb")
        file.write(content[:700_000])
        assert house.ssh("bob", "who", check=0).stdout.count("carla  sftp") == 1
        assert client.run("whoami")[0].startswith(b"carla\n")
        file.write(content[700_000:])
        file.close()
        shell = client.ssh.invoke_shell()
        shell.settimeout(10 * PATIENCE)
        seen = b""
        while b"lobby> " not in seen:
            seen += shell.recv(9999)
        back = io.BytesIO()
        files.getfo("carla.bin", back)
        assert back.getvalue() == content
        files.close()
        shell.send(b"\x04")
        while b"good-bye" not in seen:
            seen += shell.recv(9999)
        assert client.ssh.open_sftp().listdir("/")
    wait_for(lambda: "carla" not in house.ssh("bob", "who").stdout, "her to be gone")


def test_files_alone_are_no_coming_and_going(house):
    """Who only copies is not announced to those who talk."""
    with Terminal(house, "dan") as dan:
        dan.wait_prompt()
        house.sftp("copier", "ls\n", check=0)
        house.ssh("erin", "say", "a word", check=0)
        assert "copier" not in "\n".join(dan.wait("erin: a word"))


def test_another_name_meanwhile(house):
    """A later channel is the same person, and claims nothing."""
    with Client(house, "before") as client:
        assert client.run("nick after")[1] == 0
        assert client.run("whoami")[0].startswith(b"after\n")
        assert house.ssh("before", "whoami", check=0)


def test_at_most_ten_and_who_is_sent_out_goes_altogether(house):
    house.ssh("hostess", "whoami", check=0)
    house.riad("people", "promote", "hostess", check=0)
    with Client(house, "mallory") as client:
        open_ones = []
        with pytest.raises(paramiko.ChannelException):
            for _ in range(11):
                channel = client.ssh.get_transport().open_session(timeout=10)
                channel.exec_command("chat")
                open_ones.append(channel)
        assert len(open_ones) == 10
        open_ones.pop().close()
        wait_for(lambda: "mallory" in house.ssh("hostess", "who").stdout, "mallory")
        house.ssh("hostess", "kick", "mallory", check=0)
        wait_for(lambda: not client.ssh.get_transport().is_active(), "the end", 10)


def doors(box, name):
    with box.store() as store:
        return store.execute("SELECT count(*) FROM session JOIN person ON person.id = person_id "
                             "WHERE name = ?", (name,)).fetchone()[0]  # fmt: skip


def test_a_connection_that_died_is_replaced_by_the_next(house):
    """A closed lid: the kernel may answer yet, the client does not. Who lives stays, however often it happens."""
    lid, lives = house.ssh_open("lid"), house.ssh_open("lid")
    try:
        wait_for(lambda: doors(house, "lid") == 2, "both connections")
        for _ in range(3):  # each asks the others
            house.ssh("lid", "whoami", check=0)
        os.kill(lid.pid, signal.SIGSTOP)
        dead, lid = lid, house.ssh_open("lid")
        wait_for(lambda: doors(house, "lid") == 3, "the third connection")
        wait_for(lambda: doors(house, "lid") == 2, "the dead one to be gone", 20)
        os.kill(dead.pid, signal.SIGKILL)
        dead.communicate()
        assert lives.poll() is None and lid.poll() is None
        lid.stdin.write("here again\n")
        lid.stdin.flush()
        assert any("here again" in line for line in lives.stdout)  # the house talks, too
    finally:
        for one in (lid, lives):
            one.kill()
            one.communicate()


@pytest.mark.campaign
def test_a_silent_connection_is_no_ghost(house):
    """Nobody comes back: it is gone after the promised minute."""
    ghost = house.ssh_open("ghost")
    living = house.ssh_open("quiet")
    wait_for(lambda: doors(house, "ghost") == 1 and doors(house, "quiet") == 1, "both to be in")
    os.kill(ghost.pid, signal.SIGSTOP)
    wait_for(lambda: doors(house, "ghost") == 0, "the ghost to be gone", 70)
    time.sleep(70)
    assert doors(house, "quiet") == 1 and living.poll() is None
    for one in (ghost, living):
        one.kill()
        one.communicate()
