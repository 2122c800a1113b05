"""The part of `check` that knows which releases of Asterisk record badly, and how."""

import re
from collections.abc import Iterator

from ari_recorder.services.findings import Area, Finding, fail, ok, warn

Version = tuple[int, int, int]

# The first release of each series with all known faults mended that touch recording, and the oldest that can work.
FLOORS = {20: (20, 20, 1), 22: (22, 10, 1)}
OLDEST = (16, 17, 0)

# What goes wrong, and from which release of a series (with it) to which (without it).
FAULTS: tuple[tuple[str, tuple[tuple[Version, Version], ...]], ...] = (
    (
        "it cannot mute one recording alone: an agent's pause may not work",
        (((16, 0, 0), (18, 18, 0)), ((19, 0, 0), (20, 3, 0))),
    ),
    (
        "it pairs the two sides of a call wrongly: recordings crackle",
        (((20, 12, 0), (20, 15, 0)), ((22, 2, 0), (22, 5, 0))),
    ),
    (
        "it may crash when a recording is stopped just as it begins",
        (((16, 0, 0), (20, 18, 0)), ((22, 0, 0), (22, 8, 0))),
    ),
    (
        "it does not know eventfilter(name(…)): the AMI user hears every event of its classes",
        (((16, 0, 0), (18, 26, 0)), ((19, 0, 0), (20, 11, 0)), ((22, 0, 0), (22, 1, 0))),
    ),
    (
        "without the option S, which this service does not give, the two sides of a recording drift apart",
        (((16, 0, 0), (18, 0, 0)),),
    ),
    ("it gets no mends any more", (((16, 0, 0), (20, 0, 0)), ((21, 0, 0), (22, 0, 0)))),
)


def judge_version(text: str) -> Iterator[Finding]:
    """How well a release of Asterisk is known to record."""
    newest = "Use Asterisk 22.10.1 or newer, or 20.20.1 or newer"
    found = re.search(r"(?<![0-9])([0-9]{2})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?", text)
    if found is None:
        yield warn(Area.VERSION, f"Asterisk calls its version {text!r}", f"{newest}; test this one")
        return
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    faults = [what for what, spans in FAULTS if any(low <= version < high for low, high in spans)]
    if version < OLDEST:
        yield fail(Area.VERSION, f"Asterisk {text} is too old: it does not say when a recording begins", newest)
    elif version[0] > max(FLOORS) or version >= FLOORS.get(version[0], (version[0] + 1, 0, 0)):
        yield ok(Area.VERSION, f"Asterisk {text}")
    elif "certified" in text:
        yield warn(Area.VERSION, f"Asterisk {text}: which of the mends it needs it has, is not known here", newest)
    elif faults:
        yield warn(Area.VERSION, f"Asterisk {text}: {'; '.join(faults)}", newest)
    else:
        yield warn(Area.VERSION, f"Asterisk {text} has known faults that touch recording", newest)
