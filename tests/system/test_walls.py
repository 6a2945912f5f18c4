"""The walls, tried from within each service as it really runs, and seen from outside."""

import os
import re
import shutil
import signal
import subprocess

import pytest
from conftest import PATIENCE, SERVICES, needs

# Who keeps what beyond nothing at all: riad-dhcp its three, on the LAN.
KEEPS = {"dhcp": 0x3400}
# What each may do all the same; everything else fails.
MAY = {
    "chat": set(),
    "web": set(),
    "mirror": {"socket", "datagram", "unix"},  # the only one that reaches out
    "dhcp": {"socket", "datagram", "unix", "fork"},  # dnsmasq, and the LAN
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    if PATIENCE > 1:
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
        pid = box.pid(name)
        os.kill(pid, signal.SIGUSR2)
        line = box.wait_log(f"^inside {name}: ")
        could = {word.split("=")[0] for word in line.split()[2:] if word.endswith("=could")}
        if not user:  # it is root, without any of its rights, and may end what is its own account's
            could -= {"root", "kill"} if name == "dhcp" else {"root"}
        assert could <= MAY[name], line
    assert not list(elsewhere.iterdir())


def test_from_outside_each_has_given_up_what_it_does_not_need(make_box):
    user = "nobody" if os.geteuid() == 0 else ""
    box = make_box(start=False, box={"user": user}, dhcp={"user": user})
    box.folder.chmod(0o755)
    box.start()
    for name in SERVICES:
        pid = box.pid(name)
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            status = dict(re.findall(r"^(\w+):\s*(\S+)", file.read(), re.M))
        for which in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            kept = int(status[which], 16)
            assert kept & ~KEEPS.get(name, 0) == 0, f"{name} keeps {which} {kept:x}"
        assert status["NoNewPrivs"] == "1"
        if PATIENCE == 1:
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
