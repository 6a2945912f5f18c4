"""The power fails, or everything is killed, while people chat, upload, install, sign in and take
names: by the real programs and clients, over ssh and HTTP.

    RIAD_SEED=7 RIAD_ROUNDS=300 make campaign ARGS="tests/system/test_cuts.py"

A round starts the box, lets a small crowd live for about a second, cuts the power (a disk of its
own, disk.py; needs root) or kills, starts again and compares:

- the conversation is a beginning of what was acknowledged: all of it after a kill, all but the last
  second after a cut; nothing twice, no gap;
- every name, sign-in and file that was acknowledged is there and whole; no part is left over;
- every archive in the mirror's cache is right under each of its names.
"""

import hashlib
import os
import random
import signal
import time

import pytest
from conftest import PATIENCE, Box, descendants, program, wait_for
from crowd import Crowd
from crowd_people import Browser, Installer, Listener, Signer, Talker, Uploader
from disk import Disk
from upstream import Upstream, Weather

SEED = int(os.environ.get("RIAD_SEED", "7"))
CAMPAIGN = os.environ.get("RIAD_CAMPAIGN") == "full"
# What a cut may take of the conversation: a second, and what it took to be told of it.
GRACE_S = 1.0 + 0.5 * PATIENCE
FEW = ((Talker, 3), (Browser, 1), (Uploader, 2), (Installer, 2), (Signer, 1))


