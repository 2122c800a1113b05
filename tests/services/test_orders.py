"""services/orders.py: a call's commands in their order, each after its line is on disk; who waits long is told of."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import Command, StoreCall
from ari_recorder.domain.errors import JournalWriteFailed
from ari_recorder.services import orders as orders_module
from ari_recorder.services.effects import Effects
from ari_recorder.services.orders import Orders
from ari_recorder.services.presence import Presence
from ari_recorder.storage.db import Database

KEY, OTHER = uuid4(), uuid4()
A_LITTLE = 0.05


class Carried:
    """Effects that only take note: which command, and whether its line is on disk."""

    def __init__(self) -> None:
        self.seen: list[tuple[Command, bool]] = []

    async def carry_out(self, command: Command, call: Call | None, *, journaled: bool) -> None:
        await asyncio.sleep(0)
        self.seen.append((command, journaled))


class Bench:
    def __init__(self, presence: Presence) -> None:
        self.effects, self.presence = Carried(), presence
        self.orders = Orders(cast("Effects", self.effects), presence)

    @property
    def absences(self) -> list[tuple[str, bool]]:
        return [(one.because, one.over) for one in self.presence.newest()]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(orders_module, "NOTICED", timedelta(seconds=A_LITTLE))
    nothing: Any = None
    presence = Presence(
        ami=cast("AmiSession", nothing), database=cast("Database", nothing), folder=tmp_path, heartbeat_seconds=1
    )
    bench = Bench(presence)
    yield bench
    await bench.orders.settle(1)


def on_disk() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def test_each_waits_for_its_line_and_for_the_call_s_earlier_ones(bench: Bench) -> None:
    first, second, other = (StoreCall(call_id=uuid4()) for _ in range(3))
    hanging, quick = on_disk(), on_disk()
    bench.orders.give(KEY, None, hanging, (first,))
    bench.orders.give(KEY, None, None, (second,))
    bench.orders.give(OTHER, None, quick, (other,))
    quick.set_result(None)
    await bench.orders.of(OTHER)
    assert bench.effects.seen == [(other, True)]
    hanging.set_result(None)
    await bench.orders.of(KEY)
    assert bench.effects.seen == [(other, True), (first, True), (second, True)]
    assert bench.absences == []


async def test_while_any_waits_for_a_journal_that_hangs_nobody_is_there(bench: Bench) -> None:
    began = datetime.now(UTC)
    lines = on_disk(), on_disk()
    for line in lines:
        bench.orders.give(uuid4(), None, line, (StoreCall(call_id=uuid4()),))
    await asyncio.sleep(3 * A_LITTLE)
    assert bench.absences == [("the journal hung", False)]
    lines[0].set_result(None)
    await asyncio.sleep(A_LITTLE)
    assert bench.absences == [("the journal hung", False)]
    lines[1].set_result(None)
    await bench.orders.settle(1)
    assert bench.absences == [("the journal hung", True)]
    (one,) = bench.presence.newest()
    assert timedelta() <= one.since - began < timedelta(seconds=A_LITTLE)
    assert one.until - one.since >= timedelta(seconds=4 * A_LITTLE - 0.01)
    assert [journaled for _, journaled in bench.effects.seen] == [True, True]


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_the_journal_refused_is_carried_out_as_not_written(
    bench: Bench, logged: list[MutableMapping[str, Any]], hangs: bool
) -> None:
    line = on_disk()
    bench.orders.give(KEY, None, line, (StoreCall(call_id=uuid4()),))
    await asyncio.sleep(3 * A_LITTLE if hangs else 0)
    line.set_exception(JournalWriteFailed(path=Path("journal"), reason="no space left"))
    await bench.orders.of(KEY)
    assert [journaled for _, journaled in bench.effects.seen] == [False]
    assert not bench.orders.journal_took_last
    assert [line["alarm"] for line in logged if line["event"] == "alarm"] == ["journal-failed"]
    assert bench.absences == ([("the journal hung", True)] if hangs else [])


async def test_one_command_that_fails_keeps_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    bad, good = StoreCall(call_id=uuid4()), StoreCall(call_id=uuid4())
    inner = bench.effects.carry_out

    async def failing(command: Command, call: Call | None, *, journaled: bool) -> None:
        if command is bad:
            raise OSError("this disk is gone")
        await inner(command, call, journaled=journaled)

    monkeypatch.setattr(bench.effects, "carry_out", failing)
    bench.orders.give(KEY, None, None, (bad, good))
    await bench.orders.of(KEY)
    assert [command for command, _ in bench.effects.seen] == [good]
    assert [(line["alarm"], line["because"]) for line in logged if line["event"] == "alarm"] == [
        ("order-failed", "StoreCall: OSError")
    ]
