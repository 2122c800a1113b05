"""The keyring on the page: how it is, unlocked and locked by somebody with the right. The passphrase goes nowhere else.

What unlocking means: services/key_control.py does the same for the command line.
"""

import asyncio

import structlog

from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Entry, Outcome
from ari_recorder.domain.errors import RecorderError, RootKeyUnusable
from ari_recorder.services import connect
from ari_recorder.services.audit_log import written
from ari_recorder.services.clock import Clocks
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.root_key import RootKind

log = structlog.get_logger(__name__)


class KeyDesk:
    def __init__(self, *, config: Config, database: Database, keyring: Keyring, clocks: Clocks) -> None:
        self._config = config
        self._database = database
        self._keyring = keyring
        self._clocks = clocks

    @property
    def locked(self) -> bool:
        return self._keyring.locked

    @property
    def wants_passphrase(self) -> bool:
        return self._keyring.root_kind is not RootKind.FILE

    async def unlock(self, principal: Principal, passphrase: str) -> None:
        """RootKeyUnusable and its like say why not. Whoever tries is on record."""
        authorise(principal, Permission.KEY_MANAGE, now=self._clocks.now(), step_up=True)
        try:
            await asyncio.to_thread(connect.unlock, self._keyring, self._config, passphrase or None)
        except ConfigError as error:
            await self._tell(principal, Action.KEYRING_UNLOCK, Outcome.FAILED, "root_key_unusable")
            raise RootKeyUnusable(because=error.problems[0].what) from None
        except RecorderError as error:
            await self._tell(principal, Action.KEYRING_UNLOCK, Outcome.REFUSED, error.code)
            raise
        await self._tell(principal, Action.KEYRING_UNLOCK)
        log.info("keyring_unlock")

    async def lock(self, principal: Principal) -> None:
        """Nobody can listen from here on; recording goes on."""
        authorise(principal, Permission.KEY_MANAGE, now=self._clocks.now(), step_up=True)
        self._keyring.lock()
        await self._tell(principal, Action.KEYRING_LOCK)
        log.info("keyring_lock")

    async def _tell(
        self, principal: Principal, action: Action, outcome: Outcome = Outcome.OK, because: str = ""
    ) -> None:
        actor = principal.actor(Permission.KEY_MANAGE)
        entry = Entry(action=action, actor=actor, outcome=outcome, object="keyring", because=because)
        await written(self._database, entry, self._clocks.now())
