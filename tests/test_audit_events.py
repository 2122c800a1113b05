"""Everything that is done is an entry: each action the program knows has a test that makes it happen."""

import asyncio
import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.audit import Action, Actor
from ari_recorder.domain.calls import Mark, MarkKind
from ari_recorder.domain.errors import ClockJumped, HoldReleased
from ari_recorder.services import connect_service, listen
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.policy import Policies
from ari_recorder.services.scrub import VERIFY_EVERY, Scrub
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.command import ari
from tests.services.house import RULES, House, at, rules
from tests.services.test_certify import chores
from tests.services.test_holds import TERMS
from tests.services.test_scrub import file_of, flip
from tests.services.test_store import NOW, Rig, call
from tests.site import NUMBER, open_keyring, prepare, record
from tests.storage.calls_for_tests import BEGAN
from tests.triggered import TRIGGERED

PACKAGE = Path(__file__).parent.parent / "ari_recorder"
SARI, OLLI = Actor.operator("sari"), Actor.operator("olli")
DUE = BEGAN + timedelta(days=120)


def used_in_the_program() -> set[Action]:
    texts = [path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "audit.py" or path.parent.name == "cli"]
    names = {name for text in texts for name in re.findall(r"\bAction\.([A-Z_]+)\b", text)}
    names |= {Action(value).name for text in texts for value in re.findall(r'"(keyring:[a-z]+)"', text)}
    return {Action[name] for name in names}


def test_every_action_of_the_program_has_a_test_that_makes_it_happen() -> None:
    """That its row is written is looked at behind each of these tests: tests/database.py."""
    assert used_in_the_program() == set(TRIGGERED), "add a row, and the test"
    for action, place in TRIGGERED.items():
        module, name = place.split(":")
        assert callable(getattr(importlib.import_module(module), name)), action


async def entries(database: Database) -> list[Mapping[str, Any]]:
    await sequence(database)
    async with database.transaction() as conn:
        return [entry.fields for entry in reversed(await audit.page(conn, limit=1000))]


