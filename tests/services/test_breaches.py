"""A breach on a real database: what somebody could reach then and what was opened, the log kept whole, the clock."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from ari_recorder.config import Mail
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.domain.breaches import BreachState, SubjectKind, Wanted
from ari_recorder.domain.retention import Policy
from ari_recorder.services import connect_subjects
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.breaches import Breaches, Report
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.mail import Post
from ari_recorder.services.remind import Reminders
from ari_recorder.storage import audit, erasing
from ari_recorder.storage.db import Database
from tests.services.house import RULES
from tests.services.people import OPERATOR, outcome
from tests.site import NUMBER, Recorded, record
from tests.test_audit_events import entries
from tests.web.house import House, open_house

HOUR = timedelta(hours=1)
ADDRESS = "192.0.2.77"
EVE = Actor.operator("eve")


class Rig:
    """A house, its clock, and calls in two queues."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.people = house.people
        self.database = house.site.database
        self.cases: Breaches = connect_subjects.breaches(house.site.config, self.database, self.people.watch)
        self._made = 0

    def now(self) -> datetime:
        return self.people.watch.now()

    async def call(
        self, queue: str = "advice", *, number: str = NUMBER, ago: float = 100, phone: str = "1001"
    ) -> Recorded:
        self._made += 1
        return await record(
            self.house.site.config,
            self.database,
            started_at=self.now() - ago * HOUR,
            uniqueid=f"{self._made}.1",
            queue=queue,
            number=number,
            phone=phone,
            marks=(),
        )

    async def did(self, who: UUID, action: Action, to: Recorded | None, *, address: str = ADDRESS, **more: Any) -> None:
        actor = Actor(kind=ActorKind.USER, id=str(who), name="x", address=address)
        about = f"recording:{to.recording_id}" if to is not None else ""
        async with self.database.transaction() as conn:
            await audit.append(conn, Entry(action=action, actor=actor, object=about, **more), self.now())

    def wanted(self, subject: str, kind: SubjectKind = SubjectKind.ACCOUNT, **more: datetime) -> Wanted:
        """The last ten hours; aware of it now."""
        now = self.now()
        usual = Wanted(kind=kind, subject=subject, since=now - 10 * HOUR, until=now, aware_at=now)
        return replace(usual, **more)  # type: ignore[arg-type]

    async def index(self) -> None:
        await CallerIndex(database=self.database, keyring=self.house.site.keyring).run_once(asyncio.Event())

    async def erase(self, *these: Recorded) -> None:
        async with self.database.transaction() as conn:
            ids = [one.recording_id for one in these]
            await erasing.begin_erasing(conn, ids, "its time", self.now())
            await erasing.destroy_keys(conn, ids)
            await erasing.bury(conn, dict.fromkeys(ids, ("vault",)), self.now())

    async def remind(self, mail: Mail) -> None:
        await Reminders(self.database, Post(mail, "en")).remind(Policy(rules=RULES), self.now())


@pytest.fixture
async def rig(tmp_path: Path, database: Database) -> AsyncIterator[Rig]:
    async with open_house(tmp_path, database) as house:
        yield Rig(house)


def reached(report: Report) -> set[UUID]:
    return {one.recording_id for one in report.recordings if one.by_right}


def opened(report: Report) -> dict[UUID, tuple[str, ...]]:
    return {one.recording_id: one.opened for one in report.recordings if one.opened}


async def test_what_an_account_could_reach_by_rights_and_units_of_then(rig: Rig) -> None:
    """What was granted later, or lies in a unit that was widened later, could not be reached."""
    advice, dental, later = await rig.call(), await rig.call("dental"), rig.people
    anna = await rig.people.enrol("anna")
    await rig.people.give("anna", Role.SUPERVISOR)
    rig.people.watch.go(hours=20)
    first = await rig.cases.report(rig.wanted("anna"), EVE)
    assert reached(first) == {advice.recording_id}
    assert [one.queues for one in first.breach.findings.reach] == [("advice",)]
    period = rig.wanted("anna")
    rig.people.watch.go(hours=1)
    waits = await later.rights.set_unit("advice", frozenset({"advice", "dental"}), "both are one now", OPERATOR)
    assert waits.waits
    (wanted,) = await later.rights.wanted_units()
    await later.rights.approve_unit(wanted.id, Actor.operator("ops"))
    rig.people.watch.go(hours=1)
    before = await rig.cases.report(replace(period, aware_at=rig.now()), EVE)
    assert reached(before) == {advice.recording_id}
    after = await rig.cases.report(rig.wanted("anna"), EVE)
    assert reached(after) == {advice.recording_id, dental.recording_id}
    assert str(anna.account_id) in after.breach.findings.accounts


