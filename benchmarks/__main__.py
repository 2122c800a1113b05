"""Measures every figure, prints a table and one line of JSON, writes docs/benchmarks.md. Exit 3 when a goal is missed.

python -m benchmarks                 everything but ten million rows
python -m benchmarks --large         finding and proving among ten million
python -m benchmarks calls search    these alone; nothing is written
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from rich.console import Console
from rich.table import Table

from ari_recorder import logs
from benchmarks import ami, audit, calls, importing, most, player, report, retention, search, vault
from benchmarks.figures import Figure, machine

MEASURES: dict[str, Callable[[], list[Figure]]] = {
    "ami": ami.measure,
    "vault": vault.measure,
    "import": importing.measure,
    "retention": retention.measure,
    "search": search.measure,
    "player": player.measure,
    "audit": audit.measure,
    "calls": calls.measure,
    "most": most.measure,
}


def table(figures: list[Figure], told: dict[str, object]) -> Table:
    shown = Table("ratio", "goal", "", "figure", "measured", title=" · ".join(f"{k} {v}" for k, v in told.items()))
    for figure in figures:
        goal = "" if figure.goal is None else f">= {figure.goal.at_least:g}"
        verdict = "" if figure.goal is None else "met" if figure.met else "MISSED"
        shown.add_row(f"{figure.ratio:.2f}", goal, verdict, figure.name, figure.measured)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(MEASURES))
    parser.add_argument("--large", action="store_true", help="finding and proving among ten million")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"there is no {unknown.pop()}; there are {', '.join(MEASURES)}")
    logs.set_up(level="critical", json_lines=False)  # twenty thousand destructions are not to be read here
    large = {"search": partial(search.measure, search.LARGE), "audit": partial(audit.measure, audit.LARGE)}
    measures = large if options.large else MEASURES
    told, progress = machine(), Console(stderr=True)
    figures = []
    for name, measure in measures.items():
        if not options.names or name in options.names:
            began = time.monotonic()
            figures += measure()
            progress.print(f"{name}: {time.monotonic() - began:.0f} s")
    Console(width=150).print(table(figures, told))
    print(json.dumps({"figures": [figure.as_json() for figure in figures], "machine": told}))
    if not options.names:
        report.write(figures, told, datetime.now(UTC).date(), large=options.large)
    return 0 if all(figure.met for figure in figures) else 3


if __name__ == "__main__":
    sys.exit(main())
