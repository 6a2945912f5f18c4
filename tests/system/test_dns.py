"""What strangers may not do by DNS: point names of the world into this network, learn its names from
outside; and what every client may: ask by TCP.

In network namespaces; needs root."""

import json
import subprocess
import sys

import pytest

from conftest import needs, wait_for
from lan import Lan
from test_dhcp import wait_up

# A resolver of the world that answers as its names say: `a-10-1-2-3.example`, `aaaa-FD00...32 digits.example`,
# `cname-LABEL.example` leads to LABEL.example, and both are in the answer. Prints every name it is asked for.
RESOLVER = """
import socket, struct, threading
def name(labels):
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\\0"
def record(owner, kind, data):
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
def address(label, owner):
    kind, _, rest = label.partition(b"-")
    if kind == b"a":
        return record(owner, 1, bytes(int(n) for n in rest.split(b"-")))
    if kind == b"aaaa":
        return record(owner, 28, bytes.fromhex(rest.decode()))
    return b""
def answer(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].lower())
        at += 1 + query[at]
    print(b".".join(labels).decode(), flush=True)
    answers = []
    if labels and labels[0].startswith(b"cname-"):
        target = labels[0][6:]
        answers = [record(b"\\xc0\\x0c", 5, name([target, b"example"])), address(target, name([target, b"example"]))]
    elif labels:
        answers = [address(labels[0], b"\\xc0\\x0c")]
    answers = [one for one in answers if one]
    return query[:2] + struct.pack("!5H", 0x8180, 1, len(answers), 0, 0) + query[12:at + 5] + b"".join(answers)
def talk(stream):
    file = stream.makefile("rwb")
    while len(length := file.read(2)) == 2:
        said = answer(file.read(struct.unpack("!H", length)[0]))
        file.write(struct.pack("!H", len(said)) + said)
        file.flush()
def listen():
    streams = socket.create_server(("10.77.0.9", 5300))
    while True:
        threading.Thread(target=talk, args=(streams.accept()[0],), daemon=True).start()
threading.Thread(target=listen, daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.0.9", 5300))
while True:
    query, who = s.recvfrom(1500)
    s.sendto(answer(query), who)
"""

# The whole answer: prints {"code", "bytes"}; by TCP if asked so.
ASK = """
import json, socket, struct, sys
name, kind, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
query = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0)
query += b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0" + struct.pack("!2H", kind, 1)
if how == "tcp":
    s = socket.create_connection(("10.77.0.1", 53), 3)
    s.sendall(struct.pack("!H", len(query)) + query)
    file = s.makefile("rb")
    answer = file.read(struct.unpack("!H", file.read(2))[0])
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.sendto(query, ("10.77.0.1", 53))
    answer = s.recv(4000)
print(json.dumps({"code": answer[3] & 15, "count": struct.unpack("!H", answer[6:8])[0], "bytes": answer[12 + len(query) - 12:].hex()}))
"""


@pytest.fixture(scope="module")
def house():
    """guest, and the resolver whose names are read at the end."""
    from conftest import Box

    needs("dnsmasq")
    with Lan() as lan:
        made = []

        def make(**sections):
            sections.pop("start", None)
            made.append(Box(sections))
            return made[-1]

        guest = lan.device("guest")
        guest.address("10.77.0.9/24")
        resolver = guest.start(sys.executable, "-c", RESOLVER, stdout=subprocess.PIPE, text=True)
        box = lan.box(make, start=False, dns={"forward": "10.77.0.9#5300"})
        with box:
            wait_up(box)
            guest.names = []

            def ask(name, kind="A", how="udp"):
                kinds = {"A": 1, "PTR": 12, "AAAA": 28, "ANY": 255}
                done = guest.run(sys.executable, "-c", ASK, name, kinds[kind], how)
                assert done.returncode == 0, done.stderr
                return json.loads(done.stdout)

            wait_for(lambda: ask("a-93-184-216-34.example")["count"] == 1, "an answer from outside")
            guest.ask, guest.resolver = ask, resolver
            yield guest


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_good_answers_pass(house, how):
    assert bytes([93, 184, 216, 34]).hex() in house.ask("a-93-184-216-34.example", how=how)["bytes"]
    assert "2a001450" in house.ask("aaaa-2a001450000000000000000000000001.example", "AAAA", how)["bytes"]
    assert bytes([93, 184, 216, 35]).hex() in house.ask("cname-a-93-184-216-35.example", how=how)["bytes"]
    assert bytes([10, 77, 0, 1]).hex() in house.ask("riad.lan", how=how)["bytes"]


INSIDE = {
    "10": "a-10-1-2-3", "the box": "a-10-77-0-1", "172.16": "a-172-16-0-1", "192.168": "a-192-168-1-1",
    "loopback": "a-127-0-0-1", "zero": "a-0-0-0-0", "link-local": "a-169-254-1-1",
    "unique local": "aaaa-fd000000000000000000000000000001", "link-local 6": "aaaa-fe800000000000000000000000000001",
    "loopback 6": "aaaa-00000000000000000000000000000001", "zero 6": "aaaa-00000000000000000000000000000000",
    "mapped": "aaaa-00000000000000000000ffff0a4d0001", "mapped loopback": "aaaa-00000000000000000000ffff7f000001",
}  # fmt: skip


@pytest.mark.parametrize("how", ["udp", "tcp"])
@pytest.mark.parametrize("by", ["", "cname-"], ids=["itself", "an alias"])
@pytest.mark.parametrize("inside", INSIDE)
def test_no_answer_from_outside_points_inside(house, inside, by, how):
    """By whatever address of this network, its machines' own included; through an alias, too."""
    name = INSIDE[inside]
    kind = "AAAA" if name.startswith("aaaa") else "A"
    secret = name.partition("-")[2]
    secret = secret if kind == "AAAA" else bytes(int(n) for n in secret.split("-")).hex()
    answer = house.ask(f"{by}{name}.example", kind, how)
    assert secret not in answer["bytes"].removeprefix("0" * 8), answer


NAMES = [("secret.lan", "A"), ("secret.lan", "AAAA"), ("deep.secret.lan", "ANY"), ("printer", "A"), ("wpad", "A"),
         ("wpad.lan", "A"), ("9.0.77.10.in-addr.arpa", "PTR"), ("1.1.168.192.in-addr.arpa", "PTR"),
         ("riad.local", "A"), ("secret.local", "AAAA"), ("localhost", "A"), ("x.localhost", "A"),
         ("lan", "A"), ("SECRET.Lan", "A")]  # fmt: skip


def test_names_of_the_lan_stay_here(house):
    for how in ("udp", "tcp"):
        for name, kind in NAMES:
            house.ask(name, kind, how)
    house.ask("a-93-184-216-99.example")
    house.resolver.kill()
    asked = set(house.resolver.stdout.read().split("\n"))
    assert "a-93-184-216-99.example" in asked
    leaked = asked & {name.lower() for name, _ in NAMES}
    assert not leaked, leaked