async def test_a_right_that_ended_reaches_what_was_there_before(rig: Rig) -> None:
    """A recording made after the right ended could not be reached; one destroyed since could."""
    old = await rig.call()
    gone = await rig.call(number="0405550001")
    await rig.people.enrol("anna")
    right_id = await rig.people.give("anna", Role.SUPERVISOR)
    rig.people.watch.go(hours=2)
    await rig.people.rights.end(right_id, "she left", OPERATOR)
    rig.people.watch.go(hours=1)
    await rig.call(ago=0.5)
    await rig.erase(gone)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    assert reached(report) == {old.recording_id, gone.recording_id}
    nothing = await rig.cases.report(rig.wanted("anna", since=rig.now() - 0.5 * HOUR), EVE)
    assert nothing.recordings == ()
    assert nothing.breach.findings.reachable == 0


async def test_an_adviser_reaches_the_own_calls_alone(rig: Rig) -> None:
    own = await rig.call(phone="1001")
    await rig.call(phone="1002")
    await rig.people.enrol("anna")
    await rig.people.give("anna", Role.ADVISER)
    rig.people.watch.go(hours=1)
    assert reached(await rig.cases.report(rig.wanted("anna"), EVE)) == {own.recording_id}


async def test_what_was_opened_and_how(rig: Rig) -> None:
    """In the period, by that account, and done; whether there was a right or not."""
    advice, dental, other = await rig.call(), await rig.call("dental"), await rig.call()
    anna, bertta = await rig.people.enrol("anna"), await rig.people.enrol("bertta")
    await rig.people.give("anna", Role.SUPERVISOR)
    await rig.did(anna.account_id, Action.RECORDING_EXPORT, advice)  # before the period
    rig.people.watch.go(hours=11)
    await rig.did(anna.account_id, Action.RECORDING_VIEW, advice)
    await rig.did(anna.account_id, Action.RECORDING_PLAY, advice)
    await rig.did(anna.account_id, Action.RECORDING_PLAY, dental)
    await rig.did(anna.account_id, Action.RECORDING_PLAY, other, outcome=Outcome.REFUSED)
    await rig.did(bertta.account_id, Action.RECORDING_PLAY, other)
    await rig.did(anna.account_id, Action.RECORDING_LIST, None)
    await rig.did(anna.account_id, Action.RECORDING_SEARCH, None)
    rig.people.watch.go(hours=1)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    assert opened(report) == {
        advice.recording_id: ("recording:play", "recording:view"),
        dental.recording_id: ("recording:play",),
    }
    found = report.breach.findings
    assert (found.reachable, found.viewed, found.played, found.exported) == (2, 1, 2, 0)
    assert (found.without_right, found.lists) == (1, 2)


async def test_how_many_people_and_who_cannot_be_counted(rig: Rig) -> None:
    for number in ("0405550001", "0405550001", "0405550002", ""):
        await rig.call(number=number)
    gone = await rig.call(number="0405550003", phone="1002")
    await rig.people.enrol("anna")
    await rig.people.give("anna", Role.SUPERVISOR)
    await rig.index()
    waiting = await rig.call(number="0405550004")
    rig.people.watch.go(hours=1)
    await rig.erase(gone)
    async with rig.database.transaction() as conn:
        await conn.execute(
            "UPDATE call SET personal = NULL, caller_index = NULL, caller_index_version = NULL, members = '[]', "
            "marks = '[]', forgotten_at = now() WHERE id = $1",
            gone.call.id,
        )
    people = (await rig.cases.report(rig.wanted("anna"), EVE)).breach.findings.people
    assert (people.calls, people.callers) == (6, 2)
    assert (people.no_number, people.forgotten, people.waiting) == (1, 1, 1)
    assert people.staff == 1
    assert waiting.call.id != gone.call.id


