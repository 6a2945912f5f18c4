"""The drop over SSH, with the clients that people have: OpenSSH, PuTTY, rclone, sshfs, lftp, paramiko."""

import hashlib
import os
import random
import re
import subprocess
import threading
import time

import paramiko
import pytest
from conftest import PATIENCE, Box, needs, wait_for

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module")
def shared():
    """One box for all tests here; each uses names of its own."""
    with Box({}) as box:
        yield box


@pytest.fixture
def box(shared):
    return shared


def some_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def run(*line, timeout=30, check=0, **more):
    done = subprocess.run(
        [str(word) for word in line],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout * PATIENCE,
        **more,
    )
    if check is not None:
        assert done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done


def lies(box, path):
    """The bytes that lie on disk under path, None if nothing does."""
    file = box.state / "drop" / path
    return file.read_bytes() if file.is_file() else None


def digest_of(box, path):
    with box.store() as store:
        row = store.execute("SELECT sha256 FROM file WHERE path = ?", (path,)).fetchone()
        return row and row["sha256"] and row["sha256"].hex()


def connect(box, name):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(
        "127.0.0.1", box.ssh_port, name, key_filename=str(box.key(name)), allow_agent=False,
        look_for_keys=False, timeout=20 * PATIENCE,
    )  # fmt: skip
    return client


# ---- OpenSSH ----


def test_sftp_does_what_people_do(box, tmp_path):
    content = some_bytes(3_000_000)
    (tmp_path / "r").write_bytes(content)
    done = box.sftp(
        "ada",
        f"""
        put {tmp_path}/r sftp.bin
        mkdir talks
        put {tmp_path}/r talks/deep.bin
        ls -la
        rename sftp.bin renamed.bin
        get renamed.bin {tmp_path}/back
        get talks/deep.bin {tmp_path}/deep
        rm talks/deep.bin
        rmdir talks
        df
        chmod 600 renamed.bin
        pwd
        """,
        check=0,
    )
    assert "Remote working directory: /" in done.stdout
    assert re.search(r"ada .* 3000000 .* sftp\.bin", done.stdout)
    assert (tmp_path / "back").read_bytes() == content == (tmp_path / "deep").read_bytes()
    assert lies(box, "renamed.bin") == content
    assert digest_of(box, "renamed.bin") == hashlib.sha256(content).hexdigest()
    assert not (box.state / "drop/talks").exists()


def test_owners_have_names(box, tmp_path):
    """OpenSSH's `ls -l` prints numbers unless the server knows users-groups-by-id@openssh.com."""
    (tmp_path / "whose.txt").write_text("hers")
    box.sftp("ada", f"put {tmp_path}/whose.txt", check=0)
    box.request("PUT", "/files/whose-guest.txt", b"a guest's")
    listed = box.sftp("bob", "ls -l whose*.txt", check=0).stdout
    assert re.search(r" ada +drop +4 .* whose.txt", listed), listed
    assert re.search(r" - +drop +9 .* whose-guest.txt", listed), listed


def test_clients_sync_and_copy_on_the_box(box, tmp_path):
    """`cp` by copy-data, `get -a`, `put -fp`: what OpenSSH's client can, and the box need not refuse."""
    content = some_bytes(700_001, 12)
    (tmp_path / "c").write_bytes(content)
    os.utime(tmp_path / "c", (1_600_000_000, 1_600_000_000))
    (tmp_path / "half").write_bytes(content[:300_000])
    done = box.sftp(
        "ada",
        f"""
        put -fp {tmp_path}/c copy-me.bin
        cp copy-me.bin copied.bin
        get -a copied.bin {tmp_path}/half
        ls -ln copy-me.bin
        """,
    )
    assert done.returncode == 0 or "not support copy-data" in done.stderr, done.stderr
    assert lies(box, "copy-me.bin") == content
    assert (box.state / "drop/copy-me.bin").stat().st_mtime == 1_600_000_000
    assert (tmp_path / "half").read_bytes() == content == lies(box, "copied.bin")
    assert digest_of(box, "copied.bin") == hashlib.sha256(content).hexdigest()
    box.sftp("bob", "cp copied.bin mine-now.bin", check=0)
    assert box.sftp("bob", "cp copied.bin copy-me.bin").returncode == 1
    assert lies(box, "copy-me.bin") == content


