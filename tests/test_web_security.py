"""docs/web_security.md says what the code does. Its tables are held to the code by tests/test_docs.py; here
is what no table is made of, and that what was written down as data is so."""

import ast
import re
from pathlib import Path

import pytest

from ari_recorder.domain.accounts import STEP_UP, Permission
from ari_recorder.domain.errors import RecorderError
from ari_recorder.storage import sessions
from ari_recorder.storage.db import Database
from ari_recorder.web.asked import Access
from ari_recorder.web.routes import ROUTES
from tests import docs_parts
from tests.docs_parts import ROOT, WEB_SECURITY
from tests.security_parts import AGREEMENTS, CLASSES, PACKAGE, SPOKEN, Agreement, events_table

TEXT = WEB_SECURITY.read_text()
THREATS = ROOT / "docs" / "threat_model.md"
# What opens a connection to somebody, in the program's own words and those of its libraries.
OPENS = re.compile(
    r"open_unix_connection|open_connection\(|\.create_connection\(|\.connect\(|create_pool\(|ClientSession\(|\.sendto\("
)
# What would ask others, or load from them.
ASKS = {
    "aiohttp.client",
    "ftplib",
    "http.client",
    "httpx",
    "requests",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "xmlrpc",
}


@pytest.mark.parametrize("one", AGREEMENTS, ids=lambda one: one.rule[:40])
def test_inputs_that_do_not_agree_are_refused_as_it_says(one: Agreement) -> None:
    with pytest.raises(RecorderError) as refused:
        one.attempt()
    assert refused.value.code == one.code
    assert f"| {one.rule} | `{one.code}` |" in TEXT


async def test_each_table_of_the_database_has_its_class_and_what_is_sealed_is_bytes(database: Database) -> None:
    async with database.transaction() as conn:
        rows = await conn.fetch(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
    there = {row["table_name"] for row in rows}
    told = [table for one in CLASSES for table in one.tables]
    assert len(told) == len(set(told))
    assert there - set(told) == set(), "say in tests/security_parts.py of which class they are"
    assert set(told) - there == set()
    kinds = {f"{row['table_name']}.{row['column_name']}": row["data_type"] for row in rows}
    for one in CLASSES:
        assert {kinds[column] for column in one.sealed} <= {"bytea"}
        assert {column.partition(".")[0] for column in one.sealed} <= one.tables
        assert one.rules in TEXT


def test_nobody_else_is_spoken_to() -> None:
    opening = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if OPENS.search(path.read_text())}
    assert opening == {one.module for one in SPOKEN}
    for one in SPOKEN:
        assert f"| {one.to} | {one.settings} | {one.how} |" in TEXT


def test_nothing_is_asked_of_or_loaded_from_others() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            assert not ASKS & set(names), path
            assert "aiohttp.ClientSession" not in names, path


def test_there_is_one_way_for_everything_the_service_logs() -> None:
    """structlog, to the one handler of logs.py; the program of the embedded database has a folder of its own."""
    handlers = re.compile(
        r"\b(?:Stream|File|WatchedFile|Rotating\w*|SysLog|Socket|Memory)Handler\(|basicConfig|import syslog"
    )
    assert {path.name for path in PACKAGE.rglob("*.py") if handlers.search(path.read_text())} == {"logs.py"}
    assert "import logging" not in "".join(
        path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "logs.py" and path.parent.name != "asterisk"
    )
    for action in ("session_login", "web_answer", "alarm"):
        assert f"`{action}`" in events_table()


def test_what_everybody_may_ask_is_this_and_no_more() -> None:
    """What is added here is seen by strangers: documents and the machine's state are not, unless somebody meant it."""
    public = {route.name for route in ROUTES if route.permission is Access.PUBLIC}
    assert public == {
        *("accessibility", "language", "static", "openapi", "privacy-notice", "privacy-notice-pdf"),
        *("delivery", "delivery-fetch"),
        *("login", "login-begin", "login-code", "login-finish", "invitation", "invitation-picture", "enrol"),
    }
    assert "`/openapi.json` is public on purpose" in TEXT


def test_the_ways_in_are_those_that_are_told() -> None:
    """Acts of strangers, but for the choice of a language, are steps of the ways in the table."""
    acts = {route.path for route in ROUTES if route.method == "POST" and route.permission is Access.PUBLIC}
    assert acts == {"/language", "/login", "/login/code", "/invitation/{token}", "/delivery/{token}"}
    table = docs_parts.PARTS[WEB_SECURITY, "ways in"]()
    for way in (
        "`/login`",
        "recovery code",
        "an invitation",
        "a new authenticator",
        "a machine",
        "a package",
        "the command line",
    ):
        assert way in table


def test_session_times_are_within_what_the_reasons_say() -> None:
    assert sessions.IDLE.total_seconds() <= 3600
    assert sessions.LONGEST.total_seconds() <= 24 * 3600
    assert sessions.IDLE > STEP_UP
    for way in ("SP 800-63B-4 (AAL2) allows an hour", "allows 24 hours", "as many as they open"):
        assert way in TEXT


def test_fields_that_are_for_some_only_are_named() -> None:
    """Where the services ask for a second permission within a page, the document says so."""
    asked = [
        (path.name, found)
        for path in (PACKAGE / "services").rglob("*.py")
        for found in re.findall(r"\.may\(Permission\.(\w+)\)", path.read_text())
    ]
    assert asked == [("recording_page.py", "USE_REPORT")]
    assert f"`{Permission.USE_REPORT.value}` only" in TEXT


def test_threats_name_tests_and_modules_that_are_there() -> None:
    text = THREATS.read_text()
    named = re.findall(r"`((?:tests|ari_recorder|tools|docs)/[\w./-]+)(?:::(\w+))?`", text)
    assert len(named) > 30
    for path, test in named:
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test


@pytest.mark.parametrize("path", [WEB_SECURITY, THREATS], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, _, place in re.findall(r"\]\(([\w./-]+)(#([\w-]+))?\)", path.read_text()):
        found = path.parent / target
        assert found.exists(), target
        if place:
            heads = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert place in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, place


def test_how_soon_holes_are_mended_is_told() -> None:
    """The windows of our own rules, and the commands that ask and mend are there."""
    windows = dict(re.findall(r"^\| (critical|high|medium)[^|]*\| (\d+) days \|$", TEXT, re.MULTILINE))
    assert windows == {"critical": "7", "high": "14", "medium": "30"}
    assert "none known | every three months" in TEXT
    assert re.search(r"^audit-dependencies:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.search(r"^lock:", (ROOT / "Makefile").read_text(), re.MULTILINE)
