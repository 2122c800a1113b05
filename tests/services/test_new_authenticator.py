"""Another phone, and browsers that are not one's own any more: services/enrol.py, after a step-up."""

import base64
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from ari_recorder.domain.errors import CodeRefused, LogInRefused, SessionOver
from ari_recorder.services.login import Where
from ari_recorder.storage.db import Database
from tests.services.people import Known, People


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    return People(database, tmp_path)


def code(secret: str, people: People) -> str:
    return pyotp.TOTP(secret).at(people.watch.now())


async def test_the_old_one_counts_until_a_code_of_the_new_one_was_given(people: People) -> None:
    aino = await people.enrol("aino")
    first, other = await people.entered(aino), await people.entered(aino)
    user = await people.principal(first.session)
    with pytest.raises(CodeRefused):
        await people.enrolment.change_authenticator(user, "123456")  # nothing was begun
    shown = await people.enrolment.begin_authenticator(user)
    assert await people.enrolment.begin_authenticator(user) == shown
    with pytest.raises(CodeRefused):
        await people.enrolment.change_authenticator(user, aino.code(people.watch.now()))
    await people.entered(aino)
    people.watch.go(seconds=30)
    given = code(shown.secret, people)
    await people.enrolment.change_authenticator(user, given)
    await people.principal(first.session)
    with pytest.raises(SessionOver):
        await people.principal(other.session)
    with pytest.raises(LogInRefused):
        await people.entered(aino)
    new: Known = replace(aino, secret=base64.b32decode(shown.secret))
    with pytest.raises(LogInRefused):
        await people.enter(new, given)  # used up
    await people.entered(new)
    assert "credential-changed" in {one.kind for one in await people.sessions.notices(user)}


async def test_what_was_begun_is_of_its_session_and_soon_over(people: People) -> None:
    aino = await people.enrol("aino")
    one, two = [await people.principal((await people.entered(aino)).session) for _ in range(2)]
    shown = await people.enrolment.begin_authenticator(one)
    with pytest.raises(CodeRefused):
        await people.enrolment.change_authenticator(two, code(shown.secret, people))
    people.watch.go(minutes=16)
    with pytest.raises(CodeRefused):
        await people.enrolment.change_authenticator(one, code(shown.secret, people))


async def test_a_browser_is_listed_and_forgotten_by_its_user_alone(people: People) -> None:
    aino, eero = await people.enrol("aino"), await people.enrol("eero")
    entered = await people.entered(aino)
    assert entered.device is not None
    user = await people.principal(entered.session)
    here = Where(address="192.0.2.1", device=entered.device)
    (known,) = await people.enrolment.devices(user, here)
    assert known.is_this
    stranger = await people.principal((await people.entered(eero)).session)
    await people.enrolment.forget_device(stranger, known.id)
    assert len(await people.enrolment.devices(user, here)) == 1
    await people.enrolment.forget_device(user, known.id)
    assert await people.enrolment.devices(user, here) == ()


async def test_a_password_has_no_last_day(people: People) -> None:
    aino = await people.enrol("aino")
    people.watch.go(days=3 * 365)
    assert (await people.entered(aino)).session
