"""What the supervisor must stand: services that starve, that die at every start, that hang; stores
that are wrong. Each costs itself: the others' processes stay the same, nothing is left
over, nothing spins, and `riad status` says it in a line."""

import contextlib
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, SANITIZED, SERVICES, descendants, needs, needs_root, program, wait_for
from lan import Lan
from upstream import Repository, Upstream, cache_path, digests


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calm(box, seconds=1.0):
    """No process of the box spins, none is a zombie."""
    below = descendants(box.process.pid)
    before = {}
    for pid in [box.process.pid, *below]:
        with contextlib.suppress(OSError):  # it has ended since
            before[pid] = processor_s(pid)
    time.sleep(seconds)
    for pid, used in before.items():
        with contextlib.suppress(OSError):
            spent = processor_s(pid) - used
            assert spent < 0.4 * seconds * PATIENCE, f"{below.get(pid, 'the keeper')} spins: {spent} s"
    wait_for(lambda: not [row for row in descendants(box.process.pid).values() if row[1] == "Z"], "zombies to go")


def pids(box, without=()):
    return {name: box.pid(name) for name in SERVICES if name not in without}


# ---- starving ----


@pytest.mark.parametrize("name", ["chat", "web"])
def test_out_of_memory_costs_the_service_its_process_only(box, name):
    """Its address space may not grow any more, and clients ask for more of it."""
    if SANITIZED:
        pytest.skip("sanitizers need their address space")
    others, pid = pids(box, {name}), box.pid(name)
    box.ssh("ada", "whoami", check=0)
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    allowed = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (now, allowed[1]))
    port = box.ssh_port if name == "chat" else box.web_port
    crowd = []

    def ask():
        """Until it dies of it, or shows that it lives with what it has."""
        try:
            one = socket.create_connection(("127.0.0.1", port), 5)
            one.sendall(b"SSH-2.0-x\r\n" if name == "chat" else
                        b"PUT /files/x%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n" % len(crowd))  # fmt: skip
            crowd.append(one)
        except OSError:
            pass
        return len(crowd) > 300 or box.pid(name) != pid

    wait_for(ask, "its end, or none", 20)
    for one in crowd:
        one.close()
    if box.pid(name) == pid:  # it lived with what it had; others need less memory again
        resource.prlimit(pid, resource.RLIMIT_AS, allowed)
    box.wait_service(name)
    wait_for(lambda: box.ssh("ada", "whoami").returncode == 0, "the chat")
    wait_for(lambda: box.request("GET", "/healthz")[0] == 200, "the page")
    assert pids(box, {name}) == others
    calm(box)


@pytest.mark.parametrize("name", ["chat", "web"])
def test_out_of_descriptors_new_clients_wait_and_nothing_spins(box, name):
    others, pid = pids(box, {name}), box.pid(name)
    box.ssh("ada", "whoami", check=0)
    box.request("GET", "/")
    port = box.ssh_port if name == "chat" else box.web_port
    few = len(os.listdir(f"/proc/{pid}/fd")) + 8
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, few))
    crowd = []
    for _ in range(40):
        one = socket.create_connection(("127.0.0.1", port), 5)
        one.sendall(b"SSH-2.0-x\r\n" if name == "chat" else b"GET ")
        crowd.append(one)
    time.sleep(0.3)
    calm(box)
    for one in crowd:
        one.close()
    if name == "chat":
        wait_for(lambda: box.ssh("ada", "whoami").returncode == 0, "the chat to go on", 20)
    else:
        wait_for(lambda: box.request("GET", "/healthz")[0] == 200, "the page to go on", 20)
    assert pids(box, {name}) == others


