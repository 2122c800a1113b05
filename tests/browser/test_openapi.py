"""The API does what its description says, whoever asks: every operation, with good input and with bad.

a stranger     ids that nobody has; what a stranger can do is done, the rest is refused
a machine      its token, and things that are there
people         each operation by somebody who may do it, logged in, with things that are there

Every night all of them try all of it; by day bad input comes from one who may do the operation.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from ari_recorder.domain.accounts import EVERYTHING, HOUSE_ROLES, PERMISSIONS, Permission, Role, latest_end
from ari_recorder.domain.retention import local_day
from ari_recorder.services import connect
from ari_recorder.services.rights import Terms
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.web import cookies
from ari_recorder.web.asked import Access
from ari_recorder.web.routes import ROUTES
from ari_recorder.web.static import Assets
from tests.browser import cases
from tests.browser.api import try_every_operation
from tests.browser.house import House, open_house
from tests.database import fresh
from tests.people import APPROVER, GRANTER, HERE, UNIT, invite

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(3600)]

NIGHTLY = os.environ.get("ARI_RECORDER_NIGHTLY") == "1"
EXAMPLES = 20 if NIGHTLY else 0
ALL = frozenset(route.name for route in ROUTES) - {"openapi"}  # schemathesis leaves out the description itself
# Afterwards somebody is logged in no more, or what the others need is gone.
ENDS = frozenset({"log-out", "listening-end", "account-disable", "keys-lock"})
# A code, an approval, a name, a link, a call to explain, a version, a day soon, or a longer reason is wanted that
# nobody finds by chance. What is right is tried in tests/web.
RARELY_RIGHT = frozenset(
    {
        "account-confirm",
        "account-invite",
        "approval-approve",
        "approval-refuse",
        "case-certificate",
        "case-close",
        "case-confirm",
        "case-decide",
        "case-extend",
        "case-hand-over",
        "case-identity",
        "case-open",
        "case-package-make",
        "case-refuse",
        "case-search",
        "case-take-back",
        "authenticator-change",
        "delivery",
        "delivery-fetch",
        "delivery-withdraw",
        "enrol",
        "export-agree",
        "export-download",
        "export-refuse",
        "hold-ask-release",
        "hold-place",
        "hold-released",
        "ledger-explain",
        "password-change",
        "restriction-lift",
        "review-ask",
        "review-hold",
        "right-attest",
        "right-grant",
        "step-up-code",
        "token-make",
        "unit-approve",
        "unit-refuse",
        "use-sign",
    }
)
PEOPLE = (Role.SUPERVISOR, Role.AUDITOR, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR, Role.ADVISER)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Of its own: everything in it is changed."""
    async for dsn in fresh(postgres):
        async with open_house(tmp_path_factory.mktemp("house"), dsn) as house:
            yield house


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def others_find_the_house_as_it_was(house: House) -> AsyncIterator[None]:
    yield
    await house.forget_tries()
    if house.site.keyring.locked:
        await asyncio.to_thread(connect.unlock, house.site.keyring, house.config, None)


def as_a_page(house: House, cookie: str, secret: str) -> dict[str, str]:
    """With the proof that the request comes from a page of ours: else nothing would be tried but that it is missing."""
    return {
        "Accept": "application/json",
        "Cookie": f"{cookie}={secret}",
        "X-CSRF-Token": cookies.proof(secret),
        "Origin": house.address,
    }


async def logged_in(house: House, role: Role) -> dict[str, str]:
    """Somebody new of that role, who gave a code a moment ago."""
    await house.forget_tries()
    person = await house.enrol(role, f"{role.value}-{uuid4().hex[:8]}")
    login = house.site.people.login
    for _ in range(2):  # once at another desk, too
        ticket = await login.begin(person.name, person.password, HERE)
        session = (await login.second_step(ticket, person.code(), HERE)).session
    return as_a_page(house, cookies.SESSION, session)


async def machine(house: House) -> dict[str, str]:
    made = await house.site.people.rights.make_token(terms(house, "machine", Role.SUPERVISOR), GRANTER)
    await house.site.people.rights.approve(made.right_id, APPROVER)
    return {"Accept": "application/json", "Authorization": f"Bearer {made.token}"}


def terms(house: House, name: str, role: Role) -> Terms:
    return Terms(
        name=name,
        role=role,
        unit=EVERYTHING if role in HOUSE_ROLES else UNIT,
        valid_until=latest_end(local_day(house.clocks.now())),
        why="works along",
        interfaces=frozenset(),
    )


