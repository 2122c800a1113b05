"""The package of a case: copies of what was granted to a person, to be fetched by a link. Made on the page of the case;
the package itself, and its way out: delivery_making.py, delivery_sending.py.

    granted by one officer ─► a package of those calls, by another one ─► link and passphrase, shown once

What is given out of the house takes two persons where the settings want them (`use.two_persons`). One of them decided
that the person gets it: that one makes no package.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.case_steps import COPY_LAW, packable
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.errors import KeyringLocked, PackageOfOwnDecision, PersonNeeded, RequestMatchesNothing
from ari_recorder.domain.muting import Mute, typed
from ari_recorder.domain.packages import PackageKind
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.subject_requests import Step
from ari_recorder.services.casebook import Casebook, facts_of, number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.delivery_making import Made, Maker
from ari_recorder.services.packages import Order
from ari_recorder.storage import request_matches, subject_requests
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring


class CasePackages:
    """`two_persons`: the setting."""

    def __init__(
        self, *, database: Database, keyring: Keyring, maker: Maker, two_persons: bool, clocks: Clocks
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._book = Casebook(keyring)
        self._maker = maker
        self._two_persons = two_persons
        self._clocks = clocks

    async def make(
        self, principal: Principal, number: str, seen: int, mutes: str, ground: OpeningGround | None
    ) -> Made:
        """`mutes`: as domain/muting.py `typed` reads them; recordings are counted as the page of the case shows those
        that were granted. RequestChanged, RequestOutOfOrder, PackageOfOwnDecision; what Packages.prepare raises."""
        authorise(principal, Permission.RECORDING_EXPORT, now=self._clocks.now(), step_up=True)
        if principal.is_machine:
            raise PersonNeeded
        if self._keyring.locked:
            raise KeyringLocked
        async with self._database.transaction() as conn:
            case = await self._book.lock(conn, number, seen)
            matches = await request_matches.of_case(conn, case.id)
            packable(facts_of(case, matches))
            steps = await subject_requests.steps(conn, case.id)
            deciders = {one.made_by for one in steps if one.step is Step.DECIDE}
            if self._two_persons and str(principal.user_id) in deciders:
                raise PackageOfOwnDecision(case=number_of(case))
            assert steps[0].text_id is not None  # noqa: S101 -- a case is opened with its words
            person = (await self._book.read(conn, [steps[0].text_id]))[steps[0].text_id]
        recordings = [one for match in matches if match.is_granted for one in match.recordings]
        if not recordings:
            raise RequestMatchesNothing(case=number_of(case))
        order = Order(
            kind=PackageKind.CITIZEN,
            case_number=number_of(case),
            recordings=recordings,
            mutes=_by_recording(mutes, recordings),
            ground=ground,
        )
        terms = Terms(
            receiver_kind=ReceiverKind.PERSON_CONCERNED,
            receiver=person["proxy"] or person["name"],
            reference=number_of(case),
            reason=COPY_LAW[case.kind],
        )
        return await self._maker.make(order, terms, lambda _: None, principal.actor(Permission.RECORDING_EXPORT))


def _by_recording(text: str, recordings: Sequence[UUID]) -> dict[UUID, list[Mute]]:
    parts: dict[UUID, list[Mute]] = defaultdict(list)
    for which, mute in typed(text, len(recordings)):
        parts[recordings[which - 1]].append(mute)
    return dict(parts)
