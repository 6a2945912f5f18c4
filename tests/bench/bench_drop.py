"""The drop beside its peers: SFTP beside OpenSSH's own server, PUT and GET beside nginx, a long list.

Wall and processor seconds of one client and the server together, the best of three runs; ratios
above 1 say that riad is faster. nginx neither syncs nor digests what it is given. The folders lie
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
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(action, pids):
    begin, mine, theirs = time.monotonic(), of_children(), processor_s(pids)
    action()
    return time.monotonic() - begin, of_children() - mine + processor_s(pids) - theirs


def best(action, pids=(), after=lambda: None):
    found = []
    for _ in range(RUNS):
        found.append(once(action, pids))
        after()
    return min(wall for wall, _ in found), min(used for _, used in found)


def row(what, ours, theirs, peer, processor=True):
    print(f"{what:24} {ours[0]:6.2f} s {ours[1]:6.2f} cpu-s", end="")
    if theirs:
        print(f"   {peer} {theirs[0]:6.2f} s   {theirs[0] / ours[0]:5.2f} x by time", end="")
    if theirs and processor:
        print(f"   {theirs[1]:6.2f} cpu-s {theirs[1] / ours[1]:5.2f} x by processor", end="")
    print(flush=True)


def run(*line):
    subprocess.run([str(word) for word in line], check=True, capture_output=True)


# ---- SFTP ----


def sshd_options(folder, box):
    """Options of sftp that start an sshd of their own for each connection; None without sshd."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    server = next((path for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server")
                   if os.path.exists(path)), None)  # fmt: skip
    if sshd is None or server is None:
        print("sshd and its sftp-server are not installed: no peer for SFTP")
        return None
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host")
    public = subprocess.run(["ssh-keygen", "-y", "-f", box.key("ada")], check=True,
                            capture_output=True, text=True).stdout  # fmt: skip
    (folder / "authorized").write_text(public)
    (folder / "sshd.conf").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
        f"UsePAM no\nPermitRootLogin yes\nSubsystem sftp {server}\nLogLevel QUIET\n"
    )
    return ["-o", f"ProxyCommand={sshd} -i -f {folder}/sshd.conf"]


def sftp(options, cipher, line, target):
    subprocess.run(["sftp", "-q", *options, "-c", cipher, "-b", "-", target], input=line, text=True,
                   check=True, capture_output=True)  # fmt: skip


def measure_sftp(box, folder, source):
    ours = [*box.ssh_options(box.key("ada")), "-P", str(box.ssh_port)]
    peer = sshd_options(folder, box)
    theirs = peer and [*box.ssh_options(box.key("ada")), *peer]
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    pids = [box.pid("chat")]
    # ssh does not wait for its ProxyCommand: what sshd used of the processor cannot be told.
    for cipher in ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"):
        for what, line in (("up", f"put {source} {{}}/sftp.bin"), ("down", f"get {{}}/sftp.bin {folder}/back")):
            mine = best(lambda: sftp(ours, cipher, line.format(""), "ada@127.0.0.1"), pids)
            other = theirs and best(lambda: sftp(theirs, cipher, line.format(folder), f"{me}@peer"))
            row(f"SFTP {what} {cipher.split('-')[0]}", mine, other, "OpenSSH", processor=False)
    sftp(ours, cipher, "rm /sftp.bin", "ada@127.0.0.1")
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
    pids = [box.pid("web")]
    for what, action in actions:
        mine = best(lambda: action(lambda name: box.url("/files/" + name)), pids, clear)
        other = nginx and best(lambda: action(nginx.url), nginx.pids(), clear)
        row(what, mine, other, "nginx")
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
