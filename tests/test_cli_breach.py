"""`breach` at the command line: a case reported, shown, told of and closed; and what is refused."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services import connect
from ari_recorder.services.accounts import Person
from ari_recorder.storage.db import Database
from tests.command import ari
from tests.site import write_site
from tests.test_cli_records import as_pdf


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Path:
    return write_site(tmp_path, changes={"database": f'dsn = "{dsn}"'})


def at(hours: float) -> str:
    return (datetime.now(HELSINKI) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M")


async def make(site: Path, database: Database) -> None:
    person = Person(name="anna", full_name="Anna Example")
    await connect.people(config.load(site), database).accounts.create(person, Actor.operator("root"))


async def test_a_case_from_its_report_to_its_end(site: Path, database: Database) -> None:
    await make(site, database)
    where = ("--config", str(site))
    asked = ("--account", "Anna", "--from", at(-10), "--to", at(-2), "--aware-at", at(-1))
    told = (await ari("breach", "report", *asked, "--json", *where)).json
    breach = told["report"]["breach"]["id"]
    assert (told["report"]["state"], told["log_is_whole"]) == ("open", True)
    assert 70 * 3600 < told["report"]["left"] <= 71 * 3600
    shown = await ari("breach", "report", *asked, "--language", "fi", *where)
    assert shown.code == 0, shown.err
    assert '<html lang="fi">' in shown.out
    assert "Aikaa jäljellä" in shown.out
    assert breach in shown.out
    found = await as_pdf("breach", "show", breach, "--language", "sv", "--format", "pdf", *where)
    assert (found.language, found.title, found.part_of_ua) == ("sv-FI", "Rapport om en personuppgiftsincident", 1)
    (listed,) = (await ari("breach", "list", "--json", *where)).json
    assert (listed["id"], listed["subject"], listed["state"]) == (breach, "anna", "open")


async def test_it_ends_when_the_authority_was_told_and_the_case_is_closed(site: Path, database: Database) -> None:
    await make(site, database)
    where = ("--config", str(site))
    asked = ("--account", "anna", "--from", at(-10), "--to", at(-2), "--aware-at", at(-1))
    breach = (await ari("breach", "report", *asked, "--json", *where)).json["report"]["breach"]["id"]
    done = await ari("breach", "notified", breach, "--reference", "1234/161/2026", *where)
    assert (done.code, done.out) == (0, f"{breach}: notified\n")
    done = await ari("breach", "close", breach, "--because", "nothing was opened", *where)
    assert (done.code, done.out) == (0, f"{breach}: closed\n")
    again = await ari("breach", "close", breach, "--because", "again", "--json", *where)
    assert (again.code, again.json["error"]["code"]) == (1, "breach_done")


async def test_bad_input_is_refused_in_one_sentence_with_its_code(site: Path, database: Database) -> None:
    await make(site, database)
    good = {"--account": "anna", "--from": at(-10), "--to": at(-2), "--aware-at": at(-1)}
    wrong: dict[str, dict[str, str]] = {
        "account_unknown": {"--account": "nemo"},
        "breach_ahead": {"--to": at(2), "--aware-at": at(2)},
    }
    for code, changes in wrong.items():
        arguments = [text for pair in {**good, **changes}.items() for text in pair]
        refused = await ari("breach", "report", *arguments, "--json", "--config", str(site))
        assert (refused.code, refused.json["error"]["code"]) == (1, code), refused.err
        assert refused.err.count("ari-recorder: ") == 1
    both = [text for pair in {**good, "--host": "192.0.2.7"}.items() for text in pair]
    refused = await ari("breach", "report", *both, "--config", str(site))
    assert refused.code == 2
