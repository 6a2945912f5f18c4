"""The Debian package in throw-away roots: install, run, upgrade with everything kept, purge; under a
systemd of its own; and the whole source in the next Debian. Takes minutes and Debian's archive:
`make campaign`.

Needs root, mmdebstrap and dpkg-dev; systemd-nspawn for the machine."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, descendants, needs, needs_root, wait_for

pytestmark = pytest.mark.campaign

# As the package starts it, but for ports and network, which are those of an empty namespace.
RUN = """
set -e
ip link set lo up 2>/dev/null || true
riad run & box=$!
for turn in $(seq 300); do riad status >/dev/null 2>&1 && break; sleep 0.1; done
riad status
%s
kill $box
wait $box
"""


def archives(suite):
    """Where this machine's own apt takes Debian from, as sources for another suite."""
    sites = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
                           check=True, capture_output=True, text=True).stdout.split()  # fmt: skip
    return [f"deb {site} {suite + ('-security' if 'security' in site else '')} main"
            for site in sorted(set(sites))]  # fmt: skip


class Root:
    """A Debian of its own below a temporary folder."""

    def __init__(self, suite, *packages):
        needs_root()
        self.path = Path(tempfile.mkdtemp(prefix="riad-root-"))
        made = subprocess.run(
            [needs("mmdebstrap"), "--variant=minbase", f"--include={','.join(packages)}", suite,
             str(self.path), *archives(suite)],
            capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode != 0:
            self.remove()
            pytest.skip(f"no Debian archive can be reached: {made.stderr[-300:]}")
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")

    def sh(self, script, alone=False):
        """Runs it there; alone: in a network namespace of its own. What it printed."""
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.path}/proc",
             *(["--net"] if alone else []), "chroot", str(self.path), "sh", "-c", script],
            capture_output=True, text=True, env={"PATH": os.environ["PATH"] + ":/sbin:/usr/sbin", "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Machine:
    """A root with a systemd of its own: `with Machine(root) as machine`, again and again."""

    def __init__(self, root):
        self.root = root

    def __enter__(self):
        self.process = subprocess.Popen(
            [needs("systemd-nspawn"), "-q", "-D", self.root.path, "--register=no", "--keep-unit",
             "--private-network", "--boot", "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: self.sh("systemctl is-active multi-user.target") == "active\n", "a booted machine", 60)
        except BaseException:
            self.cut()
            raise
        return self

    def leader(self):
        """The process that is 1 there; None if the machine is not there (yet)."""
        for pid, row in descendants(self.process.pid).items():
            if row[0] == self.process.pid and os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return pid
        return None

    def sh(self, script):
        """What it printed; "" if the machine is not there (yet)."""
        leader = self.leader()
        if leader is None:
            assert self.process.poll() is None, "the machine does not boot"
            return ""
        line = ["nsenter", "-t", str(leader), "-a", "sh", "-c", script]
        return subprocess.run(line, capture_output=True, text=True, timeout=60).stdout

    def main_pid(self):
        return int(self.sh("systemctl show -P MainPID riad") or 0)

    def wait(self, script, wanted, timeout=60):
        wait_for(lambda: wanted in self.sh(script), f"{wanted}: {self.sh(script)}", timeout)

    def cut(self):
        """As when the power goes."""
        leader = self.leader()
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.cut()


@pytest.fixture
def make_root():
    roots = []

    def make(*arguments):
        roots.append(Root(*arguments))
        return roots[-1]

    yield make
    for root in roots:
        root.remove()


def package(version):
    """The path of a package of what was built, under that version."""
    needs("dpkg-shlibdeps")
    made = subprocess.run(
        [ROOT / "config/deb", BUILD, version], capture_output=True, text=True, check=True
    )
    return Path(made.stdout.split()[-1])


def test_install_upgrade_purge(make_root):
    root = make_root("bookworm", "adduser,ca-certificates,curl,iproute2,procps")
    for version in ("0.0.1", "0.0.2"):
        shutil.move(package(version), root.path / f"riad-{version}.deb")
    root.sh("apt-get update -q && apt-get install -y -q --no-install-recommends ./riad-0.0.1.deb")
    assert "riad:riad 2770" in root.sh(RUN % "stat -c %U:%G\\ %a /var/lib/riad/store", alone=True)
    root.sh(RUN % "curl -fsS -T /etc/hostname http://127.0.0.1/kept.txt; ps -eo user,args | grep '[r]iad-dhcp' | grep -q '^riad-net'", alone=True)
    root.sh("echo '# mine' >>/etc/riad/riad.conf; cat /var/lib/riad/keys/host_ed25519 >/key")
    root.sh("apt-get install -y -q -o Dpkg::Options::=--force-confold ./riad-0.0.2.deb")
    kept = root.sh(RUN % "curl -fsS http://127.0.0.1/files/kept.txt && riad check; cmp /key /var/lib/riad/keys/host_ed25519", alone=True)
    assert (root.path / "etc/hostname").read_text() in kept
    assert "# mine" in root.sh("cat /etc/riad/riad.conf; getent passwd riad riad-net")
    root.sh("apt-get purge -y -q riad")
    left = root.sh("ls -d /var/lib/riad /etc/riad /usr/libexec/riad /usr/bin/riad 2>/dev/null; getent passwd riad riad-net; true")
    assert left == "", left


LAN = """
sed -i 's/^interface = .*/interface = eth0/' /etc/riad/riad.conf
mkdir -p /etc/systemd/system/riad.service.d
printf '[Service]\\nWatchdogSec=4\\n' >/etc/systemd/system/riad.service.d/soon.conf
"""
CABLE = "ip link add eth0 type veth peer name port && ip link set port up"


def test_under_systemd(make_root):
    """Begins at boot before its network, outlives a keeper that hangs and a cut of the power."""
    needs("systemd-nspawn")
    root = make_root("bookworm", "adduser,ca-certificates,curl,iproute2,procps,systemd,systemd-sysv")
    shutil.move(package("0.0.1"), root.path / "riad.deb")
    root.sh("apt-get update -q && apt-get install -y -q --no-install-recommends ./riad.deb")
    root.sh(LAN)
    with Machine(root) as machine:
        machine.wait("riad status", "there is no interface eth0")
        assert machine.sh("systemctl is-active riad") == "active\n", "ready all the same"
        machine.sh(CABLE)
        machine.wait("riad status", "serves DHCP on eth0")
        assert machine.sh("ps -o user= -C riad-web,riad-dhcp | sort | tr -d '\\n'") == "riadriad-net"
        before = machine.main_pid()
        machine.sh(f"kill -STOP {before}")
        wait_for(lambda: machine.main_pid() not in (0, before), "another keeper", 60)
        machine.wait("systemctl status riad", "ready: chat web mirror dhcp")
        assert machine.sh("systemctl show -P NRestarts riad") == "1\n"
        assert "with result 'watchdog'" in machine.sh("journalctl -u riad")
        assert machine.sh("echo words | curl -fsS -o /dev/null -w %{http_code} -T - http://10.77.0.1/files/kept.txt") == "201"
        machine.cut()
    with Machine(root) as machine:
        machine.sh(CABLE)
        machine.wait("riad status", "serves DHCP on eth0")
        assert machine.sh("curl -fsS http://10.77.0.1/files/kept.txt") == "words\n"
        assert "did not end in order" in machine.sh("journalctl -b -u riad")
        machine.sh("systemctl stop riad")
        assert machine.sh("systemctl show -P Result riad") == "success\n"
        assert "10.77.0.1" not in machine.sh("ip addr")


def test_builds_in_the_next_debian(make_root):
    words = subprocess.run(
        ["make", "-s", "-C", ROOT, "-f", "Makefile", "-f", "-", "words"], text=True, check=True,
        input="words: ; @echo $(RUN_PACKAGES)\n", capture_output=True,
    ).stdout.split()  # fmt: skip
    root = make_root("trixie", ",".join([*words, "libcmocka-dev", "python3", "tzdata", "dpkg-dev", "adduser", "curl", "iproute2", "procps"]))
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", ROOT, "--null", "-T", "-", "-cf", root.path / "src.tar"], input=files, check=True)
    root.sh("mkdir /src && tar -C /src -xf /src.tar && make -C /src -j2 all unit")
    assert "ready:" in root.sh("cd /src && (timeout 5 build/riad run -c config/local.conf 2>&1 || true)", alone=True)
    root.sh("make -s -C /src deb && apt-get install -y -q --no-install-recommends /src/build/riad_*.deb")
    kept = root.sh(RUN % "curl -fsS -T /etc/hostname http://127.0.0.1/kept.txt && curl -fsS http://127.0.0.1/files/kept.txt", alone=True)
    assert (root.path / "etc/hostname").read_text() in kept
    root.sh("apt-get purge -y -q riad")
    assert root.sh("ls -d /var/lib/riad /etc/riad /usr/bin/riad 2>/dev/null; getent passwd riad riad-net; true") == ""
