"""Packages: what is to be told of recordings, gathered, and the copies opened. Their bytes: package_zip.py.

    order ─► each recording lies in the scope, is there, may be opened ─► facts, listenings, disclosures, holds
          └─► for the police: each is under a hold, and its file is read whole and found to be what was sealed
          ─► Prepared ─ open ─► PackageZip: its size, then its blocks

Who may be given one, and that it is on record before the first byte, is the concern of whoever sends it
(services/export_sending.py): a PackageZip has `size` and `blocks` like a recording as WAV.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from ari_recorder.domain import muting
from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import Action, Actor, ActorKind
from ari_recorder.domain.errors import ControllerUnnamed, KeyringLocked, PackageNeedsHold, RecordingUnknown
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.muting import Mute
from ari_recorder.domain.notice import Basis, basis_told, purposes_told
from ari_recorder.domain.package_pages import period_told
from ari_recorder.domain.packages import (
    LANGUAGES,
    Contents,
    Custody,
    CustodyStep,
    Given,
    HoldTold,
    Listened,
    PackageKind,
    Register,
    Told,
)
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.refusal_certificates import Office
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.retention import Keep, Policy, decide, local_day
from ari_recorder.services import kept
from ari_recorder.services.clock import Clocks
from ari_recorder.services.package_zip import PackageZip
from ari_recorder.services.policy import Policies
from ari_recorder.services.verify import verify
from ari_recorder.storage import audit, calls, disclosures, holds, listenings
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.holds import Keeping
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault

# All of them: nobody has listened to one recording so often.
_EVERY = 100_000
_SERVICE = "ari-recorder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`mutes`: of each recording, what is to be silent in its copy. `ground`: of those that are restricted."""

    kind: PackageKind
    case_number: str
    recordings: Sequence[UUID]
    mutes: Mapping[UUID, Sequence[Mute]] = field(default_factory=dict)
    ground: OpeningGround | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    path: str
    wrapped_key: bytes = field(repr=False)
    label: Label
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """`grounds`: on which those that are restricted are opened, for the record."""

    contents: Contents
    sealed: Sequence[_Sealed]
    grounds: Mapping[UUID, OpeningGround]


