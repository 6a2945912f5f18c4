"""Clients that mean harm, or are broken: they delay nobody, and nothing grows."""

import contextlib
import json
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import paramiko
import pytest

from chat import Terminal
from conftest import PATIENCE, SANITIZED, Box, resident_kb, wait_for

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def house():
    with Box({"chat": {"rate": 100000, "login_time": 5}}) as house:
        house.first = house.pid("chat")
        yield house
        assert house.pid("chat") == house.first, "the chat died on the way"


def grew_less(box, before, kb):
    """Whether it is that little larger; sanitizers keep what was released, and are not asked."""
    return SANITIZED or resident_kb(box.pid("chat")) < before + kb


def answers(box):
    """How long somebody who means it waits, in seconds."""
    began = time.monotonic()
    box.ssh("honest", "whoami", check=0)
    return time.monotonic() - began


def connect(box, address="127.0.0.1"):
    """From that address of the loopback device."""
    return socket.create_connection(("127.0.0.1", box.ssh_port), 10, (address, 0))


class Client:
    """paramiko, with its good manners switched off."""

    def __init__(self, box, name):
        key = paramiko.Ed25519Key.from_private_key_file(str(box.key(name)))
        self.transport = paramiko.Transport(connect(box))
        self.transport.use_compression(False)
        self.transport._sanitize_packet_size = lambda size: size
        self.transport._sanitize_window_size = lambda size: size
        self.transport.start_client(timeout=10)
        self.transport.auth_publickey(name, key)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()

    def channel(self, window=None, packet=None):
        return self.transport.open_session(window_size=window or 2**21,
                                           max_packet_size=packet or 2**15, timeout=10)  # fmt: skip

    def gone(self):
        return not self.transport.is_active()


def packet(payload, padding=8, length=None):
    """A packet before encryption, RFC 4253, 6."""
    body = bytes([padding]) + payload + b"\0" * padding
    return struct.pack(">I", len(body) if length is None else length) + body


def kex_init(lists=10, names=b"curve25519-sha256", tail=b"\0" * 5):
    return b"\x14" + b"\7" * 16 + (struct.pack(">I", len(names)) + names) * lists + tail


def malformed(noise):
    """21 kinds: before, within and after the exchange of keys."""
    hello, real = b"SSH-2.0-x\r\n", packet(kex_init())
    names = (b"curve25519-sha256", b"ssh-ed25519", b"aes256-gcm@openssh.com", b"aes256-gcm@openssh.com",
             b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b"")  # fmt: skip
    good = packet(b"\x14" + b"\7" * 16 + b"".join(struct.pack(">I", len(n)) + n for n in names) + b"\0" * 5)
    point = lambda key: packet(b"\x1e" + struct.pack(">I", len(key)) + key)
    return [
        b"", b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-" + b"y" * 4000,
        b"\r\n" * 500, noise.randbytes(500), hello, hello + noise.randbytes(3000),
        hello + struct.pack(">I", 0xFFFFFFFF), hello + struct.pack(">I", 0), hello + packet(b"", 200, 1000),
        hello + real[:30], hello + packet(kex_init(lists=3)), hello + packet(kex_init(names=b"")),
        hello + packet(kex_init(names=b"," * 20000)), hello + packet(b"\x14" + b"\7" * 16 + b"\xff" * 40),
        hello + good + point(b"\0" * 32), hello + good + point(b"\1" * 31) + b"\x15",
        hello + good + packet(b"\x15"), hello + good + point(noise.randbytes(32)) + packet(b"\x15") + noise.randbytes(300),
    ]  # fmt: skip


def test_silent_and_malformed_connections(house):
    assert answers(house) < 2 * PATIENCE
    before = resident_kb(house.pid("chat"))
    sockets = [connect(house) for _ in range(60)]
    noise = random.Random(7)
    kinds = malformed(noise)
    for at in range(150):
        one = connect(house)
        try:
            one.sendall(kinds[at % len(kinds)])
        except OSError:
            pass
        if at % 3 == 0:
            one.close()
        else:
            sockets.append(one)
        if at % 50 == 0:
            assert answers(house) < 2 * PATIENCE
    assert answers(house) < 2 * PATIENCE
    for one in sockets:
        one.close()
    assert grew_less(house, before, 20000)
    # Those who say nothing are gone when their time is over.
    quiet = connect(house)
    quiet.settimeout(12 * PATIENCE)
    quiet.recv(100)
    assert wait_for(lambda: quiet.recv(4096) == b"", "the end", 12)


