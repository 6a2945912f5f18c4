"""The box on a LAN of its own and beside others: addresses, names, and no harm.

All in network namespaces, with udhcpc as the guests' client; needs root."""

import os
import re
import signal
import subprocess
import sys

import pytest

from conftest import PATIENCE, descendants, needs, program, wait_for
from lan import Lan

SERVES = r"serves DHCP on eth0"


@pytest.fixture
def lan():
    needs("dnsmasq")
    with Lan() as lan:
        yield lan


def dnsmasq_pid(box):
    for pid, row in descendants(box.process.pid).items():
        if "dnsmasq --conf-file" in row[3]:
            return pid
    return None


def leases(box):
    with box.store() as store:
        return {row["host"] or row["ip"]: dict(row) for row in store.execute("SELECT * FROM lease")}


def wait_down(box):
    """The sentence of a riad-dhcp that cannot do its work; the box is not waited for."""

    def down():
        try:
            row = box.service("dhcp")
        except (OSError, KeyError):  # nothing is published yet
            return None
        return row["text"] if row["state"] == "down" else None

    return wait_for(down, "riad-dhcp to say what is wrong")


def wait_up(box, pattern=SERVES, timeout=15):
    return wait_for(
        lambda: box.service("dhcp")["state"] in ("up", "standing by")
        and re.search(pattern, box.service("dhcp")["text"]),
        f"{pattern}: {box.service('dhcp')}",
        timeout,
    )


def test_guest_gets_address_and_names(lan, make_box):
    box, guest = lan.box(make_box), lan.device("guest")
    wait_up(box)
    given = guest.lease("laptop")
    assert given["serverid"] == "10.77.0.1" and given["dns"] == "10.77.0.1"
    assert given["domain"] == "lan" and given["mask"] == "24" and given["lease"] == "7200"
    assert 50 <= int(given["ip"].rsplit(".", 1)[1]) <= 250
    assert "router" not in given, "without a gateway nobody is told to route through the box"
    for name in ("riad.lan", "riad", "chat.lan", "files.lan", "opam.lan"):
        assert guest.dns(name)["addresses"] == ["10.77.0.1"], name
    assert guest.dns("laptop.lan")["addresses"] == [given["ip"]]
    back = ".".join(reversed(given["ip"].split("."))) + ".in-addr.arpa"
    assert guest.dns(back, "PTR")["addresses"] == ["laptop.lan"]
    assert guest.dns("nobody.lan")["status"] == "no such name"
    foreign = guest.dns("example.org")
    assert foreign["status"] == "refused" and foreign["ms"] < 500 * PATIENCE
    row = wait_for(lambda: leases(box).get("laptop"), "the lease's row")
    assert row["ip"] == given["ip"] and row["expires_at"] - row["started_at"] > 7000 * 1000
    text = wait_for(lambda: "1 lease;" in box.service("dhcp")["text"] and box.service("dhcp")["text"], "the count")
    assert "a network of its own" in text and "no internet" in text
    assert "gave eth0 10.77.0.1/24" in box.log()
    box.stop()
    assert "10.77.0.1" not in box.device.run("ip", "addr").stdout, "the address stayed behind"


def test_a_new_title_does_not_disturb_the_lan(lan, make_box):
    box = lan.box(make_box)
    wait_up(box)
    before = box.pid("dhcp")
    box.config(box={"title": "Another"}).reload()
    box.config(dhcp={"lease": "10m"}).reload()  # this one restarts the service, not the box
    wait_for(lambda: box.pid("dhcp") not in (None, before), "another riad-dhcp")
    wait_up(box)
    assert lan.device("guest").lease("laptop")["lease"] == "600"
    assert box.log().count("took the box's address off") == 1, box.log()


