"""The mirror beside nginx (slices, long locks), apt-cacher-ng and Varnish where they are installed:
a cold herd, hot objects; bad weather; the catalogue of the real index where it is at hand."""

import hashlib
import http.client
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import ROOT, Box, free_port, program  # noqa: E402
from upstream import Repository, Upstream, Weather  # noqa: E402

DATA = Path(os.environ.get("RIAD_TEST_DATA", ROOT.parent / "shared" / "data" / "opam"))
MB = 1000000
HERD, HERD_BYTES, LINK = 30, 50 * MB, 5 * MB
RACE_SECONDS = 5

NGINX = """
daemon off; error_log stderr crit; pid {folder}/pid; worker_processes 2; worker_rlimit_nofile 4096;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  sendfile on; tcp_nopush on; keepalive_requests 1000000;
  proxy_cache_path {folder}/cache keys_zone=z:10m max_size=2g inactive=1d use_temp_path=off;
  server {{
    listen 127.0.0.1:{port};
    location /hot/ {{ alias {folder}/hot/; }}
    location / {{
      proxy_pass {upstream}; proxy_cache z; proxy_cache_valid 200 206 1d; proxy_http_version 1.1;
      proxy_cache_lock on; proxy_cache_lock_timeout 600s; proxy_cache_lock_age 600s; {more}
    }}
  }}
}}
"""
SLICES = ("slice 1m; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range;")
VARNISH = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{port}"; }}
"""


class Peer:
    """A running cache: its base URL, and what ends it."""

    def __init__(self, name, line, base, folder):
        self.name, self.base, self.folder = name, base, folder
        self.process = subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.port = int(re.search(r":(\d+)", base[7:]).group(1))
        wait_port(self.port)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_port(port):
    for _ in range(500):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
            return
        except OSError:
            time.sleep(0.02)


def nginx(upstream, more=""):
    folder, port = tempfile.mkdtemp(prefix="riad-bench-"), free_port()
    os.chmod(folder, 0o777)
    conf = Path(folder) / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, port=port, upstream=upstream.url, more=more))
    name = "nginx, slices" if more else "nginx, long locks"
    line = [shutil.which("nginx"), "-p", folder, "-c", str(conf)]
    return Peer(name, line, f"http://127.0.0.1:{port}", folder)


def varnish(upstream):
    folder, port = tempfile.mkdtemp(prefix="riad-bench-"), free_port()
    os.chmod(folder, 0o755)
    vcl = Path(folder) / "default.vcl"
    vcl.write_text(VARNISH.format(port=upstream.port))
    line = [shutil.which("varnishd"), "-F", "-a", f"127.0.0.1:{port}", "-f", str(vcl),
            "-n", folder + "/n", "-s", "malloc,1g"]  # fmt: skip
    return Peer("Varnish", line, f"http://127.0.0.1:{port}", folder)


def apt_cacher(upstream):
    folder, port = tempfile.mkdtemp(prefix="riad-bench-"), free_port()
    line = [shutil.which("apt-cacher-ng"), "ForeGround=1", f"Port:{port}", "BindAddress: 127.0.0.1",
            f"CacheDir:{folder}", f"LogDir:{folder}", f"SocketPath:{folder}/socket",
            "PfilePatternEx: .*", "AllowUserPorts: 0", "ReportPage:",
            "SupportDir:/usr/lib/apt-cacher-ng"]  # fmt: skip
    base = f"http://127.0.0.1:{port}/127.0.0.1:{upstream.port}"
    return Peer("apt-cacher-ng", line, base, folder)


def riad(upstream, **mirror):
    box = Box({"chat": {"enabled": "no"},
               "mirror": {"upstream": upstream.url, "caches": upstream.url + "/cache", **mirror}})
    box.start()
    box.wait_log("the index of .* is here", 60)
    return box


def peers(upstream):
    """Those that are installed, one after another."""
    if shutil.which("nginx"):
        yield lambda: nginx(upstream)
        yield lambda: nginx(upstream, SLICES)
    if shutil.which("apt-cacher-ng"):
        yield lambda: apt_cacher(upstream)
    if shutil.which("varnishd"):
        yield lambda: varnish(upstream)


# ---- the cold herd ----


def build_load(folder):
    load = Path(folder) / "herd_load"
    source = Path(__file__).parent / "herd_load.c"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", load, source], check=True)
    return load


def measure_herd(upstream, path):
    ideal = HERD_BYTES / LINK
    print(f"cold herd: {HERD} clients, {HERD_BYTES // MB} MB, a link of {LINK // MB} MB/s:"
          f" ideal {ideal:.1f} s")  # fmt: skip
    folder = tempfile.mkdtemp(prefix="riad-bench-")
    load, body = build_load(folder), Path(folder) / "body"
    body.write_bytes(upstream.files[path])

    def one(name, base, clients, end=lambda: None):
        upstream.rate, upstream.sent, upstream.requests = LINK, 0, []
        upstream.first_byte.clear()
        where = re.match(r"http://127\.0\.0\.1:(\d+)(.*)", base + path)
        out = subprocess.run([load, where[1], where[2], str(clients), body],
                             capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
        upstream.rate = 0
        end()
        began, _, slowest, last = map(float, out[:4])
        sent = upstream.first_byte.get(path, began)
        print(f"  {name:18} last client {last - began:6.2f} s ({(last - began) / ideal:.3f} of ideal),"
              f" first byte of the slowest {(slowest - sent) * 1000:5.0f} ms after the upstream's,"
              f" {out[4]}/{clients} right, {len(upstream.requests)} requests,"
              f" {upstream.sent / MB:.1f} MB upstream", flush=True)  # fmt: skip

    one("one, without cache", upstream.url, 1)
    box = riad(upstream)
    one("riad", box.url("/opam"), HERD, lambda: (box.stop(), box.remove()))
    for make in peers(upstream):
        peer = make()
        one(peer.name, peer.base, HERD, peer.close)
    shutil.rmtree(folder)


# ---- hot objects ----


def race(url, seconds=RACE_SECONDS):
    """Requests and bytes a second over 64 connections."""
    done = subprocess.run(["wrk", "-t2", "-c64", f"-d{seconds}", url],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    requests = float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1))
    return requests, "Non-2xx" not in done


def processor_s(pids):
    """Of these processes, threads that have ended included; by clock ticks."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def workers(pid):
    """nginx's worker processes; its cache loader leaves after a while."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "worker"],
                           capture_output=True, text=True, check=False)  # fmt: skip
    return [int(word) for word in found.stdout.split()]


def measure_hot(upstream, objects):
    if not shutil.which("wrk") or not shutil.which("nginx"):
        print("hot objects: wrk and nginx are not installed")
        return
    print("hot objects, 64 connections: by the wall, and by processor second")
    box, peer = riad(upstream), nginx(upstream)
    hot = Path(peer.folder) / "hot"
    hot.mkdir()
    for label, (path, body) in objects.items():
        (hot / "file").write_bytes(body)
        box.request("GET", "/opam" + path)
        figures = {}
        for name, url, pids in (
            ("riad", box.url("/opam" + path), [box.pid("web")]),
            ("nginx", peer.base + "/hot/file", workers(peer.process.pid)),
        ):
            before = processor_s(pids)
            requests, good = race(url)
            figures[name] = requests, requests * RACE_SECONDS / (processor_s(pids) - before), good
        wall, cpu = (figures["riad"][i] / figures["nginx"][i] for i in (0, 1))
        print(f"  {label:6} riad {figures['riad'][0]:8.0f}/s, nginx {figures['nginx'][0]:8.0f}/s:"
              f" {wall:.2f} by the wall, {cpu:.2f} by processor second"
              f"{'' if figures['riad'][2] else ' (WRONG ANSWERS)'}", flush=True)  # fmt: skip
    peer.close()
    box.stop()
    box.remove()


# ---- bad weather ----

SIZE = 400000
SKIES = {
    "where Range works": {
        "cut": [Weather(cut=SIZE // 2)],
        "four cuts": [Weather(cut=SIZE * n // 5) for n in (1, 2, 3, 4)],
        "reset": [Weather(reset=SIZE // 2)],
        "503": [Weather(status=503, retry_after=1)],
        "429": [Weather(status=429, retry_after=1)],
        "500": [Weather(status=500)] * 3,
        "stalled": [Weather(stall=SIZE // 2)],
        "moved": [Weather(location="/moved")],
        "hangs up": [Weather(drop=True)] * 2,
    },
    "where it does not": {
        "cut, no Range": [Weather(cut=SIZE // 2, ranges=False), Weather(ranges=False)],
        "cut, chunked": [Weather(cut=SIZE // 2, chunked=True), Weather(chunked=True)],
        "a new ETag": [Weather(cut=SIZE // 2, etag='"a"'), Weather(etag='"b"')],
        "a wrong Range": [Weather(cut=SIZE // 2), Weather(wrong_range=True)],
    },
    "wrong bytes": {
        "in the middle": [Weather(flip=SIZE // 2)],
        "at the end": [Weather(flip=SIZE - 1)],
    },
}


def measure_weather(upstream, repository):
    random.seed(7)
    kinds = [(group, name, sky) for group, skies in SKIES.items() for name, sky in skies.items()]
    bodies = [random.randbytes(SIZE) for _ in kinds]
    paths = [repository.add(f"w{i}.1", body)["md5"] for i, body in enumerate(bodies)]
    upstream.put("/moved", bodies[[name for _, name, _ in kinds].index("moved")])
    repository.publish()

    def paid(i):
        extra = upstream.sent_of["/moved"] if kinds[i][1] == "moved" else 0
        return (upstream.sent_of[paths[i]] + upstream.sent_of[f"/src/w{i}.1.tgz"] + extra) / SIZE

    def one(name, base, end):
        for path, (_, _, sky) in zip(paths, kinds):
            upstream.weather(path, *sky)
        upstream.sent_of.clear()
        upstream.rate = LINK
        right = [0]

        def ask(i):
            done = subprocess.run(["curl", "-s", "--max-time", "60", base + paths[i]],
                                  capture_output=True, check=False)  # fmt: skip
            right[0] += done.returncode == 0 and done.stdout == bodies[i]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(paths)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        upstream.rate = 0
        end()
        means = []
        for group in SKIES:
            of = [paid(i) for i in range(len(kinds)) if kinds[i][0] == group]
            means.append(f"{sum(of) / len(of):.2f} {group}")
        print(f"  {name:18} {right[0]} of {len(threads)} bodies right; of the bytes upstream: "
              + ", ".join(means), flush=True)  # fmt: skip
        if name == "riad":
            print("    " + ", ".join(f"{kinds[i][1]} {paid(i):.2f}" for i in range(len(kinds))))

    print(f"bad weather: {len(kinds)} kinds, ten clients each, a link of {LINK // MB} MB/s")
    box = riad(upstream, parallel=32)
    one("riad", box.url("/opam"), lambda: (box.stop(), box.remove()))
    for make in peers(upstream):
        peer = make()
        one(peer.name, peer.base, peer.close)


# ---- a full cache ----

MANY = 12000


def fill(cache):
    """MANY small archives under three names each."""
    for number in range(MANY):
        first = None
        for algorithm in ("sha256", "md5", "sha512"):
            digest = hashlib.new(algorithm, b"%d" % number).hexdigest()
            path = cache / algorithm / digest[:2] / digest
            path.parent.mkdir(parents=True, exist_ok=True)
            if first:
                os.link(first, path)
            else:
                path.write_bytes(b"%d" % number)
                first = path


def counted(box):
    """How many archives the box has found in its cache."""
    row = box.store().execute("SELECT value FROM fact WHERE name = 'mirror.cache_archives'")
    return int((row.fetchone() or ["0"])[0])


def measure_full(upstream, objects):
    path, body = objects["20 kB"]
    few, many = riad(upstream), riad(upstream)
    many.stop()
    fill(many.state / "mirror" / "cache")
    began = time.monotonic()
    many.start()
    ready = (time.monotonic() - began) * 1000
    while counted(many) < MANY:
        time.sleep(0.1)
    speeds = {few: 0, many: 0}
    for box in [few, many] * 3:  # the best of three, in turn: the machine is never quite quiet
        assert box.request("GET", "/opam" + path)[2] == body
        if shutil.which("wrk"):
            speeds[box] = max(speeds[box], race(box.url("/opam" + path), 2)[0])
    print(f"{MANY} archives in the cache: ready after {ready:.0f} ms; 20 kB objects"
          f" {speeds[many]:.0f}/s, without them {speeds[few]:.0f}/s", flush=True)  # fmt: skip
    for box in few, many:
        box.stop()
        box.remove()


# ---- the catalogue ----


def measure_catalogue():
    index = DATA / "index.tar.gz"
    if not index.exists():
        print(f"the catalogue: no index at {index}")
        return
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([program("riad"), "mirror", "catalog", str(index)],
                         capture_output=True, check=True).stdout  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the catalogue of the real index: {out.count(10)} lines,"
          f" {after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime:.2f} s of processor,"
          f" {time.monotonic() - began:.2f} s")  # fmt: skip
    upstream = Upstream()
    upstream.put("/index.tar.gz", index.read_bytes())
    box = riad(upstream)
    status = Path(f"/proc/{box.pid('mirror')}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1000
    print(f"  fetched, read and served: {processor_s([box.pid('mirror')]):.2f} s of processor,"
          f" {peak:.1f} MB at peak")  # fmt: skip
    box.stop()
    box.remove()
    upstream.close()


def main():
    upstream = Upstream(free_port())  # apt-cacher-ng reaches no port above 32767
    repository = Repository(upstream)
    bodies = {"20 kB": random.randbytes(20000), "5 MB": random.randbytes(5 * MB)}
    objects = {
        label: (repository.add(f"hot{i}.1", body)["sha512"], body)
        for i, (label, body) in enumerate(bodies.items())
    }
    path = repository.add("herd.1", random.randbytes(HERD_BYTES))["md5"]
    repository.publish()
    measure_catalogue()
    measure_hot(upstream, objects)
    measure_full(upstream, objects)
    measure_weather(upstream, repository)
    measure_herd(upstream, path)
    upstream.close()


if __name__ == "__main__":
    main()
