"""The drop beside its peers: SFTP beside OpenSSH's own server, PUT and GET beside nginx, a long list.

Wall and processor seconds of one client and the server together, the best of three runs, in turns with
the peer's; ratios above 1 say that riad is faster. nginx neither syncs nor digests what it is given. The folders lie
in memory (/dev/shm) where there is such a place, or in TMPDIR. RIAD_BENCH_MB: the size of a file, 1024.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box, free_port, wait_for  # noqa: E402

if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"
SIZE = int(os.environ.get("RIAD_BENCH_MB", 1024)) << 20
RUNS = 3


def processor_s(pids):
    """Of these processes and of their children that have ended."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(action, pids, after):
    begin, mine, theirs = time.monotonic(), of_children(), processor_s(pids)
    action()
    wall = time.monotonic() - begin
    after()
    return wall, of_children() - mine + processor_s(pids) - theirs


def row(what, ours, theirs, peer, after=lambda: None):
    """ours and theirs (or None): what to do, and the processes of the server."""
    sides = [side for side in (ours, theirs) if side]
    runs = [[once(*side, after) for side in sides] for _ in range(RUNS)]
    best = [[min(times) for times in zip(*side)] for side in zip(*runs)]
    print(f"{what:24} {best[0][0]:6.2f} s {best[0][1]:6.2f} cpu-s", end="")
    if theirs:
        (wall, used), (their_wall, their_used) = best
        print(f"   {peer} {their_wall:6.2f} s {their_used:6.2f} cpu-s   {their_wall / wall:5.2f} x by time"
              f" {their_used / used:5.2f} x by processor", end="")  # fmt: skip
    print(flush=True)


def run(*line):
    subprocess.run([str(word) for word in line], check=True, capture_output=True)


# ---- SFTP ----


class Sshd:
    """OpenSSH's own server on a port of its own."""

    def __init__(self, folder, box):
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        server = next(path for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server")
                      if os.path.exists(path))  # fmt: skip
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host")
        public = subprocess.run(["ssh-keygen", "-y", "-f", box.key("ada")], check=True,
                                capture_output=True, text=True).stdout  # fmt: skip
        (folder / "authorized").write_text(public)
        self.port = free_port()
        (folder / "sshd.conf").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
            f"UsePAM no\nPermitRootLogin yes\nSubsystem sftp {server}\nLogLevel QUIET\n"
            f"ListenAddress 127.0.0.1:{self.port}\nPidFile none\n"
        )
        self.process = subprocess.Popen([program, "-D", "-f", folder / "sshd.conf"])

    def idle(self):
        """What served a client has ended, and counts."""
        busy = lambda: subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True).stdout
        wait_for(lambda: not busy(), "sshd to be idle")

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def sftp(options, cipher, line, target):
    subprocess.run(["sftp", "-q", *options, "-c", cipher, "-b", "-", target], input=line, text=True,
                   check=True, capture_output=True)  # fmt: skip


def measure_sftp(box, folder, source):
    options = [*box.ssh_options(box.key("ada")), "-P"]
    ours = [*options, str(box.ssh_port)]
    peer = Sshd(folder, box) if shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") else None
    if peer is None:
        print("sshd (openssh-server) is not installed: no peer for SFTP")
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    for cipher in ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"):
        for what, line in (("up", f"put {source} {{}}/sftp.bin"), ("down", f"get {{}}/sftp.bin {folder}/back")):
            mine = lambda: sftp(ours, cipher, line.format(""), "ada@127.0.0.1")
            other = lambda: sftp([*options, str(peer.port)], cipher, line.format(folder), f"{me}@127.0.0.1")
            row(f"SFTP {what} {cipher.split('-')[0]}", (mine, [box.pid("chat")]),
                peer and (other, [peer.process.pid]), "OpenSSH", peer.idle if peer else lambda: None)  # fmt: skip
    sftp(ours, cipher, "rm /sftp.bin", "ada@127.0.0.1")
    if peer:
        peer.end()
    for name in ("sftp.bin", "back"):
        (folder / name).unlink(missing_ok=True)


