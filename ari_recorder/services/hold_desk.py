"""Holds and flagged calls as supervisors work with them: within the scope of the right, and with a second person where
it takes two. What is done then: services/holds.py.

A hold ends before its review day only when somebody else has agreed (services/approvals.py). What is outside the scope
does not exist: of a call that went through the queues of two units, each sees, holds and decides on its own part. At
the command line none of this is asked: who unlocks the keyring there could do it by hand.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.accounts import EVERYTHING, PERMISSIONS, AccountState, Permission, Principal, authorise
from ari_recorder.domain.approvals import Approval, ApprovalKind
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.calls import MarkKind
from ari_recorder.domain.errors import AccountUnknown, HoldUnknown, RecordingUnknown
from ari_recorder.domain.holds import Hold
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.domain.retention import local_day
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.clock import Clocks
from ari_recorder.services.fates import Fate
from ari_recorder.services.holds import Holds, HoldTerms, HoldView, Queues, ToDecide
from ari_recorder.services.mail import Post
from ari_recorder.services.rights import Rights
from ari_recorder.storage import audit, calls, flags, hold_scope, recordings
from ari_recorder.storage.accounts import Account
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """A flagged call that waits. `flag_at`: where in the recording the agent pressed the code. `restricted`: it is
    heard on a ground only. `asked`: colleagues; `asks_me`: who looks is one of them."""

    call: ToDecide
    flag_at: timedelta | None
    days_left: int
    in_grace: bool
    restricted: bool
    asked: tuple[str, ...]
    asks_me: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldState:
    """`needs_second`: ending it now takes somebody else, too. `approval`: what was asked for, and not done yet."""

    view: HoldView
    needs_second: bool
    approval: Approval | None


class HoldDesk:
    def __init__(
        self, *, database: Database, holds: Holds, approvals: Approvals, rights: Rights, post: Post, clocks: Clocks
    ) -> None:
        self._database = database
        self._holds = holds
        self._approvals = approvals
        self._rights = rights
        self._post = post
        self._clocks = clocks

    # --- holds

    async def holds(self, principal: Principal) -> tuple[HoldState, ...]:
        """Those that are active and lie within reach, the next to be reviewed first. KeyringLocked: reasons are
        sealed."""
        scope = authorise(principal, Permission.HOLD_PLACE, now=self._clocks.now())
        found = await self._holds.list_holds()
        async with self._database.transaction() as conn:
            mine = await hold_scope.reached(conn, [view.hold.id for view in found], scope)
        waiting = {one.subject: one for one in await self._approvals.waiting(principal)}
        return tuple(
            HoldState(
                view=view,
                needs_second=self._takes_two(view.hold),
                approval=waiting.get(_subject(view.hold.id)),
            )
            for view in found
            if view.hold.id in mine
        )

    async def hold(self, principal: Principal, hold_id: UUID) -> HoldState:
        found = next((one for one in await self.holds(principal) if one.view.hold.id == hold_id), None)
        if found is None:
            raise HoldUnknown(hold_id=hold_id)
        return found

    async def extend(self, principal: Principal, hold_id: UUID, review_on: date) -> Hold:
        await self._reach(principal, hold_id, Permission.HOLD_PLACE)
        return await self._holds.extend(hold_id, review_on, principal.actor(Permission.HOLD_PLACE))

    async def ask_release(self, principal: Principal, hold_id: UUID, why: str) -> Approval:
        await self._reach(principal, hold_id, Permission.HOLD_RELEASE)
        return await self._approvals.ask(principal, ApprovalKind.HOLD_RELEASE, _subject(hold_id), why)

    async def release(self, principal: Principal, hold_id: UUID, *, yes: bool) -> tuple[Fate, ...]:
        """SecondPersonNeeded before its review day, unless somebody else has agreed."""
        await self._reach(principal, hold_id, Permission.HOLD_RELEASE)

        async def agreed(conn: Connection, hold: Hold) -> None:
            if self._takes_two(hold):
                await self._approvals.spend(conn, principal, ApprovalKind.HOLD_RELEASE, _subject(hold_id))

        actor = principal.actor(Permission.HOLD_RELEASE)
        return await self._holds.release(hold_id, actor, yes=yes, agreed=agreed)

    def _takes_two(self, hold: Hold) -> bool:
        return self._approvals.needed and local_day(self._clocks.now()) < hold.review_on

    async def _reach(self, principal: Principal, hold_id: UUID, permission: Permission) -> None:
        scope = authorise(principal, permission, now=self._clocks.now())
        async with self._database.transaction() as conn:
            if not await hold_scope.reached(conn, [hold_id], scope):
                raise HoldUnknown(hold_id=hold_id)

    # --- flagged calls

    async def review(self, principal: Principal) -> tuple[Flagged, ...]:
        """Flagged calls within reach nobody decided on; what is destroyed first comes first."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.FLAG_DECIDE, now=now)
        found = await self._holds.review()
        async with self._database.transaction() as conn:
            mine = await hold_scope.recordings_reached(conn, [one.recording_id for one in found], scope)
            found = tuple(one for one in found if one.recording_id in mine)
            known = await calls.get(conn, [one.call_id for one in found])
            asked = await flags.asked(conn, [one.call_id for one in found])
            mine_to_see = await flags.asked_of(conn, principal.user_id)
            starts = {one.recording_id: await recordings.get(conn, one.recording_id) for one in found}
        today = local_day(now)
        listed = []
        for one in found:
            flag = next((mark for mark in known[one.call_id].marks if mark.kind is MarkKind.THREAT), None)
            row = starts[one.recording_id]
            at = flag.offset - row.clock_at_start if flag is not None and row is not None else None
            listed.append(
                Flagged(
                    call=one,
                    flag_at=max(at, timedelta()) if at is not None else None,
                    days_left=(one.destroyed_on - today).days,
                    in_grace=today > one.ordinary_end,
                    restricted=row is not None and row.restricted,
                    asked=asked.get(one.call_id, ()),
                    asks_me=one.call_id in mine_to_see,
                )
            )
        return tuple(listed)

    async def flagged(self, principal: Principal, recording_id: UUID) -> tuple[Flagged, tuple[Fate, ...]]:
        """One of them, by any recording of its call in that queue, and what becomes of it if it is no threat."""
        waiting = await self.review(principal)
        scope = authorise(principal, Permission.FLAG_DECIDE, now=self._clocks.now())
        async with self._database.transaction() as conn:
            row = await recordings.visible(conn, recording_id, scope)
        part = (row.call_id, row.queue) if row is not None else None
        found = next((one for one in waiting if (one.call.call_id, one.call.queue) == part), None)
        if found is None:
            raise RecordingUnknown(recording_id=recording_id)
        return found, await self._holds.preview_no_threat(recording_id, self._queues(principal))

    async def keep(self, principal: Principal, recording_id: UUID, terms: HoldTerms) -> HoldView:
        await self.flagged(principal, recording_id)
        actor = principal.actor(Permission.FLAG_DECIDE)
        return await self._holds.decide_hold(recording_id, terms, actor, self._queues(principal))

    async def no_threat(self, principal: Principal, recording_id: UUID, *, yes: bool) -> tuple[Fate, ...]:
        await self.flagged(principal, recording_id)
        actor, queues = principal.actor(Permission.FLAG_DECIDE), self._queues(principal)
        return await self._holds.decide_no_threat(recording_id, actor, yes=yes, queues=queues)

    def _queues(self, principal: Principal) -> Queues:
        return authorise(principal, Permission.FLAG_DECIDE, now=self._clocks.now()).queues

    async def colleagues(self, principal: Principal) -> tuple[Account, ...]:
        """Who else may decide in the own units."""
        authorise(principal, Permission.FLAG_DECIDE, now=self._clocks.now())
        units = {grant.unit for grant in principal.grants if Permission.FLAG_DECIDE in PERMISSIONS[grant.role]}
        today = local_day(self._clocks.now())
        found = {
            held.account.id: held.account
            for held in await self._rights.list_rights()
            if Permission.FLAG_DECIDE in PERMISSIONS[held.right.grant.role]
            and held.right.held_on(today)
            and held.account.state is AccountState.ACTIVE
            and held.account.id != principal.user_id
            and (EVERYTHING in units or held.right.grant.unit in units | {EVERYTHING})
        }
        return tuple(sorted(found.values(), key=lambda account: account.full_name))

    async def ask(self, principal: Principal, recording_id: UUID, colleague_id: UUID) -> Account:
        """Somebody else is asked to look at it. Nothing is decided by that, and no day is won."""
        now = self._clocks.now()
        found, _ = await self.flagged(principal, recording_id)
        colleague = next((one for one in await self.colleagues(principal) if one.id == colleague_id), None)
        if colleague is None:
            raise AccountUnknown(name=str(colleague_id))
        entry = Entry(
            action=Action.FLAG_ASK,
            actor=principal.actor(Permission.FLAG_DECIDE),
            object=f"call:{found.call.call_id}",
            facts={"asked": str(colleague_id)},
        )
        letter = Letter(kind=LetterKind.FLAG_ASKED, once=f"asked:{found.call.call_id}", path=f"/review/{recording_id}")
        async with self._database.transaction() as conn:
            await flags.ask(conn, found.call.call_id, colleague_id, principal.full_name, now)
            await audit.append(conn, entry, now)
            if colleague.mail:
                await self._post.queue(conn, letter, now, to=colleague.mail)
        log.info("flag_ask", call_id=str(found.call.call_id), asked=str(colleague_id))
        return colleague


def _subject(hold_id: UUID) -> str:
    return f"hold:{hold_id}"
