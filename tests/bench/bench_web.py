"""The drop over HTTP beside nginx, in one run and on one disk.

Downloads of 1 GiB, uploads of 1 GiB (riad: with digest and fsync; nginx: its DAV module, without),
eight uploads at once, 20 kB over 64 connections (wrk); ratios by the wall and by processor second.
Then riad alone: memory with 300 busy connections, and how long a guest waits beside 200 silent and
50 trickling ones. RIAD_BENCH_FOLDER says where both keep their files (default: memory), SIZE is in
MiB.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import Box, free_port, wait_for  # noqa: E402

SIZE = int(os.environ.get("SIZE", "1024")) << 20
FOLDER = os.environ.get("RIAD_BENCH_FOLDER", "/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def ticks(pids):
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def pss_kb(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])


class Riad:
    name = "riad"

    def __init__(self):
        tempfile.tempdir = FOLDER
        self.box = Box({"chat": {"enabled": "no"}, "mirror": {"enabled": "no"}})
        tempfile.tempdir = None
        self.box.start()
        self.port = self.box.web_port

    def pids(self):
        return [self.box.pid("web")]

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/files/{name}"

    def stop(self):
        self.box.stop()
        self.box.remove()


class Nginx:
    name = "nginx"

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="riad-bench-nginx-", dir=FOLDER))
        self.folder.chmod(0o755)
        self.port = free_port()
        (self.folder / "files").mkdir(mode=0o777)
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""
            {user} worker_processes auto; pid {self.folder}/pid; error_log /dev/null; daemon off;
            events {{ worker_connections 2048; }}
            http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
                   client_body_temp_path {self.folder}/body; client_max_body_size 0;
                   server {{ listen 127.0.0.1:{self.port};
                            location /files/ {{ root {self.folder}; dav_methods PUT DELETE; }} }} }}""")
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf"], stderr=subprocess.DEVNULL,
                                        start_new_session=True)  # as the box has one: the scheduler shares by sessions
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, "nginx")

    def pids(self):
        return [int(pid) for pid in subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()]  # fmt: skip

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/files/{name}"

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


def timed(server, action):
    """Wall and processor seconds of the server."""
    before, begun = ticks(server.pids()), time.monotonic()
    action()
    return time.monotonic() - begun, ticks(server.pids()) - before


def curl(*arguments):
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", *map(str, arguments)], check=True)


def compare(title, servers, actions):
    """The best of ROUNDS each, in turns; how many times nginx riad is, by wall and processor."""
    best = {server: (float("inf"), float("inf")) for server in servers}
    for round_ in range(ROUNDS):
        for server in servers:
            wall, cpu = timed(server, lambda: actions(server, round_))
            best[server] = min(best[server][0], wall), min(best[server][1], cpu)
    report(title, {server.name: best[server] for server in servers})


def report(title, best):
    (wall, cpu), peer = best["riad"], best.get("nginx")
    line = f"{title:34} riad {wall:6.2f} s wall {cpu:6.2f} s cpu"
    if peer:
        line += (f"   nginx {peer[0]:6.2f} s {peer[1]:6.2f} s   riad is "
                 f"{peer[0] / wall:4.2f} x by wall, {peer[1] / max(cpu, 0.01):4.2f} x by processor")  # fmt: skip
    print(line, flush=True)


def disk_alone(source):
    """What a durable write of that file costs with nothing else: no upload that syncs can be quicker."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.monotonic()
        subprocess.run(["dd", f"if={source}", f"of={source}.copy", "bs=1M", "conv=fdatasync"],
                       check=True, capture_output=True)  # fmt: skip
        best = min(best, time.monotonic() - begun)
        os.unlink(f"{source}.copy")
    print(f"(the disk alone, cp and fdatasync    {best:6.2f} s)", flush=True)


def many(server, path, round_):
    jobs = [subprocess.Popen(["curl", "-sSf", "-o", "/dev/null", "-T", path, server.url(f"m{round_}-{i}")])
            for i in range(8)]  # fmt: skip
    assert all(job.wait() == 0 for job in jobs)


def small_files(servers):
    rates = {}
    for server in servers:
        curl("-T", small, server.url("small"))
        time.sleep(1)
        before = ticks(server.pids())
        out = subprocess.run(["wrk", "-t2", "-c64", "-d5", server.url("small")], capture_output=True, text=True).stdout
        rate = float(out.split("Requests/sec:")[1].split()[0])
        rates[server.name] = rate, (ticks(server.pids()) - before) / (rate * 5)
    line = "20 kB over 64 connections          " + "   ".join(
        f"{name} {rate:7.0f} a second, {cpu * 1e6:4.0f} us cpu each" for name, (rate, cpu) in rates.items())
    if len(rates) == 2:
        line += (f"   riad is {rates['riad'][0] / rates['nginx'][0]:4.2f} x by wall, "
                 f"{rates['nginx'][1] / rates['riad'][1]:4.2f} x by processor")  # fmt: skip
    print(line, flush=True)


def connection(riad, request):
    raw = socket.create_connection(("127.0.0.1", riad.port))
    raw.sendall(request)
    return raw


def crowd(riad):
    """300 that download without reading on; then 200 silent and 50 trickling ones."""
    host = b"Host: localhost\r\n\r\n"
    idle = pss_kb(riad.pids()[0])
    busy = [connection(riad, b"GET /files/d HTTP/1.1\r\n" + host) for _ in range(300)]
    for raw in busy:
        raw.recv(1000)
    print(f"memory: {idle / 1000:.1f} MB idle, {pss_kb(riad.pids()[0]) / 1000:.1f} MB with 300 busy connections")
    for raw in busy:
        raw.close()
    silent = [socket.create_connection(("127.0.0.1", riad.port)) for _ in range(200)]
    trickling = [connection(riad, b"PUT /files/t%d HTTP/1.1\r\nContent-Length: 1000000\r\n" % i + host)
                 for i in range(50)]  # fmt: skip
    worst = 0
    for _ in range(20):
        for raw in trickling:
            raw.send(b"a")
        begun = time.monotonic()
        curl(f"http://127.0.0.1:{riad.port}/healthz")
        worst = max(worst, time.monotonic() - begun)
    print(f"beside 200 silent and 50 trickling: the slowest of 20 answers took {worst * 1000:.0f} ms")
    for raw in silent + trickling:
        raw.close()


if __name__ == "__main__":
    source = Path(tempfile.mkdtemp(prefix="riad-bench-", dir=FOLDER))
    servers = []
    try:
        whole, eighth, small = source / "whole", source / "eighth", source / "small"
        with open(whole, "wb") as out:
            for _ in range(SIZE >> 20):
                out.write(os.urandom(1 << 20))
        eighth.write_bytes(whole.open("rb").read(SIZE // 8))
        small.write_bytes(os.urandom(20000))
        servers = [Riad()] + ([Nginx()] if shutil.which("nginx") else [])
        mib = SIZE >> 20
        for server in servers:
            curl("-T", whole, server.url("d"))
        compare(f"download of {mib} MiB", servers, lambda server, _: curl(server.url("d")))
        compare(f"upload of {mib} MiB", servers, lambda server, n: curl("-T", whole, server.url(f"u{n}")))
        disk_alone(whole)
        compare(f"8 uploads of {mib // 8} MiB at once", servers, lambda server, n: many(server, eighth, n))
        if shutil.which("wrk"):
            small_files(servers)
        crowd(servers[0])
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(source)