def ask_for(box, paths):
    """All of them at once: what came, by path; None while it has not come."""
    came = dict.fromkeys(paths)

    def ask(path):
        try:
            came[path] = box.request("GET", path, timeout=60 * PATIENCE)
        except (OSError, http.client.HTTPException) as failure:
            came[path] = (0, {}, repr(failure).encode())

    threads = [threading.Thread(target=ask, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    return came, threads


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_NOFILE], ids=["memory", "descriptors"])
def test_a_fetcher_that_starves_delivers_nothing_wrong_and_goes_on(make_box, kind):
    """With eight archives under way at once, and nothing more to be had."""
    if SANITIZED and kind == resource.RLIMIT_AS:
        pytest.skip("sanitizers need their address space")
    upstream = Upstream()
    bodies = [random.Random(number).randbytes(1_500_000) for number in range(9)]
    repository = Repository(upstream)
    for number, body in enumerate(bodies):
        repository.add(f"starving{number}.1", body)
    repository.publish()
    try:
        box = make_box(mirror={"upstream": upstream.url, "caches": upstream.url + "/cache"})
        box.wait_log(r"the index of .* is here")
        wanted = {"/opam" + cache_path("sha256", digests(body)["sha256"]): body for body in bodies}
        paths = list(wanted)
        assert box.request("GET", paths[0])[2] == wanted[paths[0]]
        others, pid = pids(box, {"mirror"}), box.pid("mirror")
        allowed = resource.prlimit(pid, kind)
        with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        now = now if kind == resource.RLIMIT_AS else len(os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, kind, (now, allowed[1]))
        came, threads = ask_for(box, paths[1:])
        end = time.monotonic() + 3
        wait_for(lambda: time.monotonic() > end or None not in came.values() or box.pid("mirror") != pid,
                 "its end, or none", 20)  # fmt: skip
        if box.pid("mirror") == pid:
            calm(box)
            resource.prlimit(pid, kind, allowed)
        box.wait_service("mirror")
        for thread in threads:
            thread.join()
        for path, (status, _, body) in came.items():
            assert status != 200 or body == wanted[path], "a wrong archive, complete"
        for path, body in wanted.items():  # what was refused for a while is no more
            wait_for(lambda path=path, body=body: box.request("GET", path, timeout=30 * PATIENCE)[2] == body,
                     "all of them to be had", 30)  # fmt: skip
        assert pids(box, {"mirror"}) == others
        calm(box)
    finally:
        upstream.close()


def test_riad_dhcp_without_descriptors_starts_dnsmasq_when_there_are_some(make_box):
    needs("dnsmasq")
    with Lan() as lan:
        box, guest = lan.box(make_box), lan.device("guest")
        before = guest.lease("laptop")
        wait_for(lambda: "1 lease" in box.service("dhcp")["text"], "the lease to be known")
        pid = box.pid("dhcp")
        allowed = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        few = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few - 3, allowed[1]))
        for child in descendants(pid):
            with contextlib.suppress(ProcessLookupError):  # dnsmasq's helper goes with it
                os.kill(child, signal.SIGKILL)
        box.wait_log("Too many open files")
        calm(box)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, allowed)
        box.wait_service("dhcp")
        assert guest.lease("laptop") == before
        assert box.pid("dhcp") == pid
        calm(box)


def test_a_keeper_without_descriptors_says_so_and_goes_on_when_there_are_some(box):
    keeper = box.process.pid
    others, allowed = pids(box, {"mirror"}), resource.prlimit(keeper, resource.RLIMIT_NOFILE)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (3, allowed[1]))
    pid = box.kill("mirror")
    box.wait_log("cannot publish")
    calm(box, 2.5)
    assert box.log().count("cannot publish") == 1
    held = {int(fd) for fd in os.listdir(f"/proc/{keeper}/fd")}
    first = next(fd for fd in range(1024) if fd not in held)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (first + 1, allowed[1]))  # one, enough to say so
    wait_for(lambda: "cannot be started: Too many open files" in box.riad("status").stdout, "the reason to be told")
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, allowed)
    box.wait_service("mirror", not_pid=pid)
    assert pids(box, {"mirror"}) == others


def test_what_status_says_is_true_on_a_full_disk(make_box):
    needs_root()
    box = make_box(start=False)
    box.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", box.state], check=True)
    try:
        box.start()
        with open(box.state / "filling", "wb", buffering=0) as file:
            with pytest.raises(OSError):
                while file.write(bytes(4096)):
                    pass
        old = box.kill("mirror")
        box.wait_service("mirror", not_pid=old)
        (box.state / "filling").unlink()
        box.restart_service("web")
        box.stop()
    finally:
        subprocess.run(["umount", "-l", box.state], check=True)


# ---- dying and hanging ----