def test_hostile_names(lan, make_box):
    box, guest = lan.box(make_box), lan.device("guest")
    wait_up(box)
    victim = lan.folder / "owned"
    for name in (f"$(touch {victim})", f"a;touch {victim}", "-x", "a b", "../../etc", "x" * 200):
        given = guest.lease(name)
        assert given, name
    for name in ("wpad", "riad", "chat", "localhost"):
        assert guest.lease(name), name
    # A name of raw bytes: an escape sequence, a newline and a NUL.
    assert guest.lease(None, "-x", "0x0c:1b5b33316d0a0078")
    assert not victim.exists()
    assert guest.dns("wpad.lan")["status"] == "no such name"
    assert guest.dns("chat.lan")["addresses"] == ["10.77.0.1"]
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]
    rows = wait_for(lambda: leases(box), "a lease")
    for row in rows.values():
        assert all(c.isalnum() or c == "-" for c in row["host"]), row
    assert "\x1b" not in box.riad("status").stdout + box.log()


def test_leases_survive_kills(lan, make_box):
    box, guest = lan.box(make_box), lan.device("guest")
    wait_up(box)
    first = guest.lease("laptop")
    wait_for(lambda: leases(box), "the lease's row")
    old = dnsmasq_pid(box)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: dnsmasq_pid(box) not in (None, old), "another dnsmasq")
    wait_for(lambda: guest.dns("laptop.lan")["addresses"] == [first["ip"]], "its name")
    wait_up(box)
    assert guest.lease("laptop")["ip"] == first["ip"]
    # riad-dhcp itself: dnsmasq goes with it, and both come back.
    old = dnsmasq_pid(box)
    box.restart_service("dhcp")
    wait_up(box)
    assert dnsmasq_pid(box) != old
    assert guest.lease("laptop")["ip"] == first["ip"]
    # Everything at once; the next box takes its address over, and away at its end.
    everybody = [box.process.pid, *descendants(box.process.pid)]
    box.kill_all(everybody)  # whose parent went first may be gone already
    box.process.wait()
    box.process.stderr.close()
    box.start()
    wait_up(box)
    assert guest.dns("laptop.lan")["addresses"] == [first["ip"]]
    assert guest.lease("laptop")["ip"] == first["ip"]
    box.stop()
    assert "10.77.0.1" not in box.device.run("ip", "addr").stdout


def test_a_dnsmasq_that_hangs_is_found_and_started_again(lan, make_box):
    """Nothing of it ends, so nobody is told: it is asked, as guests ask it."""
    box, guest = lan.box(make_box, box={"log": "debug"}), lan.device("guest")
    wait_up(box)
    before = guest.lease("laptop")
    box.wait_log("dnsmasq answers when it is asked")
    old, pid = dnsmasq_pid(box), box.pid("dhcp")
    os.kill(old, signal.SIGSTOP)
    wait_for(lambda: dnsmasq_pid(box) not in (None, old), "another dnsmasq", 25)
    box.wait_log("dnsmasq hung, no answer for 10 s: killed")
    wait_up(box)
    assert guest.dns("laptop.lan")["addresses"] == [before["ip"]]
    assert guest.lease("laptop") == before
    assert box.pid("dhcp") == pid


