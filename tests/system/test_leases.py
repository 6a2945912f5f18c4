"""Whose address is whose: real clients, leases that nobody wrote down, a second server.

All in network namespaces; needs root."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys

import pytest

from conftest import descendants, needs, wait_for
from lan import Lan
from test_dhcp import dnsmasq_pid, leases, wait_up


@pytest.fixture
def lan():
    needs("dnsmasq")
    with Lan() as lan:
        yield lan


def kill_everything(box):
    box.kill_all([box.process.pid, *descendants(box.process.pid)])
    box.process.wait()
    box.process.stderr.close()


@pytest.mark.parametrize("client", ["dhclient", "dhcpcd"])
def test_other_clients(lan, make_box, client):
    needs(client)
    box, guest = lan.box(make_box), lan.device("guest")
    wait_up(box)
    first = wait_for(lambda: guest.lease_by(client, "laptop"), "an address", 30)
    assert first.startswith("10.77.0."), first
    row = wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    assert row["ip"] == first
    kill_everything(box)
    box.start()
    wait_up(box)
    again = wait_for(lambda: guest.lease_by(client, "laptop"), "an address", 30)
    assert again == first, "the address was kept"


def test_a_lease_that_nobody_wrote_down(lan, make_box):
    """Acknowledged, and then everything was killed before the row was there."""
    box, guest, other = lan.box(make_box), lan.device("guest"), lan.device("other")
    wait_up(box)
    first = guest.lease("laptop")
    wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    kill_everything(box)
    subprocess.run([needs("sqlite3"), "-cmd", ".timeout 10000", box.state / "store/riad.db", "DELETE FROM lease"], check=True)
    box.start()
    wait_up(box)
    box.wait_log(f"{first['ip']} is in use by ")
    given = other.lease("second", "-r", first["ip"])
    assert given["ip"] != first["ip"], "two devices with one address"
    assert guest.lease("laptop")["ip"] == first["ip"]
    # The same when only dnsmasq was killed.
    third = lan.device("third")
    third.address("10.77.0.222/24")  # set by hand, in the midst of the range
    os.kill(dnsmasq_pid(box), signal.SIGKILL)
    wait_for(lambda: "10.77.0.222 is in use by" in box.log(), "the next look")
    wait_up(box)
    assert lan.device("fourth").lease("fourth", "-r", "10.77.0.222")["ip"] != "10.77.0.222"


def test_reset_frees_the_addresses(lan, make_box):
    box, guest, other = lan.box(make_box), lan.device("guest"), lan.device("other")
    wait_up(box)
    first = guest.lease("laptop")
    wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    guest.pull()  # gone home
    old = dnsmasq_pid(box)
    box.riad("reset", "--yes", check=0)
    wait_for(lambda: dnsmasq_pid(box) not in (None, old), "a dnsmasq that has forgotten, too")
    wait_up(box, "serves DHCP.* 0 leases")
    assert other.lease("second", "-r", first["ip"])["ip"] == first["ip"]
    assert other.dns("laptop.lan")["status"] == "no such name"


TAKE = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("", 68))
head = struct.pack("!4B I HH", 1, 1, 6, 0, 77, 0, 0x8000).ljust(28, b"\\0") + bytes([2, 0, 0, 0, 0, 9])
options = bytes([99, 130, 83, 99, 53, 1, 3, 54, 4, *socket.inet_aton("192.168.5.1"), 255])
s.sendto(head.ljust(236, b"\\0") + options.ljust(64, b"\\0"), ("255.255.255.255", 67))
"""


def test_steps_back_when_another_server_appears(lan, make_box):
    box = lan.box(make_box, start=False, dhcp={"mode": "auto"}, web={"enabled": "yes"})
    box.start()
    # Ready at once, with names; addresses only when it is known that nobody else gives any.
    listening = box.service("dhcp")
    assert listening["state"] == "up" and "listens for other DHCP servers" in listening["text"], listening
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]
    wait_up(box)
    other = lan.device("router")
    other.address("192.168.5.1/24")
    other.start(
        needs("dnsmasq"), "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--group=root",
        "--port=0", "--interface=eth0", "--dhcp-range=192.168.5.10,192.168.5.99", "--no-ping",
        "--pid-file=", "--dhcp-leasefile=/dev/null", "--log-facility=-", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert guest.run(sys.executable, "-c", TAKE).returncode == 0
    wait_up(box, r"stands by beside a router: 192\.168\.5\.1 ")
    box.wait_log(r"warn: another DHCP server answers on eth0: 192\.168\.5\.1 ")
    page = box.device.run("curl", "-sS", "-H", "Accept: text/html", box.url("/")).stdout
    assert "192.168.5.1 gives the addresses" in page, "the page says so"


def test_a_broken_lease_table(lan, make_box):
    """Rows that no dnsmasq has reported: those that make no sense count as none, the others hold."""
    box, guest = lan.box(make_box), lan.device("guest")
    wait_up(box)
    first = guest.lease("laptop", "-r", "10.77.0.200")
    wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    box.stop()
    broken = [("nonsense", "02:00:00:00:09:01", "", "a"), ("10.77.0.60", "not hexadecimal", "", "b"),
              ("10.77.0.61", "02:00:00:00:09:03", "xx", "c"), ("10.77.0.62", "", "", "d"),
              ("10.77.0.63 1", "02:00:00:00:09:05", "", "e"), ("fe80::1", "02:00:00:00:09:06", "", "f"),
              ("10.99.0.1", "02:00:00:00:09:07", "", "elsewhere"), ("10.77.0.1", "02:00:00:00:09:08", "", "ourselves"),
              ("10.77.0.64", "02:00:00:00:09:09", "", "x\n10.77.0.1 wpad"), ("10.77.0.65", "02:00:00:00:09:0a", "", "chat"),
              ("10.77.0.66", "02:00:00:00:09:0b\n1", "", "g"), ("10.77.0.67", "02:00:00:00:09:0c", "", "h" * 300)]  # fmt: skip
    with sqlite3.connect(box.state / "store/riad.db") as store:
        soon = store.execute("SELECT max(expires_at) FROM lease").fetchone()[0]
        for ip, mac, client, host in broken:
            store.execute("INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?)", (ip, mac, client, host, 1, soon))
        store.execute("INSERT INTO lease VALUES ('10.77.0.68', '02:00:00:00:09:0d', '', 'forever', 1, ?)", (2**62,))
    store.close()
    box.start()
    wait_up(box)
    assert guest.dns("laptop.lan")["addresses"] == [first["ip"]]
    assert guest.lease("laptop")["ip"] == first["ip"]
    for name in ("wpad", "a", "b", "c", "d", "e", "f"):
        assert guest.dns(f"{name}.lan")["addresses"] == [], name
    assert guest.dns("chat.lan")["addresses"] == ["10.77.0.1"]
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]
    other = lan.device("other")
    assert other.lease("second", "-r", "10.77.0.60")["ip"] == "10.77.0.60", "a row without a device keeps no address"
    assert box.riad("status").returncode == 0
