"""Holds, freezes, decisions, sweeps, kills and new hold keys in any order, against a model of a page.

Never: an acknowledged hold and a destroyed recording; kept past its decision; played after it was erased.
"""

import asyncio
import contextlib
import os
from calendar import monthrange
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import RecordingErased
from ari_recorder.domain.retention import Period, StoredState, local_day
from ari_recorder.services.certify import Certifier
from ari_recorder.services.day_keys import DayKeys
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.rewrap import rewrap
from ari_recorder.services.sweep import Chore
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.parts import Parts
from tests.keyring_for_tests import keyring_in
from tests.services.house import PERSON, House, at
from tests.services.steps import Killed, Steps
from tests.storage.calls_for_tests import BEGAN

HELSINKI = ZoneInfo("Europe/Helsinki")
T = TypeVar("T")
# Just before and after the ends of the periods: 14 days, 28 with the grace, three months.
REASON = "Threatened to come by with a knife."
LONGEST = timedelta(days=92 + 14 + 2)
DAYS = st.sampled_from([0, 14, 15, 29, 93])


@dataclass
class Known:
    """What the model knows of a call."""

    call: Call
    queue: str
    began: date
    flagged: bool
    keepers: set[UUID] = field(default_factory=set)
    gone: bool = False

    def due_on(self) -> date:
        """advice: three months, dental: fourteen days, and fourteen more for a flag nobody decided on. The last day
        belongs to it."""
        if self.queue == "advice":
            month = self.began.month + 3
            year, month = self.began.year + (month - 1) // 12, (month - 1) % 12 + 1
            last = date(year, month, min(self.began.day, monthrange(year, month)[1]))
        else:
            last = self.began + timedelta(days=14)
        return last + timedelta(days=15 if self.flagged else 1)

    def due(self, now: datetime) -> bool:
        return not self.keepers and now.astimezone(HELSINKI).date() >= self.due_on()


