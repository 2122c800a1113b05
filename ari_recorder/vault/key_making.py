"""Makes keyring.json and the keys, and reads keyring.json again. Who may, and under which root key, is keyring.py's."""

from pathlib import Path

from ari_recorder.domain.errors import KeyringMissing
from ari_recorder.vault.key_files import FACTS, PRIVATE, PUBLIC, KeyFolder
from ari_recorder.vault.key_pairs import Pair, Symmetric, private_file, public_file, read_private
from ari_recorder.vault.root_key import Argon2, Facts, Root, RootKind, fit_passphrase, make_root_key

PUBLIC_SUFFIX = ".pub"
PRIVATE_SUFFIX = ".key"


def read_facts(files: KeyFolder) -> Facts:
    try:
        return Facts.read(files.read("", FACTS), files.path / FACTS)
    except FileNotFoundError:
        raise KeyringMissing(path=files.path / FACTS) from None


def new_facts(root_key: Path | None, passphrase: str | None) -> Facts:
    if passphrase is not None:
        argon2 = Argon2.new()
        return Facts.new(argon2.root_key(fit_passphrase(passphrase)), RootKind.PASSPHRASE, argon2)
    if root_key is None:
        raise ValueError("a root key is needed")
    return Facts.new(make_root_key(root_key), RootKind.FILE, None)


def make_key(files: KeyFolder, facts: Facts, root: Root, name: str) -> bool:
    """Within `changing`. What a crash left without its public half is completed; False when all of it was there."""
    where = files.path / PRIVATE / f"{name}{PRIVATE_SUFFIX}"
    symmetric = name.startswith("index-")
    try:
        data = files.read(PRIVATE, where.name)
    except FileNotFoundError:
        key: Pair | Symmetric = Symmetric.new() if symmetric else Pair.new()
        files.write_new(PRIVATE, where.name, private_file(key, name, facts.installation, root.cipher, root.generation))
    else:
        if symmetric or name in files.names(PUBLIC, PUBLIC_SUFFIX):
            return False
        key = read_private(data, name, facts.installation, root.cipher, where)
        files.settle(PRIVATE, where.name)
    if isinstance(key, Pair):
        files.write_new(PUBLIC, f"{name}{PUBLIC_SUFFIX}", public_file(key, name, facts.installation, root.signer))
    return True
