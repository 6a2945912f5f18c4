"""The campaigns on identity and conversation at their full numbers; the short form of each is a unit
test of the same name."""

import os
import subprocess

import pytest
from conftest import BUILD


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["test_power", "test_person", "test_store_faults", "test_drop_cuts"])
def test_campaign(name):
    path = BUILD / "tests" / "unit" / name
    if not path.exists():
        pytest.skip(f"{path} has not been built: make unit-programs")
    done = subprocess.run(
        [str(path)],
        env={**os.environ, "RIAD_CAMPAIGN": "full"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