async def actions(database: Database) -> list[str]:
    return [entry["action"] for entry in await entries(database)]


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    house = House(database, files.folder, keyring=Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key"))
    await house.policies.adopt(BEGAN)
    return house


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


async def test_holds_freezes_and_decisions(house: House) -> None:
    first, threat, joke = at(BEGAN), at(BEGAN, flagged=True), at(BEGAN, flagged=True)
    await house.store(first, threat, joke)
    holds = house.holds()
    ids = [first.recordings[0].id]
    view = await holds.place(ids, TERMS, SARI)
    await holds.extend(view.hold.id, date(2027, 2, 1), SARI)
    freeze = await holds.open_freeze(ids, "2026-77", OLLI)
    await holds.release(view.hold.id, SARI)
    with pytest.raises(HoldReleased):
        await holds.release(view.hold.id, SARI)  # what did not happen is not written down
    await holds.close_freeze(freeze.freeze.id, OLLI)
    await holds.decide_hold(threat.recordings[0].id, TERMS, SARI)
    await holds.decide_no_threat(joke.recordings[0].id, SARI)
    written = (await entries(house.database))[2:]  # the rules came first
    assert [(one["action"], one["because"]) for one in written] == [
        ("hold:place", ""),
        ("hold:extend", ""),
        ("freeze:open", ""),
        ("hold:release", ""),
        ("freeze:close", ""),
        ("flag:decide", "hold"),
        ("hold:place", ""),
        ("flag:decide", "not-a-threat"),
    ]
    assert written[0]["facts"] == {"recordings": [str(ids[0])]}
    assert written[0]["object"] == written[3]["object"] == f"hold:{view.hold.id}"
    texts = " ".join(str(one) for one in written)
    assert not [word for word in (TERMS.reason, TERMS.reference, TERMS.owner, "sari") if word in texts]


async def test_an_export_in_clear(site: Config, database: Database, tmp_path: Path) -> None:
    recorded = await record(site, database)
    vault = connect_service.vault(site)
    target = tmp_path / "call.wav"
    await listen.export_wav(database, vault, recorded.recording_id, target, lambda _: None, SARI)
    (entry,) = await entries(database)
    assert (entry["action"], entry["object"]) == ("recording:export", f"recording:{recorded.recording_id}")
    assert NUMBER not in str(entry)


async def test_a_sweep_each_recording_and_the_key_of_the_day(house: House) -> None:
    several = [at(BEGAN) for _ in range(3)]
    await house.store(*several)
    house.clocks.time = DUE
    await house.sweep(chores=chores(house)).run_once()
    written = (await entries(house.database))[2:]
    assert [one["action"] for one in written] == [*["recording:erase"] * 3, "key:destroy", "sweep:run"]
    assert {one["object"] for one in written[:3]} == {f"recording:{one.recordings[0].id}" for one in several}
    assert written[0]["facts"] == {"queue": "advice", "rule": "P3M of queue advice"}


async def test_a_clock_that_jumped_and_who_says_it_is_right(house: House) -> None:
    await house.sweep().run_once()
    house.clocks.ahead = timedelta(days=400)
    with pytest.raises(ClockJumped):
        await house.sweep().run_once()
    house.clocks.ahead = timedelta()
    await house.sweep().confirm_time(OLLI)
    written = (await entries(house.database))[2:]
    assert [(one["action"], one["outcome"]) for one in written] == [
        ("sweep:run", "ok"),
        ("clock:refuse", "refused"),
        ("clock:confirm", "ok"),
    ]


async def test_rules_proposed_confirmed_and_withdrawn(house: House) -> None:
    await house.store(at(BEGAN))
    later = BEGAN + timedelta(days=60)
    shorter, shortest = rules(advice="P1M", dental="P14D"), rules(advice="P14D", dental="P14D")
    await Policies(house.database, shorter).adopt(later)
    await Policies(house.database, RULES).adopt(later)
    await Policies(house.database, shortest).adopt(later)
    await house.policies.confirm(3, OLLI, later)
    assert [(one["action"], one["object"], one["actor"]["kind"]) for one in await entries(house.database)] == [
        ("policy:propose", "policy:1", "service"),
        ("policy:confirm", "policy:1", "service"),
        ("policy:propose", "policy:2", "service"),
        ("policy:withdraw", "", "service"),
        ("policy:propose", "policy:3", "service"),
        ("policy:confirm", "policy:3", "operator"),
    ]


async def test_a_file_that_rotted(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    flip(file_of(site, recorded.recording_id), 30)
    scrub = Scrub(database=database, vault=Vault(VaultFiles(site.storage.vault), open_keyring(site), site.pbx.spool))
    await scrub.run_once(datetime.now(UTC) + VERIFY_EVERY * 2, asyncio.Event())
    assert await actions(database) == ["recording:damage"]


async def test_a_call_of_which_a_part_is_missing_once_however_often_it_is_stored(database: Database) -> None:
    gap = Mark(kind=MarkKind.GAP, at=NOW, offset=timedelta(), by="")
    torn, whole = replace(call(1), marks=(gap,)), call(2)
    rig = Rig(database, torn, whole)
    for count in (2, 4, 6):
        rig.store.put(torn.id)
        rig.store.put(whole.id)
        await rig.run_until(count)
        written = await entries(database)
    assert [(one["action"], one["object"], one["because"]) for one in written] == [
        ("recording:incomplete", f"call:{torn.id}", "gap")
    ]


async def test_the_service_begins_with_another_configuration(site: Config, database: Database) -> None:
    keyring = open_keyring(site)
    for settings in (site, site, site.model_copy(update={"retention": site.retention.model_copy()}), site):
        await connect_service.audit_start(settings, database, keyring)
    changed = site.model_copy(update={"audit": site.audit.model_copy(update={"checkpoint_every_seconds": 30.0})})
    await connect_service.audit_start(changed, database, keyring)
    first = ["keyring:make", "service:start", "config:change", "queue:activate"]
    assert await actions(database) == [*first, *["service:start"] * 4, "config:change"]


async def test_a_backup_and_a_new_root_key(site: Config, database: Database, tmp_path: Path) -> None:
    open_keyring(site)
    for command in (("backup", tmp_path / "backup"), ("rotate",), ("rotate", "--hold")):
        answer = await ari("keys", *command, "--config", site.source)
        assert answer.code == 0, answer.err
    assert await actions(database) == ["keyring:backup", "keyring:rotate", "key:destroy", "keyring:rotate"]
