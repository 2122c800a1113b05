"""The list of what the program is made of: everything it runs with, nothing it is made with, the same each time."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.installing import BUILD_DEB, EPOCH, ROOT

SBOM = BUILD_DEB.with_name("sbom.py")


def written(folder: Path) -> tuple[bytes, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(SBOM), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )
    assert done.returncode == 0, done.stderr
    data = Path(done.stdout.strip()).read_bytes()
    return data, json.loads(data)


def test_it_lists_what_the_program_runs_with_and_with_what_each_of_that_does(tmp_path: Path) -> None:
    data, bom = written(tmp_path / "one")
    assert written(tmp_path / "other")[0] == data
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["purl"] == f"pkg:pypi/ari-recorder@{version('ari-recorder')}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {Requirement(line).name.lower() for line in project["dependencies"]}
    made_with = {Requirement(line).name.lower() for line in project["optional-dependencies"]["dev"]}
    listed = {one["name"]: one for one in bom["components"]}
    assert wanted <= set(listed)
    assert not made_with & set(listed) - wanted
    assert all(one["version"] == version(name) for name, one in listed.items())
    assert not [name for name, one in listed.items() if not one.get("licenses") and name in wanted]
    known = {one["bom-ref"] for one in (*listed.values(), bom["metadata"]["component"])}
    needs = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    assert set(needs) == known
    assert {one for several in needs.values() for one in several} <= known
    assert any(one.startswith("pydantic-core@") for one in needs[f"pydantic@{version('pydantic')}"])
