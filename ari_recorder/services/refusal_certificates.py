"""Certificates of refusal: numbered, written in each language, sealed as they were given out, and read again.

    checked ─► next number of the year ─► Paper ─► HTML and PDF ─► sealed to the hold key ─► row ─► audit entry

All of it in the transaction of whoever calls: a case that is closed as refused and its certificate stand or fall
together, and a number is not lost when something fails. What is kept is what was given out, byte for byte. Sealing
needs no unlocked keyring; reading does. Who may do this is decided by whoever calls.
"""

import asyncio
import base64
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import ControllerUnnamed, KeyringLocked, RefusalUnknown
from ari_recorder.domain.papers import Paper
from ari_recorder.domain.refusal_certificates import Office, Refusal, check, fields, number_told
from ari_recorder.domain.refusal_templates import Template
from ari_recorder.domain.retention import local_day
from ari_recorder.services.kept_keys import REFUSAL_PURPOSE, KeptKeys
from ari_recorder.services.papers import as_html, as_pdf
from ari_recorder.storage import audit, refusal_certificates
from ari_recorder.storage.db import Connection
from ari_recorder.storage.refusal_certificates import Stored
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

_FORMAT = "ari-recorder/refusal/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A certificate in one language, as it is given out."""

    language: str
    title: str
    html: str = dataclasses.field(repr=False)
    pdf: bytes = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """`documents`: the official one first."""

    stored: Stored
    documents: tuple[Document, ...]

    @property
    def number(self) -> str:
        return number_told(self.stored.year, self.stored.running)


class RefusalDesk:
    def __init__(self, *, keyring: Keyring, templates: Mapping[str, Template], offices: Mapping[str, Office]) -> None:
        self._keyring = keyring
        self._keys = KeptKeys(keyring)
        self._templates = templates
        self._offices = offices

    async def issue(self, conn: Connection, refusal: Refusal, actor: Actor, now: datetime) -> Issued:
        """CertificateIncomplete when something is not told; then no number is used up."""
        today = local_day(now)
        refusal = check(refusal, today)
        if not all(self._offices[language].controller for language in refusal.languages):
            raise ControllerUnnamed
        year = today.year
        running = await refusal_certificates.next_number(conn, year)
        documents = []
        for language in refusal.languages:
            values = fields(refusal, self._offices[language], number_told(year, running), today, language)
            paper = self._templates[language].told(values, refusal.kind, refusal.extent, refusal.ground, today)
            documents.append(await _document(paper))
        stored = Stored(
            id=uuid4(),
            year=year,
            running=running,
            case_id=refusal.case_id,
            languages=tuple(refusal.languages),
            kind=refusal.kind,
            ground=refusal.ground,
            issued_at=now,
            issued_by=actor.id,
            issued_by_name=actor.label,
        )
        issued = Issued(stored=stored, documents=tuple(documents))
        key_name = await self._keys.hold_name(conn)
        seal = self._keyring.public.seal_text
        sealed = await asyncio.to_thread(seal, key_name, _packed(issued.documents), REFUSAL_PURPOSE, stored.id)
        await refusal_certificates.insert(conn, stored, sealed, key_name)
        entry = Entry(
            action=Action.REFUSAL_ISSUE,
            actor=actor,
            object=f"case:{refusal.case_id}",
            because=refusal.ground.value,
            facts={
                "certificate": str(stored.id),
                "number": issued.number,
                "request": refusal.kind.value,
                "languages": list(refusal.languages),
            },
        )
        await audit.append(conn, entry, now)
        log.info("refusal_issue", certificate_id=str(stored.id), number=issued.number)
        return issued

    async def read(self, conn: Connection, certificate_id: UUID, reader: Actor, now: datetime) -> Issued:
        """As it was given out. KeyringLocked when nobody can read it just now."""
        found = await refusal_certificates.one(conn, certificate_id)
        if found is None:
            raise RefusalUnknown(certificate=certificate_id)
        if self._keyring.locked:
            raise KeyringLocked
        stored, sealed = found
        text = await asyncio.to_thread(self._keyring.open_text, sealed, REFUSAL_PURPOSE, stored.id)
        issued = Issued(stored=stored, documents=_unpacked(text))
        facts = {"certificate": str(stored.id), "number": issued.number}
        entry = Entry(action=Action.REFUSAL_READ, actor=reader, object=f"case:{stored.case_id}", facts=facts)
        await audit.append(conn, entry, now)
        return issued


async def _document(paper: Paper) -> Document:
    return Document(language=paper.language, title=paper.title, html=as_html(paper), pdf=await as_pdf(paper))


def _packed(documents: tuple[Document, ...]) -> str:
    told = [{**dataclasses.asdict(one), "pdf": base64.b64encode(one.pdf).decode()} for one in documents]
    return json.dumps({"format": _FORMAT, "documents": told}, ensure_ascii=False)


def _unpacked(text: str) -> tuple[Document, ...]:
    told = json.loads(text)
    return tuple(Document(**{**one, "pdf": base64.b64decode(one["pdf"])}) for one in told["documents"])