@pytest.mark.campaign
def test_a_thousand_malformed_connections(house):
    """Of 21 kinds, a third of them closed by the client, the others left to the box."""
    noise, began, worst = random.Random(7), time.monotonic(), 0.0
    kinds = malformed(noise)
    assert len(kinds) == 21
    assert answers(house) < 2 * PATIENCE
    before, sockets = resident_kb(house.pid("chat")), []
    descriptors = len(list(Path(f"/proc/{house.pid('chat')}/fd").iterdir()))
    for at in range(1000):
        one = connect(house)
        try:
            one.sendall(kinds[at % 21])
        except OSError:
            pass
        if at % 3 == 0:
            one.close()
        else:
            sockets.append(one)
        if at % 50 == 0:
            worst = max(worst, answers(house))
            assert worst < 2 * PATIENCE
    for one in sockets:
        one.close()
    wait_for(lambda: len(list(Path(f"/proc/{house.pid('chat')}/fd").iterdir())) <= descriptors + 2,
             "their descriptors to be closed", 20)  # fmt: skip
    assert grew_less(house, before, 8000)
    print(f"\nmalformed ssh: 1000 connections of 21 kinds in {time.monotonic() - began:.0f} s: others waited at most "
          f"{worst * 1000:.0f} ms, memory {before} → {resident_kb(house.pid('chat'))} KB, no descriptor left", flush=True)  # fmt: skip


@pytest.mark.parametrize("packet", [1, 9, 10, 11, 255])
def test_packets_too_small(house, packet):
    """The hole of libssh: such a channel is refused, and its address for a while."""
    # From an address of its own, for it will be refused.
    source = f"127.0.1.{packet % 250 + 1}"
    key = paramiko.Ed25519Key.from_private_key_file(str(house.key("tiny")))
    sock = socket.create_connection(("127.0.0.1", house.ssh_port), 10, (source, 0))
    transport = paramiko.Transport(sock)
    transport._sanitize_packet_size = lambda size: size
    transport.start_client(timeout=10)
    transport.auth_publickey("tiny", key)
    with pytest.raises(Exception):
        channel = transport.open_session(max_packet_size=packet, timeout=5)
        channel.exec_command("who")
        channel.recv(1)
        raise RuntimeError("closed") if transport.is_active() is False else AssertionError
    transport.close()
    assert answers(house) < 2 * PATIENCE
    again = socket.create_connection(("127.0.0.1", house.ssh_port), 10, (source, 0))
    again.settimeout(5)
    assert b"refused" in again.recv(100)


def test_a_tiny_window_takes_what_it_takes(house):
    house.ssh("honest", "say", "something to read", check=0)
    with Client(house, "narrow") as narrow:
        channel = narrow.channel(window=1, packet=256)
        channel.exec_command("history")
        channel.settimeout(5)
        # paramiko opens the window again as it reads.
        assert channel.recv(1)
        assert answers(house) < 2 * PATIENCE


def flood(box, seconds, size=4000):
    """Others talk; returns how many lines."""
    talker = box.ssh_open("flooder", "say")
    end, lines = time.monotonic() + seconds, 0
    while time.monotonic() < end and lines < 200:
        talker.stdin.write("x" * size + "\n")
        lines += 1
    talker.stdin.close()
    assert talker.wait(30 * PATIENCE) == 0
    return lines


def test_readers_who_do_not_read_lose_their_connection(house):
    """None of them delays the others; the queue of each is bounded."""
    stuck = []
    before = resident_kb(house.pid("chat"))
    for i in range(8):
        client = Client(house, f"stuck{i}")
        channel = client.channel(window=2000)
        channel.get_pty()
        channel.invoke_shell()
        stuck.append(client)
    flood(house, 10)
    assert answers(house) < 2 * PATIENCE
    wait_for(lambda: all(client.gone() for client in stuck), "their end", 20)
    assert grew_less(house, before, 20000)