def test_what_is_somebody_elses_stays(box, tmp_path):
    (tmp_path / "a").write_text("ada's")
    (tmp_path / "b").write_text("bob's")
    box.sftp("ada", f"put {tmp_path}/a mine.txt", check=0)
    for line in (f"put {tmp_path}/b mine.txt", "rm mine.txt", "rename mine.txt his.txt"):
        done = box.sftp("bob", line, check=1)
        assert "ermission denied" in done.stderr, done.stderr
    assert lies(box, "mine.txt") == b"ada's"
    assert box.sftp("bob", f"get mine.txt {tmp_path}/c", check=0)
    box.sftp("ada", f"put {tmp_path}/b mine.txt", check=0)
    assert lies(box, "mine.txt") == b"bob's"


@pytest.mark.parametrize("name", [".hidden", "../../escape", "a\\\\b", "shelf/x", "CON", ".arriving/x"])
def test_hostile_names_are_refused(box, tmp_path, name):
    (tmp_path / "x").write_text("x")
    before = sorted(os.listdir(box.state / "drop"))
    done = box.sftp("ada", f'put {tmp_path}/x "{name}"')
    if name == "../../escape":  # as in any SFTP server that shows a root: /escape
        assert lies(box, "escape") == b"x" and not (box.folder / "escape").exists()
        box.sftp("ada", "rm escape", check=0)
    else:
        assert done.returncode == 1 and "ermission denied" in done.stderr
    assert sorted(os.listdir(box.state / "drop")) == before


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_scp_by_both_protocols(box, tmp_path, protocol):
    folder, back = tmp_path / f"tree{protocol}", tmp_path / "back"
    (folder / "below").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "below" / "two words.txt").write_text("two")
    os.utime(folder / "one.txt", (1_500_000_000, 1_500_000_000))
    line = [needs("scp"), protocol, *box.ssh_options(box.key("ada")), "-P", box.ssh_port]
    run(*line, "-rp", folder, "ada@127.0.0.1:")
    assert lies(box, f"tree{protocol}/below/two words.txt") == b"two"
    assert (box.state / f"drop/tree{protocol}/one.txt").stat().st_mtime == 1_500_000_000
    run(*line, "-rp", f"ada@127.0.0.1:tree{protocol}", back)
    assert (back / "below" / "two words.txt").read_text() == "two"
    assert int((back / "one.txt").stat().st_mtime) == 1_500_000_000
    bob = [needs("scp"), protocol, *box.ssh_options(box.key("bob")), "-P", box.ssh_port]
    (tmp_path / "one.txt").write_text("bob's")
    denied = run(*bob, tmp_path / "one.txt", f"bob@127.0.0.1:tree{protocol}/one.txt", check=1)
    assert "denied" in denied.stderr or "stays" in denied.stderr
    missing = run(*line, "ada@127.0.0.1:no-such-file", tmp_path, check=1)
    assert "no such file" in missing.stderr.lower() or "not found" in missing.stderr.lower()


def test_a_batch_is_one_line_in_the_chat(box, tmp_path):
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_text(f"{i}")
    run(needs("scp"), *box.ssh_options(box.key("carol")), "-P", box.ssh_port,
        *(tmp_path / f"{i}.jpg" for i in range(6)), "carol@127.0.0.1:")  # fmt: skip

    def lines():
        with box.store() as store:
            return [row[0] for row in store.execute(
                "SELECT text FROM message WHERE kind = 'file' AND text LIKE 'carol%'")]  # fmt: skip

    wait_for(lines, "the announcement")
    assert len(lines()) == 1 and lines()[0].startswith("carol dropped 6 files: 0.jpg, 1.jpg, 2.jpg")


# ---- a connection that breaks ----


def test_what_broke_off_is_gone_on_with(box, tmp_path):
    content = some_bytes(5_000_000, 7)
    (tmp_path / "whole").write_bytes(content)
    client = connect(box, "ada")
    sftp = client.open_sftp()
    file = sftp.open("broken.bin", "w")
    file.set_pipelined(True)
    file.write(content[:3_000_000])
    wait_for(lambda: sftp.stat("broken.bin").st_size == 3_000_000, "the bytes")
    client.get_transport().sock.close()  # no end of the file, no good-bye
    assert lies(box, "broken.bin") is None

    def rests():
        done = box.sftp("ada", "ls -l broken.bin")
        return done.returncode == 0 and " 3000000 " in done.stdout

    wait_for(rests, "the part with its size")
    assert "broken.bin" not in box.sftp("bob", "ls -l").stdout
    box.sftp("ada", f"reput {tmp_path}/whole broken.bin", check=0)
    assert lies(box, "broken.bin") == content
    assert digest_of(box, "broken.bin") == hashlib.sha256(content).hexdigest()


