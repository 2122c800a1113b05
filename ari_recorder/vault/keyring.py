"""The keys, and what they open. Locked, until the root key is given: then it only publishes, through `public`.

    storage.keys (vault/key_files.py draws it)         day-2026-11-24   what was recorded on that day, in Helsinki
      ┌ public halves: PublicKeys, always usable       hold-1, hold-2   what outlives its day; the newest is used
      └ private halves: here, once unlocked            fallback         what was recorded when its day had no key
                                                       index-1          symmetric: finds sealed personal data again

A pair is made private half first, destroyed public half first, each step on disk before the next: what has a public
half can always be opened. Of a destroyed key nothing is left here: what it wrapped is noise, wherever it lies.
Formats: key_pairs.py, root_key.py, wrapping.py. All functions block (disk and ciphers): call them in a thread.
"""

import contextlib
import hmac
import os
import re
import threading
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Self
from uuid import UUID

from ari_recorder.domain.errors import (
    KeyDestroyed,
    KeyringDamaged,
    KeyringExists,
    KeyringForeign,
    KeyringLocked,
    KeyringMissing,
    NotWrapped,
    PassphraseWrong,
    RecorderError,
    RootKeyWrong,
    SealedTextRefused,
    WrappedKeyRefused,
)
from ari_recorder.vault import wrapping
from ari_recorder.vault.key_files import FACTS, NEW_PRIVATE, PRIVATE, PUBLIC, KeyFolder
from ari_recorder.vault.key_making import PRIVATE_SUFFIX, PUBLIC_SUFFIX, make_key, new_facts, read_facts
from ari_recorder.vault.key_pairs import Pair, Symmetric, generation_of, read_private
from ari_recorder.vault.key_rotation import NewRoot, abandon, commit, finish, pending, prepare, replace_root_key
from ari_recorder.vault.public_keys import PublicKeys
from ari_recorder.vault.root_key import (
    Facts,
    Root,
    RootKind,
    beside,
    opened_by_file,
    opened_by_passphrase,
    read_root_key,
)
from ari_recorder.vault.wrapping import FALLBACK, checked_name, day_name, key_name_of

_FIRST_HOLD = "hold-1"
_FIRST_INDEX = "index-1"


