"""Certificates of destruction: what was destroyed, when, why, in which copies. Who signs them: services/certify.py.

The signed bytes are UTF-8 text, one JSON object in canonical form: names sorted, no blanks, no escapes that are not
needed, no numbers with a fraction (for such values that is the form of RFC 8785).

    signature = Ed25519(signer of the installation, "ari-recorder/certificate/1" | 00 | text)
    file      = {"certificate": <the text, as a string>, "signature": <base64>, "signer": <hex of the public key>}

Of a recording (times are UTC, days those of Helsinki; nothing about people)::

    format                              "ari-recorder/certificate/1"
    installation                        UUID, as in keyring.json
    kind                                "recording"
    what                                recording: its id; queue; day; sealed_sha256 and sealed_bytes of its file
    when                                decided: from here on there was no way back; destroyed: all of it was gone
    why                                 the rule: "P3M of queue advice"
    copies_destroyed                    "wrapped data key", "sealed file", "live-sealed parts", "export in clear",
                                        "package that waited to be fetched", "original in the old archive"
    copies_not_found                    copies that were known and could not be destroyed from here: "export in clear,
                                        on another host", "export in clear, not where it was written any more",
                                        "original in the old archive, which the import was not told to remove"
    caller                              what became of the caller's number and name
    key                                 the key its data key was wrapped to in the end: day-2026-11-24, hold-1, fallback
                                        Once a day's key is destroyed, what backups hold under it is noise, whatever the
                                        last field says. The fallback key lives as long as the keyring: for what was
                                        sealed to it, if only until its day had a key (alarm key-fallback), the last
                                        field counts
    was_held                            true: it was wrapped to a hold key for a time, so a backup from then and a hold
                                        key open it; what follows counts
    backups_may_hold_ciphertext_until   the last day on which a backup of the site may hold the file or the wrapped key

Of a day: kind "day"; what: day, key, recordings (how many lay under it), recordings_sha256 (over their ids, sorted,
each with a line feed); copies_destroyed "private half", "public half"; backups_may_hold_key_until.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from ari_recorder.domain.retention import Period, local_day

PURPOSE = "ari-recorder/certificate/1"
# Begins what is told of a copy that could not be destroyed.
NOT_FOUND = "not found: "


class CertificateKind(StrEnum):
    RECORDING = "recording"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of a recording, and what was removed with it; `copies` is None when it was destroyed before it was
    stored, or by a version that did not tell. `caller_left`: another recording of the call is still there."""

    recording_id: UUID
    queue: str
    started_at: datetime
    key_name: str | None
    sha256: str | None
    sealed_bytes: int | None
    erasing_at: datetime
    erased_at: datetime
    because: str
    copies: Sequence[str] | None
    caller_left: bool
    was_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyedDay:
    """A day whose key was destroyed, with the recordings that lay under it."""

    day: date
    key_name: str
    because: str
    destroying_at: datetime
    destroyed_at: datetime
    recordings: Collection[UUID]


def of_recording(gone: Tombstone, installation: UUID, backups_kept: Period) -> str:
    removed = gone.copies if gone.copies is not None else ("whatever there was",)
    return _canonical(
        {
            "format": PURPOSE,
            "installation": str(installation),
            "kind": CertificateKind.RECORDING.value,
            "what": {
                "recording": str(gone.recording_id),
                "queue": gone.queue,
                "day": local_day(gone.started_at).isoformat(),
                "sealed_sha256": gone.sha256,
                "sealed_bytes": gone.sealed_bytes,
            },
            "when": {"decided": _utc(gone.erasing_at), "destroyed": _utc(gone.erased_at)},
            "why": gone.because,
            "copies_destroyed": ["wrapped data key", *(one for one in removed if not one.startswith(NOT_FOUND))],
            "copies_not_found": [one.removeprefix(NOT_FOUND) for one in removed if one.startswith(NOT_FOUND)],
            "caller": "another recording of the call is kept" if gone.caller_left else "number and name destroyed",
            "key": gone.key_name,
            "was_held": gone.was_held,
            "backups_may_hold_ciphertext_until": _until(gone.erased_at, backups_kept),
        }
    )


def of_day(gone: DestroyedDay, installation: UUID, backups_kept: Period) -> str:
    return _canonical(
        {
            "format": PURPOSE,
            "installation": str(installation),
            "kind": CertificateKind.DAY.value,
            "what": {
                "day": gone.day.isoformat(),
                "key": gone.key_name,
                "recordings": len(gone.recordings),
                "recordings_sha256": list_sha256(gone.recordings),
            },
            "when": {"decided": _utc(gone.destroying_at), "destroyed": _utc(gone.destroyed_at)},
            "why": gone.because,
            "copies_destroyed": ["private half", "public half"],
            "backups_may_hold_key_until": _until(gone.destroyed_at, backups_kept),
        }
    )


def list_sha256(recordings: Collection[UUID]) -> str:
    """Over the ids in their text form, sorted, each with a line feed."""
    return sha256("".join(f"{one}\n" for one in sorted(map(str, recordings))).encode()).hexdigest()


def _until(destroyed_at: datetime, backups_kept: Period) -> str:
    return backups_kept.after(local_day(destroyed_at)).isoformat()


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _canonical(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