def test_a_part_is_renamed_before_it_is_gone_on_with(box, tmp_path):
    content = some_bytes(2_000_000, 11)
    (tmp_path / "whole").write_bytes(content)
    client = connect(box, "ada")
    sftp = client.open_sftp()
    file = sftp.open("first-name.bin", "w")
    file.set_pipelined(True)
    file.write(content[:1_200_000])
    wait_for(lambda: sftp.stat("first-name.bin").st_size == 1_200_000, "the bytes")
    client.get_transport().sock.close()
    wait_for(lambda: box.sftp("ada", "rename first-name.bin other-name.bin").returncode == 0, "the part")
    assert box.sftp("bob", "rename other-name.bin his.bin").returncode == 1
    assert " 1200000 " in box.sftp("ada", "ls -l other-name.bin", check=0).stdout
    assert box.sftp("ada", "ls first-name.bin").returncode == 1
    box.sftp("ada", f"reput {tmp_path}/whole other-name.bin", check=0)
    assert lies(box, "other-name.bin") == content


def test_a_killed_service_keeps_what_came(box, tmp_path):
    content = some_bytes(4_000_000, 8)
    (tmp_path / "whole").write_bytes(content)
    client = connect(box, "ada")
    sftp = client.open_sftp()
    with sftp.open("killed.bin", "w") as file:
        file.write(content[:2_000_000])
        wait_for(lambda: sftp.stat("killed.bin").st_size == 2_000_000, "the bytes")
        box.restart_service("chat")
    assert lies(box, "killed.bin") is None
    box.sftp("ada", f"reput {tmp_path}/whole killed.bin", check=0)
    assert lies(box, "killed.bin") == content

def test_who_is_no_host_any_more_removes_nothing(box):
    """A connection that a host has left open is not one of a host when they no longer are."""
    box.ssh("ada", "drop", "hers.txt", input="hers", check=0)
    box.ssh("hugo", "whoami", check=0)
    box.riad("people", "promote", "hugo", check=0)
    client = connect(box, "hugo")
    sftp = client.open_sftp()
    box.ssh("ada", "drop", "spam.txt", input="spam", check=0)
    sftp.remove("spam.txt")
    box.riad("people", "demote", "hugo", check=0)
    with pytest.raises(IOError):
        sftp.remove("hers.txt")
    with pytest.raises(IOError):
        sftp.rename("hers.txt", "his.txt")
    assert lies(box, "hers.txt") == b"hers"
    client.close()


# ---- writing anywhere ----


def test_bytes_come_in_any_order(box):
    content, size = some_bytes(2_000_000, 3), 32768
    client = connect(box, "ada")
    sftp = client.open_sftp()
    offsets = list(range(0, len(content), size))
    random.Random(4).shuffle(offsets)
    with sftp.open("shuffled.bin", "w") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(content[offset : offset + size])
        assert file.stat().st_size == len(content)
    assert digest_of(box, "shuffled.bin") == hashlib.sha256(content).hexdigest()
    with sftp.open("shuffled.bin", "r+") as file:
        file.seek(1000)
        file.write(b"changed")
    changed = content[:1000] + b"changed" + content[1007:]
    assert lies(box, "shuffled.bin") == changed
    assert digest_of(box, "shuffled.bin") == hashlib.sha256(changed).hexdigest()
    with sftp.open("shuffled.bin", "a") as file:
        file.write(b"more")
    assert lies(box, "shuffled.bin") == changed + b"more"
    sftp.truncate("shuffled.bin", 10)
    assert lies(box, "shuffled.bin") == content[:10]
    with pytest.raises(IOError):
        sftp.open("shuffled.bin", "wx")
    with pytest.raises(IOError):
        sftp.open("nothing-there", "r+")
    with pytest.raises(IOError):
        sftp.symlink("/etc/passwd", "link")
    sftp.utime("shuffled.bin", (1_400_000_000, 1_400_000_000))
    assert sftp.stat("shuffled.bin").st_mtime == 1_400_000_000
    with sftp.open("early", "w") as file:
        file.write(b"renamed before it was closed")
        sftp.rename("early", "late")
    assert lies(box, "late") == b"renamed before it was closed"
    assert sftp.normalize("a/../b/./c") == "/b/c"
    client.close()


