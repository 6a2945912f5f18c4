"""What an organiser is told at the venue: `riad check`, the poster, port 443."""

import gzip
import os
import pty
import re
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, descendants, needs, needs_root, program, wait_for
from lan import Lan

OTHER = 12345  # a user who is nobody here


def findings(box):
    return box.riad("check").stdout


def test_poster_has_the_wifi(make_box):
    box = make_box(lan={"wifi": "Tea; House", "wifi_password": 'so,se:cret"'})
    status, _, body = box.request("GET", "/poster", headers={"Accept": "text/html"})
    text = body.decode()
    assert status == 200 and "Tea; House" in text and "so,se:cret&quot;" in text
    assert text.index(box.url("/")) < text.index("Tea; House"), "the plain address comes first"
    for word in ("ssh -p", "SHA256:", "Guest Wi-Fi", "VPN", "private DNS", "mobile data", "Local Network"):
        assert word in text, word
    for picture in re.findall(r"<figure>.*?</figure>", text, re.S):
        assert re.search(r'aria-label="QR code of (http://[^"]+)".*<figcaption>\1</figcaption>', picture, re.S)
    assert text.count("<figure>") == text.count("QR code of http://") >= 1
    picture = re.search(r'<svg[^>]*aria-label="QR code that joins the Wi-Fi".*?</svg>', text, re.S)
    assert picture, "no QR code for it"
    box.config(lan={"wifi": "", "wifi_password": ""}).reload()
    wait_for(lambda: b"joins the Wi-Fi" not in box.request("GET", "/poster")[2], "another poster")


def on_terminal(*command):
    """What it writes to a terminal of its own, until it ends or is quiet for a while; it is ended then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 5)[0]:
        try:
            said += os.read(ours, 65536)
        except OSError:  # nobody has its other end any more
            break
    process.terminate()
    process.wait(20)
    os.close(ours)
    return said.decode()


def read_code(said, folder):
    """What a reader of QR codes finds in one of half blocks."""
    rows = re.findall(r"\x1b\[97;40m([\u2588\u2580\u2584 ]+)\x1b\[0m", said)
    light = {"\u2588": "11", "\u2580": "10", "\u2584": "01", " ": "00"}
    lines = ["".join(light[block][half] for block in row) for row in rows for half in (0, 1)]
    picture = folder / "code.pgm"
    pixels = "\n".join(" ".join(" ".join([str(int(bit) * 255)] * 6) for bit in line) for line in lines for _ in range(6))
    picture.write_text(f"P2 {len(lines[0]) * 6} {len(lines) * 6} 255\n{pixels}\n")
    return subprocess.run([needs("zbarimg"), "-q", "--raw", picture], capture_output=True, text=True).stdout.strip()


def test_the_console_shows_addresses_and_a_code(make_box, tmp_path):
    """As `riad status` does on a terminal."""
    box = make_box(start=False)
    said = on_terminal(program("riad"), "run", "-c", box.conf)
    assert box.url("/") in said and f"ssh -p {box.ssh_port} YOURNAME@127.0.0.1" in said and "SHA256:" in said
    assert read_code(said, tmp_path) == box.url("/")
    box.start()
    assert "\x1b" not in box.log(), "not into a log"
    assert read_code(on_terminal(program("riad"), "status", "-c", box.conf), tmp_path) == box.url("/")


def test_poster_is_one_sheet(make_box, tmp_path):
    """With all that it can show; also on the shorter paper of America, which Chromium prints on."""
    box = make_box(box={"title": "A Retreat for Functional Programmers"}, lan={"wifi": "Tea House", "wifi_password": "camellia-sinensis"})
    sheet = tmp_path / "poster.pdf"
    subprocess.run(
        [needs("chromium"), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         f"--print-to-pdf={sheet}", "--no-pdf-header-footer", box.url("/poster")],
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert len(re.findall(rb"/Type\s*/Page\b", sheet.read_bytes())) == 1


def test_port_443_refuses_at_once(box):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 443), timeout=2).close()


REFUSED = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 443), timeout=2)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("dhcp", [{"mode": "on"}, {"mode": "on", "portal": "on"}, {"mode": "off"}])
def test_port_443_refuses_guests_at_once(make_box, dhcp):
    """So that browsers that try https first fall back, whichever set-up it is."""
    with Lan() as lan:
        box = lan.box(make_box, dhcp=dhcp, web={"enabled": "yes"}, mirror={"enabled": "yes"})
        guest = lan.device("guest")
        guest.address("10.77.0.9/24")
        wait_for(lambda: re.search("serves DHCP|beside a router", box.service("dhcp")["text"]), "the LAN")
        assert guest.run(sys.executable, "-c", REFUSED, "10.77.0.1").stdout == "ConnectionRefusedError\n"


def beneath(box, *mounts):
    """Has the box see other files there: pairs of what and where."""
    script = "".join(f"mount --bind '{what}' '{where}' && " for what, where in mounts) + 'exec "$@"'
    box.wrapper = [*box.wrapper, "unshare", "-m", "sh", "-c", script, "sh"]


def check(box):
    line = [*box.wrapper, program("riad"), "check", "-c", box.conf]
    return subprocess.run(line, capture_output=True, text=True, timeout=60).stdout


def said(box, words):
    """riad-dhcp says so; nothing may be published yet."""

    def says():
        try:
            return words in box.service("dhcp")["text"]
        except (OSError, KeyError):
            return False

    wait_for(says, words, 15)


@pytest.mark.parametrize("how", ["missing", "old"])
def test_dnsmasq_missing_or_too_old(make_box, how):
    with Lan() as lan:
        box = lan.box(make_box, start=False, web={"enabled": "yes"}, dhcp={"mode": "off"})
        fake = box.folder / "dnsmasq"
        fake.write_text(
            "#!/bin/sh\n"
            'case "$*" in *--version*) echo "Dnsmasq version 2.79  Copyright";;'
            "*) echo 'dnsmasq: bad option at line 20' >&2; exit 1;; esac\n"
        )
        fake.chmod(0o755 if how == "old" else 0o644)
        beneath(box, (fake, os.path.realpath(needs("dnsmasq"))))
        box.start(wait=False)
        told = {
            "missing": ("dnsmasq is missing: apt install dnsmasq-base",) * 2,
            "old": ("dnsmasq 2.79 is too old, 2.80 is needed", "dnsmasq refuses its configuration: dnsmasq: bad option"),
        }[how]
        said(box, told[1])
        assert box.device.run("curl", "-sS", box.url("/healthz")).stdout.startswith("ok"), "the rest goes on"
        box.stop()
        assert f"fault: {told[0]}" in check(box)


STUB = """
import socket, sys, time
s = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
for one in s:
    one.bind((sys.argv[1], 53))