class RetentionMachine(RuleBasedStateMachine):
    """One example is one house; the database is emptied for each."""

    runner: asyncio.Runner
    database: Database
    checked = 0  # after how many steps, in all examples together

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        files = VaultFiles(Path(self.folder.name) / "vault")
        files.prepare()
        keyring = keyring_in(Path(self.folder.name), local_day(BEGAN))
        self.house = House(self.database, files.folder, keyring=keyring)
        self.keyring = keyring
        self.known: list[Known] = []
        self.run(self._emptied())

    async def _emptied(self) -> None:
        async with self.database.transaction() as conn:
            tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            names = ", ".join(f'"{row["tablename"]}"' for row in tables if row["tablename"] != "migration")
            await conn.execute("SET LOCAL session_replication_role = replica")  # some refuse to be emptied
            await conn.execute(f"TRUNCATE {names}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.folder.cleanup()

    calls = Bundle("calls")
    holds = Bundle("holds")
    freezes = Bundle("freezes")

    @initialize(target=calls)
    def begin(self) -> object:
        return multiple(self._record("dental", False), self._record("dental", True), self._record("advice", False))

    @rule(target=calls, queue=st.sampled_from(["advice", "dental"]), flagged=st.booleans())
    def record(self, queue: str, flagged: bool) -> Known:
        return self._record(queue, flagged)

    def _record(self, queue: str, flagged: bool) -> Known:
        call = at(self.house.clocks.time, queue, flagged=flagged)
        self.run(self.house.store(call))
        known = Known(call=call, queue=queue, began=local_day(self.house.clocks.time), flagged=flagged)
        self.known.append(known)
        return known

    @rule(target=holds, known=calls)
    def hold(self, known: Known) -> object:
        review = local_day(self.house.clocks.time) + timedelta(days=100)
        terms = HoldTerms(reason=REASON, reference="1/26", owner="Sari", review_on=review)
        try:
            view = self.run(self.house.holds().place([known.call.recordings[0].id], terms, Actor.operator("sari")))
        except RecordingErased:
            assert known.gone
            return multiple()
        assert not known.gone, "held, though it was destroyed"
        known.keepers.add(view.hold.id)
        return (known, view.hold.id)

    @rule(target=freezes, known=calls)
    def freeze(self, known: Known) -> object:
        try:
            view = self.run(
                self.house.holds().open_freeze([known.call.recordings[0].id], "R/7", Actor.operator("paula"))
            )
        except RecordingErased:
            assert known.gone
            return multiple()
        assert not known.gone, "frozen, though it was destroyed"
        known.keepers.add(view.freeze.id)
        return (known, view.freeze.id)

    @rule(held=holds)
    def release(self, held: tuple[Known, UUID]) -> None:
        known, hold_id = held
        if hold_id in known.keepers:
            self.run(self.house.holds().release(hold_id, Actor.operator("olli"), yes=True))
            known.keepers.remove(hold_id)

    @rule(frozen=freezes)
    def close(self, frozen: tuple[Known, UUID]) -> None:
        known, freeze_id = frozen
        if freeze_id in known.keepers:
            self.run(self.house.holds().close_freeze(freeze_id, Actor.operator("olli"), yes=True))
            known.keepers.remove(freeze_id)

    @rule(known=calls)
    def no_threat(self, known: Known) -> None:
        if known.flagged and not known.gone:
            self.run(self.house.holds().decide_no_threat(known.call.recordings[0].id, Actor.operator("sari"), yes=True))
            known.flagged = False

    @rule(days=DAYS)
    def sweep(self, days: int) -> None:
        self.house.clocks.time += timedelta(days=days)
        self.run(self.house.sweep(chores=self._chores(self.database)).run_once())
        now = self.house.clocks.time
        for known in self.known:
            known.gone = known.gone or known.due(now)
        names = self.keyring.names()
        for day in {known.began for known in self.known}:
            of_day = [known for known in self.known if known.began == day]
            if now.date() - day > LONGEST and all(known.gone or known.keepers for known in of_day):
                assert f"day-{day}" not in names, "only what is held is left of that day, and its key is still there"

    @rule(days=DAYS, step=st.integers(1, 60))
    def sweep_killed(self, days: int, step: int) -> None:
        """Then what was due may be destroyed, half destroyed, or not begun: the next hold must be right about it."""
        self.house.clocks.time += timedelta(days=days)
        steps = Steps(step)
        counted = steps.database(self.database)
        parts = {"database": counted, "copies": steps.copies(self.house.vault), "chores": self._chores(counted)}
        with contextlib.suppress(Killed):
            self.run(self.house.sweep(**parts).run_once())
        for known in self.known:
            state = self.run(self.house.state(known.call))
            if state is not StoredState.SEALED:
                assert known.gone or known.due(self.house.clocks.time), "destroyed before its time"
                known.gone = True

    @rule()
    def another_hold_key(self) -> None:
        old = self.keyring.public.hold_name
        new = self.keyring.make_hold()
        done = self.run(rewrap(self.database, self.keyring, old, lambda _: new))
        assert done.failed == 0
        self.keyring.destroy(old)
        assert {view.reason for view in self.run(self.house.holds().list_holds())} <= {REASON}, "why is it held?"

    @invariant()
    def what_is_promised_holds(self) -> None:
        type(self).checked += 1
        self.run(self._checked())

    async def _checked(self) -> None:
        await self.house.nothing_false()
        for known in self.known:
            plays = await self.house.plays(known.call.recordings[0])
            assert plays is not known.gone, "lost" if not plays else "played after it was erased"
            if plays:
                assert await self.house.caller(known.call.id) == PERSON

    def _chores(self, database: Database) -> list[Chore]:
        parts = Parts(self.house.vault, self.keyring)
        clocks = self.house.clocks
        days = DayKeys(database=database, keyring=self.keyring, parts=parts, clocks=clocks, in_journal=frozenset)
        month = Period.parse("P1M")
        certifier = Certifier(database=database, keyring=self.keyring, clocks=clocks, backups_kept=month)
        return [days.destroy_due, certifier.certify]


def test_whatever_is_done_in_whatever_order_the_promises_hold(dsn: str) -> None:
    nightly = bool(os.environ.get("ARI_RECORDER_NIGHTLY"))
    with asyncio.Runner() as runner:
        database = runner.run(Database(dsn).__aenter__())

        class Machine(RetentionMachine):
            pass

        Machine.runner, Machine.database = runner, database
        try:
            examples = 400 if nightly else 40
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            assert Machine.checked >= examples * 25, "too few steps were tried to mean anything"
        finally:
            runner.run(database.__aexit__(None, None, None))
