"""A new root key, in two phases; reading works throughout, and until the commit there is a way back.

    keyring.json ─────────────────────────────────────────► of the new one     the commit: one rename
    keyring.json.new    written ──► still there: resumed ──┘
    private/            under the old root key ............. replaced one by one, each by a rename
    private.new/        made, read back, compared ────────── moved into private/, then gone
    <root key>          the old one ........................ overwritten, then replaced by <root key>.new

A file says under which root key it is (its generation), so a reader finds the right one wherever a kill left it. Before
the commit, the same call resumes and `abandon` goes back; after it, whoever changes something next ends it (`finish`).
All this is done while `changing` is held: nobody makes or destroys a key meanwhile.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ari_recorder.domain.errors import KeyringDamaged, KeyringForeign, KeyringWriteFailed, RootKeyWriteFailed
from ari_recorder.vault.key_files import FACTS, NEW_FACTS, NEW_PRIVATE, PRIVATE, KeyFolder
from ari_recorder.vault.key_making import PRIVATE_SUFFIX
from ari_recorder.vault.key_pairs import Pair, Symmetric, generation_of, private_file, read_private
from ari_recorder.vault.root_key import (
    Argon2,
    Facts,
    Root,
    RootKind,
    beside,
    fit_passphrase,
    make_root_key,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoot:
    """The root key to come: a passphrase, or a file. `replaces`: the file whose place it takes at the commit."""

    passphrase: str | None = field(default=None, repr=False)
    file: Path | None = None
    replaces: Path | None = None

    @classmethod
    def typed(cls, passphrase: str) -> Self:
        return cls(passphrase=fit_passphrase(passphrase))

    @classmethod
    def in_place_of(cls, path: Path) -> Self:
        return cls(file=beside(path), replaces=path)


def prepare(files: KeyFolder, facts: Facts, old: Root, new: NewRoot) -> Root:
    """Phase one: everything under the new root key beside the old, read back, compared. What was begun is resumed."""
    finish(files, facts)
    coming = _begun(files, facts, new)
    if coming is None:
        abandon(files, facts)
        coming = _begin(files, facts, old, new)
    later, root = coming
    files.make_folder(NEW_PRIVATE)
    for name in sorted(files.names(PRIVATE, PRIVATE_SUFFIX)):
        key = _read(files, PRIVATE, name, facts, old)
        if not _is_there(files, name, later, root, key):
            data = private_file(key, name, facts.installation, root.cipher, root.generation)
            files.replace(NEW_PRIVATE, f"{name}{PRIVATE_SUFFIX}", data)
    for name in files.names(PRIVATE, PRIVATE_SUFFIX):
        if not _is_there(files, name, later, root, _read(files, PRIVATE, name, facts, old)):
            where = files.path / NEW_PRIVATE / f"{name}{PRIVATE_SUFFIX}"
            raise KeyringDamaged(path=where, reason="what was read back is not what was written")
    return root


def commit(files: KeyFolder, new: NewRoot) -> Facts:
    """Phase two. From the rename of keyring.json on, there is no way back, and none is needed."""
    files.move("", NEW_FACTS, "", FACTS)
    facts = Facts.read(files.read("", FACTS), files.path / FACTS)
    if new.file is not None and new.replaces is not None:
        replace_root_key(new.file, new.replaces)
    finish(files, facts)
    return facts


def finish(files: KeyFolder, facts: Facts) -> None:
    """End what was committed; what was not stays as it is."""
    names = files.names(NEW_PRIVATE, PRIVATE_SUFFIX)
    if files.has(NEW_FACTS):
        return
    for name in names:
        where = files.path / NEW_PRIVATE / f"{name}{PRIVATE_SUFFIX}"
        if generation_of(files.read(NEW_PRIVATE, where.name), facts.installation, where) != facts.generation:
            raise KeyringDamaged(path=where, reason="it is of a rotation that keyring.json knows nothing of")
    for name in names:
        files.move(NEW_PRIVATE, f"{name}{PRIVATE_SUFFIX}", PRIVATE, f"{name}{PRIVATE_SUFFIX}")
    if files.has(NEW_PRIVATE):
        files.remove_folder(NEW_PRIVATE)


def abandon(files: KeyFolder, facts: Facts) -> bool:
    """Back to before the rotation, unless it was committed; False when there was none."""
    finish(files, facts)
    begun = files.has(NEW_FACTS)
    if begun:
        files.remove_folder(NEW_PRIVATE)
        files.remove("", NEW_FACTS)  # last: as long as it is there, the folder is known to be of no use
    return begun


def pending(files: KeyFolder) -> Facts | None:
    """The keyring.json of a rotation that was begun and not committed."""
    try:
        return Facts.read(files.read("", NEW_FACTS), files.path / NEW_FACTS)
    except FileNotFoundError:
        return None


def replace_root_key(new: Path, old: Path) -> None:
    """The new key takes the old one's name; twice is fine. Before that the old one is overwritten, as far as a disk
    does what it is told."""
    try:
        if not os.path.lexists(new):
            return
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(old, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.pwrite(fd, os.urandom(os.fstat(fd).st_size), 0)
                os.fsync(fd)
            finally:
                os.close(fd)
        with contextlib.suppress(FileNotFoundError):  # somebody else ended it at the same moment
            os.rename(new, old)
        folder = os.open(old.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise RootKeyWriteFailed(path=old, reason=error.strerror) from None


def _begun(files: KeyFolder, facts: Facts, new: NewRoot) -> tuple[Facts, Root] | None:
    """What an interrupted call has left, if it was for the same new root key."""
    try:
        later = pending(files)
    except KeyringDamaged:
        return None
    if later is None or later.generation != facts.generation + 1 or later.installation != facts.installation:
        return None
    if new.passphrase is not None and later.argon2id is not None:
        root = later.opened_by(later.argon2id.root_key(new.passphrase))
    elif new.file is not None and later.root is RootKind.FILE:
        root = later.opened_by(make_root_key(new.file))
    else:
        root = None
    return (later, root) if root is not None else None


def _begin(files: KeyFolder, facts: Facts, old: Root, new: NewRoot) -> tuple[Facts, Root]:
    if new.passphrase is not None:
        argon2 = Argon2.new()
        key = argon2.root_key(new.passphrase)
        later = facts.next(old, key, RootKind.PASSPHRASE, argon2)
    elif new.file is not None:
        key = make_root_key(new.file)
        later = facts.next(old, key, RootKind.FILE, None)
    else:
        raise ValueError("a root key is needed")
    root = later.opened_by(key)
    if root is None:
        raise KeyringWriteFailed(path=files.path / NEW_FACTS, reason="what was made does not open")
    files.write_new("", NEW_FACTS, later.write())
    return later, root


def _is_there(files: KeyFolder, name: str, later: Facts, root: Root, key: Pair | Symmetric) -> bool:
    try:
        return _read(files, NEW_PRIVATE, name, later, root) == key
    except (FileNotFoundError, KeyringDamaged, KeyringForeign):
        return False


def _read(files: KeyFolder, folder: str, name: str, facts: Facts, root: Root) -> Pair | Symmetric:
    file = f"{name}{PRIVATE_SUFFIX}"
    return read_private(files.read(folder, file), name, facts.installation, root.cipher, files.path / folder / file)