s[1].listen()
print(1, flush=True)
time.sleep(99)
"""


@pytest.mark.parametrize("where", ["127.0.0.53", "0.0.0.0"])
def test_systemd_resolved_has_its_port(make_box, where):
    """Its stub as it comes does not disturb; one that has every address does, and is named."""
    with Lan() as lan:
        box = lan.box(make_box, start=False, dhcp={"mode": "off"})
        resolve = box.folder / "systemd"
        (resolve / "resolve").mkdir(parents=True)
        (resolve / "resolve/stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
        Path("/run/systemd").mkdir(exist_ok=True)
        beneath(box, (resolve, "/run/systemd"))
        stub = box.device.start(sys.executable, "-c", STUB, where, stdout=subprocess.PIPE)
        stub.stdout.readline()
        found = check(box)
        box.start(wait=False)
        if where == "127.0.0.53":
            assert "port 53" not in found, found
            said(box, "answers DNS")
        else:
            assert re.search(r"fault: port 53 .*DNSStubListener=no", found), found
            said(box, "DNSStubListener=no")
            stub.kill()
            said(box, "answers DNS")


ANSWERS = {
    "auto": ("note: a network of its own", "note: beside a router: {} serves DHCP on eth0, riad will stand by"),
    "on": ("note: a network of its own", "fault: another DHCP server answers on eth0: {}"),
    "off": ("note: nobody serves DHCP on eth0", "note: beside a router: {} serves DHCP on eth0, and [dhcp] mode is off"),
}


def test_check_shows_who_answers(make_box):
    """Whatever the mode; and which of the set-ups that makes."""
    with Lan() as lan:
        box = lan.box(make_box, start=False)
        router = lan.device("router")
        router.address("10.77.0.254/24")
        for there in (0, 1):
            if there:
                router.start(
                    needs("dnsmasq"), "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--group=root",
                    "--port=0", "--interface=eth0", "--dhcp-range=10.77.0.10,10.77.0.40", "--no-ping", "--pid-file=",
                    "--dhcp-leasefile=/dev/null", "--log-facility=-", stderr=subprocess.DEVNULL,
                )  # fmt: skip
            for mode, words in ANSWERS.items():
                box.config(dhcp={"mode": mode})
                found = check(box)
                assert words[there].format("10.77.0.254") in re.sub(r" \([0-9a-f:]{17}\)", "", found), found


def test_check_sees_the_wrong_owner(make_box):
    needs_root()
    box = make_box(box={"user": "nobody"}, dhcp={"user": "nobody"}, start=False)
    box.folder.chmod(0o755)
    box.start()
    assert findings(box).count("fault") == 0
    box.stop()
    store = box.state / "store"
    os.chown(store, OTHER, OTHER)
    assert f"fault: {store} cannot be used by the account `nobody`: chown -R nobody: {store}" in findings(box)
    os.chown(store, 65534, 65534)
    (store / "riad.db").rename(store / "kept")
    (store / "riad.db").mkdir()
    assert f"fault: {store}/riad.db is no file" in findings(box)


def rights(pid):
    """The sets of capabilities of a process by name."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return {name: int(bits, 16) for name, bits in re.findall(r"^Cap(\w+):\t(\w+)$", file.read(), re.M)}


def test_without_a_lan_nobody_has_rights(make_box):
    needs_root()
    box = make_box(box={"user": "nobody"}, dhcp={"user": "nobody"}, start=False)
    box.folder.chmod(0o755)
    box.start()
    assert not any(rights(box.pid("dhcp")).values())


