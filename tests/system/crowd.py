"""A retreat for tests: people who chat, upload, install and sign in, each at a pace of their own, and
each of whom remembers what the box acknowledged.

    crowd = Crowd(box, upstream, size=100, pace=10, seed=7)
    crowd.start()
    ...                       # whatever happens to the box meanwhile
    crowd.finish()            # everybody ends what they began
    crowd.check()             # and nothing that was acknowledged is missing, twice or changed

Whatever breaks on the way (a refused connection, a cut answer, a 503) is tried again, as people do.
What may never happen is kept in `crowd.wrongs` when it does. Everybody comes from an address of
their own within 127/8, as on a LAN.
"""

import bisect
import hashlib
import random
import threading
import time
from collections import Counter

from conftest import PATIENCE
from crowd_people import Browser, Installer, Listener, Signer, Talker, Uploader
from upstream import Repository

SHARES = ((Talker, 0.5), (Browser, 0.15), (Uploader, 0.15), (Installer, 0.12), (Signer, 0.08))


class Crowd:
    def __init__(self, box, upstream, size=100, pace=10.0, seed=1, archives=60, tag="", kinds=None):
        self.box, self.upstream, self.pace, self.seed = box, upstream, pace, seed
        self.tag = tag  # in all words and names, where one crowd comes after another
        self.ending, self.gone = threading.Event(), threading.Event()
        self.begun = time.monotonic()
        self.wrongs, self.statuses = [], Counter()
        self.full = False  # whether the disk is full on purpose
        make = random.Random(seed)
        self.archives = [make.randbytes(make.randrange(2_000, 300_000)) for _ in range(archives)]
        repository = Repository(upstream)
        self.paths = []
        for number, body in enumerate(self.archives):
            self.paths += repository.add(f"p{number}.1", body).values()
        repository.publish()
        self.people = []
        for kind, count in kinds or [(kind, max(1, round(size * share))) for kind, share in SHARES]:
            for _ in range(count):
                self.people.append(kind(self, len(self.people)))

    def answered(self, status, method, path, body):
        """An answer of 500 or more: only a full disk excuses what is not `later`."""
        self.statuses[status] += 1
        if status not in (503, 504) and not self.full:
            self.wrongs.append(f"{time.monotonic() - self.begun:.1f} s {method} {path}: {status} {body[:100]}")

    def leave(self):
        """Everybody drops what they do, as at a power cut."""
        self.ending.set()
        self.gone.set()
        for person in self.of(Talker):
            if person.process:
                person.process.kill()
        for person in self.people:
            person.join(60 * PATIENCE)
            assert not person.is_alive(), f"{person.name_} does not leave"
        for person in self.of(Talker):
            person.hang_up()

    def start(self):
        for person in self.people:
            self.box.key(person.name_)
            if isinstance(person, Signer):
                self.box.key(f"thief{person.number}")
        self.begun = time.monotonic()
        for person in self.people:
            person.start()

    def finish(self):
        self.ending.set()
        for person in self.people:
            person.join(150 * PATIENCE)
            if person.is_alive():
                person.wrong("did not come to an end")
        self.gone.set()

    def of(self, kind):
        return [person for person in self.people if isinstance(person, kind)]

    def counts(self):
        total = Counter()
        for person in self.people:
            total.update(person.done)
        total["said"] = sum(len(person.acknowledged) for person in self.of(Listener))
        total["heard"] = sum(len(person.heard) for person in self.of(Listener))
        return total

    # ---- what must hold ----

    def check(self):
        with self.box.store() as store:
            self.check_conversation(store)
            self.check_files(store)
            names = {row["name"] for row in store.execute("SELECT name FROM person")}
        for signer in self.of(Signer):
            for name in set(signer.names) - names:
                signer.wrong(f"the claim of {name} is lost")
        assert not self.wrongs, f"{len(self.wrongs)} wrongs:\n" + "\n".join(self.wrongs[:40])

    def check_conversation(self, store):
        rows = store.execute("SELECT message.id, kind, text, name FROM message LEFT JOIN person"
                             " ON person.id = person_id WHERE room_id = 1 ORDER BY message.id").fetchall()  # fmt: skip
        ids = [row["id"] for row in rows]
        said = {row["id"]: row["text"] for row in rows if row["kind"] == "say"}
        times = Counter(said.values())
        for person in self.of(Listener):
            for number, text, _ in person.acknowledged:
                if said.get(number) != text:
                    person.wrong(f"acknowledged as {number} and lost: {text[:40]}")
            for text in person.tried:
                if times[text] > 1:
                    person.wrong(f"there {times[text]} times: {text[:40]}")
            order = [row["text"] for row in rows if row["name"] == person.name_ and row["kind"] == "say"]
            unknown = set(order) - set(person.tried)
            if unknown:
                person.wrong(f"never said: {list(unknown)[:2]}")
            if order != sorted(order, key=person.tried.index):
                person.wrong("their lines are not in order")
            if person.heard:
                wanted = ids[bisect.bisect_left(ids, person.heard[0]) :][: len(person.heard)]
                if list(person.heard) != wanted:
                    gap = next(w for w, h in zip(wanted + [0], person.heard) if w != h)
                    person.wrong(f"a gap: message {gap} was not heard, nor by whoever was asked again")

    def check_files(self, store):
        rows = {row["path"]: row for row in store.execute("SELECT * FROM file")}
        for person in self.of(Uploader):
            for path, content in person.files.items():
                row, file = rows.pop(path, None), self.box.state / "drop" / path
                if row is None or not file.is_file():
                    person.wrong(f"{path}, acknowledged, is gone")
                elif file.read_bytes() != content or row["size"] != len(content):
                    person.wrong(f"{path} is torn")
                elif bytes(row["sha256"]) != hashlib.sha256(content).digest():
                    person.wrong(f"{path} has a wrong digest in the store")
        for path in rows:
            self.wrongs.append(f"{path} was removed, or never acknowledged as there")
