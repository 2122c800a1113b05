"""Builds an import from the configuration and what was typed. What it does: services/importing.py."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import ArchiveRefused, ImportMapRefused, ZoneUnknown
from ari_recorder.domain.importing import Terms
from ari_recorder.services import connect, connect_service
from ari_recorder.services.clock import Clocks
from ari_recorder.services.importing import Importer
from ari_recorder.services.importing_cdr import Cdr
from ari_recorder.services.importing_files import Archive
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`queue`: of files that name none; empty: they are refused. `mapped`: by its old name each queue of ours."""

    zone: ZoneInfo
    queue: str
    mapped: Mapping[str, str]
    accept_truncated: bool
    remove_originals: bool
    dry_run: bool
    jobs: int


def zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # it is not there, or it is no name at all
        raise ZoneUnknown(zone=name) from None


def mapped(config: Config, texts: Iterable[str]) -> Mapping[str, str]:
    """Of OLD=NEW. ImportMapRefused."""
    found = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not old or new not in _queues(config):
            raise ImportMapRefused(text=text, queue=new or "nothing")
        found[old] = new
    return found


def checked_queue(config: Config, name: str) -> str:
    if name and name not in _queues(config):
        raise ImportMapRefused(text=name, queue=name)
    return name


def check_apart(config: Config, folder: Path) -> None:
    """ArchiveRefused for what is this service's own: its recordings come by the way they are made."""
    ours = [config.storage.vault, config.storage.keys, config.pbx.spool]
    there = folder.resolve()
    for own in (one.resolve() for one in ours):
        if there.is_relative_to(own) or own.is_relative_to(there):
            raise ArchiveRefused(path=folder, reason=f"{own} is of this service. Give the old PBX's own folder.")


async def importer(
    config: Config, opened: Database, keys: Keyring, archive: Archive, cdr: Cdr | None, asked: Asked, actor: Actor
) -> Importer:
    policy = await connect.policies(config, opened).in_force()
    return Importer(
        database=opened,
        vault=Vault(VaultFiles(config.storage.vault), keys, config.pbx.spool),
        keyring=keys,
        clocks=Clocks(),
        sweep=connect_service.sweep(config, opened, keys),
        archive=archive,
        cdr=cdr,
        terms=Terms(
            zone=asked.zone,
            queues={**{name: name for name in _queues(config)}, **asked.mapped},
            queue=asked.queue,
            policy=policy,
        ),
        actor=actor,
        accept_truncated=asked.accept_truncated,
        remove_originals=asked.remove_originals,
        dry_run=asked.dry_run,
        # Some wait for the disk while others have a core.
        jobs=asked.jobs or 4 * (os.cpu_count() or 1),
    )


def _queues(config: Config) -> frozenset[str]:
    return frozenset(queue.name for queue in config.queues)
