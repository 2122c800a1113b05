"""What is counted and timed as it happens. What is looked up instead: services/figures.py. How both are shown:
services/metrics.py."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# When a counter was made is of no use beside the start of the process.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Sealing takes a tenth of a second for a minute of talk; beyond a minute it is the ledger's matter.
_LAGS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    calls: Counter = field(init=False)
    seal_seconds: Histogram = field(init=False)
    store_seconds: Histogram = field(init=False)
    sound_troubles: Counter = field(init=False)

    def __post_init__(self) -> None:
        made = {
            "calls": Counter(
                "ari_recorder_calls",
                "Calls finished and stored since the start, by the recorder's own verdict.",
                ["state", "reason"],
                registry=self.registry,
            ),
            "seal_seconds": Histogram(
                "ari_recorder_seal_seconds",
                "From the end of a recording to its sealed file, in seconds.",
                buckets=_LAGS,
                registry=self.registry,
            ),
            "store_seconds": Histogram(
                "ari_recorder_store_seconds",
                "From the end of a call until it is stored and can be found, in seconds.",
                buckets=_LAGS,
                registry=self.registry,
            ),
            "sound_troubles": Counter(
                "ari_recorder_sound_troubles",
                "Recordings sealed of which a side (caller, agent) was silent, broke-off or overdriven.",
                ["side", "trouble"],
                registry=self.registry,
            ),
        }
        for name, meter in made.items():
            object.__setattr__(self, name, meter)
