"""What the page asks: every service it needs, built once. Does nothing itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.errors import RecorderError
from ari_recorder.services import commands, connect, connect_subjects, deliveries, delivery_making
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.audit_desk import AuditDesk
from ari_recorder.services.case_packages import CasePackages
from ari_recorder.services.clock import Clocks
from ari_recorder.services.connect import People
from ari_recorder.services.connections import Connections
from ari_recorder.services.corrections import Corrections
from ari_recorder.services.deliveries import Deliveries
from ari_recorder.services.delivery_sending import DeliverySending
from ari_recorder.services.export_desk import ExportDesk
from ari_recorder.services.export_sending import ExportSending
from ari_recorder.services.hold_desk import HoldDesk
from ari_recorder.services.holds import Holds
from ari_recorder.services.hosts import HostList
from ari_recorder.services.key_desk import KeyDesk
from ari_recorder.services.ledger import Ledgers
from ari_recorder.services.listenings import Listenings
from ari_recorder.services.mail import Post
from ari_recorder.services.notice import Notices
from ari_recorder.services.promises import PromiseDesk
from ari_recorder.services.quarantine import Quarantines
from ari_recorder.services.recording_page import RecordingPages
from ari_recorder.services.records import Records
from ari_recorder.services.refusal_certificates import RefusalDesk
from ari_recorder.services.refusals import Refusals
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.services.search import Searches
from ari_recorder.services.subject_requests import SubjectRequests
from ari_recorder.services.use import OwnNumbers, UseReports
from ari_recorder.storage.db import Database
from ari_recorder.vault.delivered import Deliveries as DeliveryFiles
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.vault.passwords import Passwords
from ari_recorder.vault.recordings import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`usable` is set when the database has its tables. Until then pages that need it answer 503."""

    config: Config
    database: Database
    usable: asyncio.Event
    keyring: Keyring
    people: People
    now: Callable[[], datetime]
    searches: Searches
    pages: RecordingPages
    corrections: Corrections
    listenings: Listenings
    holds: Holds
    restrictions: Restrictions
    requests: SubjectRequests
    case_packages: CasePackages
    use_reports: UseReports
    own_numbers: OwnNumbers
    approvals: Approvals
    ledgers: Ledgers
    quarantines: Quarantines
    refusals: Refusals
    hold_desk: HoldDesk
    export_desk: ExportDesk
    export_sending: ExportSending
    deliveries: Deliveries
    delivery_sending: DeliverySending
    refusal_desk: RefusalDesk
    audit_desk: AuditDesk
    key_desk: KeyDesk
    hosts: HostList
    notices: Notices
    promises: PromiseDesk
    records: Records

    async def told(self, command: UUID | None, error: RecorderError) -> RecorderError:
        """What a refusal says to who ordered it before: services/commands.py."""
        return await commands.told(self.database, command, error)


def build(
    config: Config,
    database: Database,
    keyring: Keyring,
    usable: asyncio.Event,
    clocks: Clocks | None = None,
    passwords: Passwords | None = None,
    connections: Connections | None = None,
    store: ObjectStore | None = None,
) -> Site:
    clocks = clocks or Clocks()
    policies = connect.policies(config, database)
    vault = Vault(VaultFiles(config.storage.vault, store), keyring, config.pbx.spool)
    people = connect.people(config, database, clocks, passwords)
    holds = Holds(database=database, keyring=keyring, policies=policies, clocks=clocks)
    approvals = connect.approvals(config, database, clocks)
    waiting = deliveries.of(config, database, keyring, clocks)
    return Site(
        config=config,
        database=database,
        usable=usable,
        keyring=keyring,
        people=people,
        now=clocks.now,
        searches=Searches(
            database=database, keyring=keyring, login_key=LoginKey(config.storage.login_key), clocks=clocks
        ),
        pages=RecordingPages(database=database, vault=vault, keyring=keyring, policies=policies, clocks=clocks),
        corrections=Corrections(database=database, keyring=keyring, clocks=clocks),
        listenings=Listenings(database=database, vault=vault, keyring=keyring, clocks=clocks),
        holds=holds,
        restrictions=Restrictions(database=database, holds=holds, policies=policies, clocks=clocks),
        requests=connect_subjects.subject_requests(config, database, keyring, clocks),
        case_packages=CasePackages(
            database=database,
            keyring=keyring,
            maker=delivery_making.maker(config, database, keyring, clocks),
            two_persons=config.use.two_persons,
            clocks=clocks,
        ),
        use_reports=connect.use_reports(config, database, clocks),
        own_numbers=OwnNumbers(database=database, keyring=keyring, clocks=clocks),
        approvals=approvals,
        audit_desk=AuditDesk(config=config, database=database, clocks=clocks),
        notices=connect.notices(config, database, clocks),
        promises=connect.promises(config, database, clocks, connections or Connections(config)),
        records=connect_subjects.records(config, database, clocks),
        hosts=HostList(database, clocks),
        key_desk=KeyDesk(config=config, database=database, keyring=keyring, clocks=clocks),
        hold_desk=HoldDesk(
            database=database,
            holds=holds,
            approvals=approvals,
            rights=people.rights,
            post=Post(config.mail, config.web.language),
            clocks=clocks,
        ),
        export_desk=ExportDesk(database=database, keyring=keyring, approvals=approvals, clocks=clocks),
        export_sending=ExportSending(
            database=database, vault=vault, keyring=keyring, approvals=approvals, clocks=clocks
        ),
        refusal_desk=connect_subjects.refusal_desk(config, keyring),
        ledgers=Ledgers(
            database=database,
            queue_log=config.pbx.queue_log,
            cel=config.pbx.cel,
            queues=frozenset(queue.name for queue in config.queues),
            clocks=clocks,
            host=config.host,
            pbx=config.pbx.system_name,
        ),
        deliveries=waiting,
        delivery_sending=DeliverySending(
            database=database,
            files=DeliveryFiles(config.storage.deliveries),
            keyring=keyring,
            deliveries=waiting,
            clocks=clocks,
        ),
        quarantines=Quarantines(database=database, clocks=clocks),
        refusals=Refusals(database=database, clocks=clocks),
    )
