"""Keeping and moving where something is in the way: who may not read everything, two at once, what
was left by those who were killed, and what a service that was taken over leaves for root to find."""

import os
import shutil
import signal
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import descendants, needs_root, program, wait_for

NOBODY = 65534


@pytest.fixture
def shared(make_box):
    """A stopped box whose services have an account of their own, with a file of ada's."""
    needs_root()
    box = make_box(start=False, box={"user": "nobody"}, dhcp={"user": "nobody"})
    box.folder.chmod(0o755)
    box.start()
    box.ssh("ada", "drop", "slides.txt", input="slides\n", check=0)
    box.stop()
    return box


def begin(box, *words):
    """A command under way."""
    return subprocess.Popen(
        [program("riad"), words[0], "-c", str(box.conf), *map(str, words[1:])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def give_to_nobody(folder):
    for path in folder.iterdir():
        os.chown(path, NOBODY, NOBODY)


# ---- whole, or not at all ----


def test_a_second_one_takes_nothing_from_the_first(make_box, tmp_path):
    """Neither of what it copies at that moment, nor its unfinished result."""
    box = make_box()
    box.stop()
    drop = box.state / "drop"
    for number in range(2000):
        (drop / f"file{number}").write_bytes(b"x" * 5000)
    first = begin(box, "backup", tmp_path / "first")
    half = tmp_path / "first.incomplete" / "drop"
    wait_for(lambda: half.exists() and any(half.iterdir()), "it to copy")
    first.send_signal(signal.SIGSTOP)
    for words in (("backup", tmp_path / "second"), ("export", tmp_path / "second"),
                  ("backup", tmp_path / "first"), ("reset", "--yes")):  # fmt: skip
        assert "is at work" in box.riad(*words, check=1).stderr
    first.send_signal(signal.SIGCONT)
    said = first.communicate(timeout=60)
    assert first.returncode == 0, said
    assert len(list((tmp_path / "first" / "drop").iterdir())) == 2000
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def begin_copying(box, words, target, number, handling):
    """Starts a command that copies, with that handling of a signal, whatever ours is; it copies already."""
    line = [program("riad"), words, "-c", str(box.conf), str(target)]
    one = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                           preexec_fn=lambda: signal.signal(number, handling))  # fmt: skip
    wait_for(Path(f"{target}.incomplete").exists, "it to copy")
    return one


def test_whoever_interrupts_it_finds_nothing_half_done(make_box, tmp_path):
    """Ctrl-C goes to all of it, a service manager's signal to the first process only."""
    box = make_box()
    box.stop()
    for number in range(5000):
        (box.state / "drop" / f"file{number}").write_bytes(b"x" * 5000)
    for send in (os.killpg, os.kill):
        for number, words in ((signal.SIGINT, "backup"), (signal.SIGTERM, "export")):
            one = begin_copying(box, words, tmp_path / "b", number, signal.SIG_DFL)
            send(one.pid, number)
            one.communicate(timeout=60)
            assert one.returncode == -number
            assert not list(tmp_path.iterdir()) and not (box.state / "store" / ".carrying").exists()
    one = begin_copying(box, "backup", tmp_path / "b", signal.SIGHUP, signal.SIG_IGN)  # nohup
    os.killpg(one.pid, signal.SIGHUP)
    one.communicate(timeout=60)
    assert one.returncode == 0 and len(list((tmp_path / "b" / "drop").iterdir())) == 5000


def test_files_that_cannot_be_read_are_no_files_that_are_not_there(shared, tmp_path):
    """As after a restore whose folders have the wrong owner."""
    drop = shared.state / "drop"
    os.chown(drop, 0, 0)
    drop.chmod(0o700)
    for words in (("backup", tmp_path / "b"), ("export", tmp_path / "e"), ("reset", "--yes")):
        assert f"{drop}" in shared.riad(*words, check=1).stderr
    assert not list(tmp_path.iterdir())
    os.chown(drop, NOBODY, NOBODY)
    shared.riad("backup", tmp_path / "b", check=0)
    assert (tmp_path / "b" / "drop" / "slides.txt").read_text() == "slides\n"
    assert [row["name"] for row in shared.store().execute("SELECT name FROM person")] == ["ada"], "nothing was forgotten"


def test_a_backup_without_the_host_key_is_none(shared):
    """By the services' account, which may read everything but that."""
    target = shared.folder / "target"
    target.mkdir()
    os.chown(target, NOBODY, NOBODY)
    line = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program("riad")]
    done = subprocess.run([*line, "backup", "-c", shared.conf, target / "b"], capture_output=True, text=True)
    assert done.returncode == 1 and "host_ed25519" in done.stderr, done
    assert not list(target.iterdir())


