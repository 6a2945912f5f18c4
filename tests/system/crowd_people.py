"""Who is in a crowd (crowd.py): a thread each, that tries again what breaks and remembers what the box
acknowledged."""

import http.client
import json
import random
import re
import subprocess
import threading
import time
from array import array
from collections import Counter

from conftest import PATIENCE
from upstream import ALGORITHMS, cache_path, digests

BROKEN = (OSError, http.client.HTTPException, subprocess.TimeoutExpired, json.JSONDecodeError)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Person(threading.Thread):
    """One of them: `act` again and again until the crowd ends, then `last`."""

    def __init__(self, crowd, number):
        super().__init__(daemon=True)
        self.crowd, self.box, self.number = crowd, crowd.box, number
        self.name_ = f"{type(self).__name__.lower()}{number}"
        self.address = f"127.7.{number // 200}.{number % 200 + 1}"
        self.random = random.Random(f"{crowd.seed} {self.name_}")
        self.done = Counter()
        self.serial = 0

    def run(self):
        self.crowd.ending.wait(self.random.random() * self.crowd.pace)
        while not self.crowd.ending.is_set():
            self.attempt(self.act)
            self.crowd.ending.wait(self.random.expovariate(1 / self.crowd.pace))
        end = time.monotonic() + 60 * PATIENCE
        while not self.crowd.gone.is_set() and not self.attempt(self.last):
            if time.monotonic() > end:
                self.wrong("could not end what was begun")
                break
            time.sleep(0.3)

    def last(self):
        """What is still to be ended when the crowd goes home."""

    def attempt(self, action):
        """Whether it worked; what breaks is counted, what must not be is kept."""
        try:
            action()
            return True
        except BROKEN as failure:
            self.done["broken: " + type(failure).__name__] += 1
            time.sleep(0.2)
        except Exception as failure:  # noqa: BLE001
            self.wrong(f"{type(failure).__name__}: {failure}")
            return True
        return False

    def wrong(self, text):
        self.crowd.wrongs.append(f"{time.monotonic() - self.crowd.begun:.1f} s {self.name_}: {text}")

    def ask(self, method, path, body=None, headers=None, timeout=40):
        """(status, headers in lower case, body) of one request from this person's address. What
        writes with a cookie says where it comes from, as browsers do."""
        if "Cookie" in (headers or {}):
            headers = {**headers, "Origin": self.box.url("")}
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.box.web_port, timeout=timeout * PATIENCE, source_address=(self.address, 0))  # fmt: skip
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            if answer.status not in (204, 304) and not {"content-length", "transfer-encoding"} & set(fields):
                # Python takes a head that broke off for a whole one, and its body for what comes.
                raise http.client.IncompleteRead(b"")
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 500:
            self.crowd.answered(answer.status, method, path, content)
            raise ConnectionError(f"{answer.status}")
        return answer.status, fields, content

    def ssh_line(self, *command, name=None, key=None):
        name = name or self.name_
        line = self.box.ssh_line(name, *command, key=key or self.box.key(self.name_))
        return [line[0], "-o", f"BindAddress={self.address}", "-o", "ConnectTimeout=30", *line[1:]]

    def ssh(self, *command, input=b"", **how):
        """Its standard output; OSError unless it ended well."""
        done = subprocess.run(self.ssh_line(*command, **how), input=input, capture_output=True,
                              timeout=60 * PATIENCE)  # fmt: skip
        # ssh(1) that was told an exit status keeps it when the connection breaks before it has handed
        # on all that had come (a killed box): status 0, and the end is missing. It says so.
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode or re.search("closed by remote host|from remote host", said):
            raise ConnectionError(f"{done.returncode}: {said}")
        return done.stdout


