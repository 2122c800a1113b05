"""services/cross_check.py: the PBX is asked soon, not at once, not for ever, and now and then without any doubt."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.calls import Call, CallState
from ari_recorder.domain.cross_check import Doubt
from ari_recorder.domain.errors import AmiNotLive
from ari_recorder.services import cross_check
from ari_recorder.services.cross_check import CrossCheck
from ari_recorder.services.queue_logs import QueueLogTail
from tests.storage.calls_for_tests import finished_call


class Desk:
    def __init__(self, folder: Path) -> None:
        self.queue_log = folder / "queue_log"
        self.queue_log.write_text("")
        self.tail = QueueLogTail(self.queue_log)
        self.calls: list[Call] = []
        self.over: set[str] = set()
        self.asked = 0
        self.away = False
        self.behind = False
        self.check = CrossCheck(
            tail=self.tail,
            queues=frozenset({"advice"}),
            calls=lambda: self.calls,
            is_over=self.over.__contains__,
            caught_up=lambda: not self.behind,
            ask=self.ask,
        )

    async def ask(self) -> None:
        self.asked += 1
        if self.away:
            raise AmiNotLive(action="Status", address="here")

    def answered(self, uniqueid: str) -> None:
        with self.queue_log.open("a") as file:
            file.write(f"1795435200|{uniqueid}|advice|NONE|ENTERQUEUE||0401234567|1\n")
            file.write(f"1795435209|{uniqueid}|advice|Outi|CONNECT|9|1.2|3\n")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(cross_check, "GRACE", dict.fromkeys(Doubt, 0.0))
    monkeypatch.setattr(cross_check, "AGAIN_AFTER", 0.0)
    desk = Desk(tmp_path)
    yield desk
    desk.tail.close()


async def looked(desk: Desk, times: int = 1) -> int:
    """How often the PBX was asked in so many looks."""
    before = desk.asked
    for _ in range(times):
        await desk.check.look()
    return desk.asked - before


async def test_without_a_doubt_the_pbx_is_asked_every_five_minutes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked(desk, 5) == 0
    monkeypatch.setattr(cross_check, "RECONCILE_EVERY", timedelta(0))
    assert await looked(desk, 2) == 2


async def test_an_answer_nobody_told_of_is_asked_about_three_times_at_most(desk: Desk) -> None:
    await looked(desk)
    desk.answered("1795435200.1")
    assert await looked(desk, 10) == cross_check.MOST_ASKED


async def test_who_is_behind_has_missed_nothing_yet(desk: Desk) -> None:
    await looked(desk)
    desk.answered("1795435200.1")
    desk.behind = True
    assert await looked(desk, 3) == 0
    desk.behind = False
    assert await looked(desk) == 1


async def test_what_the_pbx_shows_ends_the_doubt(desk: Desk) -> None:
    await looked(desk)
    desk.answered("1795435200.1")
    assert await looked(desk) == 1
    call = replace(finished_call(), state=CallState.TALKING, ended_at=None)
    desk.calls = [replace(call, uniqueid=type(call.uniqueid)("1795435200.1"))]
    assert await looked(desk, 3) == 0


async def test_a_moment_is_given_to_ami(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_check, "GRACE", dict.fromkeys(Doubt, 60.0))
    await looked(desk)
    desk.answered("1795435200.1")
    assert await looked(desk, 3) == 0


async def test_calls_that_are_stored_are_no_doubt_and_forgotten(desk: Desk) -> None:
    await looked(desk)
    desk.answered("1795435200.1")
    desk.over.add("1795435200.1")
    assert await looked(desk, 3) == 0
    assert desk.tail.calls == {}


async def test_a_pbx_that_is_away_and_a_log_that_is_gone_end_nothing(desk: Desk) -> None:
    desk.away = True
    desk.answered("1795435200.1")
    assert await looked(desk) == 1
    desk.queue_log.unlink()
    assert await looked(desk, 2) == 0
