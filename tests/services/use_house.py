"""Users, calls and an audit log in a real database: what the tests of use are made of."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from ari_recorder.config import Mail, Use
from ari_recorder.domain.accounts import Grant, Principal, Role
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.mail import Post
from ari_recorder.services.use import UseReports
from ari_recorder.storage import audit, calls
from ari_recorder.storage.db import Database
from tests.services.house import Time
from tests.storage.calls_for_tests import CALLER, finished_call, sealed_recording

# A Tuesday in office hours, in the week of the 16th.
TUESDAY = datetime(2026, 11, 17, 9, tzinfo=UTC)
WEEK = date(2026, 11, 16)
MONDAY_AFTER = datetime(2026, 11, 23, 8, tzinfo=UTC)
UNIT = "Advice"


@dataclass
class UseHouse:
    database: Database
    clocks: Time = field(default_factory=lambda: Time(MONDAY_AFTER))
    settings: Use = field(default_factory=Use)
    mail: Mail = field(default_factory=Mail)
    recorded: int = 0

    @property
    def reports(self) -> UseReports:
        return UseReports(
            database=self.database, settings=self.settings, post=Post(self.mail, "fi"), clocks=self.clocks
        )

    async def account(self, name: str) -> UUID:
        account_id = uuid4()
        async with self.database.transaction() as conn:
            await conn.execute(
                """
                INSERT INTO account (id, kind, state, name, full_name, language, created_at)
                VALUES ($1, 'person', 'invited', $2, $3, 'fi', $4)
                """,
                account_id,
                name,
                name.title(),
                TUESDAY,
            )
        return account_id

    async def recording(self, queue: str = "advice", caller: bytes | None = None) -> UUID:
        self.recorded += 1
        recording = sealed_recording(self.recorded, TUESDAY)
        call = finished_call(recording, at=TUESDAY, queue=queue)
        async with self.database.transaction() as conn:
            await calls.upsert(conn, call, CALLER, LedgerState.RECORDED, "", timedelta(seconds=60), TUESDAY)
            if caller is not None:
                await conn.execute(
                    "UPDATE call SET caller_index = $2, caller_index_version = 1 WHERE id = $1", call.id, caller
                )
        return recording.id

    async def did(
        self,
        who: UUID | str,
        action: Action,
        recording: UUID | None = None,
        *,
        at: datetime = TUESDAY,
        times: int = 1,
        unit: str = UNIT,
        outcome: Outcome = Outcome.OK,
        because: str = "",
    ) -> None:
        kind = ActorKind.USER if isinstance(who, UUID) else ActorKind.OPERATOR
        entry = Entry(
            action=action,
            actor=Actor(kind=kind, id=str(who), unit=unit),
            outcome=outcome,
            object=f"recording:{recording}" if recording is not None else "",
            because=because,
        )
        async with self.database.transaction() as conn:
            await audit.append_many(conn, [entry] * times, at)

    async def run(self) -> tuple[date, ...]:
        await sequence(self.database)
        return await self.reports.run_once()

    def principal(
        self, account_id: UUID, role: Role = Role.SUPERVISOR, unit: str = UNIT, queues: tuple[str, ...] = ("advice",)
    ) -> Principal:
        grant = Grant(id=uuid4(), role=role, unit=unit, valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31))
        return Principal(
            user_id=account_id,
            name="somebody",
            full_name="Somebody",
            grants=(grant,),
            units={unit: frozenset(queues)},
            stepped_up_at=self.clocks.now(),
        )

    def fresh(self, principal: Principal) -> Principal:
        """With a code given just now."""
        return replace(principal, stepped_up_at=self.clocks.now())