async def test_a_host_is_all_accounts_that_were_used_from_it(rig: Rig) -> None:
    advice, dental = await rig.call(), await rig.call("dental")
    anna, bertta = await rig.people.enrol("anna"), await rig.people.enrol("bertta")
    await rig.people.give("anna", Role.SUPERVISOR)
    await rig.people.give("bertta", Role.PRIVACY_OFFICER)
    rig.people.watch.go(hours=11)
    await rig.did(anna.account_id, Action.RECORDING_VIEW, advice)
    await rig.did(anna.account_id, Action.RECORDING_PLAY, dental, address="192.0.2.1")
    rig.people.watch.go(hours=1)
    host = await rig.cases.report(rig.wanted(ADDRESS, SubjectKind.HOST), EVE)
    assert host.breach.findings.accounts == (str(anna.account_id),)
    assert reached(host) == {advice.recording_id}
    assert opened(host) == {advice.recording_id: ("recording:view",)}
    assert host.names == {str(anna.account_id): "anna"}
    await rig.did(bertta.account_id, Action.RECORDING_LIST, None)
    rig.people.watch.go(hours=1)
    both = await rig.cases.report(rig.wanted(ADDRESS, SubjectKind.HOST), EVE)
    assert reached(both) == {advice.recording_id, dental.recording_id}
    long_ago = rig.now() - 100 * HOUR
    quiet = await rig.cases.report(rig.wanted(ADDRESS, SubjectKind.HOST, since=long_ago, until=long_ago + HOUR), EVE)
    assert (quiet.breach.findings.accounts, quiet.recordings) == ((), ())


async def test_who_and_where_nobody_knows_is_refused(rig: Rig) -> None:
    assert await outcome(rig.cases.report(rig.wanted("nemo"), EVE)) == "account_unknown"
    unseen = rig.wanted("192.0.2.200", SubjectKind.HOST)
    assert await outcome(rig.cases.report(unseen, EVE)) == "host_unseen"
    assert await outcome(rig.cases.show(uuid4(), EVE)) == "breach_unknown"
    assert await outcome(rig.cases.close(uuid4(), "nothing", EVE)) == "breach_unknown"
    assert await rig.cases.all_cases(EVE) == ()


async def test_the_log_of_the_time_is_kept_until_the_case_is_closed(rig: Rig) -> None:
    """Whoever removes it: the row, its names and addresses. Of other times they may be erased."""
    anna = await rig.people.enrol("anna")
    await rig.did(anna.account_id, Action.RECORDING_LIST, None)
    rig.people.watch.go(hours=20)
    await rig.did(anna.account_id, Action.RECORDING_LIST, None)
    rig.people.watch.go(hours=1)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    assert report.breach.findings.log.entries == 1
    assert await rig.cases.log_is_whole(report.breach)
    async with rig.database.transaction() as conn:
        newest, before = (await audit.page(conn, audit.Wanted(actions=(Action.RECORDING_LIST,))))[:2]

    async def forget(one: audit.Written) -> None:
        async with rig.database.transaction() as conn:
            await audit.forget_personal(conn, [one.id])

    async def remove() -> None:
        """What a later program may do that thins out the log."""
        async with rig.database.transaction() as conn:
            await conn.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
            await conn.execute("DELETE FROM audit_entry WHERE id = $1", newest.id)

    await forget(before)
    for attempt in (forget(newest), remove()):
        with pytest.raises(asyncpg.RestrictViolationError, match="kept for a breach"):
            await attempt
    await rig.cases.close(report.breach.id, "it was a test", EVE)
    await forget(newest)
    await remove()
    assert not await rig.cases.log_is_whole(report.breach)


async def test_what_comes_into_the_log_later_does_not_make_it_another(rig: Rig) -> None:
    await rig.people.enrol("anna")
    rig.people.watch.go(hours=1)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    async with rig.database.transaction() as conn:
        late = Entry(action=Action.KEYRING_LOCK, actor=Actor.service("later"))
        await audit.append(conn, late, rig.now() - HOUR / 2)
    await sequence(rig.database)
    assert await rig.cases.log_is_whole(report.breach)


