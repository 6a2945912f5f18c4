"""Networks for tests: namespaces, cables and a switch, and devices that ask for an address.

    with Lan() as lan:
        box = lan.box(make_box, dhcp={"mode": "on"})
        guest = lan.device("guest")
        print(guest.lease("laptop")["ip"], guest.dns("riad.lan"))

Everything has names of this run and goes away at the end, whatever happened.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from conftest import needs, needs_root, wait_for

_count = 0

# One DNS question by hand, since dig is not everywhere: prints {"status", "addresses", "ms"}.
DNS = textwrap.dedent(
    """
    import json, socket, struct, sys, time
    server, port, name, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    kinds = {"A": 1, "PTR": 12, "AAAA": 28, "SRV": 33}
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0"
    query = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!2H", kinds[kind], 1)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    begin = time.monotonic()
    s.sendto(query, (server, port))
    try:
        answer = s.recv(1500)
    except OSError as error:
        print(json.dumps({"status": "silent", "addresses": [], "ms": 3000}))
        sys.exit()
    ms = (time.monotonic() - begin) * 1000
    def get(at):
        parts = []
        jumped = None
        while answer[at]:
            if answer[at] >= 0xC0:
                jumped = jumped or at + 2
                at = (answer[at] & 63) << 8 | answer[at + 1]
                continue
            parts.append(answer[at + 1 : at + 1 + answer[at]].decode())
            at += 1 + answer[at]
        return ".".join(parts), jumped or at + 1
    flags, questions, count = struct.unpack("!3H", answer[2:8])
    at, found = 12, []
    for _ in range(questions):
        at = get(at)[1] + 4
    for _ in range(count):
        at = get(at)[1]
        kind, _, _, size = struct.unpack("!HHIH", answer[at : at + 10])
        at += 10
        if kind == 1:
            found.append(socket.inet_ntoa(answer[at : at + 4]))
        elif kind == 12:
            found.append(get(at)[0])
        elif kind == 33:
            found.append(get(at + 6)[0] + ":%d" % struct.unpack("!H", answer[at + 4 : at + 6]))
        at += size
    names = {0: "ok", 2: "failed", 3: "no such name", 5: "refused"}
    print(json.dumps({"status": names[flags & 15], "addresses": found, "ms": ms}))
    """
)

SCRIPT = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr replace "$ip/$mask" dev "$interface"
env | grep -E '^(ip|mask|router|dns|domain|lease|serverid|opt114)=' > "$RIAD_TEST_LEASE"
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


# Other clients, asked once: $1 is a folder, $2 the host name. What they leave running is ended.
CLIENTS = {
    "dhclient": """
        echo "send host-name \\"$2\\";" > "$1/conf"
        dhclient -4 -1 -cf "$1/conf" -sf "$1/exit" -lf "$1/leases" -pf "$1/pid" eth0 2>/dev/null
        sed -n 's/.*fixed-address \\(.*\\);/\\1/p' "$1/leases" | tail -n 1
        kill "$(cat "$1/pid")"
    """,
    # -A: without its own ARP probes, which take some seconds.
    "dhcpcd": """
        mkdir -p /var/lib/dhcpcd && mount -t tmpfs none /run && mount -t tmpfs none /var/lib/dhcpcd
        dhcpcd -4 -1 -A -t 15 -h "$2" -f /dev/null -c "$1/exit" eth0 2>&1 |
            sed -n 's/.*leased \\([0-9.]*\\) .*/\\1/p'
    """,
}


class Device:
    """A machine on the LAN: a network namespace with one cable, eth0, into the switch."""

    def __init__(self, lan, name):
        self.lan, self.name = lan, f"{lan.prefix}{name}"
        self.processes = []
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("link", "add", "eth0", "netns", self.name, "type", "veth",
           "peer", "name", name, "netns", lan.switch)  # fmt: skip
        self.port = name
        ip("-n", lan.switch, "link", "set", name, "master", "switch")
        ip("-n", lan.switch, "link", "set", name, "up")
        ip("-n", self.name, "link", "set", "eth0", "up")

    def line(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, timeout=20, **more):
        return subprocess.run(
            self.line(*command), capture_output=True, text=True, timeout=timeout, **more
        )

    def start(self, *command, **more):
        process = subprocess.Popen(self.line(*command), **more)
        self.processes.append(process)
        return process

    def address(self, text):
        ip("-n", self.name, "addr", "add", text, "dev", "eth0")

    def pull(self):
        ip("-n", self.lan.switch, "link", "set", self.port, "down")

    def plug(self):
        ip("-n", self.lan.switch, "link", "set", self.port, "up")

    def lease(self, host=None, *more, tries=8):
        """Asks once with udhcpc: a dict of what it was given, None if nobody answered."""
        out = self.lan.folder / f"{self.name}.lease"
        out.unlink(missing_ok=True)
        options = ["-x", f"hostname:{host}"] if host else []
        self.run(
            needs("udhcpc"), "-i", "eth0", "-n", "-q", "-f", "-t", tries, "-T", 1, "-A", 1,
            "-s", self.lan.script, *options, *more,
            env={**os.environ, "RIAD_TEST_LEASE": str(out)},
        )  # fmt: skip
        if not out.exists():
            return None
        return dict(line.split("=", 1) for line in out.read_text().splitlines())

    def lease_by(self, client, host):
        """The same with dhclient or dhcpcd, whose files are their own: the address they were given."""
        needs(client)
        folder = self.lan.folder / f"{self.name}.{client}"
        folder.mkdir()
        (folder / "exit").write_text("#!/bin/sh\nexit 0\n")
        (folder / "exit").chmod(0o755)
        done = self.run(
            "unshare", "-m", "sh", "-c", CLIENTS[client], client, folder, host, timeout=40
        )
        shutil.rmtree(folder)
        return done.stdout.strip()

    def dns(self, name, kind="A", server="10.77.0.1", port=53):
        return json.loads(self.run(sys.executable, "-c", DNS, server, port, name, kind).stdout)

    def remove(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class Lan:
    def __init__(self):
        global _count
        needs_root()
        needs("ip")
        _count += 1
        self.prefix = f"riad-{os.getpid()}-{_count}-"
        self.switch = f"{self.prefix}switch"
        self.devices = []
        self.folder = Path(tempfile.mkdtemp(prefix="riad-lan-"))
        self.script = self.folder / "udhcpc"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)

    def __enter__(self):
        try:
            ip("netns", "add", self.switch)
            ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
            ip("-n", self.switch, "link", "set", "switch", "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            import pytest

            pytest.skip(f"no network namespaces here: {error.stderr}")
        return self

    def device(self, name):
        device = Device(self, name)
        self.devices.append(device)
        return device

    def box(self, make_box, start=True, interface="eth0", device="box", **sections):
        """A box whose [lan] is a device of this network, of that name; box.device is that."""
        sections.setdefault("dhcp", {}).setdefault("mode", "on")
        sections["dhcp"].setdefault("user", "")
        for quiet in ("chat", "web", "mirror"):
            sections.setdefault(quiet, {"enabled": "no"})
        sections["lan"] = {"interface": interface, **sections.get("lan", {})}
        box = make_box(start=False, **sections)
        box.device = self.device(device)
        box.wrapper = ["ip", "netns", "exec", box.device.name]
        if start:
            box.start()
        return box

    def __exit__(self, *_):
        for device in self.devices:
            device.remove()
        subprocess.run(["ip", "netns", "del", self.switch], capture_output=True)
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()