class Keyring:
    """One installation's keys. Safe to use from several threads, and beside other processes."""

    def __init__(self, folder: KeyFolder, facts: Facts) -> None:
        self._folder = folder
        self._facts = facts
        self._root: Root | None = None
        self._coming: tuple[Facts, Root] | None = None  # of a rotation that is about to be committed
        self._root_key: Path | None = None
        self._turn = threading.Lock()
        self.public = PublicKeys(folder, facts)

    # --- how it is had

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The keyring, locked. KeyringMissing when there is none."""
        files = KeyFolder(folder)
        files.check()
        facts = read_facts(files)
        try:
            return cls(files, facts)
        except KeyDestroyed:  # nobody destroys the fallback: its making was interrupted, or the folder is not whole
            raise KeyringMissing(path=folder / PUBLIC / f"{FALLBACK}{PUBLIC_SUFFIX}") from None

    @classmethod
    def make(cls, folder: Path, *, root_key: Path | None = None, passphrase: str | None = None) -> Self:
        """A new keyring, unlocked, under the root key of a file (made, if it is not there) or of a passphrase.

        KeyringExists when there is one. What a crash left half made is completed, given the same root key.
        """
        files = KeyFolder(folder)
        files.make()
        with files.changing():
            try:
                facts = read_facts(files)
            except KeyringMissing:
                if files.names(PRIVATE, PRIVATE_SUFFIX):
                    why = "it is not there, but keys are"
                    raise KeyringDamaged(path=folder / FACTS, reason=why) from None
                facts = new_facts(root_key, passphrase)
                files.write_new("", FACTS, facts.write())
            else:
                if FALLBACK in files.names(PUBLIC, PUBLIC_SUFFIX):
                    raise KeyringExists(path=folder)
            root = _opened(facts, folder, root_key, passphrase)
            for name in (_FIRST_INDEX, _FIRST_HOLD, FALLBACK):  # the fallback last: with it, it is complete
                make_key(files, facts, root, name)
        ring = cls(files, facts)
        ring._root, ring._root_key = root, root_key
        return ring

    def unlock(self, *, root_key: Path | None = None, passphrase: str | None = None) -> None:
        """PassphraseWrong, RootKeyWrong, RootKeyMissing, …: the keyring stays as it was.

        The root key of a rotation that is under way is taken note of, for when it is committed.
        """
        with self._turn:  # one Argon2id at a time: each takes 256 MiB
            facts = self._facts_now()
            self._root_key = root_key or self._root_key
            later = pending(self._folder)
            noted = False
            if later is not None and not self.locked:
                with contextlib.suppress(RecorderError):
                    self._coming = later, _opened(later, self._folder.path, root_key, passphrase)
                    noted = True
            try:
                self._root = _opened(facts, self._folder.path, root_key, passphrase)
                self._facts = facts
            except (PassphraseWrong, RootKeyWrong, KeyringLocked):
                if not noted:
                    raise

    def lock(self) -> None:
        self._root = self._coming = None

    def look(self) -> None:
        """Take up a root key that somebody else has replaced; locked, if it is not known here."""
        self._up_to_date()

    def rotate(self, new: NewRoot, *, ready: Callable[[], None]) -> None:
        """Another root key for everything; a call that was interrupted is resumed by the same call.

        `ready` is called when all is prepared: who else reads may be told the new root key. Its exception is a no.
        """
        with self._folder.changing():
            root = self._up_to_date()
            if new.file is not None and new.replaces is not None and _is_current(self._facts, new.file):
                replace_root_key(new.file, new.replaces)  # the rotation before this one was killed at its end
            coming = prepare(self._folder, self._facts, root, new)
            ready()
            facts = commit(self._folder, new)
        self._facts, self._root, self._root_key = facts, coming, new.replaces or new.file

    def abandon_rotation(self, root_key: Path | None = None) -> bool:
        """Back to before a rotation that was not committed; False when there is none. `root_key`: where the old one is,
        for the new one lies beside it."""
        with self._folder.changing():
            facts = self._facts_now()
            begun = abandon(self._folder, facts)
            if root_key is not None and begun and not _is_current(facts, beside(root_key)):
                beside(root_key).unlink(missing_ok=True)
        return begun

    @property
    def rotating(self) -> bool:
        """A rotation was begun and not committed."""
        return pending(self._folder) is not None

    @property
    def locked(self) -> bool:
        return self._root is None

    @property
    def root_kind(self) -> RootKind:
        return self._facts.root

    @property
    def root_generation(self) -> int:
        """1, and one more with each new root key."""
        return self._facts.generation

    @property
    def installation(self) -> UUID:
        return self._facts.installation

    @property
    def folder(self) -> Path:
        return self._folder.path

    # --- what needs it unlocked

    def unwrap(self, wrapped: bytes, recording_id: UUID) -> bytes:
        """The data key. KeyDestroyed when the key it was wrapped to is gone."""
        self._unlocked()
        try:
            pair = self._pair(key_name_of(wrapped))
        except NotWrapped:
            raise WrappedKeyRefused(recording_id=recording_id) from None
        return wrapping.unwrap_key(pair.private, wrapped, recording_id)

    def open_text(self, sealed: bytes, purpose: str, owner: UUID | str) -> str:
        self._unlocked()
        try:
            pair = self._pair(key_name_of(sealed))
        except NotWrapped:
            raise SealedTextRefused(purpose=purpose, owner=owner) from None
        return wrapping.open_text(pair.private, sealed, purpose, owner)

    def rewrap(self, wrapped: bytes, recording_id: UUID, key_name: str) -> bytes:
        """The same data key, wrapped to another key."""
        return self.public.wrap(key_name, self.unwrap(wrapped, recording_id), recording_id)

    def reseal_text(self, sealed: bytes, purpose: str, owner: UUID | str, key_name: str) -> bytes:
        return self.public.seal_text(key_name, self.open_text(sealed, purpose, owner), purpose, owner)

    def index(self, purpose: str, text: str, version: int | None = None) -> bytes:
        """The same 32 bytes for the same text, without a way back; under the newest index key, or that of `version`."""
        self._unlocked()
        name = f"index-{version if version is not None else self.index_version}"
        key = self._private(name)
        if not isinstance(key, Symmetric):
            raise KeyringDamaged(path=self._private_path(name), reason="it is not an index key")
        field = purpose.encode()
        return hmac.digest(key.key, bytes((len(field),)) + field + text.encode(), "sha256")

    @property
    def index_version(self) -> int:
        """The newest index key's number."""
        return self._newest("index")

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Ed25519, 64 bytes, over purpose | 00 | message, by this installation's signer (`signer`)."""
        if "\0" in purpose or purpose.startswith("ari-recorder/public-key/"):
            raise ValueError("this purpose is taken, or could be read as another")
        return self._unlocked().signer.sign(purpose.encode() + b"\0" + message)

    @property
    def signer(self) -> bytes:
        """The public key that checks what `sign` gave. It stays the same when the root key is replaced."""
        return bytes.fromhex(self._facts.signer)

    def publish(self, days: Iterable[date]) -> tuple[str, ...]:
        """Day keys for these days, where there are none yet; the names of those that were made."""
        return self._make(day_name(day) for day in days)

    def make_hold(self) -> str:
        """A new hold key, which is the newest from now on."""
        name = f"hold-{self._newest('hold') + 1}"
        self._make((name,))
        return name

    def make_index(self) -> int:
        """A new index key, which is the newest from now on; the others stay until they are destroyed."""
        version = self.index_version + 1
        self._make((f"index-{version}",))
        return version

    def public_half(self, key_name: str) -> bytes | None:
        """The public half as the private one gives it; None for a symmetric key."""
        key = self._private(key_name)
        return key.public_bytes if isinstance(key, Pair) else None

    def in_folder(self, folder: Path) -> Self:
        """The keyring in another folder, a copy perhaps, unlocked like this one if it is the same one."""
        other = type(self).open(folder)
        if other._facts == self._facts:
            other._root = self._root
        return other

    # --- what does not: nobody waits for a passphrase to destroy what is due

    def destroy(self, key_name: str) -> None:
        """Both halves, for good. Twice is fine."""
        name = checked_name(key_name)
        if name == FALLBACK:
            raise ValueError("without a fallback a key that is missing would cost calls")
        with self._folder.changing():
            self._facts_now()  # another installation's keys may lie here by now, under the same names
            self._folder.remove(PUBLIC, f"{name}{PUBLIC_SUFFIX}")
            if name in self._folder.names(NEW_PRIVATE, PRIVATE_SUFFIX):
                self._folder.remove(NEW_PRIVATE, f"{name}{PRIVATE_SUFFIX}")
            self._folder.remove(PRIVATE, f"{name}{PRIVATE_SUFFIX}")

    def names(self) -> frozenset[str]:
        """Every key that can open something."""
        return self._folder.names(PRIVATE, PRIVATE_SUFFIX)

    # --- how

    def _unlocked(self) -> Root:
        root = self._root
        if root is None:
            raise KeyringLocked
        return root

    def _pair(self, name: str) -> Pair:
        key = self._private(name)
        if not isinstance(key, Pair):
            raise KeyringDamaged(path=self._private_path(name), reason="it is not a pair")
        return key

    def _private(self, name: str) -> Pair | Symmetric:
        """While a root key is replaced, a half is under the old one or the new one, here or there."""
        file = f"{checked_name(name)}{PRIVATE_SUFFIX}"
        where = self._private_path(name)
        root = self._unlocked()
        for _ in range(3):
            found = False
            for folder in (PRIVATE, NEW_PRIVATE):
                try:
                    data = self._folder.read(folder, file)
                except FileNotFoundError:
                    continue
                found = True
                if generation_of(data, self._facts.installation, where) == root.generation:
                    return read_private(data, name, self._facts.installation, root.cipher, where)
            if not found:
                self._folder.check()  # it may be the folder that is gone
                raise KeyDestroyed(name=name)
            root = self._up_to_date()
        raise KeyringDamaged(path=where, reason="it is under a root key that keyring.json knows nothing of")

    def _up_to_date(self) -> Root:
        """The root key of today: somebody else may have replaced it. KeyringLocked when it is not known here."""
        root, facts = self._unlocked(), self._facts_now()
        if facts.generation == root.generation:
            return root
        if self._coming is not None and self._coming[0] == facts:
            root = self._coming[1]
        else:
            try:
                root = _opened(facts, self._folder.path, self._root_key, None)
            except RecorderError:
                self.lock()
                raise KeyringLocked from None
        self._facts, self._root, self._coming = facts, root, None
        return root

    def _facts_now(self) -> Facts:
        facts = read_facts(self._folder)
        if facts.installation != self._facts.installation:
            raise KeyringForeign(path=self._folder.path / FACTS)
        return facts

    def _make(self, names: Iterable[str]) -> tuple[str, ...]:
        self._unlocked()
        with self._folder.changing():
            root = self._up_to_date()
            finish(self._folder, self._facts)
            return tuple(name for name in names if make_key(self._folder, self._facts, root, name))

    def _newest(self, kind: str) -> int:
        numbers = [int(match[1]) for name in self.names() if (match := re.fullmatch(f"{kind}-([0-9]+)", name))]
        if not numbers:
            raise KeyDestroyed(name=f"{kind}-1")
        return max(numbers)

    def _private_path(self, name: str) -> Path:
        return self._folder.path / PRIVATE / f"{name}{PRIVATE_SUFFIX}"


def _is_current(facts: Facts, path: Path) -> bool:
    return os.path.lexists(path) and facts.opened_by(read_root_key(path)) is not None


def _opened(facts: Facts, folder: Path, root_key: Path | None, passphrase: str | None) -> Root:
    if facts.root is RootKind.FILE and root_key is not None:
        return opened_by_file(facts, root_key, folder)
    if facts.root is RootKind.PASSPHRASE and passphrase is not None:
        return opened_by_passphrase(facts, passphrase, folder)
    raise KeyringLocked
