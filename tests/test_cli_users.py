"""Accounts and rights from the command line, with the real program and a real database."""

import os
import pwd
from pathlib import Path
from uuid import UUID

import pyotp
import pytest

from ari_recorder.config import Config
from ari_recorder.services import connect
from ari_recorder.services.login import Where
from ari_recorder.storage.db import Database
from ari_recorder.vault.passwords import Passwords
from tests.command import FAILED, FINE, USAGE, ari
from tests.services.people import PASSWORD, cheap
from tests.site import prepare

HERE = Where(address="192.0.2.1")
ME = f"operator:{pwd.getpwuid(os.getuid()).pw_name}"


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


async def test_the_first_administrator_comes_by_a_token_and_gives_rights(site: Config, database: Database) -> None:
    at = ("--json", "--config", site.source)
    begun = await ari("user", "first-administrator", "root.admin", "--full-name", "Riikka Root", *at)
    assert begun.code == FINE, begun.err
    people = connect.people(site, database, passwords=Passwords(cheap()))
    shown = await people.enrolment.set_up(begun.json["token"])
    code = pyotp.TOTP(shown.secret).now()
    enrolled = await people.enrolment.enrol(begun.json["token"], PASSWORD, code, HERE)
    again = await ari("user", "first-administrator", "other", "--full-name", "Other", *at)
    assert (again.code, again.json["error"]["code"]) == (FAILED, "administrator_exists")
    ticket = await people.login.begin("root.admin", PASSWORD, HERE)
    entered = await people.login.second_step(ticket, enrolled.recovery_codes[0], HERE)
    admin = await people.sessions.principal(entered.session, HERE)

    await ari("user", "create", "aino", "--full-name", "Aino Example", *at)
    await ari("user", "set-unit", "advice", "--queue", "advice", "--why", "the start", *at)
    given = await ari(
        "user", "grant", "aino", "--role", "adviser", "--unit", "advice", "--phone", "PJSIP/1001", "--why", "task", *at
    )
    assert (given.code, given.json["interfaces"]) == (FINE, ["PJSIP/1001"])
    mine = await ari("user", "approve", given.json["id"], *at)
    assert (mine.code, mine.json["error"]["code"]) == (FAILED, "two_persons_needed")
    (held,) = await people.rights.list_rights("aino")
    await people.rights.approve(held.right.grant.id, admin.actor())
    token = (await ari("user", "invite", "aino", *at)).json["token"]
    shown = await people.enrolment.set_up(token)
    await people.enrolment.enrol(token, PASSWORD, pyotp.TOTP(shown.secret).now(), HERE)
    assert "active, not confirmed" in (await ari("user", "list", "--config", site.source)).out
    assert "owner not confirmed" in (await ari("user", "rights", "--config", site.source)).out
    mine = await ari("user", "confirm", "aino", "--why", "came in person", *at)
    assert (mine.code, mine.json["error"]["code"]) == (FAILED, "confirmed_by_another")
    await people.accounts.confirm("aino", "came in person", admin.actor())
    done = await ari("user", "confirm", "aino", "--why", "came in person", *at)
    assert (done.code, done.json["error"]["code"]) == (FAILED, "owner_confirmed")
    day = str((await people.rights.list_rights("aino"))[0].right.grant.valid_from)
    on_day = await ari("user", "rights", "--on", day, *at)
    found = {one["account"]["name"]: one["right"] for one in on_day.json["rights"]}
    assert set(found) == {"root.admin", "aino"}
    assert (found["aino"]["granted_by"], found["aino"]["approved_by"]) == (ME, f"user:{admin.user_id}")
    assert on_day.json["units"] == {"advice": ["advice"]}

    more = ("--queue", "advice", "--queue", "dental")
    waits = await ari("user", "set-unit", "advice", *more, "--why", "a new task", *at)
    assert (waits.code, waits.json["queues"], waits.json["waits"]) == (FINE, ["advice"], True)
    (wanted,) = (await ari("user", "wanted-units", *at)).json
    mine = await ari("user", "approve-unit", wanted["id"], *at)
    assert (mine.code, mine.json["error"]["code"]) == (FAILED, "two_persons_needed")
    await people.rights.approve_unit(UUID(wanted["id"]), admin.actor())
    assert sorted((await ari("user", "units", *at)).json["advice"]) == ["advice", "dental"]
    crisis = (*more, "--queue", "crisis", "--why", "one more")
    told = await ari("user", "set-unit", "advice", *crisis, "--config", site.source)
    assert "waits for somebody else" in told.out
    (wanted,) = (await ari("user", "wanted-units", *at)).json
    assert "stays as it is" in (await ari("user", "refuse-unit", wanted["id"], "--config", site.source)).out


async def test_users_are_listed_and_disabled(site: Config, database: Database) -> None:
    at = ("--config", site.source)
    made = await ari("user", "create", "aino", "--full-name", "Aino Example", *at)
    assert made.code == FINE
    assert len(made.out.splitlines()[-1]) == 43
    assert "invited" in (await ari("user", "list", *at)).out
    token = await ari("user", "token", "archive", "--role", "auditor", "--why", "reads the log", "--json", *at)
    assert token.json["token"].startswith("ari_recorder_")
    assert "waits" in (await ari("user", "rights", *at)).out
    await ari("user", "disable", "archive", "--why", "no more", *at)
    assert "archive" not in (await ari("user", "rights", *at)).out
    bad = await ari("user", "grant", "aino", "--role", "king", "--why", "x", *at)
    assert bad.code == USAGE
    assert (await ari("user", "approve", "not-an-id", *at)).code == USAGE
    assert (await ari("user", "reset", "nobody", "--why", "x", "--json", *at)).json["error"][
        "code"
    ] == "account_unknown"
