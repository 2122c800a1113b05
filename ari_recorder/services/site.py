"""What the page asks: every service it needs, built once. Does nothing itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ari_recorder.config import Config
from ari_recorder.services import connect
from ari_recorder.services.clock import Clocks
from ari_recorder.services.connect import People
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.passwords import Passwords


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`usable` is set when the database has its tables. Until then pages that need it answer 503."""

    config: Config
    database: Database
    usable: asyncio.Event
    keyring: Keyring
    people: People
    now: Callable[[], datetime]


def build(
    config: Config,
    database: Database,
    keyring: Keyring,
    usable: asyncio.Event,
    clocks: Clocks | None = None,
    passwords: Passwords | None = None,
) -> Site:
    clocks = clocks or Clocks()
    return Site(
        config=config,
        database=database,
        usable=usable,
        keyring=keyring,
        people=connect.people(config, database, clocks, passwords),
        now=clocks.now,
    )
