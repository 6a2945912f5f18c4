"""The LAN in network namespaces: 50 guests (udhcpc) who come at once, their names afterwards with
the link dead, and 50 more leases one after another. Needs root."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box, needs, wait_for  # noqa: E402
from lan import Lan, ip  # noqa: E402

GUESTS = 50
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && echo "$(date +%s.%N) $ip" > "$RIAD_BENCH/$interface"
exit 0
"""


def interfaces(device):
    """GUESTS network cards in one namespace, each with its own address."""
    for number in range(GUESTS):
        name = f"guest{number}"
        ip("-n", device.name, "link", "add", name, "link", "eth0", "type", "macvlan", "mode", "bridge")
        ip("-n", device.name, "link", "set", name, "up")
        yield name


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

        box, guests = lan.box(make_box), lan.device("guests")
        wait_for(lambda: "serves DHCP" in box.service("dhcp")["text"], "DHCP")
        lan.script.write_text(SCRIPT)
        out = lan.folder / "bound"
        out.mkdir()
        names = list(interfaces(guests))
        begin = time.time()
        for name in names:
            guests.start(
                needs("udhcpc"), "-i", name, "-n", "-q", "-f", "-T", 1, "-t", 9, "-s", lan.script,
                "-x", f"hostname:{name}", env={**os.environ, "RIAD_BENCH": str(out)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        wait_for(lambda: len(list(out.iterdir())) == GUESTS, "all leases", 30)
        for process in guests.processes:
            process.wait()
        rows = [path.read_text().split() for path in out.iterdir()]
        times = sorted(float(row[0]) - begin for row in rows)
        print(f"{GUESTS} guests at once: first lease after {times[0]:.2f} s, "
              f"median {statistics.median(times):.2f} s, last {times[-1]:.2f} s; "
              f"{len({row[1] for row in rows})} addresses")  # fmt: skip

        def rows_there():
            with box.store() as store:
                return store.execute("SELECT count(*) FROM lease").fetchone()[0] == GUESTS

        wait_for(rows_there, "the rows")
        guests.address("10.77.0.9/24")
        answers = [guests.dns(f"{name}.lan") for name in names[:20]]
        assert all(answer["addresses"] for answer in answers)
        ms = sorted(answer["ms"] for answer in answers)
        print(f"a name of the LAN, no resolver reachable: median {ms[10]:.2f} ms, worst {ms[-1]:.2f} ms")
        ms = sorted(guests.dns("example.org")["ms"] for _ in range(20))
        print(f"a foreign name, refused: median {ms[10]:.2f} ms, worst {ms[-1]:.2f} ms")
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
        box.stop()
        box.remove()


main()
