"""Many DHCP clients in one process, for test_lease_storm.py; run inside a network namespace.

    storm.py INTERFACE SEED

Commands come a line each on standard input: `add N` brings N new devices, `end` ends. Each device
asks until it has an address, keeps it, renews it about once a second, and now and then comes anew
as one that forgot everything. By ARP it answers for its address with its own MAC, as devices do:
that is how a box that lost a lease learns whose it is. Every acknowledgement is a line on standard output: the monotonic
time, MAC, address; `nak` stands for the address where a renewal was refused.
"""

import random
import select
import socket
import struct
import sys
import time

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6


class Device:
    def __init__(self, number, chance):
        self.mac = bytes([2, 0x77, 0, 0, number >> 8, number & 255])
        self.chance = chance
        self.ip = self.offer = self.server = None
        self.transaction = chance.getrandbits(32)
        self.next = time.monotonic() + chance.random() * 0.3

    def packet(self, kind, ciaddr=None, options=b""):
        head = struct.pack("!4BIHH4s12x", 1, 1, 6, 0, self.transaction, 0, 0x8000,
                           socket.inet_aton(ciaddr or "0.0.0.0"))  # fmt: skip
        return (head + self.mac.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
                + bytes([53, 1, kind]) + options + b"\xff").ljust(300, b"\0")  # fmt: skip

    def act(self):
        """What to send now."""
        self.next = time.monotonic() + 0.7 + self.chance.random() * 0.6
        if self.offer:
            wanted, self.offer = self.offer, None
            return self.packet(REQUEST, options=bytes([50, 4]) + socket.inet_aton(wanted)
                               + bytes([54, 4]) + self.server)  # fmt: skip
        self.transaction = self.chance.getrandbits(32)
        if self.ip and self.chance.random() < 0.8:
            return self.packet(REQUEST, ciaddr=self.ip)
        return self.packet(DISCOVER)

    def hear(self, kind, address, server):
        if kind == OFFER:
            self.offer, self.server, self.next = address, server, 0
        elif kind == ACK:
            self.ip = address
            print(time.monotonic(), self.mac.hex(), address, flush=True)
        elif kind == NAK:
            print(time.monotonic(), self.mac.hex(), "nak", flush=True)
            self.ip = None


def options(data):
    found, at = {}, 240
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def waiting(sock):
    """All that has come."""
    while True:
        try:
            yield sock.recv(2000)
        except BlockingIOError:
            return


def answer_arp(frames, devices):
    """RFC 826: who has an address says so."""
    holders = None
    for ask in waiting(frames):
        if len(ask) < 42 or ask[14:22] != b"\0\1\x08\0\6\4\0\1":
            continue
        holders = holders or {socket.inet_aton(device.ip): device.mac for device in devices.values() if device.ip}
        mac, asker = holders.get(ask[38:42]), ask[22:32]
        if mac:
            frames.send(ask[6:12] + mac + ask[12:21] + b"\2" + mac + ask[38:42] + asker)


def main():
    interface, chance = sys.argv[1], random.Random(sys.argv[2])
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    frames.bind((interface, 0x0806))
    frames.setblocking(False)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.bind(("0.0.0.0", 68))
    sock.setblocking(False)
    devices = {}
    while True:
        ready = select.select([sock, sys.stdin, frames], [], [], 0.02)[0]
        answer_arp(frames, devices)
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if not words or words[0] == "end":
                return
            for _ in range(int(words[1])):
                device = Device(len(devices), chance)
                devices[device.mac] = device
        for data in waiting(sock):
            device = devices.get(data[28:34])
            if device and len(data) > 240 and struct.unpack("!I", data[4:8])[0] == device.transaction:
                found = options(data)
                address = socket.inet_ntoa(data[16:20])
                device.hear(found.get(53, b"\0")[0], address, found.get(54, b""))
        now = time.monotonic()
        for device in devices.values():
            if device.next <= now:
                try:
                    sock.sendto(device.act(), ("255.255.255.255", 67))
                except OSError:
                    pass


main()
