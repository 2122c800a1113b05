"""A site that an old archive moves into: what an import needs, and what the vault and the database hold afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.retention import HELSINKI, StoredState
from ari_recorder.services import connect_import
from ari_recorder.services.importing import Importer
from ari_recorder.services.importing_cdr import Cdr
from ari_recorder.services.importing_files import Archive
from ari_recorder.services.importing_report import Report
from ari_recorder.services.reconcile import reconcile
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.archive import days_ago, freepbx, voice, write
from tests.site import QUEUE, open_keyring

BATCH = 2
# Four that are kept, one of them twice, and one that is overdue.
HERTZ = (300, 400, 500, 600)
OVERDUE = 700


def fill(folder: Path) -> None:
    for number, hertz in enumerate(HERTZ):
        write(folder / freepbx(days_ago(10 + number // 2), running=number), hertz, seconds=0.6)
    write(folder / "copies" / "q-600-1-20250131-101112.wav", HERTZ[0], seconds=0.6)
    write(folder / freepbx(days_ago(150), running=9), OVERDUE, seconds=0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: UUID
    state: StoredState
    path: str | None
    sound: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportHouse:
    settings: Config
    database: Database
    archive: Path
    keyring: Keyring

    async def importer(
        self, archive: Archive, *, cdr: Cdr | None = None, batch: int = BATCH, queue: str = "", **more: bool
    ) -> Importer:
        asked = connect_import.Asked(
            zone=HELSINKI,
            queue=queue,
            mapped={"600": QUEUE},
            accept_truncated=more.get("accept_truncated", False),
            remove_originals=more.get("remove_originals", False),
            dry_run=more.get("dry_run", False),
            jobs=2,
        )
        importer = await connect_import.importer(
            self.settings, self.database, self.keyring, archive, cdr, asked, Actor.operator("sari")
        )
        importer._batch = batch
        return importer

    async def run(self, cdr: Path | None = None, **more: object) -> Report:
        with Archive(self.archive) as archive:
            if cdr is None:
                return await (await self.importer(archive, **more)).run()  # type: ignore[arg-type]
            with Cdr(cdr) as rows:
                return await (await self.importer(archive, cdr=rows, **more)).run()  # type: ignore[arg-type]

    def originals(self) -> list[str]:
        return sorted(str(one.relative_to(self.archive)) for one in self.archive.rglob("*") if not one.is_dir())

    async def rows(self) -> list[Row]:
        """All recordings, each opened by its label: what is heard on the caller's side, as a hash."""
        async with self.database.transaction() as conn:
            found = await conn.fetch("SELECT recording.*, uniqueid FROM recording JOIN call ON call.id = call_id")
        return [
            Row(id=one["id"], state=StoredState(one["state"]), path=one["path"], sound=self._sound(one))
            for one in found
        ]

    def _sound(self, row: "dict[str, object]") -> bytes:
        if row["state"] != "sealed":
            return b""
        vault = Vault(VaultFiles(self.settings.storage.vault), self.keyring, self.settings.pbx.spool)
        label = Label(
            uniqueid=row["uniqueid"],  # type: ignore[arg-type]
            queue=row["queue"],  # type: ignore[arg-type]
            segment=row["segment"],  # type: ignore[arg-type]
            started_at=row["started_at"],  # type: ignore[arg-type]
        )
        with vault.wav(row["path"], row["wrapped_key"], row["id"], label) as wav:  # type: ignore[arg-type]
            return b"".join(wav.samples_blocks())[::4]

    async def check_whole(self) -> None:
        """Nothing is in the vault that no row knows, or the other way round; nothing is on its way."""
        rows = await self.rows()
        files = {one.name for one in self.settings.storage.vault.rglob("*.sealed")}
        assert files == {f"{row.id}.sealed" for row in rows if row.state is StoredState.SEALED}
        assert list((self.settings.storage.vault / ".new").iterdir()) == []
        assert await reconcile(self.database, self.settings.storage.vault, mend=False) == ()
        async with self.database.transaction() as conn:
            counts = await conn.fetchrow(
                """
                SELECT (SELECT count(*) FROM imported WHERE stored_at IS NULL) AS on_their_way,
                       (SELECT count(*) FROM imported) AS imported,
                       (SELECT count(*) FROM call) AS calls,
                       (SELECT count(*) FROM (SELECT leaf FROM audit_pending UNION SELECT leaf FROM audit_entry) AS log
                        WHERE leaf LIKE '%"recording:import"%') AS entries
                """
            )
        assert counts is not None
        assert tuple(counts) == (0, len(rows), len(rows), len(rows))


def house_of(settings: Config, database: Database, archive: Path) -> ImportHouse:
    keyring = open_keyring(settings)
    VaultFiles(settings.storage.vault).prepare()
    return ImportHouse(settings=settings, database=database, archive=archive, keyring=keyring)


def sounds(hertz: Iterable[int], seconds: float = 0.6) -> list[bytes]:
    """Every fourth byte of the stereo samples: the low bytes of the caller's side."""
    return sorted(voice(one, seconds).tobytes()[::2] for one in hertz)