@contextlib.contextmanager
def listener(box, name, *options):
    """Somebody who listens through a pipe, and leaves at the end: the process, and the lines."""
    heard = []
    with subprocess.Popen(box.ssh_line(name, *options), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as ssh:  # fmt: skip
        hears = threading.Thread(target=lambda: heard.extend(ssh.stdout))
        hears.start()
        try:
            wait_for(lambda: name in box.ssh("iris", "who").stdout, f"{name} to be here")
            yield ssh, heard
            ssh.stdin.close()
            assert ssh.wait(10 * PATIENCE) == 0
        finally:
            ssh.kill()
            hears.join()


@pytest.mark.parametrize("sign", ["a", "&"])
def test_long_words_send_nobody_out(make_box, sign):
    """A burst of the longest messages: who reads stays, bots with JSON, too, and who comes behind
    them gets in, by a terminal and by --since."""
    box = make_box(chat={"rate": 100000})
    for name in ("iris", "joe", "kim"):
        box.ssh(name, "whoami", check=0)
    with listener(box, "joe", "chat", "--json") as (_, heard):
        loud = box.ssh("gus", input=f"{sign * 8000}\n" * 60)
        assert loud.returncode == 0, loud.stderr
        wait_for(lambda: [json.loads(line)["text"] for line in heard] == [sign * 8000] * 60, "all of them")
    with Terminal(box, "kim") as kim:
        kim.say("here I am")
        kim.wait("here I am")
        wait_for(lambda: "here I am" in box.ssh("iris", "history").stdout, "kim to be heard")
    got = subprocess.run(box.ssh_line("iris", "chat", "--json", "--since", "0"), input=b"",
                         capture_output=True, timeout=30)  # fmt: skip
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    assert got.returncode == 0 and len(rows) >= 61
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})


@pytest.mark.parametrize("options", [["chat", "--json"], []], ids=["json", "lines"])
def test_lines_wait_for_who_reads_slowly(make_box, options):
    """A bot whose computer sleeps while more is said than its connection holds: all of it comes
    afterwards, once and in order, what is said then follows, and nothing of a room it is not in.
    It hears of what is taken back of what it has."""
    box = make_box(chat={"rate": 100000})
    for name in ("iris", "joe"):
        box.ssh(name, "whoami", check=0)

    def texts():
        lines = [line for line in heard if b"gus" in line]
        return [json.loads(line)["text"] if options else line.decode().split(" ", 2)[2].strip()
                for line in lines]  # fmt: skip

    said = [f"{i} " + "&" * 8000 for i in range(400)]
    with listener(box, "joe", *options) as (joe, heard):
        assert box.ssh("iris", "say", "oops").returncode == 0
        wait_for(lambda: b"oops" in b"".join(heard), "the first word")
        joe.send_signal(signal.SIGSTOP)
        assert box.ssh("gus", input="\n".join(said) + "\n").returncode == 0
        assert box.ssh("iris", "delete").returncode == 0
        assert box.ssh("gus", input="/join elsewhere\nhidden\n").returncode == 0
        joe.send_signal(signal.SIGCONT)
        wait_for(lambda: len(texts()) == len(said), "all of them", 30)
        assert box.ssh("gus", "say", "afterwards").returncode == 0
        wait_for(lambda: texts()[-1] == "afterwards", "what is said then")
    assert texts() == [*said, "afterwards"]
    if options:
        assert [line["removed"] for line in map(json.loads, heard) if line["name"] == "iris"] == [False, True]


