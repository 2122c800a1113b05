"""What a figure is: a ratio to a peer, measured in the same run. Machines differ much, ratios less."""

import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    at_least: float

    def met(self, ratio: float) -> bool:
        return ratio >= self.at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    ratio: float
    goal: Goal | None  # None: shown, and nothing is demanded of it
    measured: str  # for people
    key: str  # names its picture
    bars: dict[str, float] = field(default_factory=dict)  # what is drawn, ours first
    unit: str = ""
    own: tuple[str, ...] = ()  # further bars that are ours, not a peer's
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.goal is None or self.goal.met(self.ratio)

    def as_json(self) -> dict[str, Any]:
        return {
            "ratio": round(self.ratio, 4),
            "name": self.name,
            "key": self.key,
            "measured": self.measured,
            "bars": {label: round(value, 4) for label, value in self.bars.items()},
            "unit": self.unit,
            "own": list(self.own),
            "goal_at_least": None if self.goal is None else self.goal.at_least,
            "met": self.met,
            **self.details,
        }


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """0.99: what all but one in a hundred do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def p95_ms(ask: Callable[[], Awaitable[object]], times: int) -> float:
    """Of so many questions; one before them, which is not measured, warms what there is to warm."""
    took = []
    await ask()
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return percentile(took, 0.95)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
