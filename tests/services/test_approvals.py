"""What takes two persons, with a real database and people who do not keep to the rules."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from ari_recorder.domain.accounts import Principal, Role
from ari_recorder.domain.approvals import LASTS, ApprovalKind
from ari_recorder.domain.errors import (
    ApprovalAsked,
    ApprovalOver,
    ApprovalUnknown,
    PermissionMissing,
    RecorderError,
    SecondPersonNeeded,
    StepUpNeeded,
)
from ari_recorder.services.approvals import Approvals
from ari_recorder.storage.db import Database
from tests.services.use_house import UseHouse

KIND = ApprovalKind.HOLD_RELEASE
HOLD = uuid4()
SUBJECT = f"hold:{HOLD}"


@pytest.fixture
async def house(database: Database) -> UseHouse:
    """With a hold of a recording of the queue advice."""
    house = UseHouse(database=database)
    recording = await house.recording()
    async with database.transaction() as conn:
        await conn.execute("INSERT INTO keeping (keeper, recording_id, since) VALUES ($1, $2, now())", HOLD, recording)
    return house


def approvals_of(house: UseHouse, *, needed: bool = True) -> Approvals:
    return Approvals(database=house.database, clocks=house.clocks, needed=needed)


async def spend(house: UseHouse, who: Principal, *, needed: bool = True) -> None:
    async with house.database.transaction() as conn:
        await approvals_of(house, needed=needed).spend(conn, who, KIND, SUBJECT)


async def people(house: UseHouse, *names: str) -> list[Principal]:
    return [house.principal(await house.account(name)) for name in names]


async def test_one_asks_another_agrees_and_the_first_does_it_once(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    with pytest.raises(SecondPersonNeeded):
        await spend(house, aino)
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    with pytest.raises(SecondPersonNeeded):
        await spend(house, aino)
    await approvals_of(house).decide(olli, asked.id, approve=True)
    with pytest.raises(SecondPersonNeeded):
        await spend(house, olli)
    await spend(house, aino)
    with pytest.raises(SecondPersonNeeded):
        await spend(house, aino)
    assert await approvals_of(house).waiting(olli) == ()


async def test_the_same_person_twice_is_refused(house: UseHouse, dsn: str) -> None:
    (aino,) = await people(house, "aino")
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    with pytest.raises(SecondPersonNeeded):
        await approvals_of(house).decide(aino, asked.id, approve=True)
    raw = await asyncpg.connect(dsn)
    with pytest.raises(asyncpg.CheckViolationError):
        await raw.execute("UPDATE approval SET state = 'approved', decided_at = now(), decided_by = asked_by")
    await raw.close()


async def test_of_two_who_decide_at_once_one_does(house: UseHouse) -> None:
    aino, olli, pia = await people(house, "aino", "olli", "pia")
    for _ in range(5):
        asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
        done = await asyncio.gather(
            approvals_of(house).decide(olli, asked.id, approve=True),
            approvals_of(house).decide(pia, asked.id, approve=False),
            return_exceptions=True,
        )
        assert [isinstance(one, ApprovalOver) for one in done].count(True) == 1
        house.clocks.time += LASTS
        olli, pia = house.fresh(olli), house.fresh(pia)


async def test_an_approval_is_spent_once_however_many_try(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    await approvals_of(house).decide(olli, asked.id, approve=True)
    done = await asyncio.gather(*(spend(house, aino) for _ in range(6)), return_exceptions=True)
    assert [one is None for one in done].count(True) == 1


async def test_what_fails_does_not_spend(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    await approvals_of(house).decide(olli, asked.id, approve=True)

    async def fail() -> None:
        async with house.database.transaction() as conn:
            await approvals_of(house).spend(conn, aino, KIND, SUBJECT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await spend(house, aino)


async def test_it_is_asked_once_and_lasts_a_week(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    with pytest.raises(ApprovalAsked):
        await approvals_of(house).ask(olli, KIND, SUBJECT, "Me too")
    await approvals_of(house).decide(olli, asked.id, approve=True)
    house.clocks.time += LASTS
    with pytest.raises(SecondPersonNeeded):
        await spend(house, aino)
    again = await people(house, "pia")
    await approvals_of(house).ask(again[0], KIND, SUBJECT, "Once more")


async def test_what_is_outside_is_not_there_and_agreeing_wants_a_fresh_code(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    stranger = house.principal(await house.account("stranger"), unit="Dental", queues=("dental",))
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    assert [one.id for one in await approvals_of(house).waiting(olli)] == [asked.id]
    assert await approvals_of(house).waiting(stranger) == ()
    wrong: list[tuple[Principal, type[RecorderError]]] = [
        (stranger, ApprovalUnknown),
        (house.principal(uuid4(), Role.AUDITOR, "*"), ApprovalUnknown),
    ]
    for who, error in wrong:
        with pytest.raises(error):
            await approvals_of(house).decide(who, asked.id, approve=True)
    house.clocks.time += timedelta(minutes=6)
    with pytest.raises(StepUpNeeded):
        await approvals_of(house).decide(olli, asked.id, approve=True)
    with pytest.raises(PermissionMissing):
        await approvals_of(house).ask(house.principal(uuid4(), Role.AUDITOR, "*"), KIND, SUBJECT, "Let me")


async def test_the_setting_lets_one_do_it_alone(house: UseHouse) -> None:
    (aino,) = await people(house, "aino")
    await spend(house, aino, needed=False)


async def test_every_step_is_on_record(house: UseHouse) -> None:
    aino, olli = await people(house, "aino", "olli")
    asked = await approvals_of(house).ask(aino, KIND, SUBJECT, "The police have it now")
    await approvals_of(house).decide(olli, asked.id, approve=False)
    async with house.database.transaction() as conn:
        leaves = [row["leaf"] for row in await conn.fetch("SELECT leaf FROM audit_pending ORDER BY place")]
    assert ["approval:ask" in leaves[0], "approval:refuse" in leaves[1]] == [True, True]
    assert "police" not in leaves[0]
