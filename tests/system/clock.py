"""A wall clock that tests set: for a box, its dnsmasq, and commands.

    with Clock() as clock:
        box.environment = clock.environment
        clock.set(1970)     # a machine without a battery
        clock.set()         # a time server was found
"""

import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import SANITIZED, needs

SOURCE = Path(__file__).parent / "wrong_clock.c"


class Clock:
    def __init__(self):
        if SANITIZED:
            pytest.skip("sanitizers want to be the first library")
        self.folder = Path(tempfile.mkdtemp(prefix="riad-clock-"))
        self.folder.chmod(0o755)
        self.library, self.file = self.folder / "wrong_clock.so", self.folder / "clock"
        line = [needs("cc"), "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self.library, SOURCE]
        subprocess.run(line, check=True)
        self.file.write_bytes(bytes(4096))
        self.environment = {"LD_PRELOAD": str(self.library), "RIAD_TEST_CLOCK": str(self.file)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def jump(self, seconds):
        """So many seconds away from the right time."""
        with open(self.file, "r+b") as file:
            file.write(struct.pack("q", int(seconds)))

    def set(self, year=None):
        """The first minutes of that year; without one, the right time."""
        self.jump(0 if year is None else (year - 1970) * 365.25 * 86400 + 60 - time.time())

    def dnsmasq(self, box):
        """Has the box see a dnsmasq that goes by this clock, for it is started without variables;
        at a place that the walls around riad-dhcp leave open."""
        there, place = os.path.realpath(needs("dnsmasq")), "/usr/lib/tmpfiles.d"
        (self.folder / "real").mkdir()
        shutil.copy(there, self.folder / "real" / "dnsmasq")
        wrapper = self.folder / "dnsmasq"
        wrapper.write_text(
            f"#!/bin/sh\nexport LD_PRELOAD={place}/{self.library.name} RIAD_TEST_CLOCK={place}/{self.file.name}\n"
            f'exec {place}/real/dnsmasq "$@"\n'
        )
        wrapper.chmod(0o755)
        script = f"mount --bind '{self.folder}' {place} && mount --bind '{wrapper}' '{there}' && exec \"$@\""
        box.wrapper = [*box.wrapper, "unshare", "-m", "sh", "-c", script, "sh"]

    def run(self, *command, **more):
        """A command that goes by this clock."""
        return subprocess.run(
            [*map(str, command)], capture_output=True, text=True, timeout=60, env={**os.environ, **self.environment}, **more
        )