def test_large_files_of_the_organisers_keep_nobody_waiting(shared, tmp_path):
    """What root has put on the shelf can only be copied; people go on talking meanwhile."""
    shelf = shared.state / "drop" / "shelf"
    shelf.mkdir(exist_ok=True)
    with open(shelf / "installer.iso", "wb") as file:
        file.truncate(1 << 29)
    shared.start()
    one = begin(shared, "backup", tmp_path / "b")
    work = shared.state / "store" / ".carrying" / "drop" / "shelf" / "installer.iso"
    wait_for(lambda: work.exists() and work.stat().st_size > 0, "it to be copied")
    child = int(subprocess.run(["pgrep", "-P", str(one.pid)], capture_output=True, text=True).stdout)
    os.kill(child, signal.SIGSTOP)
    try:
        assert shared.ssh("ada", "say", "meanwhile", timeout=5).returncode == 0
        assert shared.request("PUT", "/files/meanwhile.txt", b"meanwhile")[0] == 201
    finally:
        os.kill(child, signal.SIGCONT)
    said = one.communicate(timeout=120)
    assert one.returncode == 0, said
    assert (tmp_path / "b" / "drop" / "shelf" / "installer.iso").stat().st_size == 1 << 29
    assert (tmp_path / "b" / "drop" / "slides.txt").read_text() == "slides\n"
    shutil.rmtree(tmp_path / "b")


def test_nothing_is_carried_to_where_the_services_would_show_it(make_box, tmp_path):
    """The host key among the shared files; and no folder at all is none."""
    box = make_box()
    link = tmp_path / "link"
    link.symlink_to(box.state / "drop")
    for target in (box.state / "drop" / "b", box.state / "b", link / "b"):
        assert "name one outside of it" in box.riad("backup", target, check=1).stderr
    assert "No such file" in box.riad("backup", "", check=1).stderr
    assert [path.name for path in (box.state / "drop").iterdir()] == [".arriving"]
    assert list(tmp_path.iterdir()) == [link]


# ---- the wrong owner ----


def test_what_is_the_keepers_own_is_taken_back(shared):
    """After a `chown -R` of the whole state folder."""
    for path in shared.state.rglob("*"):
        os.chown(path, NOBODY, NOBODY)
    shared.start()
    for name in ("keys", "run", "keys/host_ed25519"):
        assert (shared.state / name).stat().st_uid == 0, name
    assert (shared.state / "run" / "dhcp").stat().st_uid == NOBODY


def test_a_store_that_cannot_be_read_is_not_one_that_is_not_there(shared, tmp_path):
    folder = shared.state / "store"
    os.chown(folder, 0, 0)
    folder.chmod(0o700)
    for words in (("backup", tmp_path / "b"), ("people",), ("reset", "--yes")):
        said = shared.riad(*words, check=1).stderr
        assert "Permission denied" in said and "no box has run" not in said, said


def test_status_says_why_it_tells_nothing_of_the_store(shared):
    """Not that one should be root, to root."""
    (shared.state / "store" / "riad.db").write_bytes(b"no database" * 1000)
    said = shared.riad("status", check=3).stdout
    assert "cannot be read" in said and "as root" not in said, said


def test_a_store_that_went_missing_is_no_first_start(make_box):
    box = make_box()
    assert box.request("PUT", "/files/kept.txt", b"kept")[0] == 201
    assert "every name is free" not in box.log()
    box.stop()
    for file in (box.state / "store").iterdir():
        file.unlink()
    box.start()
    assert "every name is free" in box.log() and box.request("GET", "/files/kept.txt")[2] == b"kept"


# ---- what stays behind ----


def leave(box):
    """What a killed backup and a damaged store leave."""
    work = box.state / "store" / ".carrying" / "store"
    work.mkdir(parents=True)
    (work / "riad.db").write_text("everybody's words")
    shutil.chown(work.parent, box.state.owner(), box.state.group())


def damage(box):
    """A store that takes a while to be saved, with a row against the rules of its table; its path."""
    path = box.state / "store" / "riad.db"
    with sqlite3.connect(path) as store:
        store.executemany(
            "INSERT INTO message (at, room_id, kind, text) VALUES (?, 1, 'say', ?)",
            ((number, f"sentence {number} {'of many words ' * 20}") for number in range(30000)),
        )
        store.execute('CREATE TABLE planted (x)')
        store.execute("INSERT INTO planted VALUES (NULL)")
        store.execute("PRAGMA writable_schema = ON")
        store.execute("UPDATE sqlite_schema SET sql = replace(sql, '(x)', '(x NOT NULL)') WHERE name = 'planted'")
    store.close()
    return path


def test_who_is_killed_while_a_damaged_store_is_saved_begins_again(make_box):
    """By a service manager, say, that finds that the start takes long; never with an empty store."""
    box = make_box()
    box.ssh("ada", "say", "the first sentence", check=0)
    box.stop()
    path = damage(box)
    before = set(path.parent.iterdir())
    box.start(wait=False)
    wait_for(lambda: set(path.parent.glob("riad.db.*")) - before, "a new store to be begun")
    for pid in [*descendants(box.process.pid), box.process.pid]:
        os.kill(pid, signal.SIGKILL)
    box.process.wait()
    box.expect_status = -signal.SIGKILL
    box.stop()
    box.expect_status = 0
    box.start()
    assert "the first sentence" in box.ssh("ada", "search", "first", check=0).stdout
    with box.store() as store:
        assert store.execute("SELECT count(*) FROM message").fetchone()[0] == 30001
        assert store.execute("SELECT name FROM person").fetchone()[0] == "ada"
    assert len(list(path.parent.glob("riad.db.damaged-*"))) == 1 and not list(path.parent.glob("riad.db.[as]*"))
    assert "damaged" in box.status()["incidents"][0]["text"]