async def test_cases_are_only_added(rig: Rig) -> None:
    await rig.call()
    await rig.people.enrol("anna")
    await rig.people.give("anna", Role.SUPERVISOR)
    rig.people.watch.go(hours=1)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    for sql in (
        "UPDATE breach SET subject = 'x'",
        "UPDATE breach_recording SET by_right = false",
        "UPDATE breach_history SET note = 'x'",
        "DELETE FROM breach_history",
        "DELETE FROM breach_recording",
        "DELETE FROM breach",
        "TRUNCATE breach CASCADE",
        "TRUNCATE breach_history",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            async with rig.database.transaction() as conn:
                await conn.execute(sql)
    again = await rig.cases.show(report.breach.id, EVE)
    assert again.recordings == report.recordings
    assert again.breach == report.breach


async def test_the_same_question_is_one_case_as_it_was_found(rig: Rig) -> None:
    await rig.call()
    await rig.people.enrol("anna")
    await rig.people.give("anna", Role.SUPERVISOR)
    rig.people.watch.go(hours=1)
    wanted = rig.wanted("anna")
    both = await asyncio.gather(*(rig.cases.report(wanted, EVE) for _ in range(4)))
    assert len({one.breach.id for one in both}) == 1
    await rig.call(ago=5)
    rig.people.watch.go(hours=1)
    later = await rig.cases.report(wanted, EVE)
    assert later.breach == both[0].breach
    assert later.left == both[0].left - HOUR


async def test_the_clock_stops_when_the_authority_is_told(rig: Rig) -> None:
    await rig.people.enrol("anna")
    rig.people.watch.go(hours=1)
    breach = (await rig.cases.report(rig.wanted("anna"), EVE)).breach
    rig.people.watch.go(hours=10)
    assert await outcome(rig.cases.notified(breach.id, "  ", EVE)) == "breach_text_refused"
    assert await outcome(rig.cases.notified(breach.id, "a\nb", EVE)) == "breach_text_refused"
    told = await rig.cases.notified(breach.id, "1234/161/2026", EVE)
    assert (told.state, told.reference) == (BreachState.NOTIFIED, "1234/161/2026")
    assert await outcome(rig.cases.notified(breach.id, "5/2026", EVE)) == "breach_done"
    rig.people.watch.go(hours=1000)
    shown = await rig.cases.show(breach.id, EVE)
    assert shown.left == 62 * HOUR
    await rig.cases.close(breach.id, "the authority has closed it", EVE)
    assert await outcome(rig.cases.close(breach.id, "again", EVE)) == "breach_done"
    assert await outcome(rig.cases.notified(breach.id, "5/2026", EVE)) == "breach_done"
    history = (await rig.cases.show(breach.id, EVE)).history
    assert [(one.change, one.by_name) for one in history] == [("opened", "eve"), ("notified", "eve"), ("closed", "eve")]


async def test_whatever_is_done_is_on_record_and_no_caller_is_in_it(rig: Rig) -> None:
    await rig.call()
    await rig.people.enrol("anna")
    await rig.people.give("anna", Role.SUPERVISOR)
    rig.people.watch.go(hours=1)
    report = await rig.cases.report(rig.wanted("anna"), EVE)
    await rig.cases.show(report.breach.id, EVE)
    await rig.cases.all_cases(EVE)
    await rig.cases.notified(report.breach.id, "1/2026", EVE)
    await rig.cases.close(report.breach.id, "done", EVE)
    told = [one for one in await entries(rig.database) if one["action"].startswith("breach:")]
    about = f"breach:{report.breach.id}"
    assert [(one["action"], one["object"]) for one in told] == [
        ("breach:report", about),
        ("breach:read", about),
        ("breach:read", ""),
        ("breach:notify", about),
        ("breach:close", about),
    ]
    assert told[0]["facts"]["reachable"] == 1
    assert "anna" not in json.dumps(told)
    paper = await rig.cases.paper(report, "en")
    assert NUMBER[1:] not in f"{report} {paper} {told}"


async def test_it_is_reminded_of_before_the_72_hours_are_over(rig: Rig, logged: list[MutableMapping[str, Any]]) -> None:
    mail = Mail(host="localhost", security="none", sender="a@example.org", breaches_to=("officer@example.org",))
    await rig.people.enrol("anna")
    rig.people.watch.go(hours=1)
    breach = (await rig.cases.report(rig.wanted("anna"), EVE)).breach

    async def told(hours: float) -> list[tuple[str, str]]:
        rig.people.watch.time = breach.wanted.aware_at + hours * HOUR
        logged.clear()
        await asyncio.gather(*(rig.remind(mail) for _ in range(3)))  # of several services one tells
        return [(one["subject"], one["urgency"]) for one in logged if one.get("alarm") == "breach-due"]

    about = str(breach.id)
    assert await told(0.1) == [(about, "notice")]
    assert await told(47) == []
    assert await told(48.5) == [(about, "urgent")]
    assert await told(49) == []
    assert await told(67) == [(about, "final")]
    assert await told(72.5) == [(about, "final")]
    assert await told(72.6) == []
    assert await told(97) == [(about, "final")]
    assert await rig.people.value("SELECT count(*) FROM outbox WHERE kind = 'breach-due'") == 5
    await rig.cases.notified(breach.id, "1/2026", EVE)
    assert await told(200) == []
