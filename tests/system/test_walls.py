"""The walls, tried from within each service as it really runs, and seen from outside."""

import ctypes
import os
import re
import shutil
import signal
import subprocess

import pytest
from conftest import SANITIZED, SERVICES, descendants, needs, wait_for
from lan import Lan

# Who keeps what beyond nothing at all: riad-dhcp its three, on the LAN.
KEEPS = {"dhcp": 0x3400}
SETGID = 0x40  # as root dnsmasq insists on setting its groups
# What each may do all the same; everything else fails.
MAY = {
    "chat": set(),
    "web": set(),
    "mirror": {"socket", "datagram", "unix", "pair"},  # the only one that reaches out
    # dnsmasq, and the LAN; what it may signal are processes of its own account
    "dhcp": {"socket", "datagram", "unix", "pair", "fork", "signal", "owner", "limit"},
}


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+):\s*(\S+)", file.read(), re.M))


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    if SANITIZED:
        pytest.skip("sanitizers want to be the first library, and no filter")
    library = tmp_path_factory.mktemp("inside") / "inside.so"
    source = os.path.join(os.path.dirname(__file__), "inside.c")
    subprocess.run([needs("cc"), "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("user", ["", "nobody"])
def test_nobody_gets_out_from_within(make_box, inside, user):
    if user and os.geteuid() != 0:
        pytest.skip("needs root")
    box = make_box(start=False, box={"user": user}, dhcp={"user": user})
    box.folder.chmod(0o755)
    elsewhere = box.folder / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    shutil.copy(inside, box.folder)  # where any account may read it
    box.environment = {
        "LD_PRELOAD": str(box.folder / inside.name),
        "RIAD_TEST_ELSEWHERE": str(elsewhere),
        "RIAD_TEST_KEY": str(box.state / "keys" / "host_ed25519"),
        "RIAD_TEST_CONF": str(box.conf),
    }
    box.start()
    for name in SERVICES:
        pid, other = box.pid(name), box.pid("web" if name == "chat" else "chat")
        ctypes.CDLL(None).sigqueue(pid, signal.SIGUSR2, ctypes.c_void_p(other))
        line = box.wait_log(f"^inside {name}: ")
        could = {word.split("=")[0] for word in line.split()[2:] if word.endswith("=could")}
        if not user:  # it is root, without any of its rights, and may end what is its own account's
            could -= {"root", "kill"} if name == "dhcp" else {"root"}
        assert could <= MAY[name], line
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("user", ["", "nobody"])
def test_from_outside_each_has_given_up_what_it_does_not_need(make_box, user):
    if user and os.geteuid() != 0:
        pytest.skip("needs root")
    box = make_box(start=False, box={"user": user}, dhcp={"user": user})
    box.folder.chmod(0o755)
    box.start()
    for name in SERVICES:
        pid = box.pid(name)
        status = status_of(pid)
        for which in ("CapEff", "CapPrm", "CapInh", "CapAmb", *(["CapBnd"] if user else [])):
            assert int(status[which], 16) == 0, f"{name} keeps {which} {status[which]}, and leaves the network alone"
        assert status["NoNewPrivs"] == "1"
        if not SANITIZED:
            assert status["Seccomp"] == "2", f"{name} may make any system call"
            if user:  # what is not dumpable belongs to root, whoever runs it
                assert os.stat(f"/proc/{pid}/environ").st_uid == 0, f"{name} is dumpable"
        with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
            limits = {line[:26].strip(): line[26:].split() for line in file}
        assert limits["Max core file size"][:2] == ["0", "0"]
        assert int(limits["Max open files"][0]) <= 16384
        handed = sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
        assert handed[:9] == list(range(9)), "log, configuration, keeper and doorbells stand at their numbers"
        for fd in handed:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            assert "host_ed25519" not in target or name == "chat", f"{name} holds {target}"
            assert name != "dhcp" or not re.search(r"/state/(drop|mirror)", target), f"{name} holds {target}"


# dnsmasq as riad-dhcp starts it, but for what it tries first. What it may run stands in its folders.
TRIES = """#!/bin/sh
exec 3>&2 2>/dev/null
for path in {paths}; do
    if true < "$path"; then echo "dnsmasq could read $path"; else echo "dnsmasq could not read $path"; fi
done
exec 2>&3 /usr/bin/false "$@"
"""
HIDE = 'mount --bind /usr/sbin/dnsmasq /usr/bin/false && mount --bind {} /usr/sbin/dnsmasq && exec "$@"'


@pytest.mark.parametrize("user", ["", "nobody"])
def test_dnsmasq_and_its_script_see_nothing_of_the_store(make_box, user):
    """Not even where the account might; and it keeps what riad-dhcp keeps."""
    if shutil.which("dnsmasq") != "/usr/sbin/dnsmasq":
        pytest.skip("dnsmasq is somewhere else")
    with Lan() as lan:
        box = lan.box(make_box, start=False, box={"user": user, "log": "debug"}, dhcp={"user": user})
        box.folder.chmod(0o755)
        tries = box.folder / "dnsmasq"
        paths = [box.state / "store" / "riad.db", box.state / "keys" / "host_ed25519", box.conf, "/etc/shadow"]
        tries.write_text(TRIES.format(paths=" ".join(map(str, paths))))
        tries.chmod(0o755)
        box.wrapper += ["unshare", "-m", "sh", "-c", HIDE.format(tries), "sh"]
        box.start()
        for path in paths:
            box.wait_log(f"dnsmasq could not read {path}$")
        assert "dnsmasq could read" not in box.log()
        wait_for(lambda: box.service("dhcp")["state"] == "up", "DHCP to be up")
        assert lan.device("guest").lease("laptop")["serverid"] == "10.77.0.1"
        wait_for(lambda: "1 lease" in box.service("dhcp")["text"], "the script to have told of it")
        below = descendants(box.process.pid)
        two = [box.pid("dhcp"), *(pid for pid, row in below.items() if row[3].startswith("/usr/bin/false ")
                                  or row[3].startswith("/usr/sbin/dnsmasq --conf-file"))]  # fmt: skip
        assert len(two) > 1, below
        for pid in two:
            status = status_of(pid)
            for which in ("CapEff", "CapPrm"):
                assert int(status[which], 16) == KEEPS["dhcp"] | (0 if user else SETGID), (pid, which, status)
            assert status["NoNewPrivs"] == "1" and (SANITIZED or status["Seccomp"] == "2")
            assert not user or int(status["CapBnd"], 16) == KEEPS["dhcp"]


def test_a_root_that_may_do_little_runs_a_box_all_the_same(make_box):
    """As in a container: without the right to change what exec(2) gives."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    box = make_box(start=False)
    box.wrapper = ["setpriv", "--bounding-set=-all,+net_bind_service"]
    box.start()
    for name in SERVICES:
        assert int(status_of(box.pid(name))["CapEff"], 16) & ~KEEPS.get(name, 0) == 0
