"""`riad backup`, `riad export` and `riad reset`: taking a box along, and starting afresh."""

import json
import re
import shutil
import sqlite3
import subprocess
import threading
import time

from conftest import wait_for


def fingerprint(path):
    line = subprocess.run(
        ["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=True
    )
    return line.stdout.split()[1]


def fill(box):
    """People, words public and private, files, a second room."""
    box.ssh("ada", "say", "the first sentence", check=0)
    box.ssh("bob", "say", "the second sentence", check=0)
    box.ssh("ada", "msg", "bob", "a private word", check=0)
    box.ssh("ada", "drop", "slides.txt", input="slides of ada\n", check=0)
    box.curl("-T", box.conf, "/handouts.txt")


def test_a_backup_taken_while_running_makes_another_box(make_box, tmp_path):
    box = make_box()
    fill(box)
    stop, sent = threading.Event(), []

    def chatter():
        while not stop.is_set():
            text = f"line {len(sent)}"
            if box.ssh("carol", "say", text).returncode == 0:
                sent.append(text)

    thread = threading.Thread(target=chatter)
    thread.start()
    target = tmp_path / "backup"
    for left in (box.state / "store" / ".carrying" / "drop", tmp_path / "backup.incomplete"):
        left.mkdir(parents=True)  # by one that was killed
        (left / "junk").write_text("half")
    try:
        done = box.riad("backup", target, check=0)
    finally:
        stop.set()
        thread.join()
    assert str(target) in done.stdout
    assert not list(tmp_path.glob("*.incomplete"))
    assert not (box.state / "store" / ".carrying").exists()
    assert not list(target.rglob("junk"))
    assert target.stat().st_mode & 0o077 == 0
    assert (target / "drop" / "slides.txt").read_text() == "slides of ada\n"
    assert "To restore it" in (target / "RESTORE.txt").read_text()
    check = sqlite3.connect(target / "store" / "riad.db")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
    again = box.riad("backup", target, check=1)
    assert "does not exist yet" in again.stderr  # never over another one

    moved = make_box(start=False)
    moved.state.mkdir()
    for part in ("store", "drop", "keys"):
        shutil.copytree(target / part, moved.state / part)
    for path in moved.state.rglob("*"):
        path.chmod(0o777)  # as from a stick, which keeps no modes
    moved.start()
    assert (moved.state / "keys").stat().st_mode & 0o777 == 0o700
    assert (moved.state / "keys" / "host_ed25519").stat().st_mode & 0o777 == 0o600
    assert fingerprint(moved.state / "keys" / "host_ed25519") == fingerprint(
        box.state / "keys" / "host_ed25519"
    )
    history = moved.ssh("ada", "history", key=box.key("ada"), check=0).stdout
    assert "the first sentence" in history and "the second sentence" in history
    assert moved.ssh("ada", "say", "not my key", key=box.key("bob")).returncode != 0
    assert moved.curl("/files/slides.txt").stdout == "slides of ada\n"
    assert {row["name"] for row in json.loads(moved.riad("people", "--json").stdout)} >= {
        "ada",
        "bob",
    }


def test_a_backup_that_cannot_be_is_not_half_there(make_box, tmp_path):
    box = make_box(start=False)
    missing = box.riad("backup", tmp_path / "b", check=1)
    assert "no box has run" in missing.stderr
    assert not list(tmp_path.iterdir())
    box.riad("backup", check=2)
    box.riad("backup", "a", "b", check=2)
    (tmp_path / "file").write_text("mine")
    box.riad("backup", tmp_path / "file", check=1)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_export_holds_what_was_public_and_a_reset_forgets(box, tmp_path):
    fill(box)
    target = tmp_path / "export"
    box.riad("export", target, check=0)
    days = sorted((target / "rooms" / "lobby").glob("*.json"))
    text = "".join(path.read_text() for path in (target / "rooms" / "lobby").glob("*.txt"))
    assert "<ada> the first sentence" in text and "<bob> the second sentence" in text
    messages = [row for day in days for row in json.loads(day.read_text())["messages"]]
    said = {row["text"]: row for row in messages}
    assert said["the first sentence"]["name"] == "ada"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", messages[0]["time"])
    everything = b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
    assert b"private word" not in everything
    assert (target / "files" / "slides.txt").read_text() == "slides of ada\n"
    owners = {row["path"]: row["owner"] for row in json.loads((target / "files.json").read_text())}
    assert owners == {"slides.txt": "ada", "handouts.txt": None}
    assert "slides.txt\t14\tada\t" in (target / "files.txt").read_text()

    host_key = (box.state / "keys" / "host_ed25519").read_bytes()
    assert "nothing was forgotten" in box.riad("reset", input="no\n", check=1).stderr
    assert box.riad("reset", input="", check=1)
    chat = box.ssh_open("ada")
    wait_for(lambda: '"here":true' in box.riad("people", "--json").stdout, "ada to be here")
    done = box.riad("reset", "--yes", check=0)
    assert "configuration, host key and mirror are kept" in done.stdout
    chat.stdin.close()
    chat.stdin = None
    chat.communicate(timeout=10)
    assert json.loads(box.riad("people", "--json", check=0).stdout) == []
    assert box.request("GET", "/files/slides.txt")[0] == 404
    assert "sentence" not in box.ssh("eve", "history", check=0).stdout
    line = ["ada", "say", "ada is free again"]
    wait_for(lambda: box.ssh(*line, key=box.key("another")).returncode == 0, "ada to be free")
    assert (box.state / "keys" / "host_ed25519").read_bytes() == host_key
    assert not (box.state / "drop" / "slides.txt").exists()
    box.curl("-T", box.conf, "/slides.txt")  # the name is free again
    assert box.request("GET", "/files/slides.txt")[0] == 200


def test_words_that_are_forgotten_leave_the_files_of_the_store(make_box):
    """Its log, too, which SQLite uses on and on while the box runs."""
    box = make_box()
    found = lambda words: any(words in path.read_bytes() for path in (box.state / "store").glob("riad.db*"))
    for name in ("ada", "bob"):
        box.ssh(name, "say", f"marmalade of {name}", check=0)
        box.ssh(name, "drop", f"recipe of {name}", input="sugar\n", check=0)
    assert found(b"marmalade of ada")
    box.riad("people", "forget", "ada", "--words", check=0)
    assert found(b"marmalade of bob") and not found(b"marmalade of ada")
    box.riad("reset", "--yes", check=0)
    assert not found(b"marmalade") and not found(b"recipe of")
    box.ssh("carol", "say", "still at home", check=0)


def test_what_may_stay_for_a_moment_is_soon_forgotten(make_box):
    box = make_box(box={"keep": "2s"})
    box.ssh("ada", "say", "in passing", check=0)
    words = lambda: json.loads(box.request("GET", "/api/messages")[2])["messages"]
    wait_for(lambda: not words(), "the words to be forgotten", timeout=15)


def test_what_is_old_is_forgotten_whoever_runs(make_box):
    """[box] keep: by the chat, by the web, and by riad-dhcp where it is alone."""
    for enabled in (("chat",), ("web",), ()):
        services = {name: {"enabled": "yes" if name in enabled else "no"} for name in ("chat", "web", "mirror")}
        box = make_box(start=False, box={"keep": "2d"}, **services)
        box.start()
        box.stop()
        now = int(time.time() * 1000)
        with sqlite3.connect(box.state / "store" / "riad.db") as store:
            for days, word in ((3, "old"), (1, "young")):
                at = now - days * 86_400_000
                store.execute("INSERT INTO message (at, room_id, kind, text) VALUES (?, 1, 'say', ?)", (at, word))
                store.execute("INSERT INTO lease (ip, mac, started_at, expires_at) VALUES (?, 'x', ?, ?)",
                              (f"10.77.0.{days}", at, at))  # fmt: skip
        store.close()
        box.start()

        def left():
            with box.store() as look:
                texts = {row[0] for row in look.execute("SELECT text FROM message WHERE kind = 'say'")}
                return texts == {"young"} and look.execute("SELECT count(*) FROM lease").fetchone()[0] == 1

        wait_for(left, f"what is old to be forgotten, with {enabled or 'riad-dhcp alone'}")
        box.stop()