def test_with_a_lan_exactly_three(make_box):
    """NET_BIND_SERVICE, NET_ADMIN and NET_RAW, for riad-dhcp and the dnsmasq that it starts."""
    with Lan() as lan:
        box = lan.box(make_box, start=False, box={"user": "nobody"}, dhcp={"user": "nobody"})
        box.folder.chmod(0o755)
        box.start()
        wait_for(lambda: "serves DHCP" in box.service("dhcp")["text"], "DHCP")
        children = descendants(box.pid("dhcp"))
        dnsmasqs = [pid for pid, row in children.items() if "dnsmasq --conf-file" in row[3]]
        assert len(dnsmasqs) == 2, "itself, and its hand that starts the script"
        for pid in (box.pid("dhcp"), *dnsmasqs):
            has = rights(pid)
            assert re.search(r"^Uid:(\t65534){4}$", Path(f"/proc/{pid}/status").read_text(), re.M), pid
            assert has["Eff"] == has["Bnd"] == 0x3400 and not any(bits & ~0x3400 for bits in has.values()), has


def unit_capabilities():
    unit = (ROOT / "config/riad.service").read_text()
    return re.search("^CapabilityBoundingSet=(.*)$", unit, re.M)[1].lower().replace("cap_", "").split()


def test_starts_twice_with_the_rights_of_the_unit(make_box):
    """The unit's bounding set, no new privileges, accounts of their own: folders exist the second time."""
    needs_root()
    rights = ",".join(f"+{name}" for name in unit_capabilities())
    with Lan() as lan:
        box = lan.box(make_box, start=False, box={"user": "nobody"}, dhcp={"user": "nobody"}, web={"enabled": "yes"},
                      chat={"enabled": "yes"}, mirror={"enabled": "yes"})  # fmt: skip
        box.folder.chmod(0o755)
        box.wrapper += [needs("setpriv"), "--bounding-set", f"-all,{rights}", "--no-new-privs"]
        for _ in range(2):
            assert "ready: chat web mirror dhcp" in box.start()
            wait_for(lambda: "serves DHCP" in box.service("dhcp")["text"], "DHCP with three rights")
            box.stop()


def test_systemd_knows_every_word_of_the_unit(tmp_path):
    """A group of system calls that this systemd does not know is ignored, and with it our sandbox."""
    unit = tmp_path / "riad.service"
    unit.write_text((ROOT / "config/riad.service").read_text().replace("@PREFIX@/bin/riad", "/bin/true"))
    said = subprocess.run([needs("systemd-analyze"), "verify", unit], capture_output=True, text=True).stderr
    assert "riad.service:" not in said.replace("riad.service: Command 'man ", ""), said


COMPLETE = """
set -e
. "$1"
COMP_WORDS=(riad "${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_riad
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_install_puts_everything_in_its_place(tmp_path):
    """What `make install DESTDIR=... PREFIX=...` runs: paths, modes, and what was written into them."""

    def install():
        line = [ROOT / "config/install", BUILD, tmp_path, "/opt/riad", "9.9"]
        subprocess.run(line, check=True, capture_output=True)

    install()
    prefix = tmp_path / "opt/riad"
    found = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_file()}
    programs = ["bin/riad", *(f"libexec/riad/riad-{name}" for name in ("chat", "web", "mirror", "dhcp"))]
    pages = [f"share/man/man{page.suffix[1]}/{page.name}.gz" for page in ROOT.glob("config/*.[578]")]
    others = ["lib/systemd/system/riad.service", "lib/sysusers.d/riad.conf", "share/bash-completion/completions/riad"]
    assert {"riad.8", "riad.conf.5", "riad-chat.7", "riad-mirror.8"} <= {page.name for page in ROOT.glob("config/*.[578]")}
    assert found == {
        **{f"opt/riad/{name}": 0o755 for name in programs},
        **{f"opt/riad/{name}": 0o644 for name in (*pages, *others)},
        "etc/riad/riad.conf": 0o644,
    }
    assert "ExecStart=/opt/riad/bin/riad run" in (prefix / others[0]).read_text()
    assert gzip.decompress((prefix / "share/man/man8/riad.8.gz").read_bytes()) == (ROOT / "config/riad.8").read_bytes()
    assert subprocess.run([prefix / "bin/riad", "--version"], capture_output=True).returncode == 0
    # The configuration is the organiser's from then on.
    (tmp_path / "etc/riad/riad.conf").write_text("# mine\n")
    install()
    assert (tmp_path / "etc/riad/riad.conf").read_text() == "# mine\n"

    def complete(*words):
        line = ["bash", "-c", COMPLETE, "bash", prefix / others[2], *words]
        path = f"{prefix / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(line, check=True, capture_output=True, text=True, env={"PATH": path}).stdout.split()

    assert {"run", "check", "status", "people", "reset", "--help"} <= set(complete(""))
    assert complete("sta") == ["status"]
    assert "promote" in complete("people", "")
    assert complete("status", "--js") == ["--json"]