class Listener(Person):
    """Hears the lobby, and has said something as soon as they hear it themselves."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.heard = array("q")
        self.tried = []
        self.acknowledged = []  # (number, text, when)

    def words(self):
        self.serial += 1
        text = f"{self.name_} line {self.crowd.tag}{self.serial} {'.' * self.random.randrange(1, 120)}"
        self.tried.append(text)
        return text

    def hear(self, message):
        """A message of a room as JSON."""
        number = message["id"]
        if self.heard and number <= self.heard[-1]:
            self.wrong(f"message {number} again, or late: the last was {self.heard[-1]}")
            return
        self.heard.append(number)
        if message.get("name") == self.name_ and message["kind"] == "say":
            self.acknowledged.append((number, message["text"], time.monotonic()))

    def since(self):
        return self.heard[-1] if self.heard else None


class Talker(Listener):
    """Over ssh, by a connection that stays; a broken one is taken up where it ended."""

    process = None

    def connect(self):
        since = ["--since", str(self.since())] if self.heard else []
        self.process = subprocess.Popen(
            self.ssh_line("chat", "--json", *since), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)  # fmt: skip
        self.reader = threading.Thread(target=self.read, args=(self.process,), daemon=True)
        self.reader.start()
        self.done["connections"] += 1

    def read(self, process):
        for line in process.stdout:
            if line.endswith(b"}\n"):
                self.hear(json.loads(line))

    def act(self):
        if self.process is None or self.process.poll() is not None:
            self.hang_up()
            self.connect()
        self.process.stdin.write(self.words().encode() + b"\n")
        self.process.stdin.flush()

    def hang_up(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for end in (self.process.stdin, self.process.stdout):
            try:
                end.close()
            except OSError:
                pass
        self.process = None

    def last(self):
        """Says good-bye and hears it, with all that was said before."""
        if self.process is None or self.process.poll() is not None:
            self.hang_up()
            self.connect()
        text = self.words()
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        end = time.monotonic() + 8 * PATIENCE
        while text not in (said for _, said, _ in self.acknowledged[-3:]):
            if time.monotonic() > end or self.process.poll() is not None:
                self.hang_up()
                raise TimeoutError("not heard")
            time.sleep(0.05)
        self.hang_up()


class Browser(Listener):
    """Follows the events of the page and posts."""

    cookie = stream = None

    def act(self):
        if self.cookie is None:
            self.cookie = sign_in(self)
        if self.stream is None or not self.stream.is_alive():
            self.stream = threading.Thread(target=self.follow, daemon=True)
            self.stream.start()
        self.say(self.words())

    def say(self, text):
        status, _, body = self.ask("POST", "/chat/messages", json.dumps({"text": text}),
                                   {"Content-Type": "application/json", "Cookie": self.cookie})  # fmt: skip
        if status == 429:
            return
        if status != 201:
            raise AssertionError(f"saying was answered {status} {body[:100]}")
        self.acknowledged.append((json.loads(body)["id"], text, time.monotonic()))

    def hear(self, message):
        kept = len(self.acknowledged)
        super().hear(message)
        del self.acknowledged[kept:]  # the answer of the POST is what counts here

    def follow(self):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.box.web_port, timeout=40 * PATIENCE, source_address=(self.address, 0))  # fmt: skip
        headers = {"Last-Event-ID": str(self.since())} if self.heard else {}
        try:
            connection.request("GET", "/chat/events", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                return
            self.done["streams"] += 1
            event = data = number = None
            while not self.crowd.gone.is_set():
                line = answer.readline(1 << 20)
                if not line.endswith(b"\n"):
                    return
                if line.startswith(b"event:"):
                    event = line[6:].strip()
                elif line.startswith(b"data:"):
                    data = line[5:]
                elif line.startswith(b"id:"):
                    number = line[3:]
                elif line == b"\n":
                    if event is None and number and data:
                        self.hear(json.loads(data))
                    event = data = number = None
        except BROKEN:
            pass
        finally:
            connection.close()

    def last(self):
        self.act()


class Uploader(Person):
    """PUT, GET, DELETE with a token; every fifth by ssh's own words."""

    token = None

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.files = {}  # path: content, as acknowledged
        self.pending = None  # (path, content) whose answer did not come
        self.trail = []  # what was done, and when

    def act(self):
        if self.token is None:
            self.token = self.ssh("token").decode().strip()
        if self.pending is None:
            self.serial += 1
            size = int(self.random.paretovariate(0.7) * 5000) % 1_500_000
            content = random.Random(f"{self.name_} {self.crowd.tag}{self.serial}").randbytes(size)
            self.pending = f"{self.name_}-{self.crowd.tag}{self.serial}.bin", content
        self.publish()
        if self.files:
            self.look(self.random.choice(list(self.files)))
        while len(self.files) > 4:
            self.remove(next(iter(self.files)))

    def headers(self):
        return {"Authorization": f"Bearer {self.token}"}

    def publish(self):
        path, content = self.pending
        if self.number % 5 == 0:
            self.ssh("drop", path, input=content)
        else:
            status, _, body = self.ask("PUT", f"/files/{path}", content, self.headers())
            if status not in (200, 201):
                raise AssertionError(f"PUT {path} was answered {status} {body[:100]}")
        self.trail.append(("published", path, time.monotonic()))
        self.files[path], self.pending = content, None
        self.done["uploads"] += 1

    def look(self, path):
        if self.number % 5 == 0:
            body = self.ssh("get", path)
        else:
            status, _, body = self.ask("GET", f"/files/{path}")
            if status != 200:
                raise AssertionError(f"GET {path}, acknowledged, was answered {status}")
        if body != self.files[path]:
            raise AssertionError(f"{path} has changed: {len(body)} of {len(self.files[path])} bytes")

    def remove(self, path):
        content = self.files.pop(path)
        self.trail.append(("to be removed", path, time.monotonic()))
        try:
            status, _, _ = self.ask("DELETE", f"/files/{path}", headers=self.headers())
        except BROKEN:
            # Whether it is still there nobody knows; it is asked for again, and gone then.
            self.files = {path: content, **self.files}
            self.unsure = path
            raise
        if status not in (204, 404) or (status == 404 and getattr(self, "unsure", "") != path):
            raise AssertionError(f"DELETE {path} was answered {status}")

    def look_again(self):
        path = getattr(self, "unsure", None)
        if path in self.files:
            self.remove(path)

    def last(self):
        self.look_again()
        if self.pending is not None:
            self.publish()

    def attempt(self, action):
        if action == self.act and getattr(self, "unsure", None) in self.files:
            return super().attempt(self.look_again)
        return super().attempt(action)


