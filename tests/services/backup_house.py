"""A site with something in it, a backup of it, and other hosts on which nothing is."""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.services import backup, connect, connect_service
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.backup import Made
from ari_recorder.services.holds import HoldTerms
from ari_recorder.storage.db import Database
from ari_recorder.vault import key_check
from tests.site import Recorded, open_keyring, prepare, record

BY = Actor.operator("sari")
# Longer ago than the three months of the site's queue.
LONG_AGO = timedelta(days=100)
TERMS = HoldTerms(
    reason="A threat.", reference="1/26", owner="Sari", review_on=datetime.now(UTC).date() + timedelta(days=200)
)


@dataclass
class BackupHouse:
    """`old` and `held` are of one day, which is over; `new` is of today."""

    site: Config
    database: Database
    folder: Path
    old: Recorded
    held: Recorded
    new: Recorded

    async def backup(self, name: str = "backup", *, with_keys: bool = True) -> Made:
        return await backup.make(self.site, self.folder / name, BY, with_keys=with_keys)

    async def sweep(self) -> None:
        """What is due goes, and the key of its day with it."""
        keyring = open_keyring(self.site)
        await connect.policies(self.site, self.database).adopt(datetime.now(UTC))
        await connect_service.sweep(self.site, self.database, keyring, frozenset).run_once()

    def newer_keys(self) -> Path:
        target = self.folder / "newer-keys"
        key_check.back_up(open_keyring(self.site), target)
        return target

    def other_host(self, dsn: str | None = None, name: str = "other") -> Config:
        """Where nothing is but the configuration and the root key."""
        (self.folder / name).mkdir()
        other = prepare(self.folder / name, changes={"database": f'dsn = "{dsn}"' if dsn else ""})
        shutil.copy(self.site.root_key(), other.root_key())
        return other


async def build(folder: Path, dsn: str, database: Database) -> BackupHouse:
    (folder / "site").mkdir()
    more = f'dsn = "{dsn}"\n[audit]\nanchor_file = "{folder / "site" / "anchors.jsonl"}"'
    site = prepare(folder / "site", changes={"database": more})
    long_ago = datetime.now(UTC) - LONG_AGO
    old = await record(site, database, started_at=long_ago, uniqueid="1700000000.1", marks=())
    held = await record(site, database, started_at=long_ago, uniqueid="1700000000.11")
    new = await record(site, database, uniqueid="1700000000.21", marks=())
    await connect.holds(site, database, open_keyring(site)).place([held.recording_id], TERMS, BY)
    await sequence(database)
    await connect.audit_access(site, database, BY).checkpoint()
    return BackupHouse(site, database, folder, old, held, new)


def day_of(recorded: Recorded) -> date:
    from ari_recorder.vault.files import day_of

    return day_of(recorded.call.recordings[0].started_at)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
