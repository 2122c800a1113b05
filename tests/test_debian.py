"""Where the programs of the tests come from: the machine's own apt sources, of whatever form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debian import KEYRING, DebianError, debian_mirror


@pytest.fixture(autouse=True)
def no_mirror_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARI_RECORDER_LAB_MIRROR", raising=False)


def write(etc: Path, name: str, text: str) -> None:
    file = etc / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_mirror_is_read_from_deb822_sources(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list.d/debian.sources",
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n"
        "Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main contrib\nSigned-By: /keys/debian.gpg\n",
    )
    assert debian_mirror(tmp_path) == ("http://mirror.example/debian", Path("/keys/debian.gpg"))


def test_the_mirror_is_read_from_one_line_sources(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list",
        "# deb http://old.example/debian bookworm main\n"
        "deb http://mirror.example/debian-security bookworm-security main\n"
        "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.example/debian/ bookworm main\n",
    )
    assert debian_mirror(tmp_path) == ("http://mirror.example/debian/", Path("/keys/debian.gpg"))


def test_sources_of_others_and_disabled_ones_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path, "sources.list.d/other.list", "deb http://other.example/stuff stable main\n")
    write(
        tmp_path,
        "sources.list.d/off.sources",
        "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
    )
    with pytest.raises(DebianError, match="ARI_RECORDER_LAB_MIRROR"):
        debian_mirror(tmp_path)


def test_a_mirror_of_ones_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARI_RECORDER_LAB_MIRROR", "http://own.example/debian")
    assert debian_mirror(tmp_path) == ("http://own.example/debian", KEYRING)
