"""Packages that wait to be fetched, made as the command line makes them, at the clock of the test."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.packages import PackageKind
from ari_recorder.services.delivery_making import Made, maker
from ari_recorder.services.packages import Order
from ari_recorder.storage.db import Database
from tests.site import open_keyring

SARI = Actor.operator("sari")
CASE = "PRV/5/2026"
TERMS = Terms(
    receiver_kind=ReceiverKind.PERSON_CONCERNED, receiver="Päivi Pyytäjä", reference=CASE, reason="GDPR, artikla 15"
)


async def deliver(
    config: Config,
    database: Database,
    *recordings: UUID,
    now: Callable[[], datetime],
    kind: PackageKind = PackageKind.CITIZEN,
    told: Callable[[float], None] = lambda _: None,
) -> Made:
    order = Order(kind=kind, case_number=CASE, recordings=recordings)
    made = replace(maker(config, database, open_keyring(config)), now=now)
    return await made.make(order, TERMS, told, SARI)