# ---- HTTP ----


class Nginx:
    def __init__(self, folder):
        self.port = free_port()
        (folder / "nginx").mkdir()
        (folder / "nginx/files").mkdir()
        conf = folder / "nginx/conf"
        user = "user root;" if os.geteuid() == 0 else ""
        conf.write_text(
            f"{user} worker_processes 2; pid {folder}/nginx/pid; error_log {folder}/nginx/error;\n"
            f"daemon off; events {{}} http {{ access_log off; sendfile on; client_max_body_size 0;\n"
            f"client_body_temp_path {folder}/nginx/body; server {{ listen 127.0.0.1:{self.port};\n"
            f"location / {{ root {folder}/nginx/files; dav_methods PUT; }} }} }}\n"
        )
        self.process = subprocess.Popen(["nginx", "-e", f"{folder}/nginx/error", "-c", conf],
                                        stderr=subprocess.DEVNULL)  # fmt: skip
        wait_for(lambda: self.pids(), "nginx")

    def pids(self):
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True)
        return [int(word) for word in found.stdout.split()]

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def at_once(count, action):
    threads = [threading.Thread(target=action, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def put(source, url):
    run("curl", "-sSf", "-o", "/dev/null", "-T", source, url)


def measure_http(box, folder, source):
    nginx = Nginx(folder) if shutil.which("nginx") else None
    if nginx is None:
        print("nginx is not installed: no peer for HTTP")
    part = folder / "part"
    with open(source, "rb") as whole:
        part.write_bytes(whole.read(SIZE // 8))
    # A new name each time: the same bytes again would be the same file.
    serial = iter(range(1000))
    actions = (
        ("PUT of one file", lambda url: put(source, url(f"{next(serial)}.bin"))),
        ("eight PUTs at once", lambda url: at_once(8, lambda i: put(part, url(f"{i}-{next(serial)}.bin")))),
        ("GET of one file", lambda url: run("curl", "-sSf", "-o", "/dev/null", url("down.bin"))),
    )  # fmt: skip

    def clear():
        for path in (*(box.state / "drop").glob("*.bin"), *folder.glob("nginx/files/*.bin")):
            if path.name != "down.bin":
                path.unlink()

    put(source, box.url("/files/down.bin"))
    if nginx:
        put(source, nginx.url("down.bin"))
    for what, action in actions:
        mine = lambda: action(lambda name: box.url("/files/" + name))
        other = lambda: action(nginx.url)
        row(what, (mine, [box.pid("web")]), nginx and (other, nginx.pids()), "nginx", clear)
    if nginx:
        nginx.end()


def measure_list(box):
    shelf = box.state / "drop/shelf"
    shelf.mkdir(exist_ok=True)
    for i in range(50_000):
        (shelf / f"file {i:05}.txt").write_bytes(b"")

    def known():
        with box.store() as store:
            return store.execute("SELECT count(*) FROM file WHERE folder = 'shelf'").fetchone()[0] >= 50_000

    wait_for(known, "the index", 120)
    times = []
    for _ in range(10):
        begin = time.monotonic()
        status, _, _ = box.request("GET", "/files/shelf/", headers={"Accept": "text/html"})
        times.append(time.monotonic() - begin)
        assert status == 200
    print(f"{'first of 50,000 files':24} {1000 * min(times):6.1f} ms")


def main():
    box = Box({})
    folder = Path(tempfile.mkdtemp(prefix="riad-bench-"))
    source = folder / "source"
    try:
        with open(source, "wb") as out:
            for _ in range(SIZE >> 20):
                out.write(os.urandom(1 << 20))
        box.start()
        measure_sftp(box, folder, source)
        measure_http(box, folder, source)
        measure_list(box)
    finally:
        box.stop()
        box.remove()
        shutil.rmtree(folder)


main()
