"""Is the keyring whole, and is a copy of it? Opens every key; changes nothing here."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ari_recorder.domain.errors import BackupTargetRefused, RecorderError
from ari_recorder.vault import key_rotation
from ari_recorder.vault.key_files import FACTS, PRIVATE, PUBLIC, KeyFolder
from ari_recorder.vault.key_making import PRIVATE_SUFFIX, PUBLIC_SUFFIX, read_facts
from ari_recorder.vault.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`opened`: the private halves, too; a locked keyring shows no more than signatures."""

    keys: int
    opened: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    target: Path
    keys: int
    verified: Verified


def verify(keyring: Keyring) -> Verified:
    """Every half opens, belongs to this installation, and fits its other half."""
    problems = []
    private, public = keyring.names(), keyring.public.names()
    for name in sorted(private | public):
        try:
            published = keyring.public.raw(name) if name in public else None
            if keyring.locked:
                continue
            if name not in private:
                problems.append(f"{name}: it has no private half: what is sealed to it from now on would be lost")
                continue
            half = keyring.public_half(name)
            if half is not None and published is None:
                problems.append(f"{name}: it has no public half; publishing or destroying it was interrupted")
            elif half != published:
                problems.append(f"{name}: its two halves do not belong together")
        except RecorderError as error:
            problems.append(f"{name}: {error}")
    return Verified(keys=len(private | public), opened=not keyring.locked, problems=tuple(problems))


def back_up(keyring: Keyring, target: Path) -> Backup:
    """A copy of the folder in `target`, which must not exist; useless without the root key. Read back and verified."""
    source = KeyFolder(keyring.folder)
    copy = KeyFolder(target)
    made = False
    try:
        target.mkdir(mode=0o700)
        made = True
        copy.make()
        with source.changing():
            key_rotation.finish(source, read_facts(source))
            for folder, suffix in ((PUBLIC, PUBLIC_SUFFIX), (PRIVATE, PRIVATE_SUFFIX)):
                for name in sorted(source.names(folder, suffix)):
                    copy.write_new(folder, f"{name}{suffix}", source.read(folder, f"{name}{suffix}"))
            copy.write_new("", FACTS, source.read("", FACTS))  # last: without it, it is no keyring
        again = keyring.in_folder(target)
        checked = verify(again)
    except OSError as error:
        _remove(target if made else None)
        raise BackupTargetRefused(path=target, reason=error.strerror) from None
    except BaseException:
        _remove(target if made else None)
        raise
    return Backup(target=target, keys=len(again.names()), verified=checked)


def _remove(target: Path | None) -> None:
    if target is not None:
        with contextlib.suppress(OSError):
            shutil.rmtree(target)
