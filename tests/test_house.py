"""Rules of the house that no linter knows."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ari_recorder"

# A list of sentences in one place, as people look for it; there is nothing in it to split.
LISTS = {PACKAGE / "domain" / "errors.py"}


def test_a_file_of_the_program_holds_one_idea() -> None:
    long = {path for path in PACKAGE.rglob("*.py") if len(path.read_text().splitlines()) > 400}
    assert long <= LISTS


def test_sql_is_in_storage_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "storage" not in path.parts:
            words = path.read_text().split()
            assert not {"SELECT", "INSERT", "UPDATE", "DELETE"} & set(words), path


def test_ciphers_are_in_the_vault_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "vault" not in path.parts:
            assert "cryptography" not in path.read_text(), path


def test_panoramisk_is_in_the_ami_link_only() -> None:
    users = {path.name for path in PACKAGE.rglob("*.py") if "panoramisk." in path.read_text()}
    assert users == {"ami_link.py", "ami_protocol.py"}


def test_every_module_opens_with_what_lives_there() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert not text or text.startswith('"""'), path
