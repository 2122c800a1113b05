"""A package: copies of recordings for the person who was recorded, or for the police, with all that is told about them.

    index.fi.html index.sv.html index.en.html    to be read: domain/package_pages.py
    package.json                                 the same for a program: `machine_readable`
    audio/<day>-<time>-<n>.wav, .flac or .opus   each recording twice: to be played anywhere, and smaller
    verify_package.py                            checks all of it without this service
    SHA256SUMS                                   of every file above, as `sha256sum -c` reads it
    signature.json                               {"signed": "SHA256SUMS", "signature": base64, "signer": hex}

    signature = Ed25519(signer of the installation, "ari-recorder/package/1" | 00 | SHA256SUMS as it is)

It is a ZIP file (PKWARE APPNOTE 6.3, stored, not compressed), written front to back. Its hashes come last because they
are known last; nothing of it ever has a name in a file system of this host.

package.json, UTF-8; times are RFC 3339, UTC::

    format, id, kind                "ari-recorder/package/1"; UUID; "citizen" or "police"
    installation, case_number, made_at
    register                        by language: controller, contact, purpose, legal_basis, kept, ombudsman
    recordings                      for each: id, started_at, samples, sample_rate, queue, number, announced (what was
                                    played, and to its end at), destroyed_on, held, truncated, sealed_sha256,
                                    sealed_bytes, audio (its files), muted (first_sample, end_sample, side, reason),
                                    listened (at, purpose), given (at, receiver), custody (at, step, who) and
                                    hold (reference, verified_at), both of the police's alone

Who of the staff listened is not told to a person: the date, the time and the purpose are (C-579/21). The police is told
by name who had a recording, because a court asks.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.audit import JSON
from ari_recorder.domain.disclosures import ReceiverKind
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.muting import Mute
from ari_recorder.domain.retention import HELSINKI

FORMAT = "ari-recorder/package/1"
LANGUAGES = ("fi", "sv", "en")
SUMS = "SHA256SUMS"
SIGNATURE = "signature.json"
DATA = "package.json"
TOOL = "verify_package.py"


class PackageKind(StrEnum):
    CITIZEN = "citizen"
    POLICE = "police"


class CustodyStep(StrEnum):
    """What happened to a recording, in a chain without a gap."""

    RECORDED = "recorded"
    ENDED = "ended"  # and sealed for good
    HELD = "held"
    RELEASED = "released"
    LISTENED = "listened"
    GIVEN = "given"
    VERIFIED = "verified"  # read whole from the disk, and found to be what was sealed
    PACKAGED = "packaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """What the house says of its recordings, in one language. From the settings."""

    controller: str
    contact: str
    purpose: str
    legal_basis: str
    kept: str
    ombudsman: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    at: datetime
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    at: datetime
    receiver: ReceiverKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    at: datetime
    step: CustodyStep
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTold:
    """`verified_at`: when the sealed file was last read whole, for this package."""

    reference: str
    verified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A recording, and what is told of it. `announced`: the languages in which the caller heard that it is recorded.
    `destroyed_on`: a day in Helsinki; None while nobody knows it, because something holds it. `custody` and `hold`:
    for the police."""

    id: UUID
    started_at: datetime
    duration: timedelta
    queue: str
    number: str
    announced: Sequence[str]
    announced_at: datetime | None
    destroyed_on: date | None
    held: bool
    truncated: bool
    sealed_sha256: str
    sealed_bytes: int
    mutes: Sequence[Mute] = ()
    listened: Sequence[Listened] = ()
    given: Sequence[Given] = ()
    custody: Sequence[Custody] = ()
    hold: HoldTold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`registers`: by language. `recordings`: in the order of their beginning."""

    id: UUID
    kind: PackageKind
    installation: UUID
    case_number: str
    made_at: datetime
    registers: Mapping[str, Register]
    recordings: Sequence[Told]


def page_name(language: str) -> str:
    return f"index.{language}.html"


def audio_name(recording: Told, number: int, suffix: str) -> str:
    """Ours from end to end: nothing that was typed, and nothing of the caller, is in a name."""
    return f"audio/{recording.started_at.astimezone(HELSINKI):%Y%m%d-%H%M}-{number}.{suffix}"


def package_name(contents: Contents) -> str:
    return f"recordings-{contents.made_at.astimezone(HELSINKI):%Y%m%d}-{contents.id}.zip"


def machine_readable(contents: Contents, samples: Mapping[UUID, int], suffixes: Mapping[UUID, str]) -> dict[str, JSON]:
    """package.json. `samples`: how long each recording is; `suffixes`: of its smaller form."""
    return {
        "format": FORMAT,
        "id": str(contents.id),
        "kind": contents.kind.value,
        "installation": str(contents.installation),
        "case_number": contents.case_number,
        "made_at": _utc(contents.made_at),
        "register": {language: dataclasses.asdict(one) for language, one in contents.registers.items()},
        "recordings": [
            _told(one, number, samples[one.id], suffixes[one.id], contents.kind)
            for number, one in enumerate(contents.recordings, 1)
        ],
    }


def sums(digests: Mapping[str, str]) -> str:
    """As `sha256sum` writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def _told(one: Told, number: int, samples: int, suffix: str, kind: PackageKind) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "id": str(one.id),
        "started_at": _utc(one.started_at),
        "samples": samples,
        "sample_rate": 8000,
        "queue": one.queue,
        "number": one.number,
        "announced": {
            "languages": list(one.announced),
            "at": _utc(one.announced_at) if one.announced_at is not None else None,
        },
        "destroyed_on": one.destroyed_on.isoformat() if one.destroyed_on is not None else None,
        "held": one.held,
        "truncated": one.truncated,
        "sealed_sha256": one.sealed_sha256,
        "sealed_bytes": one.sealed_bytes,
        "audio": [audio_name(one, number, "wav"), audio_name(one, number, suffix)],
        "muted": [
            {
                "first_sample": mute.first,
                "end_sample": mute.end,
                "side": mute.side.value,
                "reason": mute.reason,
            }
            for mute in one.mutes
        ],
        "listened": [{"at": _utc(heard.at), "purpose": heard.purpose.value} for heard in one.listened],
        "given": [{"at": _utc(given.at), "receiver": given.receiver.value} for given in one.given],
    }
    if kind is PackageKind.POLICE:
        told["custody"] = [{"at": _utc(step.at), "step": step.step.value, "who": step.who} for step in one.custody]
        if one.hold is not None:
            told["hold"] = {"reference": one.hold.reference, "verified_at": _utc(one.hold.verified_at)}
    return told


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