def test_a_long_list_comes_whole(box):
    client = connect(box, "ada")
    sftp = client.open_sftp()
    sftp.mkdir("many")
    names = {f"file {i}.txt" for i in range(150)}
    for name in names:
        sftp.open(f"many/{name}", "w").close()
    assert set(sftp.listdir("many")) == names
    client.close()


def test_garbage_ends_the_session_only(box):
    for garbage in (b"\0\0\0\1\1", b"\xff\xff\xff\xff\1\0\0\0\0", b"\0\0\0\0"):
        client = connect(box, "ada")
        channel = client.get_transport().open_session()
        channel.invoke_subsystem("sftp")
        channel.settimeout(10 * PATIENCE)
        channel.sendall(garbage)
        assert channel.recv(100) == b""
        client.close()
    assert box.sftp("ada", "pwd", check=0)


# ---- others' clients ----


def test_psftp(box, tmp_path):
    psftp = needs("psftp")
    content = some_bytes(1_000_000, 5)
    (tmp_path / "p.bin").write_bytes(content)
    run(needs("puttygen"), box.key("ada"), "-O", "private", "-o", tmp_path / "ada.ppk")
    fingerprint = re.search(r"SHA256:\S+", box.wait_log("host key:"))[0]
    script = f"""put {tmp_path}/p.bin p.bin
mv p.bin q.bin
get q.bin {tmp_path}/back
ls
del q.bin
mkdir putty
cd putty
put {tmp_path}/p.bin r.bin
chmod 600 r.bin
mkdir empty
rmdir empty
"""
    putty = ["-batch", "-hostkey", fingerprint, "-i", tmp_path / "ada.ppk", "-P", box.ssh_port]
    done = run(psftp, *putty, "-b", "/dev/stdin", "ada@127.0.0.1", input=script)
    assert "q.bin" in done.stdout
    assert (tmp_path / "back").read_bytes() == content
    assert lies(box, "q.bin") is None and lies(box, "putty/r.bin") == content
    assert not (box.state / "drop/putty/empty").exists()
    for protocol in ("-sftp", "-scp"):
        there = f"ada@127.0.0.1:putty/by{protocol}.bin"
        run(needs("pscp"), *putty, protocol, "-p", tmp_path / "p.bin", there)
        run(needs("pscp"), *putty, protocol, there, tmp_path / f"back{protocol}")
        assert (tmp_path / f"back{protocol}").read_bytes() == content


def test_rclone(box, tmp_path):
    rclone = needs("rclone")
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    for i in range(5):
        (tree / f"{i}.bin").write_bytes(some_bytes(300_000, i))
    (tree / "deep" / "x.txt").write_text("x")
    remote = f":sftp,host=127.0.0.1,port={box.ssh_port},user=ada,key_file={box.key('ada')}:"
    line = [rclone, "--config", tmp_path / "none.conf", "--retries", "1"]
    run(*line, "copy", tree, remote + "rclone")
    assert lies(box, "rclone/4.bin") == some_bytes(300_000, 4)
    assert lies(box, "rclone/deep/x.txt") == b"x"
    run(*line, "check", "--download", tree, remote + "rclone")
    run(*line, "moveto", remote + "rclone/0.bin", remote + "rclone/moved.bin")
    run(*line, "copy", remote + "rclone", tmp_path / "back")
    assert (tmp_path / "back" / "moved.bin").read_bytes() == some_bytes(300_000, 0)
    sync = run(*line, "sync", "-v", tree, remote + "rclone", "--exclude", "[0m]*")
    assert "nothing to transfer" in sync.stderr, sync.stderr
    assert "Free:" in run(*line, "about", remote).stdout
    run(*line, "rcat", remote + "rclone/piped", input="from a pipe")
    assert run(*line, "cat", remote + "rclone/piped").stdout == "from a pipe"
    run(*line, "purge", remote + "rclone")
    assert not (box.state / "drop/rclone").exists()
    box.ssh("bob", "drop", "bobs.txt", input="bob's")
    assert "permission denied" in run(*line, "deletefile", remote + "bobs.txt", check=1).stderr
    assert lies(box, "bobs.txt") == b"bob's"


