"""The LAN in network namespaces: 50 guests who come at once (udhcpc; dhclient and dhcpcd among them
where they are installed), their names afterwards with the link dead, renewals after kill -9 of
everything, and perfdhcp's flood. Needs root."""

import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box, descendants, needs, wait_for  # noqa: E402
from lan import Lan, ip  # noqa: E402

GUESTS = 50
# Of all three clients: udhcpc says what happened as an argument, the others in $reason.
SCRIPT = """#!/bin/sh
case "$1$reason" in
bound | BOUND) echo "$(date +%%s.%%N) $ip$new_ip_address" > "%s/$interface" ;;
esac
exit 0
"""
# What else is among the guests: a folder of its own is $1, the interface $2, the script $3.
OTHERS = {
    "dhclient": 'dhclient -4 -1 -cf /dev/null -sf "$3" -lf "$1/leases" -pf "$1/pid" "$2"; kill "$(cat "$1/pid")"',
    # -A: without its own ARP probes, which take some seconds.
    "dhcpcd": """mkdir -p /var/lib/dhcpcd && mount -t tmpfs none /run && mount -t tmpfs none /var/lib/dhcpcd &&
        dhcpcd -4 -1 -A -B -t 15 -f /dev/null -c "$3" "$2" """,
}


def interfaces(device):
    """GUESTS network cards in one namespace, each with its own address."""
    for number in range(GUESTS):
        name = f"guest{number}"
        ip("-n", device.name, "link", "add", name, "link", "eth0", "type", "macvlan", "mode", "bridge")
        ip("-n", device.name, "link", "set", name, "up")
        yield name


# Asks one server for names over one socket, ten times around: median and worst, in ms.
ASK = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 53))
s.settimeout(3)
took = []
for name in sys.argv[2:] * 10:
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0"
    begin = time.monotonic()
    s.send(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!2H", 1, 1))
    assert s.recv(1500)[2] & 128, "no answer"
    took.append((time.monotonic() - begin) * 1000)
took.sort()
print("%.2f %.2f" % (took[len(took) // 2], took[-1]))
"""


def come(guests, lan, name, client):
    """One guest asks for an address."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if client is None:
        guests.start(needs("udhcpc"), "-i", name, "-n", "-q", "-f", "-T", 1, "-t", 9, "-s", lan.script,
                     "-x", f"hostname:{name}", **quiet)  # fmt: skip
        return
    folder = tempfile.mkdtemp(prefix="riad-bench-")
    guests.start("unshare", "-m", "sh", "-c", OTHERS[client] + '; rm -r "$1"', client, folder, name, lan.script, **quiet)


def renewals(out, names):
    """`NAME ADDRESS` of each guest's last lease."""
    return [f"{name} {(out / name).read_text().split()[1]}" for name in names]


def renew(guests, lan, out, names):
    """All guests ask again for what they had; what each one got."""
    had = dict(row.split() for row in renewals(out, names))
    for name in names:
        guests.start(
            needs("udhcpc"), "-i", name, "-n", "-q", "-f", "-T", 1, "-t", 9, "-s", lan.script, "-r", had[name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).wait()  # fmt: skip
    return dict(row.split() for row in renewals(out, names))


def flood(guests, box):
    """200 new devices a second for 5 s, within a range that has room for them. dnsmasq keeps no
    address back for whom it was offered: who comes second hears no and asks again. perfdhcp's
    devices have addresses in a row, as no guests' have, and it counts a no as a drop."""
    done = guests.run(
        "perfdhcp", "-4", "-l", "eth0", "-r", 200, "-R", 1000, "-p", 5, "-W", 2000000, timeout=60
    )  # fmt: skip
    done = done.stdout or done.stderr
    numbers = re.findall(r"(sent packets|received packets|drops): (\d+)", done)
    print("perfdhcp, 200 a second for 5 s: " + ", ".join(f"{what} {count}" for what, count in numbers)
          + f"; {box.log().count('DHCPNAK')} of them told to ask again")


def main():
    if os.geteuid() != 0:
        print("needs root: not measured")
        return
    with Lan() as lan:
        made = []

        def make_box(start=True, **sections):
            box = Box(sections)
            made.append(box)
            return box

        box = lan.box(
            make_box, box={"log": "debug"}, lan={"address": "10.77.0.1/20"}, dhcp={"range": "10.77.1.1,10.77.15.250"}
        )
        guests = lan.device("guests")
        wait_for(lambda: "serves DHCP" in box.service("dhcp")["text"], "DHCP")
        out = lan.folder / "bound"
        out.mkdir()
        lan.script.write_text(SCRIPT % out)
        names = list(interfaces(guests))
        others = [client for client in OTHERS if shutil.which(client)]
        begin = time.time()
        for name, client in itertools.zip_longest(names, others):
            come(guests, lan, name, client)
        wait_for(lambda: len(list(out.iterdir())) == GUESTS, "all leases", 30)
        for process in guests.processes:
            process.wait(30)
        names = names[len(others) :]  # who are asked for by name, and renew
        rows = [path.read_text().split() for path in out.iterdir()]
        times = sorted(float(row[0]) - begin for row in rows)
        print(f"{GUESTS} guests at once ({', '.join([*others, 'udhcpc'])}): first lease after {times[0]:.2f} s, "
              f"median {statistics.median(times):.2f} s, last {times[-1]:.2f} s; "
              f"{len({row[1] for row in rows})} addresses")  # fmt: skip

        def rows_there():
            with box.store() as store:
                return store.execute("SELECT count(*) FROM lease").fetchone()[0] == GUESTS

        wait_for(rows_there, "the rows")
        guests.address("10.77.0.9/20")
        ask = guests.run(sys.executable, "-c", ASK, "10.77.0.1", *[f"{name}.lan" for name in names]).stdout.split()
        print(f"a name of the LAN, no resolver reachable: median {ask[0]} ms, worst of {10 * len(names)} {ask[1]} ms")
        ask = guests.run(sys.executable, "-c", ASK, "10.77.0.1", *["example.org"] * GUESTS).stdout.split()
        print(f"a foreign name, refused: median {ask[0]} ms, worst of 500 {ask[1]} ms")
        before = {row.split()[0]: row.split()[1] for row in renewals(out, names)}
        box.kill_all([box.process.pid, *descendants(box.process.pid)])
        box.process.wait()
        box.start()
        wait_for(lambda: "serves DHCP" in box.service("dhcp")["text"], "DHCP again")
        kept = renew(guests, lan, out, names)
        print(f"renewed after kill -9 of everything: {sum(kept[n] == before[n] for n in names)} of {len(names)} addresses kept")
        if shutil.which("perfdhcp"):
            flood(guests, box)
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
        box.stop()
        box.remove()


main()
