"""Neighbours who mean harm, as far as DHCP lets a server stand them: addresses used up, what is not
theirs released or declined, requests out of bounds.

In network namespaces; needs root."""

import os
import sys

import pytest

from conftest import needs, wait_for
from lan import Lan
from test_dhcp import dnsmasq_pid, leases, wait_up

# Sends DHCP messages: argv[1] is a Python expression of a list of (type, mac, ciaddr, options); waits for
# an answer to each for a moment, and prints its type, or "silence".
SEND = """
import socket, struct, sys
def ip(text): return socket.inet_aton(text)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("", 68))
s.settimeout(0.5)
for turn, (kind, mac, ciaddr, options) in enumerate(eval(sys.argv[1])):
    head = struct.pack("!4BI2H4s", 1, 1, 6, 0, turn + 1, 0, 0x8000, ip(ciaddr)).ljust(28, b"\\0") + mac
    body = bytes([99, 130, 83, 99]) + (bytes([53, 1, kind]) if kind else b"") + options + b"\\xff"
    s.sendto(head.ljust(236, b"\\0") + body.ljust(64, b"\\0"), ("255.255.255.255", 67))
    try:
        while True:
            got = s.recv(2000)
            if got[4:8] == struct.pack("!I", turn + 1):
                print({2: "offer", 5: "ack", 6: "nak"}[got[242]], socket.inet_ntoa(got[16:20]))
                break
    except socket.timeout:
        print("silence")
"""
SERVER = b"\x36\x04\x0a\x4d\x00\x01"
DISCOVER, REQUEST, DECLINE, RELEASE = 1, 3, 4, 7


@pytest.fixture
def lan():
    needs("dnsmasq")
    with Lan() as lan:
        yield lan


def send(device, *messages):
    done = device.run(sys.executable, "-c", SEND, repr(list(messages)), timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def mac_of(device):
    text = device.run("cat", "/sys/class/net/eth0/address").stdout.strip()
    return bytes.fromhex(text.replace(":", ""))


def test_all_addresses_used_up(lan, make_box):
    """By somebody with many hardware addresses: who has one keeps it, and `riad status` says it."""
    box = lan.box(make_box, dhcp={"range": "10.77.0.100,10.77.0.109", "lease": "2m"})
    guest, thief, late = lan.device("guest"), lan.device("thief"), lan.device("late")
    wait_up(box)
    own = guest.lease("laptop")["ip"]
    for number in range(40):
        mac = bytes([2, 0, 0, 0, 1, number])
        offer = send(thief, (DISCOVER, mac, "0.0.0.0", b""))[0]
        if offer == "silence":
            break
        want = bytes(int(part) for part in offer.split()[1].split("."))
        send(thief, (REQUEST, mac, "0.0.0.0", SERVER + b"\x32\x04" + want))
    assert offer == "silence", "none is given twice"
    wait_up(box, "10 leases, and no address is left")
    assert late.lease("late", tries=1) is None
    assert guest.lease("laptop")["ip"] == own
    assert len({row["ip"] for row in leases(box).values()}) == 10
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]


def test_what_is_not_theirs(lan, make_box):
    """A release, a decline, a request by another device than the one that has the address."""
    box, guest, thief = lan.box(make_box), lan.device("guest"), lan.device("thief")
    wait_up(box)
    own = guest.lease("laptop")["ip"]
    wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    wanted, other = bytes(int(part) for part in own.split(".")), bytes([2, 0, 0, 0, 2, 1])
    said = send(
        thief,
        (RELEASE, other, own, SERVER), (RELEASE, mac_of(thief), own, SERVER),
        (DECLINE, other, "0.0.0.0", SERVER + b"\x32\x04" + wanted),
        (REQUEST, other, "0.0.0.0", SERVER + b"\x32\x04" + wanted), (REQUEST, other, "0.0.0.0", b"\x32\x04" + wanted),
        (REQUEST, other, own, b""),
        (REQUEST, other, "0.0.0.0", SERVER + b"\x32\x04\x0a\x4d\x00\x01"),  # the box's own
        (REQUEST, other, "0.0.0.0", SERVER + b"\x32\x04\x08\x08\x08\x08"),
    )  # fmt: skip
    assert not [word for word in said if word.startswith("ack")], said
    assert leases(box)["laptop"]["ip"] == own
    assert guest.dns("laptop.lan")["addresses"] == [own]
    assert guest.lease("laptop")["ip"] == own


def test_requests_out_of_bounds(lan, make_box):
    """Options that are too long, too many, of the wrong length; names of every kind. dnsmasq lives on."""
    box, guest, odd = lan.box(make_box), lan.device("guest"), lan.device("odd")
    wait_up(box)
    before = dnsmasq_pid(box)

    def option(number, data):
        return bytes([number, len(data)]) + data

    mac = bytes([2, 0, 0, 0, 3, 1])
    names = [b"\0", b"a\0b", b"\n0 x", b"wpad", b"WPAD", b"wpad.lan", b"riad", b"RIAD.lan", b"localhost", b"..", b"*",
             b"xn--mnchen-3ya", "münchen".encode(), b"\xff" * 255, b"a" * 63, b"a" * 64, b"-", b"a.b.c", b"\x1b]0;x\x07",
             b"'; touch x; '", b"chat", b"files", b"opam", b"router", b"10.77.0.1"]  # fmt: skip
    messages = [(REQUEST, mac, "0.0.0.0", SERVER + option(50, bytes([10, 77, 0, 60])) + option(12, name)) for name in names]
    messages += [(REQUEST, mac, "0.0.0.0", SERVER + option(50, bytes([10, 77, 0, 60])) + option(81, b"\0\0\0" + name[:250]))
                 for name in names]  # fmt: skip
    messages += [
        (DISCOVER, mac, "0.0.0.0", b"\x0c\xff"),  # longer than the packet
        (DISCOVER, mac, "0.0.0.0", option(61, b"")), (DISCOVER, mac, "0.0.0.0", option(61, os.urandom(255))),
        (REQUEST, mac, "0.0.0.0", SERVER + option(50, bytes([10, 77, 0, 61])) + option(61, os.urandom(255)) + option(12, b"long")),
        (DISCOVER, mac, "0.0.0.0", option(55, bytes(range(1, 255)))), (DISCOVER, mac, "0.0.0.0", option(82, os.urandom(200))),
        (DISCOVER, mac, "0.0.0.0", b"\x34\x01\x03"), (0, mac, "0.0.0.0", b""), (250, mac, "0.0.0.0", b""),
        (DISCOVER, mac, "255.255.255.255", b""), (DISCOVER, b"\0" * 6, "0.0.0.0", b""), (DISCOVER, b"\xff" * 6, "0.0.0.0", b""),
    ]  # fmt: skip
    send(odd, *messages)
    assert dnsmasq_pid(box) == before, box.log()
    given = guest.lease("laptop")
    assert given
    wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    for name in ("riad", "chat", "files", "opam"):
        assert guest.dns(f"{name}.lan")["addresses"] == ["10.77.0.1"], name
    for name in ("wpad", "router", "localhost"):
        assert guest.dns(f"{name}.lan")["addresses"] == [], name
    for row in leases(box).values():
        assert all(c.isascii() and (c.isalnum() or c == "-") for c in row["host"]), row
    assert "\x1b" not in box.log() + box.riad("status").stdout