def test_a_service_that_dies_at_every_start_costs_itself(make_box):
    """The pauses grow; the others' uptime is untouched; status names it, with what it said."""
    box = make_box(start=False)
    bin_ = box.folder / "bin"
    bin_.mkdir()
    for path in BUILD.glob("riad*"):
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy(path, bin_)
    (bin_ / "riad-mirror").write_text("#!/bin/sh\necho mirror: it cannot be >&2\nexit 1\n")
    (bin_ / "riad-mirror").chmod(0o755)
    box.wrapper = ["/bin/sh", "-c", f'shift; exec {bin_}/riad "$@"', "riad"]
    began = time.monotonic()
    box.start()
    first = pids(box, {"mirror"})
    wait_for(lambda: box.service("mirror")["restarts"] >= 3, "three more tries", 20)
    assert time.monotonic() - began > 2.5, "pauses of 0, 1 and 2 s"
    assert pids(box, {"mirror"}) == first
    done = box.riad("status", check=1)
    line = next(line for line in done.stdout.splitlines() if line.strip().startswith("mirror"))
    assert "down" in line and re.search(r"exit|ended|died", line), line
    calm(box, 2)


@pytest.mark.campaign
def test_stopped_services_are_found_each_in_its_time(box):
    """SIGSTOP to all of them at once: chat is back after 5 s, the others after 15."""
    before, began, back = pids(box), time.monotonic(), {}
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)

    def look():
        for name in SERVICES:
            row = box.service(name)
            if name not in back and row["state"] == "up" and row["pid"] != before[name]:
                back[name] = time.monotonic() - began
        return len(back) == len(SERVICES)

    wait_for(look, "all to be back", 30)
    assert 4 < back["chat"] < 8 * PATIENCE
    assert all(13 < back[name] < 20 * PATIENCE for name in SERVICES if name != "chat"), back
    calm(box)
    print(f"\nstopped services were back after {({name: round(s, 1) for name, s in back.items()})} s")


@pytest.mark.campaign
def test_each_killed_again_and_again(box):
    """One after the other, as fast as they come back: nobody else notices, nothing is left over."""
    seed, count = int(os.environ.get("RIAD_SEED", "7")), 0
    began = time.monotonic()
    box.ssh("ada", "say", "before", check=0)
    for turn in range(int(os.environ.get("RIAD_ROUNDS", "5"))):
        for name in SERVICES:
            others = pids(box, {name})
            number = [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM][(seed + turn) % 4]
            pid = box.kill(name, number)
            box.wait_service(name, not_pid=pid, timeout=20)
            assert pids(box, {name}) == others, (turn, name)
            count += 1
    calm(box)
    assert "before" in box.ssh("ada", "history", check=0).stdout
    print(f"\nkilled services: seed {seed}, {count} kills in {time.monotonic() - began:.0f} s, no other one noticed")


# ---- the store ----


def test_a_store_of_a_newer_riad_is_left_alone(make_box):
    box = make_box()
    box.ssh("ada", "say", "of the future", check=0)
    box.stop()
    path = box.state / "store" / "riad.db"
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA user_version = 999")
    store.close()
    done = box.riad("run", check=1)
    assert "newer" in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr
    assert "newer" in box.riad("check", check=1).stdout
    with sqlite3.connect(path) as store:
        assert store.execute("SELECT count(*) FROM message WHERE text = 'of the future'").fetchone()[0] == 1
        store.execute("PRAGMA user_version = 1")
    store.close()
    box.start()
    assert "of the future" in box.ssh("ada", "history", check=0).stdout


def test_a_store_damaged_while_the_box_runs_is_found_at_the_next_start(make_box):
    """Pages in the midst are overwritten: what is still served is, and the rest is saved then."""
    box = make_box(chat={"rate": 1000})
    box.ssh("ada", "say", input="".join(f"line {i} {'x' * 200}\n" for i in range(300)), check=0)
    box.stop()
    path = box.state / "store" / "riad.db"
    content = bytearray(path.read_bytes())
    content[-40960:-32768] = os.urandom(8192)
    path.write_bytes(content)
    box.start()
    assert box.request("GET", "/healthz")[0] == 200
    assert box.riad("status").returncode == 0
    if "damaged" in box.log():
        assert re.search(r"with \d+ people and \d+ messages saved", box.log())
        assert "damaged" in json.dumps(box.status()["incidents"])
    assert box.ssh("ada", "say", "it goes on").returncode == 0
    calm(box)
