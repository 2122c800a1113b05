"""The Asterisk of the lab: where its parts lie in the tree, and how it is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests import debian
from tests.debian import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskTree(Tree):
    """An unpacked Asterisk, run by its own loader and libraries, whatever Debian the machine has."""

    @property
    def modules(self) -> Path:
        return self.libraries / "asterisk" / "modules"

    @property
    def share(self) -> Path:
        return self.root / "usr" / "share" / "asterisk"

    @property
    def command(self) -> list[str]:
        path = f"{self.libraries}:{self.libraries}/pulseaudio"  # libpulse wants a private part of its own
        return [str(self.loader), "--library-path", path, str(self.root / "usr" / "sbin" / "asterisk")]


def ensure_tree() -> AsteriskTree:
    """The cached Asterisk, unpacked first if there is none."""
    tree = debian.ensure_tree(debian.ASTERISK)
    return AsteriskTree(root=tree.root, version=tree.version)
