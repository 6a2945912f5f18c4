"""The box as a whole: from `riad run` to its line `ready`, memory and processor when idle, and how
long a killed service is away."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from conftest import SERVICES, Box, descendants  # noqa: E402

ROUNDS = 10
IDLE_SECONDS = 20


def proportional_kb(pid):
    """Memory of its own and its share of what it shares, PSS."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def processor_ns(pid):
    """Of all its threads, in nanoseconds: the scheduler's own count."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def listed(figures, digits):
    return ", ".join(f"{of} {figure:.{digits}f}" for of, figure in figures.items())


def measure_start():
    first, later = [], []
    for _ in range(ROUNDS):
        box = Box({})
        try:
            for times in (first, later):
                began = time.monotonic()
                box.start()
                times.append((time.monotonic() - began) * 1000)
                box.stop()
        finally:
            box.remove()
    for which, times in (("first start", first), ("later start", later)):
        print(f"{which} to ready: {sorted(times)[ROUNDS // 2]:.0f} ms median, "
              f"{max(times):.0f} ms worst of {ROUNDS} (aim: under 300 ms)")  # fmt: skip


def measure_idle(box):
    time.sleep(5)  # until the first moments are over
    pids = [box.process.pid, *descendants(box.process.pid)]
    before = {pid: processor_ns(pid) for pid in pids}
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    passed = time.monotonic() - began
    shares = {name(pid): (processor_ns(pid) - before[pid]) / 1e7 / passed for pid in pids}
    sizes = {name(pid): proportional_kb(pid) / 1024 for pid in pids}
    print(f"idle: {sum(sizes.values()):.1f} MB PSS (aim: under 40): {listed(sizes, 1)}")
    print(f"idle: {sum(shares.values()):.3f} % of a core (aim: under 0.1): {listed(shares, 3)}")


def measure_return(box):
    for service in SERVICES:
        began = time.monotonic()
        box.restart_service(service)
        print(f"{service} killed: up again after {(time.monotonic() - began) * 1000:.0f} ms")


def main():
    measure_start()
    box = Box({})
    try:
        box.start()
        measure_idle(box)
        measure_return(box)
        box.stop()
    finally:
        box.remove()


main()
