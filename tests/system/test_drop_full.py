"""A disk that is full: refusals with a sentence, parts that can be gone on with, nothing torn.

The state of these boxes is a small file system of its own in a mount namespace of its own.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Box, needs, needs_root, wait_for

DISK = 48 << 20
SENTENCE = "The disk is full: there is no space for that."
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


class SmallDisk:
    """A box on a disk of DISK bytes without a reserve; `state` is how this process sees it."""

    def __init__(self):
        self.box = Box({"box": {"reserve": "0%"}, "mirror": {"enabled": "no"}})
        self.box.state.mkdir()
        mount = f"mount -t tmpfs -o size={DISK},mode=755 riad-test {self.box.state}"
        self.box.wrapper = [needs("unshare"), "--mount", "sh", "-ec", mount + ' && exec "$@"', "sh"]
        self.box.start()
        self.state = Path(f"/proc/{self.box.process.pid}/root{self.box.state}")
        self.ballast = self.state / "ballast"

    def free(self):
        disk = os.statvfs(self.state)
        return disk.f_bavail * disk.f_frsize

    def leave(self, size):
        """Somebody else fills the disk until size bytes are free."""
        self.ballast.unlink(missing_ok=True)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - size)

    def leave_nothing(self):
        """Not even for a row: the log of the store has no room that it could use again, either."""
        self.leave(1 << 20)
        empty = ("import sqlite3, sys; sys.exit(sqlite3.connect(sys.argv[1])"
                 ".execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0])")  # fmt: skip
        line = [needs("nsenter"), f"--mount=/proc/{self.box.process.pid}/ns/mnt", sys.executable, "-c", empty]
        path = self.box.state / "store" / "riad.db"
        wait_for(lambda: subprocess.run([*line, path]).returncode == 0, "an empty log")
        self.leave(0)

    def lies(self, path):
        """The bytes under path, and the index agrees with them; None if nothing is there."""
        file = self.state / "drop" / path
        if not file.exists():
            # What is still expected may be followed; a digest would promise a whole file.
            assert "etag" not in self.box.request("HEAD", f"/files/{path}")[1]
            return None
        content = file.read_bytes()
        etag = self.box.request("HEAD", f"/files/{path}")[1]["etag"]
        assert etag.strip('"') == hashlib.sha256(content).hexdigest()
        return content


@pytest.fixture(scope="module")
def disk():
    needs_root()
    if subprocess.run([needs("unshare"), "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    made = SmallDisk()
    try:
        yield made
        made.box.stop()
    finally:
        made.box.remove()


def send(box, method, path, content, headers=(), *options):
    """curl with a body, which it stops sending when it is refused: the status and the sentence."""
    words = [word for name, value in dict(headers).items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [needs("curl"), "-sS", "-X", method, "-w", "\n%{http_code}", *words, *options, box.url(path)],
        input=content, capture_output=True, timeout=30)  # fmt: skip
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), text.strip()


def create(box, name, size):
    name = base64.b64encode(name.encode()).decode()
    return box.request("POST", "/uploads/", b"", {
        **TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"})  # fmt: skip


def patch(box, at, content, offset):
    chunk = {**CHUNK, "Upload-Offset": str(offset)}
    return send(box, "PATCH", at, content[offset:], chunk, "--data-binary", "@-")


def upload_path(made):
    return "/uploads/" + made[1]["location"].rsplit("/", 1)[1]


def test_what_will_not_fit_is_refused_before_its_body(disk, tmp_path):
    disk.leave(5 << 20)
    box, big = disk.box, tmp_path / "a.bin"
    big.write_bytes(bytes(8 << 20))
    for path in ["/files/a.bin", "/"]:
        done = box.curl("-v", "-T", big, box.url(path))
        assert done.stdout.strip() == SENTENCE
        assert " 507 " in done.stderr and " 100 " not in done.stderr
    status, _, text = create(box, "a.bin", 8 << 20)
    assert (status, text.decode().strip()) == (507, SENTENCE)
    done = box.curl("-v", "-F", f"f=@{big}", box.url("/files/"))
    assert done.stdout.strip() == SENTENCE and " 507 " in done.stderr
    assert disk.lies("a.bin") is None
    assert not [part for part in (disk.state / "drop/.arriving").iterdir() if part.stat().st_size]


def test_tus_keeps_what_came_and_goes_on(disk):
    """The disk fills up behind the box's back, in the middle of a body."""
    box, content = disk.box, os.urandom(6 << 20)
    disk.leave(8 << 20)
    at = upload_path(create(box, "tus.bin", len(content)))
    disk.leave(2 << 20)
    assert patch(box, at, content, 0) == (507, SENTENCE)
    offset = int(box.request("HEAD", at, headers=TUS)[1]["upload-offset"])
    assert 1 << 20 < offset < len(content)
    assert disk.lies("tus.bin") is None
    disk.leave(8 << 20)
    assert patch(box, at, content, offset)[0] == 204
    assert disk.lies("tus.bin") == content


