"""`riad check` beside real packet filters: what it says is what guests meet, and its advice lets them in.

In a network namespace with files of its own for the filter's program; needs root."""

import os
import re
import shlex
import subprocess

import pytest

from conftest import needs, program, wait_for
from lan import Lan

BUS = """<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="signal"/><allow receive_type="method_return"/>
<allow receive_type="error"/></policy></busconfig>"""

# How each comes to drop what it does not know; a shell's commands in the box's namespaces.
FILTERS = {
    "nft": "nft 'table inet filter { chain input { type filter hook input priority 0; policy drop; iif lo accept;"
    " icmp type echo-request accept; tcp dport 22 accept; }; }' && nft insert rule inet filter input"
    " ct state vmap '{ established : accept, related : accept, invalid : drop }'",
    "iptables": "iptables -A INPUT -i lo -j ACCEPT && iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT"
    " && iptables -A INPUT -p tcp -m multiport --dports 22,2222 -m comment --comment accept -j ACCEPT"
    " && iptables -A INPUT -j LOG --log-prefix 'drop ' && iptables -P INPUT DROP",
    "ufw": "ufw --force enable && ufw allow 22/tcp",
    "firewalld": "dbus-daemon --config-file=$1/bus --nofork --nopidfile & firewalld --nofork --nopid &"
    " for turn in $(seq 150); do firewall-cmd --state && exit; sleep 0.1; done; exit 1",
}
# What lets everything in on the cable, and what they say of it in their own words.
TRUSTS = {
    "nft": "nft insert rule inet filter input iifname eth0 accept",
    "iptables": "iptables -I INPUT -i eth+ -j ACCEPT",
    "ufw": "ufw allow in on eth0",
    "firewalld": "firewall-cmd --zone=trusted --add-interface=eth0",
}


class Filtered:
    """A box with a web page and DHCP, and a filter's program beside it."""

    def __init__(self, lan, make_box, name):
        self.box = lan.box(make_box, start=False, web={"enabled": "yes"})
        self.box.config(web={"listen": f"0.0.0.0:{self.box.web_port}"})
        self.guest = lan.device("guest")
        self.guest.address("10.77.0.9/24")
        self.folder = self.box.folder / "filter"
        mounts = ["mount -t tmpfs none /run", "mkdir -m 755 /run/dbus"]
        for path in ("/etc/ufw", "/etc/firewalld"):
            if os.path.isdir(path):
                own = self.folder / path[1:]
                own.mkdir(parents=True, exist_ok=True)
                mounts.append(f"cp -a {path}/. {own} && mount --bind {own} {path}")
        self.folder.mkdir(exist_ok=True)
        (self.folder / "bus").write_text(BUS)
        holder = self.box.device.start(
            "unshare", "-m", "sh", "-c", " && ".join([*mounts, "echo ready && exec sleep 999"]), stdout=subprocess.PIPE
        )
        assert holder.stdout.readline() == b"ready\n"
        self.box.wrapper = ["nsenter", "-t", str(holder.pid), "-m", "-n"]
        self.box.start()
        wait_for(lambda: "serves DHCP" in self.box.service("dhcp")["text"], "DHCP")
        assert self.reached(), "without a filter"
        # Whatever it starts ends with the namespace of processes.
        self.daemons = lan.device("aside").start(
            *self.box.wrapper, "unshare", "-p", "--fork", "--kill-child", "sh", "-c",
            f"({FILTERS[name]}) >$1/said 2>&1; echo $? >$1/status; exec sleep 999", "sh", self.folder,
        )  # fmt: skip
        wait_for(lambda: (self.folder / "status").exists() and (self.folder / "status").read_text(), name, 40)
        assert (self.folder / "status").read_text() == "0\n", (self.folder / "said").read_text()

    def sh(self, script):
        done = subprocess.run([*self.box.wrapper, "sh", "-c", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def finding(self):
        line = [*self.box.wrapper, program("riad"), "check", "-c", self.box.conf]
        said = subprocess.run(line, capture_output=True, text=True, timeout=60).stdout
        found = [line for line in said.splitlines() if "firewall" in line]
        assert len(found) <= 1, said
        return found[0] if found else None

    def reached(self):
        """Whether a guest gets the page, and whether it is told at once that nothing listens on 443."""
        url = f"http://10.77.0.1:{self.box.web_port}/healthz"
        return self.guest.run("curl", "-sS", "--max-time", 1, url).stdout.startswith("ok")


@pytest.mark.parametrize("name", FILTERS)
def test_what_a_filter_keeps_out(make_box, name):
    needs("nft")
    needs(name)
    with Lan() as lan:
        filtered = Filtered(lan, make_box, name)
        assert not filtered.reached()
        found = filtered.finding()
        assert found and str(filtered.box.web_port) in found, found
        advice = re.search(r"let it in(?: \(443, too: .*? refused\))?: (.*?)(?: \(and .* to last\))?$", found)[1]
        assert advice.split()[0] in (name, "firewall-cmd"), advice
        filtered.sh(advice)
        assert filtered.reached(), found
        assert filtered.guest.lease("laptop")
        assert filtered.guest.dns("riad.lan")["addresses"] == ["10.77.0.1"]
        assert filtered.finding() is None


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_trusts_the_cable(make_box, name):
    needs("nft")
    needs(name)
    with Lan() as lan:
        filtered = Filtered(lan, make_box, name)
        filtered.sh(TRUSTS[name])
        assert filtered.reached()
        assert filtered.finding() is None
