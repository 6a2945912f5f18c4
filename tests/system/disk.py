"""A disk of its own for a box's state, whose power can be cut: ext4 in a file, mounted.

    with Disk(box.state) as disk:
        box.start()
        ...
        disk.cut(box)        # everything of the box dies, and what was not synced is lost or torn
        box.start()

What the processes wrote and nobody synced lies in this machine's memory only; the file holds what
reached the disk. A cut kills all processes of the box at once, takes the file as it is, and mounts
that. The file system writes its journal every second and data in any order (data=writeback), so
that files may be there with their length and without their bytes: the worst that a disk does.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import descendants, needs, needs_root

OPTIONS = "loop,noatime,commit=1,data=writeback"


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


class Disk:
    def __init__(self, at, size_mb=64):
        needs_root()
        needs("mkfs.ext4")
        self.at = Path(at)
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="riad-disk-", dir=memory if memory.is_dir() else None))
        self.image = self.folder / "0"
        self.cuts = 0
        with open(self.image, "wb") as file:
            file.truncate(size_mb << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-J", "size=4", self.image], check=True)
        self.at.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        done = run("mount", "-o", OPTIONS, self.image, self.at)
        if done.returncode:
            shutil.rmtree(self.folder)
            pytest.skip(f"no loop devices here: {done.stderr}")
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.at)
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, after):
        """The image as it is at one moment: taken again if anything was written meanwhile."""
        sources = [line.split()[0] for line in Path("/proc/mounts").read_text().splitlines()
                   if line.split()[1] == str(self.at)]  # fmt: skip
        written = Path(f"/sys/block/{Path(sources[-1]).name}/stat")
        for _ in range(100):
            before = written.read_text().split()[4:9]
            run("cp", "--sparse=always", self.image, after)
            if written.read_text().split()[4:9] == before:
                return
        raise AssertionError("the disk does not come to rest")

    def cut(self, box):
        """When the power went, on the monotonic clock."""
        below = descendants(box.process.pid)
        for pid in [box.process.pid, *below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        when = time.monotonic()
        self.cuts += 1
        after = self.folder / str(self.cuts)
        self.take(after)
        box.process.wait()
        box.stderr.thread.join(10)
        box.process.stderr.close()
        box.process = None
        for _ in range(100):
            if run("umount", self.at).returncode == 0:
                break
            time.sleep(0.05)
        else:
            run("umount", "-l", self.at)
        self.image.unlink()
        self.image = after
        done = run("mount", "-o", OPTIONS, self.image, self.at)
        assert done.returncode == 0, f"after cut {self.cuts}: {done.stderr}"
        return when
