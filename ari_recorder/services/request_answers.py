"""What an answer to a request does: to recordings, by the decision; and in writing, by a refusal. The desk calls both
within its transaction (subject_requests.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ari_recorder.domain import subject_requests as machine
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import (
    CertificateIncomplete,
    DecisionDestroys,
    HoldTextRefused,
    RequestKept,
)
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.refusal_certificates import OFFICIAL, Refusal
from ari_recorder.domain.refusal_templates import Extent, Ground
from ari_recorder.domain.restriction import RestrictionGround, RestrictionTerms
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import CERTIFIED, Effect
from ari_recorder.services.casebook import Casebook, number_of
from ari_recorder.services.refusal_certificates import Issued, RefusalDesk
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.storage import erasing, keeping, subject_requests
from ari_recorder.storage.db import Connection
from ari_recorder.storage.keeping import Locked
from ari_recorder.storage.request_matches import Match
from ari_recorder.storage.subject_requests import StoredCase


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalTerms:
    """`paper_reference`: of a document, the number of the authority's own decision; nothing else then."""

    ground: Ground | None = None
    reasons: str = field(default="", repr=False)
    signatory: str = ""
    signatory_title: str = ""
    paper_reference: str = ""


class Answers:
    def __init__(
        self, *, book: Casebook, refusals: RefusalDesk, bases: Mapping[str, Basis], restrictions: Restrictions
    ) -> None:
        """`bases`: on what each queue stands."""
        self._book = book
        self._refusals = refusals
        self._bases = bases
        self._restrictions = restrictions

    async def take_effect(
        self,
        conn: Connection,
        case: StoredCase,
        granted: Sequence[Match],
        actor: Actor,
        now: datetime,
        *,
        restricted_on: RestrictionGround | None,
        yes: bool,
    ) -> dict[str, list[str]]:
        """What the decision does to recordings: which of them, for the history. RestrictionGroundMissing where a
        person asked for a restriction, and nobody says on what ground of article 18(1) it is granted."""
        rows = await keeping.lock(conn, [one for match in granted for one in match.recordings])
        by_effect: dict[Effect, list[Locked]] = {}
        for row in rows:
            if row.state is StoredState.SEALED:
                by_effect.setdefault(machine.effect_of(case.kind, self._bases.get(row.queue)), []).append(row)
        doomed = by_effect.get(Effect.ERASE, [])
        restricted = [row.id for row in by_effect.get(Effect.RESTRICT, [])]
        if count := sum(row.keeps > 1 for row in doomed):
            raise RequestKept(count=count)
        if restricted:
            ground = machine.restricted_on(case.kind, restricted_on)
            terms = RestrictionTerms(ground=ground, case_number=number_of(case), case_id=case.id)
            await self._restrictions.restrict_within(conn, restricted, terms, actor)
        if doomed and not yes:
            raise DecisionDestroys(count=len(doomed))
        if doomed:
            ids = [row.id for row in doomed]
            await keeping.let_go(conn, case.id, now, ids)
            await erasing.begin_erasing(conn, ids, f"the decision on case {number_of(case)}", now)
        told = {"erased": [str(row.id) for row in doomed], "restricted": [str(one) for one in restricted]}
        return {name: ids for name, ids in told.items() if ids}

    async def certificate(
        self, conn: Connection, case: StoredCase, terms: RefusalTerms, actor: Actor, now: datetime, *, part: bool
    ) -> Issued:
        if terms.ground is None:
            raise CertificateIncomplete(field="ground", reason="there is none")
        opened = (await subject_requests.steps(conn, case.id))[0]
        assert opened.text_id is not None  # noqa: S101 -- a case is opened with its words
        typed = (await self._book.read(conn, [opened.text_id]))[opened.text_id]
        courtesy = () if case.language in OFFICIAL else (case.language,)
        refusal = Refusal(
            case_id=case.id,
            case_number=number_of(case),
            addressee=typed["name"],
            kind=CERTIFIED[case.kind],
            asked=typed["asked"],
            received_on=case.received_on,
            extent=Extent.PART if part else Extent.WHOLE,
            ground=terms.ground,
            reasons=terms.reasons,
            signatory=terms.signatory,
            signatory_title=terms.signatory_title,
            languages=(case.language if not courtesy else OFFICIAL[0], *courtesy),
        )
        return await self._refusals.issue(conn, refusal, actor, now)


def paper_of(terms: RefusalTerms) -> str:
    """The number of the authority's own decision."""
    try:
        return check_reference(terms.paper_reference.strip())
    except HoldTextRefused as error:
        raise CertificateIncomplete(field="paper_reference", reason=error.fields["reason"]) from None
