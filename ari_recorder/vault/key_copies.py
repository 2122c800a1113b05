"""A folder of keys without a private one: the public halves of an installation, copied from where they were made.

    storage.keys/          0700, as key_files.py draws it
      keyring.json         installation and signer; nothing that a root key opens: such a keyring is never unlocked
      public/<name>.pub    each with the installation's signature, looked at before it is written
      private/             empty

Whose halves these are is learnt once, from the first that come, and never changes: halves of another installation are
refused from then on (`keys status` tells the signer, to be compared by people).
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from ari_recorder.domain.errors import KeyringForeign, KeyringMissing
from ari_recorder.vault.key_files import FACTS, PRIVATE, PUBLIC, KeyFolder
from ari_recorder.vault.key_making import PRIVATE_SUFFIX, PUBLIC_SUFFIX, read_facts
from ari_recorder.vault.key_pairs import read_public
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.root_key import Facts
from ari_recorder.vault.wrapping import FALLBACK, checked_name


def halves(keyring: Keyring) -> dict[str, bytes]:
    """Every public half, as in its file."""
    folder = KeyFolder(keyring.folder)
    found = {}
    for name in folder.names(PUBLIC, PUBLIC_SUFFIX):
        try:
            found[name] = folder.read(PUBLIC, f"{name}{PUBLIC_SUFFIX}")
        except FileNotFoundError:  # destroyed just now
            continue
    return found


def facts(keyring: Keyring) -> bytes:
    """keyring.json for hosts that have no private half."""
    return read_facts(KeyFolder(keyring.folder)).public().write()


def take(folder: Path, told: bytes, given: Mapping[str, bytes], destroyed: Collection[str]) -> int:
    """Have these halves, and not those destroyed; how many are new. KeyringForeign, KeyringDamaged: nothing that comes
    after the one that is not right was taken."""
    files = KeyFolder(folder)
    files.make()
    new = 0
    with files.changing():
        theirs = Facts.read(told, folder / FACTS)
        try:
            mine = read_facts(files)
        except KeyringMissing:
            files.write_new("", FACTS, theirs.public().write())
            mine = theirs
        if (mine.installation, mine.signer) != (theirs.installation, theirs.signer):
            raise KeyringForeign(path=folder / FACTS)
        there = files.names(PUBLIC, PUBLIC_SUFFIX)
        for name in sorted(given.keys() - there, key=lambda name: (name == FALLBACK, name)):  # with it, it is complete
            file = f"{checked_name(name)}{PUBLIC_SUFFIX}"
            read_public(given[name], name, mine.installation, mine.signer_key, folder / PUBLIC / file)
            files.write_new(PUBLIC, file, given[name])
            new += 1
        private = files.names(PRIVATE, PRIVATE_SUFFIX)
        for name in there & set(destroyed) - private:
            files.remove(PUBLIC, f"{name}{PUBLIC_SUFFIX}")
    return new
