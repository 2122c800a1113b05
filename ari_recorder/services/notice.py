"""The privacy notice of this site: made from the running configuration, its versions kept, the published copy compared.

    settings + rules in force ─► facts ─► notices in fi, sv, en ─┬─► the public page, `notice render`; both as PDF
                                                                 ├─► a version, when it says something new
                                                                 └─► compared with what is published

A notice is made anew each time it is asked for, so it cannot tell of settings of yesterday. A version is in force from
the moment it was first seen: what any call was recorded under follows from its time.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from ari_recorder.config import Config
from ari_recorder.config.controller import Controller
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.errors import LanguageRefused, Unavailable
from ari_recorder.domain.notice import (
    Basis,
    Line,
    Notice,
    NoticeFacts,
    Register,
    digest,
    in_all_languages,
    notice,
)
from ari_recorder.domain.notice_html import published_texts
from ari_recorder.domain.notice_paper import paper
from ari_recorder.domain.papers import Paper
from ari_recorder.domain.retention import Period, Rules, local_day
from ari_recorder.services.clock import Clocks
from ari_recorder.services.destinations import beyond
from ari_recorder.services.papers import as_pdf
from ari_recorder.services.policy import Policies
from ari_recorder.services.refusal_templates import offices
from ari_recorder.storage import notice_versions
from ari_recorder.storage.db import Database
from ari_recorder.storage.notice_versions import Kept, NoticeVersion

__all__ = ["Difference", "Kept", "NoticeVersion", "Notices", "facts_of"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A published copy held against the notice. `trouble`: why it could not be read. `missing`: what the notice says
    and the copy does not; `more`: the other way round."""

    language: str
    place: str
    trouble: str = ""
    missing: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.missing or self.more)


def facts_of(config: Config, rules: Rules) -> NoticeFacts:
    """`rules`: those in force. A queue they do not know yet goes by the configuration."""
    settings = config.controller
    return NoticeFacts(
        register=_register(settings),
        lines=tuple(
            Line(
                queue=queue.name,
                called={str(language): text for language, text in queue.called.items()},
                basis=Basis(queue.basis) if queue.basis is not None else None,
                kept=rules.queues.get(queue.name) or Period.parse(queue.retention),
                numbers=queue.numbers,
            )
            for queue in config.queues
        ),
        undecided_grace=rules.undecided_grace,
        backups_kept=Period.parse(config.retention.backups_kept),
        quarantine_days=config.quarantine.days,
        destinations=beyond(config),
        two_persons=config.use.two_persons,
        sample_percent=config.use.sample_percent,
        published=tuple(one for one in config.notice.published.values() if not one.startswith("/")),
    )


def _register(settings: Controller) -> Register:
    texts = {
        name: {str(language): text for language, text in getattr(settings, name).items()}
        for name in Register.__dataclass_fields__
    }
    return Register(**texts)


class Notices:
    def __init__(self, *, config: Config, database: Database, policies: Policies, clocks: Clocks) -> None:
        self._config = config
        self._database = database
        self._policies = policies
        self._clocks = clocks
        self._pdfs: dict[str, tuple[Paper, bytes]] = {}

    async def facts(self) -> NoticeFacts:
        """With the database away, as the configuration has them: what everybody may read is there all the same."""
        try:
            rules = (await self._policies.in_force()).rules
        except Unavailable:
            rules = self._policies.configured
        return await asyncio.to_thread(facts_of, self._config, rules)

    async def notice(self, language: str) -> Notice:
        if language not in LANGUAGES:
            raise LanguageRefused(language=language, known=", ".join(LANGUAGES))
        return notice(await self.facts(), language)

    async def pdf(self, language: str, since: datetime | None) -> bytes:
        """The notice as a paper of the day since which it says what it says; of today, where that is not known. Made
        once: everybody may ask for it. LanguageRefused, PaperNotMade."""
        notice = await self.notice(language)
        made = paper(notice, self._author(language), local_day(since or self._clocks.now()))
        known = self._pdfs.get(language)
        if known is None or known[0] != made:
            known = self._pdfs[language] = (made, await as_pdf(made))
        return known[1]

    async def pdf_of(self, notice: Notice, day: date) -> bytes:
        """One of the past, as the paper of that day."""
        return await as_pdf(paper(notice, self._author(notice.language), day))

    def _author(self, language: str) -> str:
        return offices(self._config.controller)[language].controller

    async def adopt(self) -> NoticeVersion:
        """What the notice says now is kept, if it is new."""
        notices = in_all_languages(await self.facts())
        async with self._database.transaction() as conn:
            return await notice_versions.adopt(conn, notices, self._clocks.now())

    async def in_force(self, at: datetime) -> Kept | None:
        """What it said at a moment of the past."""
        async with self._database.transaction() as conn:
            return await notice_versions.in_force(conn, at)

    async def since(self) -> datetime | None:
        """From when on the notice has said what it says now. None: that is not known yet, or cannot be asked."""
        told = digest(in_all_languages(await self.facts()))
        try:
            newest = await self.versions()
        except Unavailable:
            return None
        return newest[0].since if newest and newest[0].digest == told else None

    async def versions(self) -> tuple[NoticeVersion, ...]:
        async with self._database.transaction() as conn:
            return await notice_versions.versions(conn)

    async def differences(self) -> tuple[Difference, ...]:
        """Each published copy held against the notice of its language."""
        facts = await self.facts()
        places = self._config.notice.published.items()
        return tuple(await asyncio.gather(*(_compared(facts, language, place) for language, place in places)))


async def _compared(facts: NoticeFacts, language: str, place: str) -> Difference:
    from ari_recorder.services import published  # an HTTP client takes long to load; few commands need one

    try:
        html = await published.read(place)
    except published.Unread as error:
        log.info("notice_copy_unread", language=language, error=str(error))
        return Difference(language=language, place=place, trouble=str(error))
    wanted, there = notice(facts, language).texts, published_texts(html)
    missing = tuple(text for text in wanted if text not in there)
    more = tuple(text for text in there if text not in wanted)
    if not missing and not more and there != wanted:
        more = there  # in another order it says something else, too
    return Difference(language=language, place=place, missing=missing, more=more)