async def there(house: House, headers: dict[str, str]) -> dict[str, str]:
    """Something that is there for each parameter of a path, for whoever asks with these headers."""
    somebody = await house.enrol(Role.ADVISER, f"somebody-{uuid4().hex[:8]}")
    waiting = await house.site.people.rights.grant(terms(house, somebody.name, Role.PRIVACY_OFFICER), GRANTER)
    held = await house.site.people.rights.list_rights(somebody.name)
    recording_id = (await house.record(number="+358401234567")).recording_id
    begun = await asked(house, headers, f"/recordings/{recording_id}/listenings", {"purpose": "quality"})
    account = await asked(house, headers, "/account")
    await asked(house, headers, "/filters", {"name": "mine"})
    filters = (await asked(house, headers, "/recordings")).get("filters", ())
    return {
        "recording_id": str(recording_id),
        "listening_id": begun["location"].rpartition("/")[2] if "location" in begun else str(UUID(int=0)),
        "filter_id": next((one["id"] for one in filters), str(UUID(int=0))),
        "hold_id": str(house.hold_id),
        "restriction_id": str(await house.restrict()),
        "case": await cases.sample(house, "case"),
        "account_id": str(held[0].account.id),
        "right_id": str(waiting.id),
        "session_id": next((one["id"] for one in account["sessions"] if not one["is_this"]), str(UUID(int=0))),
        "day": local_day(house.clocks.now()).isoformat(),
        "week": house.week.isoformat(),
        "seq": "0",
        "token": await invite(house.site.people, Role.ADVISER, f"invited-{uuid4().hex[:8]}"),
        "file": Assets().url("frame.css").rpartition("/")[2],
    }


async def asked(house: House, headers: dict[str, str], path: str, form: dict[str, str] | None = None) -> Any:
    method = "GET" if form is None else "POST"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
        http.request(method, house.address + path, json=form, headers=headers) as answer,
    ):
        return await answer.json()


def work(role: Role) -> frozenset[str]:
    """What somebody of that role may do, and nobody of the roles before; what everybody may, the first of them does."""
    before = PEOPLE[: PEOPLE.index(role)]
    found = set()
    for route in ROUTES:
        if isinstance(route.permission, Permission):
            who = [one for one in PEOPLE if route.permission in PERMISSIONS[one]]
            if role in who and (NIGHTLY or who[0] is role):
                found.add(route.name)
        elif NIGHTLY or not before:
            found.add(route.name)
    return frozenset(found) & ALL


async def test_a_stranger_gets_what_the_description_says(house: House, tmp_path: Path) -> None:
    report = await try_every_operation(
        house.address,
        tmp_path,
        as_a_page(house, cookies.VISIT, cookies.new_secret()),
        is_stranger=True,
        good_input_only=refused_or_tried_by_others(but=Access.PUBLIC),
        examples=EXAMPLES,
    )
    report.assert_good()
    assert report.selected == len(ALL)


async def test_a_machine_gets_what_the_description_says(house: House, tmp_path: Path) -> None:
    headers = await machine(house)
    report = await try_every_operation(
        house.address,
        tmp_path,
        headers,
        known=await there(house, headers),
        good_input_only=refused_or_tried_by_others(),
        examples=EXAMPLES,
    )
    report.assert_good()
    assert report.selected == len(ALL)


def refused_or_tried_by_others(*, but: Access | None = None) -> frozenset[str]:
    """What is wrong with the input of an operation is tried by those who may do it; by everybody, every night."""
    return ALL & {route.name for route in ROUTES if route.permission is not but and not NIGHTLY}


@pytest.mark.parametrize("role", PEOPLE)
async def test_people_get_what_the_description_says(house: House, tmp_path: Path, role: Role) -> None:
    mine = work(role)
    with capture_logs() as told:
        for names in (mine - ENDS, mine & ENDS):
            if not names:
                continue
            headers = await logged_in(house, role)
            report = await try_every_operation(
                house.address,
                tmp_path,
                headers,
                only=names,
                known=await there(house, headers),
                may_be_out=names <= ENDS,
                examples=EXAMPLES,
            )
            report.assert_good()
            assert report.selected == len(names)
    done = {one["route"] for one in told if one["event"] == "web_answer" and one["status"] < 300}
    assert NIGHTLY or mine - done <= RARELY_RIGHT  # else it was only tried how they refuse


async def test_every_operation_has_somebody_who_may_do_it() -> None:
    assert frozenset().union(*(work(role) for role in PEOPLE)) == ALL
