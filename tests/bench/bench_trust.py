"""What strangers cost the others: 32 uploads of 20 MB beside 60 silent connections, and what clients
notice when a service starts anew. Aims: a page within 100 ms; a pause of at most a second.

With --hour (or MINUTES=10), the mixed load without faults: resident memory at the end beside that
after the first ten minutes (the first sixth); aim: within 5 %.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import SERVICES, Box  # noqa: E402

UPLOADS, SIZE, SILENT = 32, 20 << 20, 60


def page_ms(box):
    began = time.monotonic()
    status = box.request("GET", "/", headers={"Accept": "text/html"})[0]
    assert status == 200
    return (time.monotonic() - began) * 1000


def measure_uploads(box):
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(SIZE))
        file.flush()
        alone = sorted(page_ms(box) for _ in range(20))
        silent = [socket.create_connection(("127.0.0.1", box.web_port if n % 2 else box.ssh_port)) for n in range(SILENT)]
        began = time.monotonic()
        jobs = [subprocess.Popen(["curl", "-sSf", "-o", "/dev/null", "--limit-rate", "4M", "-T", file.name,
                                  box.url(f"/files/u{n}")]) for n in range(UPLOADS)]  # fmt: skip
        times = []
        while any(job.poll() is None for job in jobs):
            times.append(page_ms(box))
            time.sleep(0.05)
        failed = sum(job.returncode != 0 for job in jobs)
        seconds = time.monotonic() - began
        for one in silent:
            one.close()
    times.sort()
    print(f"{UPLOADS} uploads of 20 MB beside {SILENT} silent connections: {seconds:.1f} s, {failed} failed; a page answers "
          f"in {times[len(times) // 2]:.0f} ms median, {times[int(len(times) * 0.99)]:.0f} ms p99, {times[-1]:.0f} ms at most "
          f"of {len(times)} (alone {alone[10]:.0f} ms; aim: within 100 ms)")  # fmt: skip


def measure_pause(box):
    """A client that asks 50 times a second, while each service is killed once."""
    for name in SERVICES:
        gaps, stop = [0.0], threading.Event()

        def ask():
            last = time.monotonic()
            while not stop.is_set():
                try:
                    if name == "chat":
                        with socket.create_connection(("127.0.0.1", box.ssh_port), 5) as one:
                            good = one.recv(4) == b"SSH-"
                    else:
                        good = box.request("GET", "/healthz")[0] == 200
                except OSError:
                    good = False
                if good:
                    gaps.append(time.monotonic() - last)
                    last = time.monotonic()
                time.sleep(0.02)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.3)
        box.restart_service(name)
        time.sleep(0.5)
        stop.set()
        thread.join()
        print(f"{name} killed: clients waited at most {max(gaps) * 1000:.0f} ms (aim: a second)")


def measure_mixed(minutes):
    from crowd import Crowd
    from test_everything import Watch
    from upstream import Upstream

    upstream = Upstream()
    box = Box({"mirror": {"upstream": upstream.url, "caches": upstream.url + "/cache", "cache_size": "8M"}})
    try:
        box.start()
        crowd, watch = Crowd(box, upstream, 100, 10, 7), Watch(box)
        crowd.start()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(5)
            watch.look()
        early, late = watch.rows[len(watch.rows) // 6], watch.rows[-1]
        total = [sum(row[name][1] for name in row) for row in (early, late)]
        crowd.finish()
        crowd.check()
        each = ", ".join(f"{name} {early[name][1] / 1024:.1f}→{late[name][1] / 1024:.1f}" for name in early)
        print(f"mixed load of {minutes:g} minutes, 100 people: {total[0] / 1024:.1f} MB after a sixth, {total[1] / 1024:.1f} MB at the "
              f"end: {100 * (total[1] / total[0] - 1):+.1f} % (aim: within 5 %): {each}")  # fmt: skip
        box.stop()
    finally:
        upstream.close()
        box.remove()


def main():
    minutes = float(os.environ.get("MINUTES", "60" if "--hour" in sys.argv else "0"))
    if minutes:
        measure_mixed(minutes)
        return
    box = Box({"mirror": {"enabled": "yes"}})
    try:
        box.start()
        measure_uploads(box)
        measure_pause(box)
        box.stop()
    finally:
        box.remove()


main()
