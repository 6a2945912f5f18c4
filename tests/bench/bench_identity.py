"""Identity and conversation: processor time of a request's identity and of a login, with few and with
very many people; claims and chat lines a second on this disk; reading a long history.

The aim: under 50 µs of processor for a signed-in request, and a login that does not depend on how
many people and sign-ins there are.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from conftest import BUILD  # noqa: E402


def main():
    with tempfile.TemporaryDirectory(prefix="riad-bench-") as folder:
        program = Path(folder) / "identity_load"
        rooms = [BUILD / f"lib{room}.a" for room in ("identity", "config", "base")]
        line = ["cc", "-O2", "-D_GNU_SOURCE", "-I", ROOT, "-o", program]
        line += [ROOT / "tests" / "bench" / "identity_load.c", *rooms]
        line += ["-lsqlite3", "-lcrypto", "-lpthread"]
        subprocess.run([str(word) for word in line], check=True)
        subprocess.run([str(program), f"{folder}/riad.db"], check=True)


if __name__ == "__main__":
    main()
