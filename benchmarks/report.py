"""What was measured, as people read it: docs/benchmarks.md with a picture for each figure, and docs/benchmarks.json,
from which the table of the README is made (tests/docs_parts.py). Written by `make bench`.
"""

import json
from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

DOCS = Path(__file__).parent.parent / "docs"
PAGE, DATA, PICTURES = DOCS / "benchmarks.md", DOCS / "benchmarks.json", DOCS / "benchmarks"
_HEAD = """# Measured

Made by `make bench` in one run, on one machine: each figure beside another program that does the same, or, where there
is none, beside what it may take at most. Over 1, ours is that many times better. Machines differ much, ratios less.
Where a goal is missed, [Capacity](capacity.md) says what limits it.

{machine}

{table}
"""
_WIDTH, _ROW, _LABEL, _VALUE = 800, 26, 210, 170
_OURS, _PEER, _GOAL = "#2c5f8a", "#9aa5b1", "#c77d2e"


def write(figures: Sequence[Figure], machine: dict[str, Any], day: date, *, large: bool) -> None:
    """The figures of a large run come beside those of the others, which stay."""
    kept = json.loads(DATA.read_text()) if DATA.exists() else {}
    kept["large" if large else "usual"] = {
        "day": day.isoformat(),
        # Its load is that of the minute before: of whatever was there then.
        "machine": {name: value for name, value in machine.items() if name != "load"},
        "figures": [figure.as_json() for figure in figures],
    }
    DATA.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    PICTURES.mkdir(exist_ok=True)
    runs = [run for name in ("usual", "large") if (run := kept.get(name)) is not None]
    drawn = {figure["key"]: picture(figure) for run in runs for figure in run["figures"] if figure["bars"]}
    for left in PICTURES.glob("*.svg"):
        if left.stem not in drawn:
            left.unlink()
    for key, svg in drawn.items():
        (PICTURES / f"{key}.svg").write_text(svg)
    PAGE.write_text(page(kept))


def page(kept: dict[str, Any]) -> str:
    parts = []
    for name, title in (("usual", ""), ("large", "\n## Ten million\n")):
        run = kept.get(name)
        if run is None:
            continue
        told = " · ".join(f"{key} {value}" for key, value in run["machine"].items())
        machine = f"{run['day']} · {told}"
        shown = _HEAD.format(machine=machine, table=table(run)) if name == "usual" else ""
        parts.append(shown or f"{title}\n`make bench-large`. {machine}\n\n{table(run)}\n")
        parts += [_one(figure) for figure in run["figures"]]
    return "\n".join(parts)


def table(run: dict[str, Any]) -> str:
    lines = ["| ratio | goal | | what |", "|---:|---:|---|---|"]
    for figure in run["figures"]:
        goal = "" if figure["goal_at_least"] is None else f"{figure['goal_at_least']:.3g}"
        verdict = "" if figure["goal_at_least"] is None else "met" if figure["met"] else "**missed**"
        lines.append(f"| {figure['ratio']:.3g} | {goal} | {verdict} | {figure['name']} |")
    return "\n".join(lines)


def _one(figure: dict[str, Any]) -> str:
    seen = figure["measured"].replace("\n", "  \n")
    image = f"\n![{figure['name']}](benchmarks/{figure['key']}.svg)\n" if figure["bars"] else ""
    return f"### {figure['name'][0].upper()}{figure['name'][1:]}\n{image}\n{seen}\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def picture(figure: dict[str, Any]) -> str:
    """Bars, to scale: the first is ours."""
    bars: dict[str, float] = figure["bars"]
    most = max(*bars.values(), 1e-9)
    height = _ROW * len(bars) + 8
    drawn = []
    for row, (label, value) in enumerate(bars.items()):
        y, length = 4 + row * _ROW, max(2.0, value / most * (_WIDTH - _LABEL - _VALUE))
        ours = not row or label in figure["own"]
        colour = _GOAL if label.startswith("goal") else _OURS if ours else _PEER
        drawn.append(
            f'<text x="{_LABEL - 8}" y="{y + 17}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LABEL}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 8}" fill="{colour}"/>'
            f'<text x="{_LABEL + length + 6:.1f}" y="{y + 17}">{_short(value)} {escape(figure["unit"])}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" font-family="sans-serif" '
        f'font-size="13" fill="#6b7280"><title>{escape(figure["name"])}</title>\n' + "\n".join(drawn) + "\n</svg>\n"
    )
