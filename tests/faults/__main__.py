"""`make faults`: every scenario in full, a line for each figure, one line of JSON at the end. Exit 1 when one fails.

The folder of a scenario that failed, with the logs of both Asterisks and of the service, is kept and named.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from ari_recorder import logs
from benchmarks.figures import machine
from tests.faults import ami, away, commits, database, full, kills, load, soak, stall, start_up
from tests.faults.figures import Scenario
from tests.faults.mounts import are_ours, in_a_namespace

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        start_up.SCENARIO,
        kills.SCENARIO,
        ami.SCENARIO,
        load.SCENARIO,
        database.SCENARIO,
        commits.SCENARIO,
        full.SCENARIO,
        stall.SCENARIO,
        away.SCENARIO,
        soak.SCENARIO,
    )
}


def _say(line: str) -> None:
    print(line, flush=True)


async def _run(scenario: Scenario, seed: int, count: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix=f"ari-recorder-faults-{scenario.name}-{seed}-"))
    _say(f"{scenario.name}: {scenario.what}; seed {seed}, count {count}, logs in {folder}")
    began = time.monotonic()
    error = ""
    try:
        figures = await scenario.run(folder, seed, count, _say)
    except Exception:
        figures, error = [], traceback.format_exc()
        _say(error)
    seconds = time.monotonic() - began
    for figure in figures:
        _say(f"  {figure.line} [seed {seed}]")
        for detail in () if figure.holds else figure.details:
            _say(f"                 {detail}")
    well = not error and all(figure.holds for figure in figures)
    if well:
        await asyncio.to_thread(shutil.rmtree, folder)
    _say(f"{scenario.name}: {'holds' if well else f'DOES NOT HOLD, see {folder}'}, {seconds:.0f} s")
    return {
        "name": scenario.name,
        "seed": seed,
        "count": count,
        "seconds": round(seconds),
        "holds": well,
        "figures": [figure.as_json() for figure in figures],
        "folder": "" if well else str(folder),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SCENARIOS)}; all when none is named")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the same again")
    parser.add_argument("--count", type=int, help="how often, instead of what the scenario says")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if any(SCENARIOS[name].mounts for name in wanted.names or SCENARIOS) and not are_ours():
        command = in_a_namespace(["-m", "tests.faults", *sys.argv[1:]])
        os.execvp(command[0], command)  # noqa: S606
    logs.set_up(level="critical", json_lines=False)
    done = []
    for name in wanted.names or SCENARIOS:
        scenario = SCENARIOS[name]
        done.append(asyncio.run(_run(scenario, wanted.seed, wanted.count or scenario.count)))
    well = all(one["holds"] for one in done)
    print(json.dumps({"holds": well, "scenarios": done, "machine": machine()}))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