def test_stands_by_beside_another_server(lan, make_box):
    other, guest = lan.device("router"), lan.device("guest")
    other.address("192.168.5.1/24")
    process = other.start(
        needs("dnsmasq"), "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--group=root",
        "--port=0", "--interface=eth0", "--dhcp-range=192.168.5.10,192.168.5.99", "--no-ping",
        "--pid-file=", "--dhcp-leasefile=/dev/null", "--log-facility=-", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    box = lan.box(make_box, dhcp={"mode": "auto"})
    wait_up(box, r"stands by beside a router: 192\.168\.5\.1 ")
    assert guest.lease("laptop")["serverid"] == "192.168.5.1"
    assert box.riad("status").returncode == 0, "standing by counts as up"
    guest.address("10.77.0.9/24")
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"], "DNS is answered all the same"
    # The box is carried to another place, where nobody serves.
    process.kill()
    box.device.pull()
    box.wait_log("waits for a cable on eth0")
    box.device.plug()
    wait_up(box, timeout=20)
    assert guest.lease("laptop")["serverid"] == "10.77.0.1"


def test_a_cable_that_flickers_decides_nothing(lan, make_box):
    """Pulled while it is asked who else gives addresses: that is no silence."""
    other = lan.device("router")
    other.address("192.168.5.1/24")
    other.start(
        needs("dnsmasq"), "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--group=root",
        "--port=0", "--interface=eth0", "--dhcp-range=192.168.5.10,192.168.5.99",  # pings: answers after 3 s
        "--pid-file=", "--dhcp-leasefile=/dev/null", "--log-facility=-", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    box = lan.box(make_box, dhcp={"mode": "auto"})
    wait_up(box, "listens for other DHCP servers")
    box.device.pull()
    box.wait_log("waits for a cable on eth0")
    box.device.plug()
    wait_up(box, r"stands by beside a router: 192\.168\.5\.1 ")
    assert "info: serves DHCP" not in box.log()


def test_mode_on_says_what_it_found(lan, make_box):
    other = lan.device("router")
    other.address("10.77.0.254/24")
    other.start(
        needs("dnsmasq"), "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--group=root",
        "--port=0", "--interface=eth0", "--dhcp-range=10.77.0.10,10.77.0.40", "--no-ping",
        "--pid-file=", "--dhcp-leasefile=/dev/null", "--log-facility=-", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    box = lan.box(make_box, dhcp={"mode": "on", "gateway": "10.77.0.254"})
    wait_up(box, r"in place of the router's DHCP, which is 10\.77\.0\.254.*BEWARE: 10\.77\.0\.254 ")
    found = box.device.run(program("riad-dhcp"), "--check", "-c", box.conf)
    assert found.returncode == 1 and "problem: another DHCP server answers" in found.stdout


RESOLVER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.0.9", 5300))
answers = {b"public": (93, 184, 216, 34), b"evil": (10, 1, 2, 3)}
while True:
    query, who = s.recvfrom(1500)
    first = query[13 : 13 + query[12]]
    print(query[12:-4], flush=True)
    head = query[:2] + struct.pack("!5H", 0x8180, 1, 1 if first in answers else 0, 0, 0)
    answer = struct.pack("!3HIH4B", 0xC00C, 1, 1, 60, 4, *answers[first]) if first in answers else b""
    end = 12 + query[12:].index(b"\\0") + 5
    s.sendto(head + query[12:end] + answer, who)
"""


def test_forwarding(lan, make_box):
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    box = lan.box(make_box, dns={"forward": "10.77.0.9#5300"})
    wait_up(box)
    # Nobody answers yet: withdrawn after two silent questions, and refused at once.
    box.wait_log("no resolver answers")
    wait_for(lambda: guest.dns("public.example")["status"] == "refused", "a quick no")
    quick = guest.dns("public.example")
    assert quick["status"] == "refused" and quick["ms"] < 200 * PATIENCE
    assert guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]
    resolver = guest.start(sys.executable, "-c", RESOLVER, stdout=subprocess.PIPE, text=True)
    box.wait_log("a resolver answers", timeout=15)
    wait_for(lambda: guest.dns("public.example")["addresses"] == ["93.184.216.34"], "an answer")
    assert guest.dns("evil.example")["addresses"] == [], "a private answer from outside"
    assert guest.dns("secret.lan")["status"] == "no such name"
    assert guest.dns("printer")["status"] == "no such name"
    resolver.kill()
    asked = resolver.stdout.read()
    assert "evil" in asked and "secret" not in asked and "printer" not in asked


def test_portal(lan, make_box):
    box, guest = lan.box(make_box, dhcp={"portal": "on"}, web={"enabled": "yes"}), lan.device("guest")
    wait_up(box)
    assert guest.lease("phone", "-O", 114)["opt114"], "phones are told where the page is"
    probe = wait_for(lambda: guest.dns("captive.apple.com")["addresses"], "the probe's name")
    assert probe == ["10.77.0.1"]
    assert guest.dns("www.apple.com")["status"] == "refused"


def test_dns_alone(lan, make_box):
    box, guest = lan.box(make_box, dhcp={"mode": "off"}), lan.device("guest")
    wait_up(box, "beside a router on eth0, where the box is 10.77.0.1: DHCP is off; answers DNS")
    guest.address("10.77.0.9/24")
    assert guest.dns("files.lan")["addresses"] == ["10.77.0.1"]
    assert guest.lease("laptop", tries=1) is None


def test_troubles_cost_only_the_service(lan, make_box):
    squatter = "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',53)); print(1,flush=True); time.sleep(99)"
    box = lan.box(make_box, start=False, web={"enabled": "yes"})
    port = box.device.start(sys.executable, "-c", squatter, stdout=subprocess.PIPE)
    port.stdout.readline()
    box.start(wait=False)
    text = wait_down(box)
    assert "port 53" in text and "[dns] enabled = no" in text
    assert box.riad("status").returncode == 1
    box.stop()
    found = box.device.run(program("riad"), "check", "-c", box.conf, timeout=60).stdout
    assert re.search(r"fault: port 53 of .* is taken by .*\(it is python3[^,]*, pid \d+\)", found), found
    box.start(wait=False)
    wait_down(box)
    assert box.device.run("curl", "-sS", box.url("/healthz")).stdout.startswith("ok")
    port.kill()
    wait_up(box, timeout=20)


def test_address_of_somebody_else(lan, make_box):
    other = lan.device("other")
    other.address("10.77.0.1/24")
    box = lan.box(make_box, start=False, dhcp={"mode": "off"})
    box.start(wait=False)
    text = wait_down(box)
    assert "has the address 10.77.0.1 on eth0" in text
    assert "10.77.0.1" not in box.device.run("ip", "addr").stdout
    found = box.device.run(program("riad-dhcp"), "--check", "-c", box.conf)
    assert found.returncode == 1 and "problem: another device" in found.stdout


def test_no_such_interface(lan, make_box):
    box = lan.box(make_box, start=False, interface="eth7")
    box.start(wait=False)
    text = wait_down(box)
    assert "there is no interface eth7" in text
    assert "problem: there is no interface eth7" in box.device.run(
        program("riad-dhcp"), "--check", "-c", box.conf
    ).stdout


def test_leaves_the_network_alone(box):
    text = wait_for(lambda: box.service("dhcp")["text"], "a word of riad-dhcp's")
    assert "leaves the network alone" in text and box.service("dhcp")["state"] == "up"


MDNS = """
import socket, struct, sys
name, kind = sys.argv[1], int(sys.argv[2])
labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0"
query = struct.pack("!6H", 9, 0, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.9"))
for _ in range(int(sys.argv[3])):
    s.sendto(query, ("224.0.0.251", 5353))
    try:
        print(s.recv(1500).hex())
        break
    except OSError:
        pass
"""


def test_multicast_names(lan, make_box):
    if os.path.exists("/run/avahi-daemon/socket"):
        pytest.skip("Avahi runs here and answers itself")
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    box = lan.box(make_box, box={"title": "Tea House"}, web={"enabled": "yes"}, dhcp={"mode": "off"})
    wait_up(box, "beside a router")
    answer = bytes.fromhex(guest.run(sys.executable, "-c", MDNS, "riad.local", 1, 20).stdout)
    assert bytes([10, 77, 0, 1]) in answer
    answer = bytes.fromhex(guest.run(sys.executable, "-c", MDNS, "_http._tcp.local", 12, 20).stdout)
    assert b"Tea House" in answer and box.web_port.to_bytes(2, "big") in answer
    assert guest.run(sys.executable, "-c", MDNS, "other.local", 1, 2).stdout == ""


def test_a_second_box_of_the_same_name(lan, make_box):
    """By mDNS it takes another name, and says so; the first one keeps its own."""
    if os.path.exists("/run/avahi-daemon/socket"):
        pytest.skip("Avahi runs here and answers itself")
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    first = lan.box(make_box, web={"enabled": "yes"}, dhcp={"mode": "off"})
    wait_up(first, "beside a router")
    wait_for(lambda: local_name(first) == "riad", "riad.local")
    second = lan.box(make_box, device="second", lan={"address": "10.77.0.2/24"}, web={"enabled": "yes"}, dhcp={"mode": "off"})
    second.wait_log(r"somebody else is called riad\.local here: this box is riad-2\.local by mDNS")
    wait_for(lambda: local_name(second) == "riad-2", "riad-2.local")
    for name, address in (("riad.local", 1), ("riad-2.local", 2)):
        answer = bytes.fromhex(guest.run(sys.executable, "-c", MDNS, name, 1, 20).stdout)
        assert bytes([10, 77, 0, address]) in answer, name
    page = second.device.run("curl", "-sS", second.url("/")).stdout
    assert "riad-2.local" in page and "riad.local" not in page, page
    shown = second.device.run(program("riad"), "status", "-c", second.conf).stdout
    assert f"http://riad-2.local:{second.web_port}/" in shown, shown


def local_name(box):
    """What the pages show of it."""
    with box.store() as store:
        row = store.execute("SELECT value FROM fact WHERE name = 'lan.local'").fetchone()
    return row and row[0]


@pytest.mark.parametrize("rival", [False, True], ids=["alone", "a box of that name is there"])
def test_multicast_names_by_avahi(lan, make_box, rival):
    """One responder a machine: where Avahi runs it is asked to publish."""
    for program_needed in ("avahi-daemon", "avahi-publish", "dbus-daemon", "nsenter"):
        needs(program_needed)
    guest = lan.device("guest")
    guest.address("10.77.0.9/24")
    if rival:
        other = lan.box(make_box, device="rival", lan={"address": "10.77.0.3/24"}, dhcp={"mode": "off"})
        wait_for(lambda: local_name(other) == "riad", "riad.local")
    box = lan.box(make_box, start=False, box={"title": "Tea House"}, web={"enabled": "yes"}, dhcp={"mode": "off"})
    # A /run of their own, which all three of them see.
    bus = box.device.start(
        "unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && mkdir -m 755 /run/dbus /run/avahi-daemon &&"
        " exec dbus-daemon --system --nofork --nopidfile --print-address", stdout=subprocess.PIPE,
    )  # fmt: skip
    assert bus.stdout.readline(), "no bus"
    box.wrapper = ["nsenter", "-t", str(bus.pid), "-m", "-n"]
    avahi = subprocess.Popen(
        [*box.wrapper, needs("avahi-daemon"), "--no-drop-root", "--no-chroot", "--no-rlimits"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        line = [*box.wrapper, "test", "-S", "/run/avahi-daemon/socket"]
        wait_for(lambda: subprocess.run(line).returncode == 0, "Avahi's socket")
        box.start()
        box.wait_log("Avahi runs here: it publishes riad.local")

        def ask(name, kind):
            return bytes.fromhex(guest.run(sys.executable, "-c", MDNS, name, kind, 2).stdout)

        if rival:
            box.wait_log(r"somebody else is called riad\.local here: this box is riad-2\.local", 20)
        own = "riad-2.local" if rival else "riad.local"
        wait_for(lambda: bytes([10, 77, 0, 1]) in ask(own, 1), own, 20)
        assert f"{local_name(box)}.local" == own
        wait_for(lambda: b"Tea House" in ask("_http._tcp.local", 12), "the page", 20)
        box.stop()
        wait_for(lambda: not ask("_http._tcp.local", 12), "a goodbye")
    finally:
        avahi.kill()
        avahi.wait()

