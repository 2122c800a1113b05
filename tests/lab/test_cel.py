"""The PBX writes its channel event log too: both logs tell the same, and what queue_log loses is found by CEL."""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from ari_recorder import config
from ari_recorder.domain.cel import Witness, lacking, read_cel, union
from ari_recorder.domain.queue_log import QueueLogCall, QueueOutcome, read_queue_log
from ari_recorder.services import connect
from tests.lab.heard import talking
from tests.lab.lab import Lab, start_lab
from tests.lab.phones import Caller
from tests.lab.service import RECORDED, Service, installed_service
from tests.lab.test_check import troubles

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

WITHIN = 120.0  # s; nothing here is about how quick it is
QUEUES = frozenset({*RECORDED, "vaihde"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """With CEL on both sides."""
    folder = tmp_path_factory.mktemp("cel")
    async with (
        start_lab(folder / "lab", cel=True) as lab,
        installed_service(lab, folder / "service", settings={"cel": f'"{lab.pbx.cel}"'}) as service,
    ):
        await service.start(WITHIN)
        yield service
        await service.stop()


async def every_kind_of_call(lab: Lab) -> list[Caller]:
    callers = []

    async def call(number: str = "0195202000") -> Caller:
        caller, _, _ = await talking(lab, number)
        callers.append(caller)
        await asyncio.sleep(2)
        return caller

    async def ends(caller: Caller) -> None:
        await caller.hangup()
        await lab.quiet()

    await ends(await call())
    await call()
    await lab.agent("1001").hangup()
    await lab.quiet()
    await ends(await call("0195202005"))  # by a Local channel
    await ends(await call("0195202009"))  # a queue that is not recorded
    caller = await call()
    await lab.agent("1001").blind_transfer("1011")
    await asyncio.sleep(4)
    await ends(caller)
    caller = await call()
    await lab.agent("1001").blind_transfer("0195202001")
    await asyncio.sleep(8)
    await ends(caller)
    caller = await call()
    await lab.agent("1001").attended_transfer("1012")
    await asyncio.sleep(2)
    await ends(caller)
    await lab.agent("1006").does_not_answer()
    callers.append(caller := await lab.call("0195202003"))
    await caller.wait_ended(40)
    callers.append(caller := await lab.call("0195202003"))
    await caller.wait_queued()
    await ends(caller)
    await lab.agent("1006").answers()
    return callers


def bare(call: QueueLogCall) -> tuple[Any, ...]:
    """What must be the same; queue_log has whole seconds, and tells abandoned from left otherwise."""
    over = QueueOutcome.LEFT if call.outcome is QueueOutcome.ABANDONED else call.outcome
    return call.queue, over, call.transferred, [leg.queue for leg in call.legs]


async def test_both_logs_say_the_same_and_the_ledger_is_what_it_is_without_cel(service: Service) -> None:
    lab = service.lab
    callers = await every_kind_of_call(lab)
    ids = [caller.uniqueid for caller in callers]
    await service.settled(ids, within=WITHIN)
    logged = read_queue_log(lab.pbx.queue_log.read_text().splitlines())
    cel = read_cel(lab.pbx.cel.read_text().splitlines())
    assert {key: bare(cel[key]) for key in ids} == {key: bare(logged[key]) for key in ids}
    for key in ids:
        for one, other in zip(cel[key].legs, logged[key].legs, strict=True):
            assert one.talk_time is not None
            assert other.talk_time is not None
            assert abs(one.talk_time - other.talk_time) < timedelta(seconds=1.1)
    later = datetime.now(UTC) + timedelta(hours=1)
    since = dict.fromkeys(Witness, datetime.fromtimestamp(0, UTC))
    assert {lacking(logged[key], cel[key], QUEUES, later, since) for key in ids} == {None}
    both = union(logged, cel, QUEUES, later)
    assert {key: both[key] for key in ids} == {key: logged[key] for key in ids}
    with_cel = await service.command("ledger", or_code=3)  # of another test a call may be unexplained
    assert not with_cel["contradicted"].keys() & set(ids)
    assert with_cel["unread"] == []
    whole = service.config.read_text()
    service.config.write_text(whole.replace(f'cel = "{lab.pbx.cel}"\n', ""))
    assert service.config.read_text() != whole
    try:
        without = await service.command("ledger", or_code=3)
        assert rows_of(without, ids) == rows_of(with_cel, ids)
        assert rows_of(without, ids)
    finally:
        service.config.write_text(whole)
    assert not any(word in lab.pbx.cel.read_text() for word in ("0401234567", "PJSIP", "operator"))


def rows_of(ledger: dict[str, Any], uniqueids: Collection[str]) -> list[Any]:
    return [row for row in ledger["calls"] if row["uniqueid"] in uniqueids]


async def test_a_call_that_queue_log_lost_and_that_has_no_recording_is_unexplained(service: Service) -> None:
    lab = service.lab
    caller, _, _ = await talking(lab)
    await asyncio.sleep(3)
    await caller.hangup()
    await lab.quiet()
    row = (await service.settled([caller.uniqueid], within=WITHIN))[caller.uniqueid]
    assert row["verdict"]["state"] == "recorded"
    (recording_id,) = row["recording_ids"]
    async with connect.ready_database(config.load(service.config)) as database, database.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute("DELETE FROM recording WHERE id = $1", UUID(recording_id))
        await conn.execute("DELETE FROM call WHERE uniqueid = $1", caller.uniqueid)
        await conn.execute("DELETE FROM ledger_row WHERE uniqueid = $1", caller.uniqueid)
    await service.stop()
    lose(lab.pbx.queue_log, caller.uniqueid)
    await service.start(WITHIN)
    row = (await service.settled([caller.uniqueid], within=WITHIN))[caller.uniqueid]
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("unexplained", "unknown-call")
    assert (row["queue"], row["outcome"]) == ("asiakaspalvelu", "completed")
    assert row["talk_time"] == pytest.approx(3, abs=1)
    ledger = await service.command("ledger", code=3)
    assert ledger["contradicted"] == {caller.uniqueid: "queue_log"}
    async with asyncio.timeout(WITHIN):
        while not {"call-unexplained", "witnesses-differ"} <= alarms(service):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.5)


def lose(log: Path, uniqueid: str) -> None:
    """In place: the PBX has the file open."""
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if f"|{uniqueid}|" not in line))


