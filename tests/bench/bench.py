"""Runs every bench_*.py beside this file and prints what it measured; `make bench`.

    ARGS="box chat"   only those

They print figures and ratios and judge nothing: the machine they run on is part of each figure.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def main():
    print(f"{os.cpu_count()} × {model()}, Linux {os.uname().release}")
    failed = []
    for path in sorted(HERE.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, str(path)], check=False).returncode:
            failed.append(name)
    if failed:
        print("\ncould not be measured:", *failed)
    return 1 if failed else 0


sys.exit(main())
