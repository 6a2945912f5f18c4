"""Keeping a box where something is in the way: what a service that was taken over leaves for root
to find."""

import os
import sqlite3
import struct

import pytest
from conftest import needs_root

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


def give_to_nobody(folder):
    for path in folder.iterdir():
        os.chown(path, NOBODY, NOBODY)


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
