"""A clock that is not set, that stands still while the box is off, that is set while it runs.

A small machine has none: it wakes up in 1970, or at the minute at which it was switched off."""

import os
import re
import time

import pytest
from clock import Clock
from conftest import needs, program, wait_for
from lan import Lan
from test_dhcp import dnsmasq_pid, leases, wait_up
from test_faults import calm, pids
from test_leases import kill_everything
from test_mirror_link import Authority
from upstream import Repository, Upstream

YEAR, HOUR = 365 * 86400, 3600


@pytest.fixture
def clock():
    with Clock() as clock:
        yield clock


def test_the_clock_jumps_a_year_either_way(make_box, clock):
    """Nobody is thought hung, nobody's key or cookie is forgotten, words stay in order."""
    box = make_box(start=False, box={"keep": "30d"})
    box.environment = clock.environment
    box.start()
    before = pids(box)
    box.ssh("ada", "say", "in time", check=0)
    for shift, word in ((YEAR, "ahead"), (-YEAR, "behind"), (0, "again")):
        clock.jump(shift)
        assert box.ssh("ada", "say", word).returncode == 0
        time.sleep(1.2)
        assert box.request("GET", "/healthz")[0] == 200
        assert box.riad("status").returncode == 0
        calm(box, 0.5)
    assert pids(box) == before, "somebody was thought hung"
    with box.store() as store:
        said = [row[0] for row in store.execute("SELECT text FROM message WHERE kind = 'say' ORDER BY id")]
    assert said == ["in time", "ahead", "behind", "again"]


def sign_in(box, name):
    link = box.ssh(name, "web", check=0).stdout
    joined = box.request("POST", "/join/" + re.search(r"/join/([\w-]+)", link)[1])
    return {"Cookie": re.search(r"riad=[^;]+", joined[1]["set-cookie"])[0]}


