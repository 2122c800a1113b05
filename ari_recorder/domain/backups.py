"""What a backup is: a folder that another host can be made from, but for the root key, which is never in it.

    <target>/                    0700, there only when it is whole
      manifest.json              what is below, and the SHA-256 of the manifest itself
      SHA256SUMS                 of every file below, as sha256sum(1) writes and checks them
      database.dump              pg_dump, custom format, of one moment
      vault/2026/03/29/…         the sealed recordings that the database knew at that moment
      keys/                      the keyring (see "Folder of the keys"); not with --without-keys
      state/audit/               the key of the audit log, and what it signed before that moment
      state/login.key            what opens the authenticators' secrets
      state/deliveries/          packages that wait to be fetched
      audit-anchors.jsonl        the file of anchors, if the site has one
      config/ari-recorder.toml   the configuration, to look things up; it is not brought back

`needs` in the manifest counts, for each key, what only that key opens: `recordings`, and the other `texts`. So a
keyring that lacks a day is noticed before anything is brought back.

The audit log's folder is copied first and the database after it, because the signer may remember less than the database
holds, never more. The vault and the keys come last: what the database knew is there, unless it was destroyed meanwhile.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

FORMAT = 1
MANIFEST, SUMS, DUMP, ANCHORS = "manifest.json", "SHA256SUMS", "database.dump", "audit-anchors.jsonl"
VAULT, KEYS, STATE, CONFIG = "vault", "keys", "state", "config"


class NoManifest(ValueError):
    """This text is no manifest of a backup, or was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """How much a key opens that nothing else does."""

    recordings: int
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows of the database: calls, recordings that are sealed and that were erased, entries of the audit log."""

    calls: int
    sealed: int
    erased: int
    audit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`schema`: the number of the last migration. `files` and `size_bytes`: of all files that SHA256SUMS names, whose
    own SHA-256 is `sums`. `gone`: recordings destroyed while it was made. `missing`, `damaged`: paths in the vault that
    were so already."""

    version: str
    schema: int
    made_at: str
    installation: str
    keys: bool
    needs: Mapping[str, Needs]
    counts: Counts
    files: int
    size_bytes: int
    gone: int
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    sums: str
    format: int = FORMAT

    def write(self) -> str:
        fields = asdict(self)
        return json.dumps({**fields, "sha256": _digest(fields)}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """NoManifest. Of a later format only that number can be relied on: see `format_of`."""
        try:
            fields: dict[str, Any] = json.loads(text)
            told = fields.pop("sha256")
            if told != _digest(fields):
                raise NoManifest
            needs = {name: Needs(**one) for name, one in fields.pop("needs").items()}
            counts = Counts(**fields.pop("counts"))
            missing, damaged = tuple(fields.pop("missing")), tuple(fields.pop("damaged"))
            datetime.fromisoformat(fields["made_at"])
            return cls(needs=needs, counts=counts, missing=missing, damaged=damaged, **fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NoManifest from None


def format_of(text: str) -> int:
    """The number of the manifest's format. NoManifest."""
    try:
        return int(json.loads(text)["format"])
    except (ValueError, KeyError, TypeError):
        raise NoManifest from None


def is_newer(version: str, known: str) -> bool:
    """Of versions as `0.1.0`. One that is not of that form counts as newer: nobody here knows it."""
    try:
        return _numbers(version) > _numbers(known)
    except ValueError:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Keys that are needed and not there. `over`: days whose retention is over, as it should be. `missing`: the others,
    and how much nobody could open any more."""

    over: tuple[str, ...]
    missing: tuple[str, ...]
    recordings: int
    texts: int


def lost(needs: Mapping[str, Needs], there: Collection[str], over: Collection[str]) -> Lost:
    """`there`: the names of the keys that are there; `over`: of those days of which every recording is due by now."""
    gone = sorted(name for name in needs if name not in there)
    missing = [name for name in gone if name not in over]
    return Lost(
        over=tuple(name for name in gone if name in over),
        missing=tuple(missing),
        recordings=sum(needs[name].recordings for name in missing),
        texts=sum(needs[name].texts for name in missing),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _digest(fields: Mapping[str, object]) -> str:
    return sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
