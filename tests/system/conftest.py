"""The real box, for tests: a temporary state folder, free ports, `riad run`, real clients.

    def test_who(box):
        assert "ada" in box.ssh("ada", "who").stdout

    def test_closed(make_box):
        box = make_box(box={"newcomers": "closed"}, web={"upload": "nobody"})

`box` is running when the test begins; `make_box` makes others, with more or other keys in their
sections (None leaves a key out), and with start=False does not start them. At the end each box is
stopped: its exit status is 0, no process of it is left, and no sanitizer has complained.
"""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RIAD_BUILD", ROOT / "build"))
SERVICES = ["chat", "web", "mirror", "dhcp"]
SANITIZED = re.search(r"build-\w+$", str(BUILD)) is not None
# Sanitizers slow programs down, and so do others on a machine for continuous integration; what waits
# for an event waits longer then.
PATIENCE = 3 if SANITIZED or os.environ.get("CI") else 1
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer")


def program(name):
    """The path of a built program; the test is skipped, loudly, if there is none."""
    path = BUILD / name
    if not path.exists():
        pytest.skip(f"{path} has not been built")
    return str(path)


def needs(tool):
    """Skips the test, loudly, where a foreign tool is not installed; its path."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


_given_ports = set()


def free_port():
    """A TCP port that nobody uses, below those the kernel gives to clients."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def wait_for(condition, what="the condition", timeout=10):
    """Calls condition until it returns something true, which is returned."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"waited {timeout * PATIENCE} s in vain for {what}"
        time.sleep(0.02)


def processes():
    """pid -> (parent, state, start time, command line) of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        found[int(entry.name)] = (int(fields[1]), fields[0], int(fields[19]), line.strip())
    return found


def resident_kb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def descendants(pid):
    """All processes below pid: pid -> (parent, state, start time, command line)."""
    everyone = processes()
    below, frontier = {}, [pid]
    while frontier:
        parent = frontier.pop()
        for child, row in everyone.items():
            if row[0] == parent and child not in below:
                below[child] = row
                frontier.append(child)
    return below


