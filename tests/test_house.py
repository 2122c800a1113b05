"""Rules of the house that no linter knows."""

import ast
import re
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
            assert not re.search(r"^\s*(from|import) cryptography", path.read_text(), re.MULTILINE), path


def test_panoramisk_is_in_the_ami_link_only() -> None:
    users = {path.name for path in PACKAGE.rglob("*.py") if "panoramisk." in path.read_text()}
    assert users == {"ami_link.py", "ami_protocol.py"}


def test_every_module_opens_with_what_lives_there() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert not text or text.startswith('"""'), path


# A wait before the next try, spread so that many do not come back at once: nobody gains by guessing it.
GUESSABLE = {PACKAGE / "asterisk" / "ami_timing.py"}


def test_what_must_not_be_guessed_comes_from_the_system() -> None:
    """No other source of random numbers is used: what is random here is from `secrets`, os.urandom or uuid4."""
    for path in PACKAGE.rglob("*.py"):
        for name in imported(path):
            assert name.partition(".")[0] != "random" or path in GUESSABLE, path
            assert not name.startswith("numpy.random"), path
        assert not re.search(r"\buuid[13]\(|np\.random", path.read_text()), path


# Where a value that somebody sent is held against a secret: each of these calls compares in constant time.
COMPARED = {
    "asterisk": {"domain/evidence.py"},
    "forms": {"web/cookies.py"},
    "codes": {"vault/totp.py"},
    "keys and containers": {"vault/root_key.py", "vault/stream.py"},
    "the dialplan's own answer": {"services/check_pbx.py"},
    "browsers that fetch a package": {"domain/deliveries.py"},
}
_SECRET = re.compile(r"(secret|token|proof|mac|commitment|digest|password|passphrase)s?$", re.IGNORECASE)


def test_secrets_are_compared_in_constant_time() -> None:
    """With compare_digest, by argon2, or as hashes by the database: never by == on what is secret."""
    using = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if "compare_digest(" in path.read_text()}
    assert using == set().union(*COMPARED.values())
    for path in [*(PACKAGE / "vault").glob("*.py"), *(PACKAGE / "web").glob("*.py"), *SECRET_SERVICES]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In):
                sides = [one for one in (node.left, *node.comparators) if not isinstance(one, ast.Constant)]
                names = [getattr(one, "attr", getattr(one, "id", "")) for one in sides]
                both_typed = names == ["password", "again"]  # by one person, a moment ago
                is_secret = len(sides) == 2 and any(map(_SECRET.search, names)) and not both_typed
                assert not is_secret, f"{path}:{node.lineno}"


SECRET_SERVICES = [
    PACKAGE / "services" / name for name in ("enrol.py", "login.py", "sessions.py", "tokens.py", "delivery_sending.py")
]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{one.name}" for one in node.names}
    return names
