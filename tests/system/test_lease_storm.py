"""Addresses in a storm of devices, while dnsmasq, riad-dhcp and the whole box are killed, or the power
fails: none is given twice, none changes.

    RIAD_SEED=7 RIAD_ROUNDS=100 make campaign ARGS="tests/system/test_lease_storm.py"
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, descendants, needs, wait_for
from disk import Disk
from lan import Lan

SEED = int(os.environ.get("RIAD_SEED", "7"))
STORM = Path(__file__).with_name("storm.py")


class Storm:
    def __init__(self, device):
        device.address("10.77.200.2/16")
        self.process = device.start(sys.executable, STORM, "eth0", SEED, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, bufsize=1)  # fmt: skip
        self.heard, self.count = [], 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            when, mac, address = line.split()
            self.heard.append((float(when), mac, address))

    def add(self, count):
        self.count += count
        self.process.stdin.write(f"add {count}\n")

    def bound(self):
        return len({mac for _, mac, address in self.heard if address != "nak"})

    def all_bound(self):
        wait_for(lambda: self.bound() == self.count, f"{self.count} devices to have addresses: {self.bound()}", 60)

    def all_renewed(self, since):
        """Everybody has been acknowledged again since then."""
        wait_for(lambda: len({mac for when, mac, address in self.heard if when > since and address != "nak"}) == self.count,
                 "everybody to be acknowledged again", 60)  # fmt: skip

    def check(self, cuts=()):
        """How many acknowledgements; none twice, none changed but within the first second before a cut."""
        owners, addresses, first = {}, {}, {}
        for when, mac, address in list(self.heard):
            if address == "nak":
                continue
            if addresses.get(mac, address) != address:
                excused = any(first[mac] < cut < first[mac] + 1 + 0.5 * PATIENCE for cut in cuts)
                story = [row for row in self.heard if row[1] == mac and row[0] > when - 30]
                assert excused, f"{mac} had {addresses[mac]} and was given {address}: {story}; {cuts[-9:]}"
                owners.pop(addresses[mac], None)
            assert owners.get(address, mac) == mac, f"{address} was given to {owners[address]} and to {mac}"
            if addresses.get(mac) != address:
                first[mac] = when
            owners[address], addresses[mac] = mac, address
        return len(self.heard)


def dnsmasq_pid(box):
    for pid, row in descendants(box.process.pid).items():
        if "dnsmasq --conf-file" in row[3]:
            return pid
    return None


def kill_one(box, chance, whole):
    """kill -9 of dnsmasq, of riad-dhcp, or of the whole box, which is started again."""
    if whole:
        below = descendants(box.process.pid)
        box.kill_all([box.process.pid, *below])
        box.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in below), "their end")
        box.start()
        return
    pid = dnsmasq_pid(box) if chance.random() < 0.6 else box.service("dhcp")["pid"]
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def lan_box(lan, make_box, start=True):
    box = lan.box(make_box, start=False, dhcp={"mode": "on", "user": "", "range": "10.77.1.1,10.77.9.250"})
    box.config(lan={"address": "10.77.0.1/16"})
    if start:
        box.start()
    return box


def kills(make_box, devices, rounds):
    needs("dnsmasq")
    chance, began = random.Random(SEED), time.monotonic()
    with Lan() as lan:
        box, storm = lan_box(lan, make_box), Storm(lan.device("many"))
        storm.add(devices)
        for number in range(rounds):
            time.sleep(chance.random() * 0.5)
            kill_one(box, chance, whole=number % 3 == 2)
            if number % 10 == 9:
                storm.all_bound()
                storm.all_renewed(time.monotonic())
                storm.check()
        storm.all_bound()
        storm.all_renewed(time.monotonic())
        acknowledged = storm.check()
        with box.store() as store:
            rows = {row["mac"].replace(":", ""): row["ip"] for row in store.execute("SELECT mac, ip FROM lease")}
        held = {mac: address for _, mac, address in storm.heard if address != "nak"}
        assert {mac: rows.get(mac) for mac in held} == held
        print(f"\nleases, kills: seed {SEED}, {rounds} kills in {time.monotonic() - began:.0f} s, {devices} devices, "
              f"{acknowledged} acknowledgements: no address twice, none changed", flush=True)  # fmt: skip


def cuts(make_box, rounds):
    needs("dnsmasq")
    chance, began, when = random.Random(SEED), time.monotonic(), []
    with Lan() as lan:
        box = lan_box(lan, make_box, start=False)
        with Disk(box.state) as disk:
            box.start()
            storm = Storm(lan.device("many"))
            for _ in range(rounds):
                storm.add(3)
                time.sleep(chance.random() * 1.5)
                when.append(disk.cut(box))
                box.start()
            storm.all_bound()
            storm.all_renewed(time.monotonic())
            acknowledged = storm.check(when)
            box.stop()
            print(f"\nleases, power cuts: seed {SEED}, {rounds} cuts in {time.monotonic() - began:.0f} s, {storm.count} "
                  f"devices, {acknowledged} acknowledgements: no address twice, none changed but new ones", flush=True)  # fmt: skip


def test_a_few_kills(make_box):
    kills(make_box, 10, 4)


@pytest.mark.campaign
def test_kills(make_box):
    kills(make_box, 50, int(os.environ.get("RIAD_ROUNDS", "100")))


@pytest.mark.campaign
def test_power_cuts(make_box):
    cuts(make_box, int(os.environ.get("RIAD_ROUNDS", "300")))
