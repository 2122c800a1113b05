"""Proof that the dialplan said it: the token of its reports, the announcement evidence they carry, and kept codes.

    token    = SHA1(secret + SHA1(secret + message)), lower-case hex
    evidence = <number>_<languages>_<started>_<done>_<token>        languages: fi, sv, en joined by "-"; times: epoch ms
    codes    = <code>.<at>.<token>_<code>.<at>.<token>_…            on the agent's channel, the oldest first
    logged   = <code>|<at>|<token>|<uniqueid of the agent's channel>  in queue_log; this token names the caller, too

The dialplan has no HMAC; the nested form resists length extension, and only second preimages of an unknown
secret would help a forger, against which SHA-1 stands. The secret is never part of an event.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ari_recorder.domain.events import Code, Language

_EVIDENCE = re.compile(
    r"(?P<number>\+?[0-9]{0,20})_(?P<languages>[a-z-]{2,8})_(?P<started>[0-9]{13})_(?P<done>[0-9]{13})_(?P<token>[0-9a-f]{40})"
)
_CODES = frozenset(code.value for code in Code)
_CODE = re.compile(r"(?P<code>[a-z]{1,20})\.(?P<at>[0-9]{13})\.(?P<token>[0-9a-f]{40})")
_LOGGED = re.compile(r"(?P<code>[a-z]{1,20})\|(?P<at>[0-9]{13})\|(?P<token>[0-9a-f]{40})\|(?P<agent>[!-{}~]{1,150})")
_NET_BASE = re.compile(
    r"net_(?P<uniqueid>[A-Za-z0-9.-]{1,80})_(?P<evidence>[^_]*_[a-z-]+_[0-9]{13}_[0-9]{13}_[0-9a-f]{40})"
)


def token(secret: str, message: str) -> str:
    """The token the dialplan makes for `message` (asterisk_conf/extensions_ari_recorder.conf)."""
    inner = hashlib.sha1((secret + message).encode(), usedforsecurity=False).hexdigest()
    return hashlib.sha1((secret + inner).encode(), usedforsecurity=False).hexdigest()


def authentic(secret: str, message: str, candidate: str) -> bool:
    return hmac.compare_digest(token(secret, message).encode(), candidate.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """An announcement file as the service reads it: its hash is the version of the prompt."""

    language: Language
    sha256: str
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What proves that the caller was told: who was called, which sounds were played to the end, and when."""

    number: str
    sounds: tuple[Sound, ...]
    started: datetime
    done: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the dialplan says, before it is compared with the sounds."""

    number: str
    languages: tuple[Language, ...]
    started: datetime
    done: datetime


def languages_of(text: str) -> tuple[Language, ...] | None:
    """`fi-sv` as languages, or None when one of them is unknown."""
    try:
        return tuple(Language(part) for part in text.split("-"))
    except ValueError:
        return None


def time_of(milliseconds: str) -> datetime:
    """Epoch milliseconds as an aware time."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def read_evidence(secret: str, uniqueid: str, text: str) -> Claim | None:
    """The claim in a channel variable or file name, or None when it is malformed or not from our dialplan."""
    match = _EVIDENCE.fullmatch(text)
    if match is None:
        return None
    languages = languages_of(match["languages"])
    message = f"announced:{uniqueid}:{match['number']}:{match['languages']}:{match['started']}:{match['done']}"
    if languages is None or not authentic(secret, message, match["token"]):
        return None
    return Claim(
        number=match["number"], languages=languages, started=time_of(match["started"]), done=time_of(match["done"])
    )


def read_codes(secret: str, uniqueid: str, text: str) -> tuple[tuple[Code, datetime], ...]:
    """What the agent with this channel pressed, and when, by its ARI_RECORDER_CODES; what is forged is left out."""
    return tuple(
        (Code(match["code"]), time_of(match["at"]))
        for part in text.split("_")
        if (match := _CODE.fullmatch(part)) is not None
        and match["code"] in _CODES
        and authentic(secret, f"code:{uniqueid}:{match['code']}:{match['at']}", match["token"])
    )


def read_logged_code(secret: str, caller: str, text: str) -> tuple[Code, datetime, str] | None:
    """Code, time and the agent's uniqueid of an ARICODE line under this caller, or None when it is not our dialplan's.

    The token names the caller: a line copied to another call would destroy that one's recording.
    """
    match = _LOGGED.fullmatch(text)
    if match is None or match["code"] not in _CODES:
        return None
    message = f"code-logged:{caller}:{match['agent']}:{match['code']}:{match['at']}"
    if not authentic(secret, message, match["token"]):
        return None
    return Code(match["code"]), time_of(match["at"]), match["agent"]


def split_net_base(base: str) -> tuple[str, str] | None:
    """(uniqueid, evidence text) of the name of a recording that the dialplan armed, or None for another name."""
    match = _NET_BASE.fullmatch(base)
    return (match["uniqueid"], match["evidence"]) if match else None


def prove(claim: Claim, sounds: dict[Language, Sound]) -> Evidence | str:
    """The evidence, or in words why the claim does not hold.

    Playback says SUCCESS for an empty file and for a channel that was moved away (app_playback.c), so the time it took
    must cover the files really there. 100 ms are allowed for the frame clock and the two clock readings.
    """
    played = [sounds[language] for language in claim.languages if language in sounds]
    if len(played) != len(claim.languages):
        return "the sound of a language is missing or empty"
    if claim.done - claim.started < sum((s.duration for s in played), timedelta()) - timedelta(milliseconds=100):
        return "the announcement was not played to its end"
    return Evidence(number=claim.number, sounds=tuple(played), started=claim.started, done=claim.done)