class Installer(Person):
    """Takes archives from the mirror, under any of their digests."""

    def act(self):
        body = self.random.choice(self.crowd.archives)
        algorithm = self.random.choice(ALGORITHMS)
        path = "/opam" + cache_path(algorithm, digests(body)[algorithm])
        status, fields, got = self.ask("GET", path, timeout=90)
        if status != 200:
            raise AssertionError(f"{path} was answered {status} {got[:100]}")
        if got != body:
            raise AssertionError(f"{path}: a wrong archive, complete ({len(got)} bytes, {fields})")
        self.done["archives"] += 1


class Signer(Person):
    """Signs in by a link again and again, and now and then becomes somebody new."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.cookies, self.names = [], []

    def act(self):
        if self.random.random() < 0.2:
            self.claim()
            return
        self.cookies.append(sign_in(self))
        self.done["sign-ins"] += 1
        while len(self.cookies) > 3:
            left = self.cookies.pop(0)  # whether it is out when the answer is lost, nobody knows
            status = self.ask("POST", "/leave", "", {**FORM, "Cookie": left})[0]
            assert status in (200, 303), f"leaving was answered {status}"
            assert not self.is_in(left), "a cookie works after leaving"
        self.check_cookies()

    def claim(self):
        self.serial += 1
        name = f"{self.name_}.{self.crowd.tag}{self.serial}"
        self.ssh("whoami", name=name)
        self.names.append(name)
        self.done["claims"] += 1
        try:
            self.ssh("whoami", name=name, key=self.box.key(f"thief{self.number}"))
        except ConnectionError:
            return
        raise AssertionError(f"{name} let a foreign key in")

    def is_in(self, cookie):
        return f"You are {self.name_}".encode() in self.ask("GET", "/you", headers={"Cookie": cookie})[2]

    def check_cookies(self):
        for cookie in self.cookies:
            assert self.is_in(cookie), "an acknowledged sign-in is gone"

    def last(self):
        self.check_cookies()


def sign_in(person):
    """Over ssh's link: the cookie of a browser that is that person."""
    link = person.ssh("web").decode()
    code = re.search(r"/join/([\w-]+)", link)
    assert code, f"`web` ended well and said {link!r}"
    path = "/join/" + code[1]
    status, fields, _ = person.ask("POST", path)
    if status != 303 or "set-cookie" not in fields:
        raise ConnectionError(f"{path} was answered {status}")  # taken, and the answer lost
    cookie = re.search(r"riad=[^;]+", fields["set-cookie"])
    assert cookie, f"{path} was answered 303 with {fields}"
    return cookie[0]