def test_a_damaged_store_is_saved_by_one_at_a_time(make_box):
    box = make_box()
    box.ssh("ada", "say", "the first sentence", check=0)
    box.stop()
    path = damage(box)
    both = [begin(box, "check", "--repair")]
    wait_for(path.with_name("riad.db.anew").exists, "a new store to be begun")
    both.append(begin(box, "check", "--repair"))
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert all("mended: the damaged store" in out for out, _ in said)
    with box.store() as store:
        assert store.execute("SELECT count(*) FROM message").fetchone()[0] == 30001
    assert len(list(path.parent.glob("riad.db.damaged-*"))) == 1 and not list(path.parent.glob("riad.db.[as]*"))


def test_a_store_that_was_saved_waits_for_its_place(make_box):
    """Who was killed then goes on from there; what is left of the damaged one is none of its log."""
    box = make_box()
    box.ssh("ada", "say", "the first sentence", check=0)
    box.stop()
    path = box.state / "store" / "riad.db"
    path.rename(path.with_name("riad.db.saved"))
    (path.parent / "riad.db-wal").write_bytes(b"of the damaged one" * 1000)
    box.start()
    assert "the first sentence" in box.ssh("ada", "history", check=0).stdout
    assert not (path.parent / "riad.db.saved").exists()
    assert [one.name[-4:] for one in path.parent.glob("riad.db.damaged-*")] == ["-wal"]


def test_the_next_start_removes_what_a_killed_backup_has_left(make_box):
    box = make_box()
    box.stop()
    leave(box)
    box.start()
    assert not (box.state / "store" / ".carrying").exists()


def test_a_reset_forgets_what_was_set_aside(make_box):
    box = make_box()
    box.ssh("ada", "say", "the first sentence", check=0)
    box.stop()
    store = box.state / "store" / "riad.db"
    content = bytearray(store.read_bytes())
    content[100:4000] = os.urandom(3900)
    store.write_bytes(content)
    box.start()
    assert list(store.parent.glob("riad.db.damaged-*"))
    leave(box)
    mine = store.parent / "riad.db.of-mine"
    mine.write_text("not riad's")
    box.riad("reset", "--yes", check=0)
    left = {path.name for path in store.parent.iterdir()} - {"riad.db", "riad.db-wal", "riad.db-shm"}
    assert left == {mine.name}


# ---- what is planted ----


def journal_naming(path):
    """A journal that a transaction over several files has left (SQLite's file format, 4.5): whoever
    rolls it back removes the file that it names."""
    name, magic = str(path).encode(), bytes.fromhex("d9d505f920a163d7")
    head = (magic + struct.pack(">5I", 0, 0, 1, 512, 4096)).ljust(512, b"\0")
    return head + struct.pack(">I", 1 << 30) + name + struct.pack(">2I", len(name), sum(name)) + magic


@pytest.mark.parametrize("words", [["check"], ["check", "--repair"], ["status"], ["people"], ["reset", "--yes"]])
def test_root_believes_nothing_beside_the_store(shared, words):
    """SQLite does: so whoever is root looks at it as the account that could have written it."""
    precious = shared.folder / "precious"
    precious.write_text("root:*:20000:0:99999:7:::\n")
    folder = shared.state / "store"
    for path in folder.iterdir():
        path.unlink()
    with sqlite3.connect(folder / "riad.db") as store:
        store.execute("CREATE TABLE planted (x)")
    store.close()
    (folder / "riad.db-journal").write_bytes(journal_naming(precious))
    give_to_nobody(folder)
    shared.riad(*words)
    assert precious.exists(), f"`riad {' '.join(words)}` has removed a file of root's"


def test_what_is_damaged_is_told_without_what_was_planted_in_it(shared):
    """SQLite's findings name tables, which may be called anything."""
    path = shared.state / "store" / "riad.db"
    with sqlite3.connect(path, isolation_level=None) as store:
        store.execute('CREATE TABLE "\x1b]0;planted\x07" (x)')
        store.execute('INSERT INTO "\x1b]0;planted\x07" VALUES (NULL)')
        store.execute("PRAGMA writable_schema = ON")
        store.execute("UPDATE sqlite_schema SET sql = replace(sql, '(x)', '(x NOT NULL)') WHERE sql LIKE '%planted%'")
    store.close()
    said = shared.riad("check", check=1).stdout
    assert "planted" in said and "\x1b" not in said and "\x07" not in said, said
