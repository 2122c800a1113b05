"""schemathesis against a running service: every operation of its OpenAPI description, with good and with bad input.

It runs in a process of its own beside the service; its report, as JSON, is the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a schema cannot say (two fields that must be the same, a code that is not of now) is refused with 400 or 422.
SETTINGS = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429"]
"""


# Fields of forms are read leniently: an empty one is no answer, a time may be seconds. tests/web has what is refused.
LENIENT = ("negative_data_rejection",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What schemathesis saw."""

    selected: int
    tested: int
    failures: tuple[str, ...]
    log: str

    def assert_good(self) -> None:
        assert not self.failures, self.log
        assert self.tested == self.selected > 0, self.log


async def try_every_operation(
    address: str,
    folder: Path,
    headers: Mapping[str, str],
    *,
    without: tuple[str, ...] = (),
    without_checks: tuple[str, ...] = (),
    examples: int = 2,
) -> Report:
    """`without`: operation ids not to try; `examples` of each operation, on top of the boundary values of its schema,
    which are always all tried. `folder` takes the report."""
    report = folder / "report.json"
    await asyncio.to_thread((folder / "schemathesis.toml").write_text, SETTINGS)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{address}/openapi.json",
        "--tls-verify=false",  # the certificate is self-made
        *(f"--header={name}: {value}" for name, value in headers.items()),
        *(f"--exclude-operation-id={name}" for name in without),
        "--checks=all",
        *(f"--exclude-checks={name}" for name in (*LENIENT, *without_checks)),
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={examples}",
        "--generation-deterministic",
        "--suppress-health-check=all",
        "--report=json",
        f"--report-json-path={report}",
        "--no-color",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    log = out.decode(errors="replace")
    if not report.exists():
        raise RuntimeError(f"schemathesis ended with {process.returncode}:\n{log}")
    told: dict[str, Any] = json.loads(report.read_text())
    failures = [f"{one['title']}: {', '.join(one['operations'])}" for one in told["failures"]]
    failures += [json.dumps(one) for one in told["errors"]]
    operations = told["operations"]
    return Report(selected=operations["selected"], tested=operations["tested"], failures=tuple(failures), log=log)
