"""Everything at once: a crowd chats, uploads, installs and signs in while one fault after another
strikes, and all that was acknowledged is there at the end.

    RIAD_MINUTES=60 RIAD_SEED=7 make campaign ARGS="tests/system/test_everything.py"

repeats a run: the same people with the same words and files, and the same faults in the same
order. The result is one line.
"""

import os
import random
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import PATIENCE, SANITIZER, SERVICES, Box, descendants, program, resident_kb, wait_for
from crowd import Crowd
from crowd_people import Installer
from upstream import Upstream, Weather

SEED = int(os.environ.get("RIAD_SEED", "7"))
MINUTES = float(os.environ.get("RIAD_MINUTES", "5"))
# What a service may keep open more than at its start when everybody has left.
SPARE_DESCRIPTORS = 12


def descriptors(pid):
    """But for those of the store's file, which SQLite keeps for the next connection: to close one
    would drop the locks of all others."""
    paths = [os.path.realpath(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return sum(not path.endswith("/riad.db") for path in paths)


def processor_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ends_later(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


class Storm:
    """The faults. Each is over when its function returns, but for the recovery that it asks for."""

    def __init__(self, box, upstream, crowd, seed, kinds=None):
        self.box, self.upstream, self.crowd = box, upstream, crowd
        self.random = random.Random(seed)
        self.kinds = kinds or [name[6:] for name in dir(self) if name.startswith("fault_")]
        self.struck, self.logs = Counter(), []

    def strike(self):
        kind = self.random.choice(self.kinds)
        self.struck[kind] += 1
        try:
            getattr(self, "fault_" + kind)()
        except (ProcessLookupError, FileNotFoundError, TypeError):
            pass  # the service was away already

    def kill(self, number):
        name = self.random.choice(SERVICES)
        os.kill(self.box.pid(name), number)

    def fault_kill(self):
        self.kill(9)

    def fault_kill_two(self):
        self.kill(9)
        self.kill(9)

    def fault_abort(self):
        self.kill(6)

    def fault_end(self):
        self.kill(15)

    def fault_stop_for_ever(self):
        self.kill(19)

    def fault_stop_for_a_second(self):
        pid = self.box.pid(self.random.choice(SERVICES))
        os.kill(pid, 19)
        time.sleep(1)
        os.kill(pid, 18)

    def fault_keeper_sleeps(self):
        os.kill(self.box.process.pid, 19)
        time.sleep(2)
        os.kill(self.box.process.pid, 18)

    def fault_keeper_dies(self):
        """As under systemd: what is left of its services is killed, and it is started again."""
        below = descendants(self.box.process.pid)
        self.box.process.kill()
        self.box.process.wait()
        self.crowd.gone.wait(self.random.random())
        self.box.kill_all(below)
        wait_for(lambda: not any(ends_later(pid) for pid in below), "the services' end")
        self.logs.append(self.box.log())
        self.box.start(wait=False)
        self.box.wait_log(r"\bready\b", 30)

    def fault_reload(self):
        self.box.config(chat={"history": self.random.randrange(10, 100)})
        self.box.process.send_signal(1)

    def fault_bad_weather(self):
        for path in self.random.sample(self.crowd.paths, 20):
            size = len(self.upstream.files[path])
            self.upstream.weather(path, self.random.choice([
                Weather(cut=size // 2), Weather(reset=size // 3), Weather(flip=size // 2), Weather(drop=True),
                Weather(status=503, retry_after=1), Weather(cut=size // 2, ranges=False), Weather(lie=50),
                Weather(cut=size // 2, chunked=True), Weather(wrong_range=True), Weather(status=500)]))  # fmt: skip

    def fault_link_down(self):
        self.upstream.down = True
        time.sleep(3)
        self.upstream.down = False

    def fault_clients_vanish(self):
        for person in self.random.sample(self.crowd.people, len(self.crowd.people) // 5):
            process = getattr(person, "process", None)
            if process is not None:
                process.kill()

    def fault_noise(self):
        """Connections that say nothing, or nonsense, to both doors; they go by themselves."""
        sockets = []
        for _ in range(60):
            port = self.random.choice([self.box.ssh_port, self.box.web_port])
            try:
                one = socket.create_connection(("127.0.0.1", port), 2, ("127.9.0.1", 0))
                one.sendall(self.random.randbytes(self.random.choice([0, 1, 20, 3000])))
            except OSError:
                continue
            sockets.append(one)
        time.sleep(1)
        for one in sockets:
            one.close()

    def fault_backup(self):
        target = self.box.folder / "backup"
        subprocess.run(["rm", "-rf", target])
        self.box.riad("backup", target)
        subprocess.run(["rm", "-rf", target])

    def fault_full_disk(self):
        if not self.box.state.is_mount():
            return
        self.crowd.full = True
        ballast = self.box.state / "ballast"
        try:
            with open(ballast, "wb") as out:
                while True:
                    out.write(bytes(1 << 16))
                    out.flush()
        except OSError:
            pass
        time.sleep(3)
        ballast.unlink()
        time.sleep(0.5)
        self.crowd.full = False


class Watch:
    """Memory and descriptors over the run."""

    def __init__(self, box):
        self.box, self.rows = box, []

    def look(self):
        try:
            pids = {name: self.box.pid(name) for name in SERVICES}
            pids["keeper"] = self.box.process.pid
            self.rows.append({name: (pid, resident_kb(pid), descriptors(pid)) for name, pid in pids.items()})
        except (OSError, ValueError, TypeError):
            pass  # one of them is away

    def most(self, name, column, rows=None):
        return max((row[name][column] for row in rows or self.rows), default=0)

    def text(self):
        """RSS in the second tenth and in the last tenth of the run, each the most that was seen."""
        tenth = max(1, len(self.rows) // 10)
        early, late = self.rows[tenth : 2 * tenth] or self.rows, self.rows[-tenth:]
        return ", ".join(
            f"{name} {self.most(name, 1, early) / 1024:.0f}→{self.most(name, 1, late) / 1024:.0f} MB "
            f"{self.most(name, 2, early)}→{self.most(name, 2, late)} fd"
            for name in ["keeper", *SERVICES])  # fmt: skip


def on_small_disk(box):
    """As root the state lies on a disk of its own, which can be filled."""
    box.state.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "riad-test", box.state],
                       capture_output=True)  # fmt: skip


def quiet_again(box):
    """Everybody has left: no service spins, none keeps descriptors of theirs."""
    wait_for(lambda: all(box.service(name)["state"] in ("up", "standing by") for name in SERVICES),
             "all services to be up", 60)  # fmt: skip
    fresh = {}
    for name in SERVICES:
        wait_for(lambda: descriptors(box.pid(name)) <= (60 if name == "web" else 40) + SPARE_DESCRIPTORS,
                 f"{name} to close what it had opened: {descriptors(box.pid(name))}", 90)  # fmt: skip
        fresh[name] = box.pid(name), processor_s(box.pid(name))
    time.sleep(2)
    for name, (pid, used) in fresh.items():
        assert processor_s(pid) - used < 0.5 * PATIENCE, f"{name} spins"


def everything(seconds, size, pace, interval, seed, kinds=None, people=None, cache="8M"):
    program("riad")
    upstream = Upstream()
    box = Box({"mirror": {"upstream": upstream.url, "caches": upstream.url + "/cache", "cache_size": cache},
               "chat": {"rate": 1000}, "box": {"reserve": "1%"}})  # fmt: skip
    on_small_disk(box)
    crowd, begun = None, time.monotonic()
    try:
        crowd = Crowd(box, upstream, size, pace, seed, kinds=people)
        box.start()
        box.wait_log(r"the index of .* is here")
        storm, watch = Storm(box, upstream, crowd, seed, kinds), Watch(box)
        crowd.start()
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            time.sleep(interval)
            watch.look()
            if time.monotonic() - begun < seconds - interval:
                storm.strike()
            if len(watch.rows) % 24 == 0:
                print(f"{time.monotonic() - begun:.0f} s: {sum(storm.struck.values())} faults, "
                      f"{len(crowd.wrongs)} wrongs, {watch.text()}", flush=True)  # fmt: skip
        wait_for(lambda: all(box.service(name)["state"] in ("up", "standing by") for name in SERVICES),
                 "all services to be up", 60)  # fmt: skip
        crowd.finish()
        crowd.check()
        quiet_again(box)
        log = "\n".join([*storm.logs, box.log()])
        assert not SANITIZER.search(log), log
        crashes = [line for line in log.splitlines() if "signal 11" in line or "signal 7" in line or "assert" in line.lower()]
        assert not crashes, crashes
        counts = crowd.counts()
        below = descendants(box.process.pid)
        assert not [row for row in below.values() if row[1] == "Z"], below
        box.stop()
        print(f"\neverything at once: seed {seed}, {seconds:.0f} s, {len(crowd.people)} people, "
              f"{sum(storm.struck.values())} faults ({dict(storm.struck)}): nothing acknowledged lost; "
              f"{dict(counts)}; answers of 5xx {dict(crowd.statuses)}; {watch.text()}", flush=True)  # fmt: skip
    except BaseException:
        if crowd:
            crowd.ending.set()
            crowd.gone.set()
            print("\n".join(crowd.wrongs[:40]), dict(crowd.counts()))
        print(box.log()[-6000:])
        raise
    finally:
        upstream.close()
        for person in crowd.people if crowd else []:
            if getattr(person, "process", None):
                person.process.kill()
        try:
            box.stop()
        finally:
            if box.state.is_mount():
                subprocess.run(["umount", "-l", box.state])
            box.remove()


@pytest.mark.threads
def test_everything_for_a_moment():
    """A dozen people, a fault a second."""
    kinds = ["kill", "abort", "bad_weather", "clients_vanish", "keeper_sleeps", "full_disk", "reload"]
    everything(seconds=8, size=12, pace=0.5, interval=0.8, seed=SEED, kinds=kinds)


@pytest.mark.campaign
def test_nobody_gets_half_an_archive():
    """Installers alone, and a cache that holds a quarter of what they want: whatever an archive's
    way is at that moment, they get it whole, or an answer that says or shows that it is not."""
    everything(seconds=60 * MINUTES, size=0, pace=0.05, interval=1, seed=SEED, people=[(Installer, 24)],
               kinds=["kill", "abort", "full_disk", "bad_weather", "link_down"], cache="2M")  # fmt: skip


@pytest.mark.campaign
def test_everything():
    """A hundred people, a fault every five seconds."""
    everything(seconds=60 * MINUTES, size=100, pace=10, interval=5, seed=SEED)