def test_keepalives_without_reading(house):
    """Questions whose answers nobody takes: the connection stops being read."""
    client = Client(house, "keeper")
    channel = client.channel()
    channel.get_pty()
    channel.invoke_shell()
    time.sleep(0.2)
    before = resident_kb(house.pid("chat"))
    # From here on nobody reads: the thread of paramiko is stopped by stopping its socket's reads.
    client.transport.packetizer.read_message = lambda: time.sleep(3600)
    client.transport.sock.settimeout(0.5)

    def ask():
        message = paramiko.Message()
        message.add_byte(bytes([paramiko.common.cMSG_GLOBAL_REQUEST[0]]))
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        client.transport._send_message(message)

    def ask_much():
        try:
            for _ in range(30000):
                ask()
        except Exception:
            pass

    asker = threading.Thread(target=ask_much, daemon=True)
    asker.start()
    asker.join(6)
    assert answers(house) < 2 * PATIENCE
    assert grew_less(house, before, 20000)
    client.transport.sock.close()


def test_a_client_that_ignores_the_window(house):
    with Client(house, "greedy") as greedy:
        channel = greedy.channel()
        # `whoami` reads nothing; megabytes come all the same.
        channel.exec_command("say")
        channel.out_window_size = 2**30
        before = resident_kb(house.pid("chat"))

        def pour():
            try:
                for _ in range(4000):
                    channel.sendall(b"z" * 16000)
            except Exception:
                pass

        thread = threading.Thread(target=pour, daemon=True)
        thread.start()
        assert answers(house) < 3 * PATIENCE
        thread.join(8)
        assert grew_less(house, before, 30000)


def test_requests_in_every_order(house):
    """A shell twice, sizes out of bounds."""
    with Client(house, "orders") as orders:
        channel = orders.channel()
        channel.get_pty("x" * 3000, 2**31 - 1, 2**31 - 1)
        channel.invoke_shell()
        with pytest.raises((paramiko.SSHException, EOFError)):
            channel.exec_command("who")
    with Client(house, "orders") as orders:
        channel = orders.channel()
        channel.get_pty("xterm", 1, 1)
        channel.invoke_shell()
        for width in (0, 1, 2, 3, 2**31 - 1, 80):
            channel.resize_pty(width, width)
        channel.send("some text that does not fit\r")
        wait_for(lambda: channel.recv_ready(), "an answer")
    assert answers(house) < 2 * PATIENCE


def send(client, kind, *fields):
    """A message of our own making, after the keys are exchanged."""
    message = paramiko.Message()
    message.add_byte(bytes([kind]))
    for field in fields:
        {bool: message.add_boolean, int: message.add_int}.get(type(field), message.add_string)(field)
    client.transport._send_message(message)


def ask(client, what, *fields):
    send(client, 98, 0, what, False, *fields)  # SSH_MSG_CHANNEL_REQUEST to the box's first channel


FLOODS = {
    "channels": lambda client, n: send(client, 90, "session", n + 9, 2**32 - 1, 2**15),
    "kinds": lambda client, n: send(client, 90, "\x1b[2J" * (n % 500), n + 9, 0, 2**32 - 1),
    "windows": lambda client, n: send(client, 93, 0, 2**32 - 1),
    "environment": lambda client, n: ask(client, "env", f"NAME{n}", "x" * 1000),
    "terminals": lambda client, n: ask(client, "pty-req", "\x1b]0;x\x07" * 50, n, 65535, 0, 0, b"\0" * 200),
    "commands": lambda client, n: ask(client, "exec", f"help {n}"),
    "sizes": lambda client, n: ask(client, "window-change", [0, 1, 65535, 2**32 - 1][n % 4], n % 3, 0, 0),
    "strangers": lambda client, n: send(client, 94 + n % 7, 4711 + n, "x" * 100),
}  # fmt: skip


@pytest.mark.parametrize("kind", FLOODS)
def test_floods_within_a_session(house, kind):
    """A thousand of each, as fast as they go: refused or taken, nobody waits and nothing is kept."""
    house.ssh("honest", "whoami", check=0)
    before, descriptors = resident_kb(house.pid("chat")), len(list(Path(f"/proc/{house.first}/fd").iterdir()))
    with Client(house, "flooding") as client:
        client.channel()
        if kind == "sizes":
            ask(client, "pty-req", "xterm", 80, 24, 0, 0, b"\0")
            ask(client, "shell")
        try:
            for number in range(1000):
                FLOODS[kind](client, number)
        except (OSError, EOFError, paramiko.SSHException):
            pass  # it had enough
        assert answers(house) < 2 * PATIENCE
    assert answers(house) < 2 * PATIENCE
    wait_for(lambda: len(list(Path(f"/proc/{house.first}/fd").iterdir())) <= descriptors + 2, "its descriptors to go")
    assert grew_less(house, before, 4000)