def test_put_without_a_length_keeps_what_came(disk):
    """`… | curl -T -`: nobody knows beforehand; `curl -C` goes on."""
    box, content = disk.box, os.urandom(6 << 20)
    owner = {"Authorization": "Bearer guest-" + "F" * 22}
    disk.leave(2 << 20)
    assert send(box, "PUT", "/files/put.bin", content, owner, "-T", "-") == (507, SENTENCE)
    offset = int(box.request("HEAD", "/files/put.bin", headers=owner)[1]["upload-offset"])
    assert 1 << 20 < offset < len(content)
    disk.leave(8 << 20)
    rest = {**owner, "Content-Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"}
    assert box.request("PUT", "/files/put.bin", content[offset:], rest)[0] == 201
    assert disk.lies("put.bin") == content


def test_a_form_is_refused_on_its_way(disk):
    """Chunked, so that its length says nothing beforehand."""
    box = disk.box
    disk.leave(2 << 20)
    head = b'--X\r\nContent-Disposition: form-data; name="f"; filename="form.bin"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=X", "Transfer-Encoding": "chunked"}
    body = head + bytes(4 << 20) + b"\r\n--X--"
    assert send(box, "POST", "/files/", body, kind, "-T", "-") == (507, f"form.bin: {SENTENCE}")
    assert disk.lies("form.bin") is None


def test_sftp_keeps_what_came_and_reput_goes_on(disk, tmp_path):
    box, content = disk.box, os.urandom(6 << 20)
    (tmp_path / "sftp.bin").write_bytes(content)
    disk.leave(2 << 20)
    done = box.sftp("ada", f"put {tmp_path}/sftp.bin sftp.bin")
    assert done.returncode == 1 and "ailure" in done.stderr + done.stdout, done
    assert disk.lies("sftp.bin") is None
    disk.leave(9 << 20)
    size = int(box.sftp("ada", "ls -ln sftp.bin", check=0).stdout.splitlines()[-1].split()[4])
    assert 1 << 20 < size < len(content)
    box.sftp("ada", f"reput {tmp_path}/sftp.bin sftp.bin", check=0)
    assert disk.lies("sftp.bin") == content


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_scp_says_so(disk, tmp_path, protocol):
    box, name = disk.box, f"scp{protocol}.bin"
    (tmp_path / name).write_bytes(os.urandom(6 << 20))
    disk.leave(2 << 20)
    line = [needs("scp"), protocol, *box.ssh_options(box.key("ada")), "-P", str(box.ssh_port)]
    done = subprocess.run([*line, str(tmp_path / name), "ada@127.0.0.1:"], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and done.stderr, done
    if protocol == "-O":
        assert SENTENCE in done.stderr
    assert disk.lies(name) is None


def test_ssh_drop_says_so(disk):
    disk.leave(2 << 20)
    line = disk.box.ssh_line("ada", "drop", "piped.bin")
    done = subprocess.run(line, input=bytes(6 << 20), capture_output=True, timeout=30)
    assert done.returncode != 0 and SENTENCE in done.stderr.decode(), done
    assert disk.lies("piped.bin") is None


def restarts(disk):
    services = json.loads((disk.state / "run/status.json").read_text())["services"]
    return {name: row["restarts"] for name, row in services.items()}


def test_no_byte_free_and_then_some(disk):
    """Not even the store can write: no service falls, and afterwards all goes on by itself."""
    box = disk.box
    disk.leave(0)
    before = restarts(disk)
    for path, body in [("/files/tiny", b"x"), ("/files/small", bytes(100_000))]:
        status, _, text = box.request("PUT", path, body)
        assert status in (507, 500, 503) and len(text.decode().strip()) > 20
    assert box.sftp("ada", "put /etc/hostname tiny").returncode == 1
    assert box.request("GET", "/files/?text")[0] == 200
    disk.leave(8 << 20)
    wait_for(lambda: box.request("PUT", "/files/tiny", b"x")[0] in (200, 201), "the box to store again")
    assert disk.lies("tiny") == b"x"
    box.sftp("ada", "put /etc/hostname tiny2", check=0)
    assert restarts(disk) == before


def test_nobody_is_told_that_they_are_signed_out_who_is_not(disk):
    """A sign-out that cannot be written says so, and works as soon as there is room."""
    box = disk.box
    disk.leave(8 << 20)
    link = box.ssh("ada", "web", check=0).stdout
    joined = box.request("POST", "/join/" + re.search(r"/join/([\w-]+)", link)[1])
    cookie = {"Cookie": re.search(r"riad=[^;]+", joined[1]["set-cookie"])[0]}
    disk.leave_nothing()
    status, headers, text = box.request("POST", "/leave", b"", cookie)
    assert status == 503 and "cannot sign you out now" in text.decode() and "set-cookie" not in headers
    assert b"You are ada" in box.request("GET", "/you", headers=cookie)[2]
    disk.leave(8 << 20)
    assert box.request("POST", "/leave", b"", cookie)[0] == 303
    assert b"You are ada" not in box.request("GET", "/you", headers=cookie)[2]
