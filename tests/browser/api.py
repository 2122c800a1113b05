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

EXAMPLES = 12  # of each operation, on top of the boundary values of its schema, which are always all tried


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
    address: str, folder: Path, headers: Mapping[str, str], *, without: tuple[str, ...] = (), examples: int = EXAMPLES
) -> Report:
    """`without`: operation ids not to try. `folder` takes the report."""
    report = folder / "report.json"
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{address}/openapi.json",
        "--tls-verify=false",  # the certificate is self-made
        *(f"--header={name}: {value}" for name, value in headers.items()),
        *(f"--exclude-operation-id={name}" for name in without),
        "--checks=all",
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
