"""Packages from npm, for tests with other people's JavaScript; skips loudly where there are none."""

import subprocess

import pytest
from conftest import needs


def installed(folder, package):
    """Installs package (`axe-core@4`) below folder, once for all who share that; its folder."""
    there = folder / "node_modules" / package.split("@")[0]
    if there.exists():
        return there
    line = [needs("npm"), "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    try:
        done = subprocess.run(line, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {package} within a minute")
    if done.returncode != 0 or not there.exists():
        pytest.skip(f"npm cannot bring {package}: " + done.stderr.decode(errors="replace")[-200:])
    return there