class Story:
    """What has been acknowledged over all rounds."""

    def __init__(self, box, upstream, seed):
        self.box, self.upstream, self.seed = box, upstream, seed
        self.random = random.Random(seed)
        self.words, self.files, self.names = {}, {}, set()
        self.pending = {}  # files whose answer never came: they may be there, also later
        self.oldest_lost = 0.0
        self.lost = self.kept = 0

    def crowd(self, number):
        crowd = Crowd(self.box, self.upstream, size=0, pace=0.02, seed=self.seed, tag=f"{number}.",
                      kinds=FEW)  # fmt: skip
        for person in crowd.of(Uploader):
            person.files = {path: content for path, content in self.files.items()
                            if path.startswith(person.name_ + "-")}  # fmt: skip
        for path in self.random.sample(crowd.paths, 20):
            size = len(self.upstream.files[path])
            self.upstream.weather(path, self.random.choice([
                Weather(cut=size // 2), Weather(reset=size // 3), Weather(flip=size // 2),
                Weather(drop=True), Weather(cut=size // 2, ranges=False), Weather(pace=200_000),
                Weather(cut=size // 2, chunked=True), Weather(wrong_range=True), Weather(status=500)]))  # fmt: skip
        return crowd

    # ---- what must hold ----

    def compare(self, crowd, when, grace):
        """The crowd left because of what happened at that time; the box is up again."""
        with self.box.store() as store:
            assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            self.compare_words(store, crowd, when, grace)
            self.compare_files(crowd)
            names = {row["name"] for row in store.execute("SELECT name FROM person")}
        for signer in crowd.of(Signer):
            self.names.update(signer.names)
            for cookie in signer.cookies:
                assert signer.is_in(cookie), "an acknowledged sign-in is gone"
        assert self.names <= names, f"claims are lost: {self.names - names}"
        self.compare_cache()
        assert not crowd.wrongs, crowd.wrongs

    def compare_words(self, store, crowd, when, grace):
        rows = store.execute("SELECT id, text FROM message WHERE room_id = 1 AND kind = 'say' ORDER BY id")
        there = {row["id"]: row["text"] for row in rows}
        assert len(set(there.values())) == len(there), "something was said once and stands there twice"
        for number, text in self.words.items():
            assert there.get(number) == text, f"said before the last cut, and changed since: {text}"
        lost = []
        for person in crowd.of(Listener):
            for number, text, at in person.acknowledged:
                if there.get(number) == text:
                    self.kept += 1
                    continue
                assert at > when - grace, f"lost {when - at:.2f} s after it was acknowledged: {text}"
                others = [(who.name_, one) for who in crowd.of(Listener) for one in who.acknowledged
                          if one[0] == number or one[1] == there.get(number)]  # fmt: skip
                assert number not in there, f"{number} says something else: {there[number]}; {others} {when}"
                lost.append(number)
                self.oldest_lost = max(self.oldest_lost, when - at)
        self.lost += len(lost)
        said = set().union(*(person.tried for person in crowd.of(Listener)))
        fresh = [number for number, text in there.items() if number not in self.words]
        assert all(there[number] in said for number in fresh), "something was never said"
        assert not lost or not fresh or max(fresh) < min(lost), "a gap: later words are there"
        self.words = there

    def rows_of_files(self):
        """The index of files, as soon as it agrees with the disk: what was about to be published when
        its process died is published at the next start."""
        with self.box.store() as store:
            rows = {row["path"]: row for row in store.execute("SELECT * FROM file")}
        drop = self.box.state / "drop"
        files = {str(file.relative_to(drop)) for file in drop.rglob("*") if file.is_file()}
        return (rows,) if {path for path in files if not path.startswith(".")} == set(rows) else None

    def compare_files(self, crowd):
        rows = wait_for(self.rows_of_files, "the index of files to agree with the disk")[0]
        self.files = {}
        for person in crowd.of(Uploader):
            self.files.update(person.files)
            if person.pending:
                self.pending[person.pending[0]] = person.pending[1]
            person.unsure = getattr(person, "unsure", None)
            if person.unsure in self.files and person.unsure not in rows:
                del self.files[person.unsure]
        self.files.update({path: content for path, content in self.pending.items() if path in rows})
        for path, content in self.files.items():
            assert path in rows, f"{path}, acknowledged, is gone: {[(p.name_, p.trail[-8:]) for p in crowd.of(Uploader)]}"
            assert (self.box.state / "drop" / path).read_bytes() == content, f"{path} is torn"
            assert bytes(rows[path]["sha256"]) == hashlib.sha256(content).digest(), path
        trails = [(person.name_, person.trail[-8:]) for person in crowd.of(Uploader)]
        assert set(rows) == set(self.files), (set(rows) ^ set(self.files), trails)
        wait_for(self.no_parts, "parts that belong to nothing to go")

    def no_parts(self):
        folder = self.box.state / "drop" / ".arriving"
        parts = {name for name in os.listdir(folder) if not name.startswith(".")} if folder.is_dir() else set()
        with self.box.store() as store:
            return parts <= {row["key"] for row in store.execute("SELECT key FROM arrival")}

    def compare_cache(self):
        for path in (self.box.state / "mirror" / "cache").rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                found = hashlib.new(path.parts[-3], path.read_bytes()).hexdigest()
                assert found == path.name, f"a wrong archive is kept: {path}"


def tell(how, story, rounds, began):
    print(f"\n{how}: seed {story.seed}, {rounds} rounds in {time.monotonic() - began:.0f} s: "
          f"{story.kept} lines kept, {story.lost} lost, the oldest {story.oldest_lost:.2f} s old; "
          f"{len(story.names)} names, {len(story.files)} files there; nothing torn, twice or wrong", flush=True)  # fmt: skip


def play(box, upstream, rounds, seed, strike, grace):
    story = Story(box, upstream, seed)
    box.start()
    for number in range(rounds):
        crowd = story.crowd(number)
        crowd.start()
        wait_for(lambda: any(person.acknowledged for person in crowd.of(Talker)), "somebody to talk", 30)
        time.sleep(story.random.random() * 1.5)
        when = strike()
        crowd.leave()
        box.start()
        story.compare(crowd, when, grace)
    return story


def make(upstream):
    program("riad")
    return Box({"mirror": {"upstream": upstream.url, "caches": upstream.url + "/cache", "cache_size": "4M"},
                "chat": {"rate": 100000}, "box": {"reserve": "1%"}})  # fmt: skip


def campaign(how, rounds, cut):
    upstream, began = Upstream(), time.monotonic()
    box = make(upstream)

    def kill():
        """All of it at once, or a service first and the others a moment later."""
        names = ["chat", "web", "mirror"]
        pids = [box.pid(name) for name in random.sample(names, 1)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        when = time.monotonic()
        time.sleep(random.choice([0, 0, 0.1]))
        below = descendants(box.process.pid)
        for pid in [box.process.pid, *below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        box.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in below), "their end")
        return when

    try:
        if cut:
            with Disk(box.state) as disk:
                story = play(box, upstream, rounds, SEED, lambda: disk.cut(box), GRACE_S)
                box.stop()
        else:
            story = play(box, upstream, rounds, SEED, kill, 0)
            box.stop()
        tell(how, story, rounds, began)
    except BaseException:
        print(box.log()[-4000:])
        raise
    finally:
        upstream.close()
        try:
            box.stop()
        finally:
            box.remove()


def rounds(full):
    return int(os.environ.get("RIAD_ROUNDS", full))


def test_a_power_cut():
    campaign("power cuts", 1, cut=True)


def test_a_kill():
    campaign("kills", 1, cut=False)


@pytest.mark.campaign
def test_power_cuts():
    campaign("power cuts", rounds(300), cut=True)


@pytest.mark.campaign
def test_kills():
    campaign("kills", rounds(200), cut=False)
