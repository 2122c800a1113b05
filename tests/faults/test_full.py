"""File systems that get full, shorter than in `make faults`."""

import json
import subprocess

import pytest

from tests.faults.mounts import in_a_namespace

pytestmark = [pytest.mark.pbx]


@pytest.mark.timeout(300)
def test_when_a_file_system_is_full_it_is_told_and_all_goes_on_when_there_is_room() -> None:
    try:
        command = in_a_namespace(["-m", "tests.faults", "full", "--seed", "1", "--count", "6"])
    except (
        RuntimeError
    ) as error:  # a host that lets nobody mount; what can be injected is in tests/vault/test_faults.py
        pytest.skip(str(error))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (scenario,) = json.loads(done.stdout.splitlines()[-1])["scenarios"]
    figures = {figure["name"]: figure["value"] for figure in scenario["figures"]}
    assert figures["of them while nothing was full"] > 5, "nothing was compared"
    assert figures["alarms: disk-trouble"] > 0, "nothing was full"
