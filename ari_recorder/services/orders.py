"""The commands of each call, one change after the other, each when the journal has the change on disk.

change ──► the call's earlier commands are done ──► its line is on disk ──► commands, in their order
                                                      └──the disk hangs──► absent until no order waits for it
"""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import structlog

from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import AlarmCode, Command
from ari_recorder.domain.errors import RecorderError
from ari_recorder.services.effects import Effects
from ari_recorder.services.presence import NOTICED, Lack, Presence
from ari_recorder.supervise import where

log = structlog.get_logger(__name__)

NO_CALL = UUID(int=0)


class Orders:
    def __init__(self, effects: Effects, presence: Presence) -> None:
        self.journal_took_last = True
        self._effects = effects
        self._presence = presence
        self._newest: dict[UUID, asyncio.Task[None]] = {}
        self._held_up = 0  # by a journal that hangs

    def give(
        self, key: UUID, call: Call | None, durable: "asyncio.Future[None] | None", commands: tuple[Command, ...]
    ) -> None:
        """`key`: the call's, or NO_CALL. `durable`: the change is on disk; None when it was before."""
        task = asyncio.create_task(self._carry_out(self._newest.get(key), call, durable, commands))
        self._newest[key] = task
        task.add_done_callback(lambda done: self._done(key, done))

    @property
    def waiting(self) -> int:
        """How many calls have orders that are not carried out."""
        return len(self._newest)

    async def of(self, key: UUID) -> None:
        """Those given until now are carried out."""
        if (newest := self._newest.get(key)) is not None:
            await asyncio.wait({newest})

    async def settle(self, seconds: float) -> None:
        """All of them are, or the time is over."""
        if self._newest:
            await asyncio.wait(set(self._newest.values()), timeout=seconds)

    def _done(self, key: UUID, task: "asyncio.Task[None]") -> None:
        if self._newest.get(key) is task:
            del self._newest[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("order_fail", error=type(error).__name__)

    async def _carry_out(
        self,
        earlier: "asyncio.Task[None] | None",
        call: Call | None,
        durable: "asyncio.Future[None] | None",
        commands: tuple[Command, ...],
    ) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        journaled = True
        if durable is not None:
            try:
                await self._on_disk(durable)
                self.journal_took_last = True
            except RecorderError as error:
                journaled = False
                self.journal_took_last = False
                log.error("alarm", alarm=AlarmCode.JOURNAL_FAILED.value, subject=error.code)
        for command in commands:
            try:
                await self._effects.carry_out(command, call, journaled=journaled)
            except Exception as error:  # the others are carried out all the same
                subject = str(call.id) if call is not None else ""
                because = f"{type(command).__name__}: {type(error).__name__}"
                log.error(
                    "alarm", alarm=AlarmCode.ORDER_FAILED.value, subject=subject, because=because, where=where(error)
                )

    async def _on_disk(self, durable: "asyncio.Future[None]") -> None:
        """To wait long for the journal is as if nobody had been there to give the order."""
        began = datetime.now(UTC)
        await asyncio.wait({durable}, timeout=NOTICED.total_seconds())
        if durable.done():
            return await durable
        self._held_up += 1
        self._presence.lost(began, "the journal hung", Lack.JOURNAL)
        try:
            await durable
        finally:
            self._held_up -= 1
            if not self._held_up:
                self._presence.back(datetime.now(UTC), Lack.JOURNAL)
