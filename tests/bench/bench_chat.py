"""The chat under load: memory a client, processor a delivered line, delays, connections a second.

Beside them what ssh-chat (Go) measured on a machine of this size: 150 KB a client, 77 µs a
delivered line, 46 ms p50 and 120 ms p99 to everybody, 56 connections a second.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box, wait_for  # noqa: E402

HERE = Path(__file__).resolve().parent


def build(folder):
    program = Path(folder) / "chat_load"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libssh"], check=True,
                           capture_output=True, text=True).stdout.split()  # fmt: skip
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, HERE / "chat_load.c", *flags,
                    "-lpthread"], check=True)  # fmt: skip
    return program


def memory_kb(pid):
    """Its own and shared pages by share, PSS."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])


def processor_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    def __init__(self, program, box, clients, silent=0):
        self.clients, self.silent = clients, silent
        self.process = subprocess.Popen([program, str(box.ssh_port), str(clients), str(silent)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)  # fmt: skip

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().split()

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def measure(program, clients, silent=0, messages=100, gap_ms=100):
    box = Box({"chat": {"max_unauthenticated": 2000, "max_per_address": 5000, "rate": 100000}})
    box.start()
    try:
        pid = box.pid("chat")
        before = memory_kb(pid)
        load = Load(program, box, clients, silent)
        _, connected, seconds = load.ask("connect")
        wait_for(lambda: processor_idle(pid), "the chat to be idle", 60)
        after = memory_kb(pid)
        load.ask("say 5 200")
        used = processor_s(pid)
        _, expected, seen, p50, p99, most = load.ask(f"say {messages} {gap_ms}")
        used = processor_s(pid) - used
        load.end()
        print(f"{clients} clients, {silent} of them not reading:")
        print(f"  connections          {int(connected) / float(seconds):8.0f} a second"
              f" ({connected} of {clients})")
        print(f"  memory               {(after - before) / clients:8.1f} KB a client")
        print(f"  processor            {1e6 * used / max(1, int(seen)):8.1f} µs a delivered line")
        print(f"  to everybody         {p50:>8} ms p50, {p99} ms p99, {most} ms at most")
        print(f"  lost                 {int(expected) - int(seen):8d} of {expected}")
        return box
    finally:
        box.stop()
        box.remove()


def joined_s(box):
    """From the shell's request to the prompt, without the handshake."""
    import paramiko

    key = paramiko.Ed25519Key.from_private_key_file(str(box.key("ada")))
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", box.ssh_port, "ada", pkey=key, allow_agent=False,
                       look_for_keys=False)  # fmt: skip
        began, seen = time.monotonic(), b""
        channel = client.invoke_shell()
        while b"lobby> " not in seen:
            seen += channel.recv(65536)
        return time.monotonic() - began


def measure_history():
    """Somebody comes in: ten messages of theirs, and a hundred thousand."""
    box = Box({})
    box.start()
    try:
        box.ssh("ada", "whoami", check=0)
        for count in (10, 100000):
            subprocess.run(
                ["sqlite3", f"{box.state}/store/riad.db",
                 f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                 "INSERT INTO message (at, room_id, person_id, kind, text) SELECT 1700000000000 + i, "
                 "1, 1, 'say', 'message ' || i FROM n"], check=True)  # fmt: skip
            box.restart_service("chat")
            times = sorted(joined_s(box) for _ in range(9))
            print(f"joining a room of {count:6} messages: {1000 * times[4]:.1f} ms (median of 9)")
    finally:
        box.stop()
        box.remove()


def processor_idle(pid):
    first = processor_s(pid)
    time.sleep(0.5)
    return processor_s(pid) - first < 0.03


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        measure(program, 500)
        measure(program, 500, silent=100)
        measure_history()
        if "--all" in sys.argv:
            measure(program, 1500, messages=40, gap_ms=300)


if __name__ == "__main__":
    main()
