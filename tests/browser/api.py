"""schemathesis against a running service: every operation of its OpenAPI description, with good and with bad input.

It runs in a process of its own beside the service; its report, as JSON, is the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a schema cannot say: two fields that must be the same, a code that is not of now, an account that is there; and
# what is refused before anybody looks at the data: what somebody may not, and how often.
GOOD = ("2xx", "3xx", "400", "403", "404", "409", "422", "429")
HOOKS = Path(__file__).with_name("api_hooks.py")
BAD = ("400", "403", "404", "409", "413", "415", "422", "429")


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
    only: Collection[str] = (),
    known: Mapping[str, str] | None = None,
    is_stranger: bool = False,
    may_be_out: bool = False,
    good_input_only: Collection[str] = (),
    examples: int = 0,
) -> Report:
    """`only`: the operations to try, all of them when none is named. `known`: what is there for a parameter of a path;
    the others are made up. `is_stranger`: sessions and tokens are made up, too. `may_be_out`: 401 is no wonder.
    `good_input_only`: operations that are refused whatever is sent. `examples` of each operation, on top of the
    boundary values of its schema, which are always all tried. `folder` takes the report."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    settings = _settings(known or {}, sorted(good_input_only), may_be_out=is_stranger or may_be_out)
    await asyncio.to_thread((folder / "schemathesis.toml").write_text, settings)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{address}/openapi.json",
        "--tls-verify=false",  # the certificate is self-made
        *(f"--header={name}: {value}" for name, value in headers.items()),
        *(f"--include-operation-id={name}" for name in only),
        "--checks=all",
        f"--phases=examples,coverage{',fuzzing' if examples else ''}",
        f"--max-examples={max(examples, 1)}",
        "--generation-deterministic",
        f"--generation-with-security-parameters={str(is_stranger).lower()}",
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


def _settings(known: Mapping[str, str], good_input_only: list[str], *, may_be_out: bool) -> str:
    nobody = ("401",) if may_be_out else ()
    lines = [
        f"hooks = {json.dumps(str(HOOKS))}",
        "[checks]",
        f"positive_data_acceptance.expected-statuses = {json.dumps([*GOOD, *nobody])}",
        f"negative_data_rejection.expected-statuses = {json.dumps([*BAD, *nobody])}",
        "[parameters]",
        *(f'"path.{name}" = {json.dumps(value)}' for name, value in known.items()),
    ]
    if good_input_only:
        lines += [
            "[[operations]]",
            f"include-operation-id = {json.dumps(good_input_only)}",
            'generation.mode = "positive"',
        ]
    return "\n".join((*lines, ""))
