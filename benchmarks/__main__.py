"""Measures every figure, prints a table and one line of JSON. Exit 3 when a goal is missed."""

import json
import sys

from rich.console import Console
from rich.table import Table

from ari_recorder import logs
from benchmarks import ami, audit, calls, player, retention, search, vault
from benchmarks.figures import Figure, machine


def table(figures: list[Figure]) -> Table:
    shown = Table("ratio", "goal", "", "figure", "measured", title=" · ".join(f"{k} {v}" for k, v in machine().items()))
    for figure in figures:
        goal = "" if figure.goal is None else f">= {figure.goal.at_least:g}"
        verdict = "" if figure.goal is None else "met" if figure.met else "MISSED"
        shown.add_row(f"{figure.ratio:.2f}", goal, verdict, figure.name, figure.measured)
    return shown


def main() -> int:
    logs.set_up(level="critical", json_lines=False)  # twenty thousand destructions are not to be read here
    measures = [
        ami.measure,
        vault.measure,
        retention.measure,
        search.measure,
        player.measure,
        audit.measure,
        calls.measure,
    ]
    figures = [figure for measure in measures for figure in measure()]
    Console(width=150).print(table(figures))
    print(json.dumps({"figures": [figure.as_json() for figure in figures], "machine": machine()}))
    return 0 if all(figure.met for figure in figures) else 3


if __name__ == "__main__":
    sys.exit(main())
