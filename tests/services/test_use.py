"""The report of use, its sample and the sign-off, out of a real audit log."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from ari_recorder.config import Mail
from ari_recorder.domain.accounts import EVERYTHING, Role
from ari_recorder.domain.audit import Action, Outcome
from ari_recorder.domain.errors import (
    OwnListening,
    PermissionMissing,
    RecorderError,
    SampleSigned,
    SampleUnknown,
    SignerRefused,
    WeekUnknown,
)
from ari_recorder.domain.use import FindingKind, Verdict
from ari_recorder.storage import use
from ari_recorder.storage.db import Database
from tests.services.use_house import MONDAY_AFTER, TUESDAY, WEEK, UseHouse

PLAY = Action.RECORDING_PLAY
OWN, OTHER, FOLLOWED = b"own number", b"number of a colleague", b"the same caller again"


@pytest.fixture
def house(database: Database) -> UseHouse:
    return UseHouse(database=database)


async def test_ten_of_ten_misuses_are_in_the_report_and_ordinary_work_is_not(house: UseHouse) -> None:
    ordinary: list[UUID] = [await house.account(f"ordinary{number}") for number in range(6)]
    plain = await house.recording()
    pool = [await house.recording() for _ in range(20)]
    # Five weeks of ordinary work, as they come: one report each.
    for back in range(5, 0, -1):
        for who in ordinary:
            await house.did(who, PLAY, pool[0], at=TUESDAY - back * timedelta(days=7), times=3)
            await house.did(who, Action.RECORDING_SEARCH, at=TUESDAY - back * timedelta(days=7), times=4)
    for who in ordinary[:4]:
        await house.did(who, PLAY, pool[0], times=3)
        await house.did(who, Action.RECORDING_SEARCH, times=4)
    wanted: dict[FindingKind, UUID] = {}

    async def somebody(kind: FindingKind) -> UUID:
        who = await house.account(kind.value)
        wanted[kind] = who
        return who

    async with house.database.transaction() as conn:
        spouse = await somebody(FindingKind.OWN_NUMBER)
        await use.set_numbers(conn, spouse, [OWN], 1, TUESDAY)
        await use.set_numbers(conn, ordinary[0], [OTHER], 1, TUESDAY)
    await house.did(spouse, PLAY, await house.recording(caller=OWN))
    await house.did(await somebody(FindingKind.COLLEAGUE_NUMBER), PLAY, await house.recording(caller=OTHER))
    night, weekend = TUESDAY + timedelta(hours=14), TUESDAY + timedelta(days=4)
    await house.did(await somebody(FindingKind.OUT_OF_HOURS), PLAY, plain, at=night)
    await house.did(await somebody(FindingKind.DAY_OFF), PLAY, plain, at=weekend)
    wanted[FindingKind.MORE_THAN_BEFORE] = ordinary[4]
    for recording in pool:
        await house.did(ordinary[4], PLAY, recording, times=2)
    newcomer = await somebody(FindingKind.MORE_THAN_OTHERS)
    for recording in pool:
        await house.did(newcomer, PLAY, recording, times=3)
    await house.did(await somebody(FindingKind.EXPORTED), Action.RECORDING_EXPORT, plain)
    await house.did(await somebody(FindingKind.MANY_SEARCHES), Action.RECORDING_SEARCH, times=80)
    stalker = await somebody(FindingKind.SAME_CALLER)
    for _ in range(5):
        await house.did(stalker, PLAY, await house.recording(caller=FOLLOWED))
    guesser = await somebody(FindingKind.REFUSED)
    await house.did(guesser, Action.ACCESS_REFUSE, times=6, outcome=Outcome.REFUSED)
    await house.did(await somebody(FindingKind.SAME_RECORDING), PLAY, plain, times=5)

    assert len(await house.run()) == 6
    async with house.database.transaction() as conn:
        rows = {row.actor: row for row in await use.rows_of(conn, WEEK, None)}
    for kind, who in wanted.items():
        assert kind in {finding.kind for finding in rows[str(who)].findings}, kind
    assert len(wanted) == 11
    for who in ordinary[:4]:
        assert not rows[str(who)].findings


async def test_an_export_at_the_command_line_is_in_the_report(house: UseHouse) -> None:
    await house.did("command-line", Action.RECORDING_EXPORT, await house.recording())
    assert await house.run() == (WEEK,)
    async with house.database.transaction() as conn:
        (row,) = await use.rows_of(conn, WEEK, None)
    assert (row.actor, row.exports) == ("command-line", 1)


async def test_a_week_is_reported_when_it_is_over_and_once_by_several_services(house: UseHouse) -> None:
    who = await house.account("aino")
    await house.did(who, PLAY, await house.recording(), times=3)
    house.clocks.time = TUESDAY + timedelta(days=3)
    assert await house.run() == ()
    house.clocks.time = MONDAY_AFTER
    made = await asyncio.gather(*(house.run() for _ in range(4)))
    assert sorted(week for weeks in made for week in weeks) == [WEEK]
    async with house.database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM use_touch") == 0
        assert await conn.fetchval("SELECT sum(listenings) FROM use_row") == 3


async def test_what_comes_late_into_the_log_is_in_the_next_report(house: UseHouse) -> None:
    who = await house.account("aino")
    await house.did(who, PLAY, await house.recording())
    await house.run()
    await house.did(who, PLAY, await house.recording(), times=2)
    house.clocks.time += timedelta(days=7)
    await house.run()
    async with house.database.transaction() as conn:
        counts = await conn.fetch("SELECT listenings FROM use_row ORDER BY week")
    assert [row["listenings"] for row in counts] == [1, 2]


async def test_the_sample_is_drawn_again_from_its_seed(house: UseHouse) -> None:
    for name in ("aino", "olli"):
        await house.did(await house.account(name), PLAY, await house.recording(), times=40)
    await house.run()
    async with house.database.transaction() as conn:
        samples = await use.samples(conn, None)
        assert len(samples) == 4
        assert len({one.actor for one in samples}) == 2
        assert samples[0].due_on == WEEK + timedelta(days=7 + 14)


async def test_nobody_signs_off_own_listenings(house: UseHouse, dsn: str) -> None:
    aino = await house.account("aino")
    await house.did(aino, PLAY, await house.recording())
    await house.run()
    async with house.database.transaction() as conn:
        (sample,) = await use.samples(conn, None)
    with pytest.raises(OwnListening):
        await house.reports.sign(house.principal(aino), sample.id, Verdict.IN_ORDER, "")
    assert await house.reports.to_sign(house.principal(aino)) == ((), {})
    # Whatever a program forgets.
    raw = await asyncpg.connect(dsn)
    with pytest.raises(asyncpg.CheckViolationError):
        await raw.execute("UPDATE use_sample SET signed_at = now(), signed_by = $1, verdict = 'in-order'", aino)
    await raw.close()


async def test_of_two_who_sign_at_once_one_does(house: UseHouse) -> None:
    await house.did(await house.account("aino"), PLAY, await house.recording())
    await house.run()
    signers = [house.principal(await house.account(name)) for name in ("olli", "pia")]
    ((sample,), names) = await house.reports.to_sign(signers[0])
    assert names[sample.actor] == "Aino"

    async def sign(number: int) -> str:
        try:
            await house.reports.sign(signers[number], sample.id, Verdict.IN_ORDER, "")
        except SampleSigned:
            return "late"
        return "signed"

    assert sorted(await asyncio.gather(sign(0), sign(1))) == ["late", "signed"]
    assert await house.reports.to_sign(signers[0]) == ((), {})


async def test_what_is_to_be_clarified_wants_words(house: UseHouse) -> None:
    await house.did(await house.account("aino"), PLAY, await house.recording())
    await house.run()
    olli = house.principal(await house.account("olli"))
    ((sample,), _) = await house.reports.to_sign(olli)
    with pytest.raises(SignerRefused):
        await house.reports.sign(olli, sample.id, Verdict.TO_BE_CLARIFIED, "  ")
    await house.reports.sign(olli, sample.id, Verdict.TO_BE_CLARIFIED, "Why at night?")
    report = await house.reports.of_week(olli, WEEK)
    assert [(one.verdict, one.note) for one in report.samples] == [(Verdict.TO_BE_CLARIFIED, "Why at night?")]


async def test_another_unit_is_not_there(house: UseHouse) -> None:
    await house.did(await house.account("aino"), PLAY, await house.recording())
    await house.run()
    stranger = house.principal(await house.account("stranger"), unit="Dental", queues=("dental",))
    everybody = house.principal(await house.account("officer"), Role.PRIVACY_OFFICER, EVERYTHING)
    report = await house.reports.of_week(stranger, WEEK)
    assert (report.rows, report.samples, report.overdue) == ((), (), 0)
    report = await house.reports.of_week(everybody, WEEK)
    assert (len(report.rows), len(report.samples)) == (1, 1)
    with pytest.raises(SampleUnknown):
        await house.reports.sign(stranger, report.samples[0].id, Verdict.IN_ORDER, "")
    with pytest.raises(WeekUnknown):
        await house.reports.of_week(everybody, WEEK - timedelta(days=7))
    nobody: list[type[RecorderError]] = []
    for role in (Role.ADMINISTRATOR, Role.AUDITOR):
        try:
            await house.reports.of_week(house.principal(await house.account(role.value), role, EVERYTHING), WEEK)
        except PermissionMissing:
            nobody.append(PermissionMissing)
    assert len(nobody) == 2


async def test_a_fortnight_later_it_is_overdue_and_told_each_day(house: UseHouse) -> None:
    house.mail = Mail.model_validate(
        {"host": "127.0.0.1", "security": "none", "sender": "a@example.org", "use_to": ["b@example.org"]}
    )
    await house.did(await house.account("aino"), PLAY, await house.recording())
    await house.run()
    olli = house.principal(await house.account("olli"))
    house.clocks.time = MONDAY_AFTER + timedelta(days=14)
    await house.run()
    assert (await house.reports.of_week(olli, WEEK)).overdue == 0
    house.clocks.time += timedelta(days=1)
    await house.run()
    await house.run()
    assert (await house.reports.of_week(olli, WEEK)).overdue == 1
    async with house.database.transaction() as conn:
        letters = await conn.fetch("SELECT kind FROM outbox ORDER BY queued_at, kind")
    assert [row["kind"] for row in letters].count("sign-overdue") == 1
    assert "use-report" in {row["kind"] for row in letters}


async def test_reading_the_report_is_on_record(house: UseHouse) -> None:
    await house.did(await house.account("aino"), PLAY, await house.recording())
    await house.run()
    await house.reports.of_week(house.principal(await house.account("olli")), WEEK)
    async with house.database.transaction() as conn:
        leaves = await conn.fetch("SELECT leaf FROM audit_pending")
    assert any('"use:report"' in row["leaf"] and str(WEEK) in row["leaf"] for row in leaves)