class Log:
    """What a process writes to standard error, line by line, as it comes."""

    def __init__(self, stream):
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def text(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait(self, pattern, timeout=10, start=0):
        """The first line from number start on that matches; fails if the log ends before."""
        expression, end = re.compile(pattern), time.monotonic() + timeout * PATIENCE
        with self.changed:
            at = start
            while True:
                for line in self.lines[at:]:
                    if expression.search(line):
                        return line
                at = len(self.lines)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    break
                self.changed.wait(left)
        raise AssertionError(f"no line matches {pattern!r} in the log:\n{self.text()}")


class Box:
    """A box of its own. Attributes: folder, conf, state (paths), ssh_port, web_port."""

    def __init__(self, sections):
        self.folder = Path(tempfile.mkdtemp(prefix="riad-test-"))
        self.conf = self.folder / "riad.conf"
        self.state = self.folder / "state"
        self.ssh_port, self.web_port = free_port(), free_port()
        self.process = self.stderr = None
        self.environment = {}  # more of it, for `riad run`
        self.wrapper = []  # a program to run it by
        self.expect_status = 0
        self.sections = {
            "box": {"state": self.state, "user": ""},
            "chat": {"listen": f"127.0.0.1:{self.ssh_port}"},
            "web": {"listen": f"127.0.0.1:{self.web_port}"},
            "mirror": {"upstream": "http://127.0.0.1:1", "caches": "", "refresh": 0},
            "dhcp": {"mode": "off"},
        }
        self.config(**sections)

    # ---- configuration and life ----

    def __enter__(self):
        """For fixtures that several tests share: `with Box({...}) as box: yield box`."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure):
        try:
            self.stop()
        finally:
            self.remove()

    def config(self, more=None, **sections):
        """Changes keys and writes the file: box.config(chat={"history": 5})."""
        for name, keys in {**(more or {}), **sections}.items():
            section = self.sections.setdefault(name, {})
            section.update(keys)
        lines = []
        for name, keys in self.sections.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
        self.conf.write_text("\n".join(lines) + "\n")
        return self

    def start(self, wait=True):
        """Starts `riad run` and waits for its line `ready`, which is returned."""
        self.process = subprocess.Popen(
            [*self.wrapper, program("riad"), "run", "-c", str(self.conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **self.environment},
        )
        self.stderr = Log(self.process.stderr)
        return self.wait_log(r"\bready\b", 30) if wait else None

    def stop(self):
        """SIGTERM; checks the exit status and that nothing is left behind."""
        if self.process is None:
            return
        before = descendants(self.process.pid) if self.process.poll() is None else {}
        if any(row[1] == "Z" for row in before.values()):
            time.sleep(0.2)  # one that has just ended is reaped within a moment
            before = descendants(self.process.pid) if self.process.poll() is None else {}
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(15 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill_all(before)
            raise AssertionError(f"the box did not end within 15 s:\n{self.log()}")
        self.stderr.thread.join(5)
        self.process.stderr.close()
        self.process = None
        after = processes()
        left = {
            pid: row
            for pid, row in after.items()
            if ((pid in before and before[pid][2] == row[2]) or str(self.folder) in row[3])
            and (row[0], row[1]) != (1, "Z")  # of a box that was killed: init's to bury
        }
        self.kill_all(left)
        assert not SANITIZER.search(self.log()), self.log()
        assert status == self.expect_status, f"exit status {status}:\n{self.log()}"
        assert not left, f"left behind: {left}\n{self.log()}"
        zombies = [row for row in before.values() if row[1] == "Z"]
        assert not zombies, f"zombies under the box: {zombies}"

    def reload(self, *services):
        """SIGHUP; returns the first line of the log after it that tells what came of it, as soon as
        these services, chat or web, have taken it up."""
        start = len(self.stderr.lines)
        self.process.send_signal(signal.SIGHUP)
        came = self.wait_log(r"riad \w+: .*(read the configuration again|stays in force)", start=start)
        for name in services:
            self.wait_log(rf"{name} info: took up the new configuration", start=start)
        return came

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def kill_all(pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # ---- what it says ----

    def log(self):
        """All that `riad run` has written to standard error so far."""
        return self.stderr.text() if self.stderr else ""

    def wait_log(self, pattern, timeout=10, start=0):
        return self.stderr.wait(pattern, timeout, start)

    def riad(self, *arguments, check=None, input=None):
        """`riad COMMAND -c FILE ...`; check: the exit status that is expected."""
        done = subprocess.run(
            [program("riad"), arguments[0], "-c", str(self.conf), *map(str, arguments[1:])],
            capture_output=True,
            text=True,
            errors="replace",
            input=input,
            timeout=60 * PATIENCE,
        )
        assert not SANITIZER.search(done.stderr), done.stderr
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def status(self):
        """`riad status --json`."""
        return json.loads(self.riad("status", "--json").stdout)

    def run_status(self):
        """What the keeper has published last, run/status.json."""
        return json.loads((self.state / "run" / "status.json").read_text())

    # ---- its services ----

    def service(self, name):
        return self.run_status()["services"][name]

    def pid(self, name):
        return self.service(name)["pid"]

    def wait_service(self, name, state="up", timeout=15, not_pid=None):
        """Waits until the service is in that state, and not the process not_pid any more."""

        def there():
            try:
                row = self.service(name)
            except FileNotFoundError:  # nothing published yet
                return None
            new = not_pid is None or row["pid"] != not_pid
            return row if row["state"] == state and new else None

        return wait_for(there, f"{name} to be {state}", timeout)

    def kill(self, name, number=signal.SIGKILL):
        """Sends the service a signal; its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def restart_service(self, name):
        """Kills it and waits until it is up again."""
        return self.wait_service(name, not_pid=self.kill(name))

    def store(self):
        """The store, to look into: a sqlite3 connection that reads only."""
        connection = sqlite3.connect(f"file:{self.state}/store/riad.db?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        return connection

    # ---- its clients ----

    def key(self, name, kind="ed25519"):
        """The path of name's private key, made when first asked for."""
        path = self.folder / "keys" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            subprocess.run(
                [needs("ssh-keygen"), "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path)],
                check=True,
            )
        return path

    def ssh_options(self, key):
        """Options of ssh, sftp and scp: this key only, no files of the caller's."""
        return [
            "-F", "/dev/null",
            "-i", str(key),
            "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none",
            "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no",
            "-o", f"UserKnownHostsFile={self.folder}/known_hosts",
            "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR",
        ]  # fmt: skip

    def ssh_line(self, name, *command, tty=False, key=None):
        """The argument list of `ssh NAME@BOX COMMAND`."""
        options = self.ssh_options(key or self.key(name)) + ["-tt" if tty else "-T"]
        return [needs("ssh"), *options, "-p", str(self.ssh_port), f"{name}@127.0.0.1", *command]

    def ssh(self, name, *command, input="", key=None, check=None, tty=False, timeout=20):
        """`ssh NAME@BOX COMMAND` to its end. input and output are text."""
        done = subprocess.run(
            self.ssh_line(name, *command, tty=tty, key=key),
            input=input,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout * PATIENCE,
        )
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def ssh_open(self, name, *command, tty=False, key=None):
        """The same as a running process with pipes (text, unbuffered on our side)."""
        return subprocess.Popen(
            self.ssh_line(name, *command, tty=tty, key=key),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            errors="replace",
        )

    def sftp(self, name, batch, key=None, check=None, timeout=30):
        """sftp with these lines as its batch file."""
        line = [needs("sftp"), *self.ssh_options(key or self.key(name))]
        done = subprocess.run(
            [*line, "-P", str(self.ssh_port), "-b", "-", f"{name}@127.0.0.1"],
            input=batch,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout * PATIENCE,
        )
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.web_port}{path}"

    def curl(self, *arguments, check=0, timeout=30):
        """curl -sS with these arguments; one that begins with / is a path on the box."""
        line = [self.url(word) if str(word).startswith("/") and not Path(str(word)).exists()
                else str(word) for word in arguments]  # fmt: skip
        done = subprocess.run(
            [needs("curl"), "-sS", *line],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout * PATIENCE,
        )
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def request(self, method, path, body=None, headers=None, timeout=20):
        """One HTTP request: (status, headers, body as bytes); headers in lower case. What writes
        with a cookie says where it comes from, as browsers do."""
        headers = dict(headers or {})
        if "Cookie" in headers and method not in ("GET", "HEAD", "OPTIONS"):
            headers.setdefault("Origin", f"http://{headers.get('Host', f'127.0.0.1:{self.web_port}')}")
        connection = http.client.HTTPConnection("127.0.0.1", self.web_port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, fields, answer.read()
        finally:
            connection.close()


@pytest.fixture
def make_box():
    """make_box(start=True, **sections): boxes that are ended with the test."""
    boxes = []

    def make(more=None, start=True, **sections):
        program("riad")
        made = Box({**(more or {}), **sections})
        boxes.append(made)
        if start:
            made.start()
        return made

    yield make
    failures = []
    for made in boxes:
        try:
            made.stop()
        except AssertionError as failure:
            failures.append(str(failure))
        finally:
            made.remove()
    assert not failures, "\n".join(failures)


@pytest.fixture
def box(make_box):
    """A running box with the defaults above."""
    return make_box()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its box wrote."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and "box" in getattr(item, "funcargs", {}):
        log = item.funcargs["box"].log()
        report.sections.append(("log of the box", "\n".join(log.splitlines()[-60:])))
