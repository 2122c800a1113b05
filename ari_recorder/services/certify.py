"""Certificates of destruction: made and signed for what is gone and has none yet, listed, given out.

Signing needs the keyring unlocked, destroying does not: what is destroyed while it is locked is certified afterwards,
from its tombstone.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.certificates import (
    PURPOSE,
    CertificateKind,
    DestroyedDay,
    of_day,
    of_recording,
)
from ari_recorder.domain.errors import CertificateUnknown
from ari_recorder.domain.retention import Period, Policy, midnight
from ari_recorder.services.clock import Clocks
from ari_recorder.services.erase import BATCH
from ari_recorder.storage import audit, certificates, day_keys
from ari_recorder.storage.certificates import Certificate
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """`waiting`: how much was destroyed and has no certificate yet."""

    certificates: tuple[Certificate, ...]
    waiting: int


class Certifier:
    """The newest rules for `backups_kept` are the site's word on how long its backups are kept."""

    def __init__(self, *, database: Database, keyring: Keyring, clocks: Clocks, backups_kept: Period) -> None:
        self._database = database
        self._keyring = keyring
        self._clocks = clocks
        self._backups_kept = backups_kept

    async def certify(self, _: Policy, now: datetime) -> None:
        """A chore of the sweep."""
        if self._keyring.locked:
            return
        while await self._recordings() or await self._days():
            pass

    async def _recordings(self) -> int:
        async with self._database.transaction() as conn:
            gone = await certificates.uncertified(conn, limit=BATCH)
            bodies = [of_recording(one, self._keyring.installation, self._backups_kept) for one in gone]
            subjects = [str(one.recording_id) for one in gone]
            await certificates.insert(conn, await self._signed(CertificateKind.RECORDING, subjects, bodies))
            await certificates.set_certified(conn, [one.recording_id for one in gone])
        return len(gone)

    async def _days(self) -> int:
        async with self._database.transaction() as conn:
            gone = await day_keys.uncertified(conn, limit=BATCH)
            bodies = []
            for one in gone:
                begin, end = midnight(one.day), midnight(one.day + timedelta(days=1))
                day = DestroyedDay(
                    day=one.day,
                    key_name=one.name,
                    because=one.because,
                    destroying_at=one.destroying_at,
                    destroyed_at=one.destroyed_at or one.destroying_at,
                    recordings=await day_keys.recordings_of(conn, one.name, begin, end),
                )
                bodies.append(of_day(day, self._keyring.installation, self._backups_kept))
            names = [one.name for one in gone]
            await certificates.insert(conn, await self._signed(CertificateKind.DAY, names, bodies))
            await day_keys.set_certified(conn, names)
        return len(gone)

    async def _signed(
        self, kind: CertificateKind, subjects: Sequence[str], bodies: Sequence[str]
    ) -> Sequence[Certificate]:
        now = self._clocks.now()
        signer = self._keyring.signer.hex()
        signatures = await asyncio.to_thread(lambda: [self._keyring.sign(PURPOSE, body.encode()) for body in bodies])
        return [
            Certificate(subject=subject, kind=kind, issued_at=now, body=body, signature=signature, signed_by=signer)
            for subject, body, signature in zip(subjects, bodies, signatures, strict=True)
        ]


async def find(database: Database, kind: CertificateKind | None, limit: int, reader: Actor) -> Listed:
    """The newest first."""
    async with database.transaction() as conn:
        listed = Listed(
            certificates=await certificates.newest(conn, kind, limit=limit), waiting=await certificates.waiting(conn)
        )
        facts = {"certificates": len(listed.certificates)}
        entry = Entry(action=Action.CERTIFICATE_READ, actor=reader, facts=facts)
        await audit.append(conn, entry, datetime.now(UTC))
    return listed


async def get(database: Database, beginning: str, reader: Actor) -> Certificate:
    """The one whose subject is this, or begins so."""
    async with database.transaction() as conn:
        found = await certificates.get(conn, beginning)
        if found is None:
            raise CertificateUnknown(subject=beginning)
        about = f"{'key' if found.kind is CertificateKind.DAY else 'recording'}:{found.subject}"
        entry = Entry(action=Action.CERTIFICATE_READ, actor=reader, object=about)
        await audit.append(conn, entry, datetime.now(UTC))
    return found


def as_file(certificate: Certificate) -> bytes:
    """What tools/verify_certificate.py reads."""
    fields = {
        "certificate": certificate.body,
        "signature": base64.b64encode(certificate.signature).decode(),
        "signer": certificate.signed_by,
    }
    return json.dumps(fields, ensure_ascii=False, indent=1).encode() + b"\n"