def test_lftp(box, tmp_path):
    lftp = needs("lftp")
    content = some_bytes(500_000, 6)
    (tmp_path / "l.bin").write_bytes(content)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "x.txt").write_text("x")
    ssh = " ".join(["ssh", "-a", "-x", *box.ssh_options(box.key("ada")), "-p", str(box.ssh_port)])
    script = (
        f'set sftp:connect-program "{ssh}"; open -u ada, sftp://127.0.0.1; '
        f"put {tmp_path}/l.bin; get l.bin -o {tmp_path}/back; mv l.bin m.bin; "
        f"pget -n 3 m.bin -o {tmp_path}/pieces; rm m.bin; mirror -R {tmp_path}/tree mirrored; bye"
    )
    run(lftp, "-c", script, env={**os.environ, "HOME": str(tmp_path)})
    assert (tmp_path / "back").read_bytes() == content == (tmp_path / "pieces").read_bytes()
    assert lies(box, "m.bin") is None and lies(box, "mirrored/deep/x.txt") == b"x"


def test_sshfs(box, tmp_path):
    sshfs = needs("sshfs")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    mount = tmp_path / "mount"
    mount.mkdir()
    options = [f"IdentityFile={box.key('ada')}", "StrictHostKeyChecking=no",
               f"UserKnownHostsFile={box.folder}/known_hosts", "IdentityAgent=none"]  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    run(sshfs, "ada@127.0.0.1:", mount, "-p", box.ssh_port, "-F", "/dev/null", *words)
    try:
        content = some_bytes(1_500_000, 9)
        (mount / "fuse.bin").write_bytes(content)
        assert (mount / "fuse.bin").read_bytes() == content
        # The kernel tells sshfs of the end after close(2) has returned.
        wait_for(lambda: lies(box, "fuse.bin") == content, "the file")
        (mount / "folder").mkdir()
        (mount / "fuse.bin").rename(mount / "folder" / "moved.bin")
        assert [entry.name for entry in (mount / "folder").iterdir()] == ["moved.bin"]
        with open(mount / "folder" / "moved.bin", "r+b") as file:
            file.seek(100_000)
            file.write(b"in the middle")
        wanted = content[:100_000] + b"in the middle" + content[100_013:]
        wait_for(lambda: lies(box, "folder/moved.bin") == wanted, "the changed file")
        os.truncate(mount / "folder" / "moved.bin", 5)
        wait_for(lambda: lies(box, "folder/moved.bin") == content[:5], "the cut file")
        assert os.statvfs(mount).f_bavail > 0
        # touch(1) and cp(1) set times of what they have open.
        run("touch", "-d", "2021-01-01", mount / "folder" / "moved.bin")
        wait_for(lambda: (box.state / "drop/folder/moved.bin").stat().st_mtime < 1.62e9, "the time")
        (tmp_path / "old").write_text("old")
        os.utime(tmp_path / "old", (1e9, 1e9))
        run("cp", "-p", tmp_path / "old", mount / "folder" / "old")
        assert (mount / "folder" / "old").stat().st_mtime == 1e9
        wait_for(lambda: lies(box, "folder/old") == b"old", "the old file")
        assert (box.state / "drop/folder/old").stat().st_mtime == 1e9
        (mount / "folder" / "old").unlink()
        (mount / "folder" / "moved.bin").unlink()
        (mount / "folder").rmdir()
    finally:
        run("fusermount", "-u", mount, check=None)
    assert lies(box, "folder/moved.bin") is None


def test_many_at_once_and_the_chat_goes_on(box):
    """Eight uploads beside each other; a command of the chat answers meanwhile."""
    contents = [some_bytes(4_000_000, 20 + i) for i in range(8)]
    failures = []

    def upload(i):
        try:
            client = connect(box, f"many{i % 2}")
            with client.open_sftp().open(f"parallel{i}.bin", "w") as file:
                file.set_pipelined(True)
                file.write(contents[i])
            client.close()
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)

    for name in ("many0", "many1"):
        box.ssh(name, "who", check=0)
    threads = [threading.Thread(target=upload, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    box.ssh("ada", "who", check=0)
    assert time.monotonic() - begin < 10 * PATIENCE
    for thread in threads:
        thread.join()
    assert not failures
    for i, content in enumerate(contents):
        assert lies(box, f"parallel{i}.bin") == content
