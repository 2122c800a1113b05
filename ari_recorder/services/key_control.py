"""What the running service answers about its keys: how they are, unlock, lock, and which of them calls still need."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.errors import RecorderError, RootKeyUnusable, Unavailable
from ari_recorder.services import connect
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.audit_log import written
from ari_recorder.services.control import Answer
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)


class KeyControl:
    def __init__(
        self,
        *,
        config: Config,
        keyring: Keyring,
        database: Database,
        unlocked: Callable[[], None],
        needed: Callable[[], frozenset[str]],
        later: LaterEntries,
    ) -> None:
        """`unlocked` hears of each unlocking; `needed` tells the keys of calls that are not finished; `later` keeps
        entries while the database is away."""
        self._config = config
        self._keyring = keyring
        self._database = database
        self._unlocked = unlocked
        self._needed = needed
        self._later = later

    @property
    def answers(self) -> dict[str, Answer]:
        return {
            "keys-status": self._status,
            "keys-unlock": self._unlock,
            "keys-lock": self._lock,
            "keys-look": self._look,
            "keys-needed": self._names,
        }

    async def _status(self, _: dict[str, Any]) -> dict[str, object]:
        return {"locked": self._keyring.locked}

    async def _unlock(self, question: dict[str, Any]) -> dict[str, object]:
        passphrase = question.get("passphrase")
        try:
            await asyncio.to_thread(
                connect.unlock, self._keyring, self._config, passphrase if isinstance(passphrase, str) else None
            )
        except ConfigError as error:
            await self._write(Action.KEYRING_UNLOCK, question, Outcome.FAILED, "root_key_unusable")
            raise RootKeyUnusable(because=error.problems[0].what) from None
        except RecorderError as error:
            log.warning("keyring_unlock_refuse", code=error.code)
            await self._write(Action.KEYRING_UNLOCK, question, Outcome.REFUSED, error.code)
            raise
        log.info("keyring_unlock")
        await self._write(Action.KEYRING_UNLOCK, question)
        self._unlocked()
        return {"locked": self._keyring.locked}

    async def _lock(self, question: dict[str, Any]) -> dict[str, object]:
        self._keyring.lock()
        log.info("keyring_lock")
        await self._write(Action.KEYRING_LOCK, question)
        return {"locked": True}

    async def _write(
        self, action: Action, question: dict[str, Any], outcome: Outcome = Outcome.OK, because: str = ""
    ) -> None:
        """Keys are needed to find out what ails a database, too: without one, it is written down when there is one."""
        by = question.get("by")
        actor = Actor.operator(by) if isinstance(by, str) else Actor.service("control")
        entry = Entry(action=action, actor=actor, outcome=outcome, object="keyring", because=because)
        now = datetime.now(UTC)
        try:
            await written(self._database, entry, now)
        except Unavailable:
            await self._later.put(entry, now)

    async def _look(self, _: dict[str, Any]) -> dict[str, object]:
        """The root key was replaced: take it up now, not when somebody wants to listen."""
        with contextlib.suppress(RecorderError):
            await asyncio.to_thread(self._keyring.look)
        self._unlocked()
        return {"locked": self._keyring.locked}

    async def _names(self, _: dict[str, Any]) -> dict[str, object]:
        return {"names": sorted(self._needed())}