class Packages:
    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        keyring: Keyring,
        policies: Policies,
        offices: Mapping[str, Office],
        bases: Mapping[str, Basis],
        clocks: Clocks,
    ) -> None:
        self._database = database
        self._vault = vault
        self._keyring = keyring
        self._policies = policies
        self._offices = offices
        self._bases = bases
        self._clocks = clocks

    async def prepare(self, order: Order, scope: Scope, actor: Actor) -> Prepared:
        """RecordingUnknown, RecordingErased, RecordingQuarantined, RecordingRestricted, PackageNeedsHold, MuteRefused;
        KeyringLocked."""
        if self._keyring.locked:
            raise KeyringLocked
        if not all(office.controller for office in self._offices.values()):
            raise ControllerUnnamed
        for other in set(order.mutes) - set(order.recordings):
            raise RecordingUnknown(recording_id=other)
        now = self._clocks.now()
        told: list[tuple[Told, _Sealed]] = []
        restricted: set[UUID] = set()
        async with self._database.transaction() as conn:
            policy = await self._policies.within(conn)
            keeping = await holds.of_recordings(conn, list(order.recordings))
            for recording_id in dict.fromkeys(order.recordings):
                row, _ = await kept.to_be_opened(conn, recording_id, scope, order.ground)
                if row.restricted:
                    restricted.add(row.id)
                call = (await calls.get(conn, [row.call_id]))[row.call_id]
                keeps = keeping.get(recording_id, holds.NOTHING)
                told.append(await self._told(conn, order, row, call, keeps, policy, actor, now))
        told.sort(key=lambda one: one[0].started_at)
        if order.kind is PackageKind.POLICE:
            await asyncio.to_thread(self._verify, told)
        contents = Contents(
            id=uuid4(),
            kind=order.kind,
            installation=self._keyring.installation,
            case_number=check_reference(order.case_number.strip()),
            made_at=now,
            registers=self._registers(policy, [one for one, _ in told]),
            recordings=tuple(one for one, _ in told),
        )
        grounds = {one: order.ground for one in restricted if order.ground is not None}
        return Prepared(contents=contents, sealed=tuple(sealed for _, sealed in told), grounds=grounds)

    def open(self, prepared: Prepared) -> PackageZip:
        """Blocks: where parts are muted, their smaller form is made now. Close it."""
        with ExitStack() as opened:
            copies = [
                opened.enter_context(
                    self._vault.given(sealed.path, sealed.wrapped_key, one.id, sealed.label, one.mutes)
                )
                for one, sealed in zip(prepared.contents.recordings, prepared.sealed, strict=True)
            ]
            package = PackageZip(prepared.contents, copies, self._keyring)
            opened.pop_all()
        return package

    async def _told(
        self,
        conn: Connection,
        order: Order,
        row: StoredRecording,
        call: StoredCall,
        keeping: Keeping,
        policy: Policy,
        actor: Actor,
        now: datetime,
    ) -> tuple[Told, _Sealed]:
        assert row.path is not None  # noqa: S101 -- what may be opened has all of these
        assert row.wrapped_key is not None  # noqa: S101
        assert row.sha256 is not None  # noqa: S101
        assert row.duration is not None  # noqa: S101
        active = sorted((one for one in keeping.holds if one.released_at is None), key=lambda one: one.placed_at)
        police = order.kind is PackageKind.POLICE
        if police and not active:
            raise PackageNeedsHold(recording_id=row.id)
        fate = decide(kept.of_recording(row, call), policy, keeping.holds, keeping.freezes, now)
        listened = await listenings.of_recording(conn, row.id, limit=_EVERY)
        given = await disclosures.of_recording(conn, row.id, limit=_EVERY)
        custody: list[Custody] = []
        if police:
            custody = [Custody(at=row.started_at, step=CustodyStep.RECORDED, who=_SERVICE)]
            if row.ended_at is not None:
                custody.append(Custody(at=row.ended_at, step=CustodyStep.ENDED, who=_SERVICE))
            custody += [Custody(at=one.placed_at, step=CustodyStep.HELD, who=one.placed_by) for one in keeping.holds]
            custody += [Custody(at=one.begun_at, step=CustodyStep.LISTENED, who=one.user_name) for one in listened]
            custody += [
                Custody(at=one.disclosure.begun_at, step=CustodyStep.GIVEN, who=one.disclosure.user_name)
                for one in given
            ]
            custody += await _by_operators(conn, row.id)
            custody += [
                Custody(at=now, step=step, who=actor.label) for step in (CustodyStep.VERIFIED, CustodyStep.PACKAGED)
            ]
            custody.sort(key=lambda one: one.at)
        label = kept.label_of(row, call)
        told = Told(
            id=row.id,
            started_at=row.started_at,
            duration=row.duration,
            queue=row.queue,
            number=call.number,
            announced=[sound.language.value for sound in call.evidence.sounds] if call.evidence is not None else [],
            announced_at=call.evidence.done if call.evidence is not None else None,
            destroyed_on=local_day(fate.until) if isinstance(fate, Keep) and fate.until is not None else None,
            held=bool(active) or any(one.closed_at is None for one in keeping.freezes),
            truncated=bool(row.truncated_because),
            sealed_sha256=row.sha256,
            sealed_bytes=row.sealed_bytes or 0,
            mutes=muting.check(order.mutes.get(row.id, ()), row.duration),
            listened=tuple(Listened(at=one.begun_at, purpose=one.purpose) for one in reversed(listened)),
            given=tuple(
                Given(at=one.disclosure.begun_at, receiver=one.disclosure.receiver_kind) for one in reversed(given)
            ),
            custody=tuple(custody),
            hold=HoldTold(reference=active[0].reference, verified_at=now) if police else None,
        )
        sealed = _Sealed(path=row.path, wrapped_key=row.wrapped_key, label=label, sha256=bytes.fromhex(row.sha256))
        return told, sealed

    def _verify(self, told: Sequence[tuple[Told, _Sealed]]) -> None:
        for one, sealed in told:
            verify(self._vault, sealed.path, sealed.wrapped_key, one.id, sealed.sha256, sealed.label)

    def _registers(self, policy: Policy, told: Sequence[Told]) -> Mapping[str, Register]:
        periods = [policy.rules.of(one.queue, local_day(one.started_at))[0] for one in told]
        unlike = {period.text: period for period in periods}.values()
        bases = sorted({self._bases.get(one.queue) for one in told}, key=str)
        return {
            language: Register(
                controller=self._offices[language].controller,
                contact=self._offices[language].contact,
                purpose=purposes_told(language),
                legal_basis="; ".join(basis_told(basis, language) for basis in bases),
                kept=", ".join(period_told(period, language) for period in unlike),
                ombudsman=self._offices[language].ombudsman,
            )
            for language in LANGUAGES
        }


async def _by_operators(conn: Connection, recording_id: UUID) -> Sequence[Custody]:
    """Copies made at the command line: they are in the audit log alone."""
    wanted = audit.Wanted(actions=(Action.RECORDING_EXPORT,), object=f"recording:{recording_id}")
    entries = await audit.page(conn, wanted, limit=_EVERY)
    made = []
    for one in reversed(entries):
        actor = one.fields["actor"]
        if actor["kind"] == ActorKind.OPERATOR.value:
            name = next((told.value for told in one.personal if told.field == "actor.name"), actor["id"])
            made.append(Custody(at=one.at, step=CustodyStep.GIVEN, who=name))
    return made