def alarms(service: Service) -> set[str]:
    lines = [line for line in service.log.read_text().splitlines() if '"alarm"' in line]
    return {code for code in ("call-unexplained", "witnesses-differ") if any(code in line for line in lines)}


async def test_the_shipped_configuration_of_cel_leaves_nothing_to_mend_and_a_lack_is_told(service: Service) -> None:
    caller, _, _ = await talking(service.lab, "0195202009")
    await caller.hangup()
    await service.lab.quiet()
    found = await troubles(service)
    assert [one for one in found if one["area"] == "cel"] == []
    conf = service.lab.pbx.folder / "etc" / "cel.conf"
    right = conf.read_text()
    conf.write_text("[general]\nenable = yes\nevents = CHAN_START,HANGUP\napps = dial\n")
    try:
        told = [one["what"] for one in await troubles(service) if one["area"] == "cel"]
    finally:
        conf.write_text(right)
    assert len(told) == 2
    assert "APP_START, ATTENDEDTRANSFER, BLINDTRANSFER, BRIDGE_ENTER, BRIDGE_EXIT" in told[0]
    assert "does not track the application queue" in told[1]


async def test_a_pbx_that_dies_in_mid_call_is_told_alike(service: Service) -> None:
    lab = service.lab
    caller, _, _ = await talking(lab)
    await lab.pbx.kill()
    await lab.pbx.start()
    await asyncio.sleep(2)
    other, _, _ = await talking(lab)
    await other.hangup()
    await lab.quiet()
    logged = read_queue_log(lab.pbx.queue_log.read_text().splitlines())[caller.uniqueid]
    cel = read_cel(lab.pbx.cel.read_text().splitlines())[caller.uniqueid]
    assert bare(cel) == bare(logged)
    assert cel.outcome is QueueOutcome.INTERRUPTED