def test_rekeying(house):
    """Keys are exchanged anew in the middle of a conversation."""
    line = house.ssh_line("rekey", "chat")
    line[1:1] = ["-o", "RekeyLimit=16K"]
    import subprocess

    text = "".join(f"line {i} {'r' * 300}\n" for i in range(300))
    done = subprocess.run(line, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sum(" rekey line " in x for x in done.stdout.splitlines()) == 300


def test_connections_of_one_address_are_limited(make_box):
    box = make_box(chat={"max_per_address": 5})
    held = [connect(box) for _ in range(5)]
    for one in held:
        one.recv(10)
    extra = connect(box)
    extra.settimeout(5)
    assert b"too many" in extra.recv(100)
    for one in held:
        one.close()
    assert wait_for(lambda: box.ssh("ada", "whoami").returncode == 0, "room again")


def test_those_who_have_not_said_who_they_are_are_limited_in_all(make_box):
    """The oldest of them goes, so that who means it still comes in."""
    box = make_box(chat={"max_unauthenticated": 4})
    held = [connect(box, f"127.0.0.{2 + n}") for n in range(4)]
    for one in held:
        one.settimeout(10 * PATIENCE)
        assert one.recv(100).startswith(b"SSH-2.0-")
    assert box.ssh("ada", "whoami").returncode == 0
    while held[0].recv(4096):
        pass
    held[-1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        while held[-1].recv(4096):
            pass


def test_knocking_again_and_again_ends_nobody_elses_login(make_box):
    """Somebody thinks about the host key meanwhile, others sign in."""
    box = make_box(chat={"max_unauthenticated": 20})
    thinking = connect(box, "127.0.0.3")
    assert thinking.recv(100).startswith(b"SSH-2.0-")
    knocking = []
    try:
        for n in range(200):
            knocking.append(connect(box, "127.0.0.2"))
            if n % 50 == 0:
                assert box.ssh("ada", "whoami").returncode == 0
        assert box.ssh("ada", "whoami").returncode == 0
        thinking.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while thinking.recv(4096):
                pass
    finally:
        for one in [thinking, *knocking]:
            one.close()


@pytest.mark.parametrize("length", [5000, 60000])
def test_a_path_without_end_is_refused_and_shows_nothing_else(house, length):
    """The refusal of scp quotes the path: not more of it than there is, nothing behind it."""
    with Client(house, "scper") as client:
        channel = client.channel()
        channel.exec_command("scp -f " + "A" * length)
        channel.sendall(b"\0")
        channel.settimeout(10 * PATIENCE)
        assert channel.makefile().read() == b"\1scp: " + b"A" * 200 + b": The path is too long.\n"


EVIL = "zz\x1b]0;owned\x07\x1b[31mred\x9b31m\u202eevil\u200b\r\x08"
UNCLEAN = re.compile(rb"[\0-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae\x8b\x8e\x8f]")


@pytest.mark.parametrize("command", [
    "{}", "help {}", "msg {} hi", "nick {}", "get {}", "rm {}", "drop {}", "files {}", "ignore {}",
    "delete {}", "report {}", "history --{}", "history --room {}", "history --since {}",
    "history --with {}", "search x --by {}", "search x --room {}", "search {}", "token --expires {}",
    "key {}", "web {}", "color {}", "chat --since {}",
])  # fmt: skip
def test_a_refusal_repeats_no_escapes(house, command):
    """A bot that passes on what others wrote does not pass on what it would do to its own terminal."""
    with Client(house, "parrot") as client:
        channel = client.channel()
        channel.exec_command(command.format(EVIL))
        channel.shutdown_write()
        said = channel.makefile().read() + channel.makefile_stderr().read()
        assert not UNCLEAN.search(said), said