@pytest.mark.parametrize("asleep", [None, 2 * HOUR], ids=["1970", "stood still"])
def test_a_box_goes_on_from_its_store(make_box, clock, asleep):
    """Nothing that happens after a start lies before what happened earlier, and what begins before
    the clock is set does not end by it."""
    box = make_box(start=False, web={"expire": "1h"})
    box.environment = clock.environment
    box.start()
    box.ssh("ada", "say", "yesterday", check=0)
    assert box.request("PUT", "/files/old.txt", b"old")[0] == 201
    with box.store() as store:
        newest = store.execute("SELECT max(at) FROM message").fetchone()[0]
    box.stop()
    if asleep:
        clock.jump(-asleep)
    else:
        clock.set(1970)
    box.start()
    assert "behind what the store holds" in box.log()
    box.ssh("ada", "say", "today", check=0)
    box.ssh("bob", "say", "for the first time", check=0)
    assert box.request("PUT", "/files/new.txt", b"new")[0] == 201
    cookie = sign_in(box, "bob")
    box.kill("mirror")
    box.wait_service("mirror")
    banned = clock.run(program("riad"), "people", "-c", box.conf, "ban", "bob", "--until", "1h")
    assert banned.returncode == 0, banned.stderr
    status = box.run_status()
    with box.store() as store:
        times = {
            f"{table}.{column}": store.execute(f"SELECT {column} FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone()[0]
            for table, column in (("message", "at"), ("file", "created_at"), ("person", "created_at"),
                                  ("person", "seen_at"), ("credential", "created_at"), ("ban", "created_at"))
        }  # fmt: skip
        until = store.execute("SELECT until FROM ban").fetchone()[0]
    times |= {"started": status["started_ms"], "since": status["services"]["mirror"]["since_ms"]}
    times |= {f"incident {one['text']}": one["at_ms"] for one in status["incidents"]}
    assert not {what: at for what, at in times.items() if not newest <= at < newest + HOUR * 1000}, newest
    assert newest + HOUR * 1000 <= until
    assert re.search(r"up for \d+ s", clock.run(program("riad"), "status", "-c", box.conf).stdout)
    assert clock.run(program("riad"), "people", "-c", box.conf, "unban", "bob").returncode == 0
    # A time server is found.
    clock.set()
    time.sleep(1.2)
    assert "today" in box.ssh("ada", "history", check=0).stdout
    assert b"bob" in box.request("GET", "/", headers={**cookie, "Accept": "text/html"})[2], "signed out by the clock"
    for name in ("old.txt", "new.txt"):
        assert box.request("GET", f"/files/{name}")[0] == 200, name
    calm(box, 0.5)


def test_check_says_that_the_clock_is_not_set(make_box, clock, tmp_path):
    """Rather than that certificates are wrong, which they seem to be then."""
    authority = Authority(tmp_path)
    upstream = Upstream(tls=authority.sign("good"))
    repository = Repository(upstream)
    repository.publish()
    box = make_box(start=False, mirror={"upstream": upstream.url, "caches": "", "refresh": "1h"})
    box.environment = {**clock.environment, "CURL_CA_BUNDLE": str(authority.file), "SSL_CERT_FILE": str(authority.file)}
    clock.set(1970)
    said = clock.run(program("riad"), "check", "-c", box.conf).stdout
    assert "fault: the clock is not set" in said and "certificate" not in said, said
    box.start()
    box.wait_log("the clock is not set, so certificates seem not yet valid")
    clock.set()
    said = clock.run(program("riad"), "check", "-c", box.conf).stdout
    assert "clock" not in said, said


class Leased:
    """A LAN whose guest has a lease and sleeps, and another device that would like its address."""

    def __init__(self, lan, make_box, clock):
        self.clock = clock
        self.box, self.guest, self.other = lan.box(make_box, start=False), lan.device("guest"), lan.device("other")
        self.box.environment = clock.environment
        clock.dnsmasq(self.box)
        self.box.start()
        wait_up(self.box)
        self.address = self.guest.lease("laptop")["ip"]
        wait_for(lambda: leases(self.box).get("laptop"), "the lease's row")

    def set_clock(self, shift):
        """While the box runs."""
        old = dnsmasq_pid(self.box)
        self.clock.jump(shift)
        wait_for(lambda: dnsmasq_pid(self.box) not in (None, old), "a dnsmasq that knows the time")
        wait_up(self.box)

    def holds(self, now):
        """The guest keeps its address, and for as long as one may by a box whose time is now."""
        row = leases(self.box).get("laptop")
        assert row and row["ip"] == self.address, self.box.log()
        assert self.guest.dns("laptop.lan")["addresses"] == [self.address]
        given = self.other.lease("other", "-r", self.address)
        assert given and given["ip"] != self.address, "given twice"
        wait_for(lambda: leases(self.box).get("other"), "the other's row")
        for host, one in leases(self.box).items():
            left_s = one["expires_at"] / 1000 - now
            assert HOUR < left_s <= 2 * HOUR + 60, f"{host} for {left_s} s"
        assert self.guest.lease("laptop")["ip"] == self.address


def test_leases_hold_when_the_clock_is_set(make_box, clock):
    """By a lot, either way: none vanishes, none is given twice, none holds for a year."""
    needs("dnsmasq")
    with Lan() as lan:
        leased = Leased(lan, make_box, clock)
        for shift in (8 * HOUR, 8 * HOUR - YEAR, 0):
            leased.set_clock(shift)
            leased.holds(time.time() + shift)


def test_leases_of_a_box_that_wakes_up_in_1970(make_box, clock):
    """It goes on from its store, while dnsmasq goes by the clock as it is; then a time server is found."""
    needs("dnsmasq")
    with Lan() as lan:
        leased = Leased(lan, make_box, clock)
        kill_everything(leased.box)
        clock.set(1970)
        leased.box.start()
        wait_up(leased.box)
        leased.holds(time.time())
        leased.set_clock(0)
        leased.holds(time.time())


def test_leases_of_a_clock_that_was_a_year_ahead(make_box, clock):
    """Set right while the box was off: they do not keep their addresses for that year."""
    needs("dnsmasq")
    with Lan() as lan:
        leased = Leased(lan, make_box, clock)
        leased.set_clock(YEAR)
        leased.holds(time.time() + YEAR)
        leased.box.stop()
        clock.set()
        leased.box.start()
        wait_up(leased.box)
        assert "which is believed" in leased.box.log()
        leased.holds(time.time())
