"""People who listen, and a site with listenings, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from ari_recorder.config import Config
from ari_recorder.domain.accounts import EVERYTHING, Grant, Principal, Role
from ari_recorder.domain.errors import SessionOver
from ari_recorder.domain.listening import Purpose, Why
from ari_recorder.services.clock import Clocks
from ari_recorder.services.listenings import Again, Listenings, Part
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.site import QUEUE, open_keyring

WHY = Why(purpose=Purpose.QUALITY, reference="CASE-7")
UNIT = "service"


def person(
    role: Role = Role.SUPERVISOR, *, queues: tuple[str, ...] = (QUEUE,), interfaces: tuple[str, ...] = ()
) -> Principal:
    everywhere = role in (Role.PRIVACY_OFFICER, Role.ADMINISTRATOR, Role.AUDITOR)
    grant = Grant(
        id=uuid4(),
        role=role,
        unit=EVERYTHING if everywhere else UNIT,
        valid_from=date(2026, 1, 1),
        valid_until=date(2026, 12, 31),
        interfaces=frozenset(interfaces),
    )
    return Principal(
        user_id=uuid4(),
        name=f"{role.value}.one",
        full_name="Some One",
        grants=(grant,),
        units={UNIT: frozenset(queues)},
        session_id=uuid4().hex,
        address="192.0.2.7",
        request_id="r-1",
    )


def without_rights(principal: Principal) -> Principal:
    return replace(principal, grants=())


class Time(Clocks):
    """Now, and later when a test says so."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass
class House:
    """`now`: who is logged in, by session. Somebody else is whoever they say."""

    database: Database
    keyring: Keyring
    vault: Vault
    clocks: Time = field(default_factory=Time)
    now: dict[str, Principal | None] = field(default_factory=dict)
    asked: int = 0

    @classmethod
    def of(cls, site: Config, database: Database) -> "House":
        files = VaultFiles(site.storage.vault)
        files.prepare()
        keyring = open_keyring(site)
        return cls(database=database, keyring=keyring, vault=Vault(files, keyring, site.pbx.spool))

    def again(self, principal: Principal) -> Again:
        async def ask() -> Principal:
            self.asked += 1
            found = self.now.get(principal.session_id, principal)
            if found is None:
                raise SessionOver
            return found

        return ask

    @property
    def listenings(self) -> Listenings:
        return Listenings(database=self.database, vault=self.vault, keyring=self.keyring, clocks=self.clocks)

    def audio(self, path: str, wrapped_key: bytes, recording_id: UUID) -> bytes:
        with self.vault.open_recording(path, wrapped_key, recording_id) as opened:
            return opened.read(0, opened.size)


async def all_of(part: Part) -> bytes:
    return b"".join([chunk async for chunk in part.chunks])


@asynccontextmanager
async def locked_table(database: Database, table: str) -> AsyncIterator[None]:
    """Somebody else has this table for themselves."""
    async with database.transaction(within=60) as conn:
        await conn.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
