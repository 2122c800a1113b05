"""What records, as the configuration describes it: of hosts with the role `capture` alone."""

from datetime import timedelta

from ari_recorder.asterisk import sounds
from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Config
from ari_recorder.domain.calls import Policy
from ari_recorder.domain.switchboard import Switchboard
from ari_recorder.services import connect_service, quarantine
from ari_recorder.services.adopt import Adoption
from ari_recorder.services.ids import Ids
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.meters import Meters
from ari_recorder.services.presence import Presence
from ari_recorder.services.record import Recorder
from ari_recorder.storage.db import Database
from ari_recorder.storage.journal import Journal
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault


def recorder(
    config: Config,
    spool: Spool,
    files: VaultFiles,
    keyring: Keyring,
    journal: Journal,
    database: Database,
    meters: Meters,
) -> Recorder:
    secret = config.dialplan_secret()
    policy = Policy(
        queues=frozenset(queue.name for queue in config.queues),
        sounds=sounds.read(config.pbx.sounds),
        outside=config.pbx.outside,
        may_start=config.capture.start == "ami",
        resume_guard=timedelta(seconds=config.capture.resume_guard_seconds),
        quarantine_days=config.quarantine.days,
    )
    switchboard = Switchboard(policy=policy, secret=secret, system_name=config.pbx.system_name or "", new_id=Ids().new)
    vault = Vault(files, keyring, spool.folder)
    ami = connect_service.ami_session(config)
    presence = Presence(
        ami=ami,
        database=database,
        folder=config.storage.state,
        heartbeat_seconds=config.capture.heartbeat_seconds,
        pbx=config.pbx.system_name,
    )
    presence.load()
    return Recorder(
        ami=ami,
        spool=spool,
        vault=vault,
        live=LiveSealer(vault=vault, spool=spool),
        kept_as={queue.name: Codec(queue.codec) for queue in config.queues},
        public=keyring.public,
        journal=journal,
        database=database,
        switchboard=switchboard,
        adoption=Adoption(
            spool=spool,
            queue_log=config.pbx.queue_log,
            secret=secret,
            over=lambda uniqueid: switchboard.is_over(uniqueid),
            stored=lambda ids: quarantine.stored(database, ids),
        ),
        sounds_folder=config.pbx.sounds,
        pbx_name=config.pbx.system_name,
        presence=presence,
        growth_deadline_seconds=config.capture.growth_deadline_seconds,
        meters=meters,
        place=(config.host.name, files.identity()),
    )
