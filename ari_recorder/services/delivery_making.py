"""A package made to be fetched by a link; and one handed over on the premises.

    prepared ─► sealed under its passphrase, in the folder of deliveries ─► known, with who gets it and why; an entry

Link and passphrase are made here, shown once and kept nowhere; they are to go two ways. That it is given out is on
record when it is fetched, or handed over, not when it is made. The command line asks nobody; the page of a case asks
who may (case_packages.py).
"""

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from uuid import UUID, uuid4

from ari_recorder.config import Config
from ari_recorder.domain.accounts import check_person
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.deliveries import Delivery
from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay, Terms, check_terms
from ari_recorder.domain.errors import HandOverUnknown, RecordingErased
from ari_recorder.domain.packages import package_name
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.services import connect_subjects, kept, tokens
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.services.deliveries import about
from ari_recorder.services.disclosures import sealed_text
from ari_recorder.services.export_desk import subject_of
from ari_recorder.services.new_files import copy_of, refused
from ari_recorder.services.packages import Order, Packages, Prepared
from ari_recorder.storage import audit, deliveries, disclosures, exports
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.deliveries import Packed
from ari_recorder.storage.disclosures import Disclosure, Sent
from ari_recorder.vault.aes_zip import new_passphrase
from ari_recorder.vault.delivered import Deliveries as Files
from ari_recorder.vault.files import open_ordinary
from ari_recorder.vault.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    delivery_id: UUID
    recordings: tuple[UUID, ...]
    size_bytes: int
    expires_at: datetime
    path: str = dataclasses.field(repr=False)
    passphrase: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    recordings: tuple[UUID, ...]
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """`lasts`: how long a link is good."""

    database: Database
    packages: Packages
    files: Files
    keyring: Keyring
    lasts: timedelta
    now: Callable[[], datetime]

    async def make(self, order: Order, terms: Terms, progress: Callable[[float], None], actor: Actor) -> Made:
        """What Packages.prepare raises, and what is wrong with the terms; ExportTargetRefused when the disk is full."""
        terms = check_terms(terms)
        prepared = await self.packages.prepare(order, kept.EVERYWHERE, actor)
        contents = prepared.contents
        recordings = tuple(one.id for one in contents.recordings)
        delivery_id, token, passphrase = uuid4(), tokens.new(), new_passphrase()
        size, there = await asyncio.to_thread(self._seal, prepared, passphrase, delivery_id, progress)
        now = self.now()
        one = Delivery(
            id=delivery_id,
            package_id=contents.id,
            package_kind=contents.kind,
            package_name=package_name(contents),
            reference=contents.case_number,
            receiver_kind=terms.receiver_kind,
            size_bytes=size,
            host=socket.gethostname(),
            made_at=now,
            made_by=actor.label,
            expires_at=now + self.lasts,
        )
        try:
            async with self.database.transaction() as conn:
                packed = await self._texts(conn, recordings, sealed_text(terms), prepared.grounds)
                await deliveries.insert(conn, one, tokens.hashed(token), packed)
                for recording_id in recordings:
                    copy = copy_of(recording_id, self.files.path(delivery_id), there)
                    copy = dataclasses.replace(copy, delivery_id=delivery_id, ground=prepared.grounds.get(recording_id))
                    if not await exports.insert(conn, copy, now):
                        raise RecordingErased(recording_id=recording_id, because="while it was exported")
                await audit.append(conn, self._entry(one, recordings, terms, prepared, actor), now)
        except BaseException:
            await asyncio.to_thread(self.files.remove, delivery_id)
            raise
        return Made(
            delivery_id=delivery_id,
            recordings=recordings,
            size_bytes=size,
            expires_at=one.expires_at,
            path=f"/delivery/{token}",
            passphrase=passphrase,
        )

    async def hand_over(self, path: Path, terms: Terms, signature: str, actor: Actor) -> HandedOver:
        """That the file was given from hand to hand: to whom, why, and what they signed. Of nobody's identity papers a
        copy is kept. The file is one that was written here: what is in it is known. HandOverUnknown."""
        terms, signature = check_terms(terms), check_person("signature", signature)
        size, digest, there = await asyncio.to_thread(_read, path)
        now = self.now()
        async with self.database.transaction() as conn:
            known = await exports.of_file(conn, socket.gethostname(), there.st_dev, there.st_ino)
            recordings = tuple(one.recording_id for one in known if one.delivery_id is None)
            if not recordings:
                raise HandOverUnknown(path=path)
            grounds = {one.recording_id: one.ground for one in known if one.ground is not None}
            for one in await self._texts(conn, recordings, sealed_text(terms, signature), grounds):
                disclosure = Disclosure(
                    id=uuid4(),
                    recording_id=one.recording_id,
                    asked_at=now,
                    begun_at=now,
                    user_id=None,
                    user_name=actor.label,
                    approved_by=None,
                    approved_by_name="",
                    receiver_kind=terms.receiver_kind,
                    reference=terms.reference,
                    text_id=one.text_id,
                    size_bytes=size,
                    ground=one.ground,
                    way=DisclosureWay.ON_PREMISES,
                )
                await disclosures.insert(conn, disclosure)
                sent = Sent(ended_at=now, because=DisclosureEnd.COMPLETE, bytes=size, sha256=digest)
                await disclosures.insert_sent(conn, disclosure.id, sent)
                entry = Entry(
                    action=Action.RECORDING_HAND_OVER,
                    actor=actor,
                    object=subject_of(one.recording_id),
                    because=terms.receiver_kind.value,
                    facts={
                        "disclosure": str(disclosure.id),
                        "bytes": size,
                        "sha256": digest,
                        "reference": terms.reference,
                        **kept.as_fact(one.ground),
                    },
                    personal={"receiver": terms.receiver, "why": terms.reason, "signature": signature},
                )
                await audit.append(conn, entry, now)
        return HandedOver(recordings=recordings, size_bytes=size, sha256=digest)

    async def _texts(
        self, conn: Connection, recordings: Sequence[UUID], text: str, grounds: Mapping[UUID, OpeningGround]
    ) -> list[Packed]:
        """Who gets them and why, sealed with each call. What was restricted meanwhile is refused."""
        texts, written = CallTexts(self.keyring), []
        for recording_id in recordings:
            ground = grounds.get(recording_id)
            row, key_name = await kept.to_be_opened(conn, recording_id, kept.EVERYWHERE, ground)
            text_id = await texts.write(conn, recording_id, row.call_id, key_name, text)
            written.append(Packed(recording_id=recording_id, text_id=text_id, ground=ground))
        return written

    def _seal(
        self, prepared: Prepared, passphrase: str, delivery_id: UUID, progress: Callable[[float], None]
    ) -> tuple[int, os.stat_result]:
        target = self.files.path(delivery_id)
        with contextlib.closing(self.packages.open(prepared)) as package, refused(target):
            return package.size, self.files.seal(
                _told(package.blocks(), package.size, progress), passphrase, delivery_id
            )

    def _entry(
        self, one: Delivery, recordings: Sequence[UUID], terms: Terms, prepared: Prepared, actor: Actor
    ) -> Entry:
        return Entry(
            action=Action.DELIVERY_MAKE,
            actor=actor,
            object=about(one.id),
            because=terms.receiver_kind.value,
            facts={
                "package": str(one.package_id),
                "kind": one.package_kind.value,
                "recordings": [str(recording_id) for recording_id in recordings],
                "reference": one.reference,
                "bytes": one.size_bytes,
                "muted": sum(len(each.mutes) for each in prepared.contents.recordings),
                "until": one.expires_at.isoformat(timespec="seconds"),
            },
            personal={"receiver": terms.receiver, "why": terms.reason},
        )


def maker(config: Config, database: Database, keyring: Keyring, clocks: Clocks | None = None) -> Maker:
    return Maker(
        database=database,
        packages=connect_subjects.packages(config, database, keyring, clocks),
        files=Files(config.storage.deliveries),
        keyring=keyring,
        lasts=timedelta(days=config.delivery.days),
        now=(clocks or Clocks()).now,
    )


def _told(blocks: Iterator[bytes], size: int, progress: Callable[[float], None]) -> Iterator[bytes]:
    done = 0
    for block in blocks:
        done += len(block)
        progress(done / size)
        yield block


def _read(path: Path) -> tuple[int, str, os.stat_result]:
    """How long it is, its SHA-256, and which file that is."""
    try:
        with open_ordinary(path) as file:
            there = os.fstat(file.fileno())
            digest = file_digest(file, "sha256")
    except OSError:
        raise HandOverUnknown(path=path) from None
    return there.st_size, digest.hexdigest(), there
