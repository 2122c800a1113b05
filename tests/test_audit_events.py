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
from ari_recorder.services import connect, listen
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

PACKAGE = Path(__file__).parent.parent / "ari_recorder"
SARI, OLLI = Actor.operator("sari"), Actor.operator("olli")
DUE = BEGAN + timedelta(days=120)

# Which test makes it happen: here, or a module's.
HERE = "tests.test_audit_events"
KEYS = "tests.services.test_key_control:test_a_wrong_passphrase_has_the_code_it_has_without_a_service"
LISTENING = "tests.services.test_listenings"
LOGIN = "tests.services.test_login"
SESSIONS = "tests.services.test_sessions"
ENROL = "tests.services.test_enrol"
RIGHTS = "tests.services.test_rights"
APPROVALS = "tests.services.test_approvals"
USE = "tests.services.test_use"
LOG = "tests.services.test_audit_log"
CLI = "tests.test_cli_audit"
TRIGGERED = {
    Action.HOLD_PLACE: f"{HERE}:test_holds_freezes_and_decisions",
    Action.HOLD_EXTEND: f"{HERE}:test_holds_freezes_and_decisions",
    Action.HOLD_RELEASE: f"{HERE}:test_holds_freezes_and_decisions",
    Action.FREEZE_OPEN: f"{HERE}:test_holds_freezes_and_decisions",
    Action.FREEZE_CLOSE: f"{HERE}:test_holds_freezes_and_decisions",
    Action.FLAG_DECIDE: f"{HERE}:test_holds_freezes_and_decisions",
    Action.RECORDING_EXPORT: f"{HERE}:test_an_export_in_clear",
    Action.RECORDING_ERASE: f"{HERE}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.SWEEP_RUN: f"{HERE}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.KEY_DESTROY: f"{HERE}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.CLOCK_REFUSE: f"{HERE}:test_a_clock_that_jumped_and_who_says_it_is_right",
    Action.CLOCK_CONFIRM: f"{HERE}:test_a_clock_that_jumped_and_who_says_it_is_right",
    Action.POLICY_PROPOSE: f"{HERE}:test_rules_proposed_confirmed_and_withdrawn",
    Action.POLICY_CONFIRM: f"{HERE}:test_rules_proposed_confirmed_and_withdrawn",
    Action.POLICY_WITHDRAW: f"{HERE}:test_rules_proposed_confirmed_and_withdrawn",
    Action.RECORDING_DAMAGE: f"{HERE}:test_a_file_that_rotted",
    Action.RECORDING_INCOMPLETE: f"{HERE}:test_a_call_of_which_a_part_is_missing_once_however_often_it_is_stored",
    Action.SERVICE_START: f"{HERE}:test_the_service_begins_with_another_configuration",
    Action.CONFIG_CHANGE: f"{HERE}:test_the_service_begins_with_another_configuration",
    Action.KEYRING_MAKE: f"{HERE}:test_the_service_begins_with_another_configuration",
    Action.KEYRING_BACKUP: f"{HERE}:test_a_backup_and_a_new_root_key",
    Action.KEYRING_ROTATE: f"{HERE}:test_a_backup_and_a_new_root_key",
    Action.KEYRING_UNLOCK: KEYS,
    Action.KEYRING_LOCK: KEYS,
    Action.RECORDING_PLAY: f"{LISTENING}:test_the_purpose_is_on_record_before_anything_is_opened",
    Action.RECORDING_PLAYED: f"{LISTENING}:test_what_was_sent_is_what_is_on_record",
    Action.RECORDING_LIST: "tests.services.test_search:test_a_search_is_on_record_without_the_number",
    Action.RECORDING_SEARCH: "tests.services.test_search:test_a_search_is_on_record_without_the_number",
    Action.RECORDING_VIEW: "tests.services.test_recording_page:test_everything_known_is_shown",
    Action.RECORDING_CORRECT: "tests.services.test_recording_page:test_corrections_stand_beside_their_original",
    Action.SESSION_LOGIN: f"{LOGIN}:test_name_password_and_code_let_in",
    Action.SESSION_SECOND_STEP: f"{LOGIN}:test_whatever_is_wrong_the_answer_is_the_same_and_it_is_on_record",
    Action.SESSION_LOCKOUT: f"{LOGIN}:test_ten_thousand_guesses_are_a_hundred_at_most_and_the_owner_comes_in_meanwhile",
    Action.SESSION_LOGOUT: f"{SESSIONS}:test_after_log_out_the_cookie_is_worth_nothing",
    Action.SESSION_END: f"{SESSIONS}:test_users_see_and_end_their_own_sessions_and_nobody_elses",
    Action.SESSION_STEP_UP: f"{SESSIONS}:test_a_step_up_makes_a_new_token_and_lasts_five_minutes",
    Action.TOKEN_MAKE: f"{SESSIONS}:test_a_machine_works_with_its_token_in_its_unit_and_never_steps_up",
    Action.TOKEN_END: f"{SESSIONS}:test_a_machine_works_with_its_token_in_its_unit_and_never_steps_up",
    Action.ACCOUNT_CREATE: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_INVITE: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_ENROL: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_RESET: f"{ENROL}:test_a_reset_takes_both_factors_and_keeps_the_rights",
    Action.ACCOUNT_DISABLE: f"{ENROL}:test_who_comes_back_has_no_rights_from_before",
    Action.ACCOUNT_ENABLE: f"{ENROL}:test_who_comes_back_has_no_rights_from_before",
    Action.ACCOUNT_CHANGE: f"{ENROL}:test_facts_of_an_account_can_be_changed_but_not_its_name",
    Action.UNIT_CHANGE: f"{RIGHTS}:test_units_are_named_sets_of_queues_with_a_history",
    Action.RIGHT_GRANT: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_APPROVE: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_ATTEST: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_END: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.APPROVAL_ASK: f"{APPROVALS}:test_every_step_is_on_record",
    Action.APPROVAL_GIVE: f"{APPROVALS}:test_every_step_is_on_record",
    Action.APPROVAL_REFUSE: f"{APPROVALS}:test_every_step_is_on_record",
    Action.ACCESS_REFUSE: f"{USE}:test_ten_of_ten_misuses_are_in_the_report_and_ordinary_work_is_not",
    Action.LEDGER_VIEW: "tests.web.test_use:test_the_ledger_shows_days_and_who_looked_is_on_record",
    Action.USE_REPORT: f"{USE}:test_reading_the_report_is_on_record",
    Action.USE_SIGN: f"{USE}:test_of_two_who_sign_at_once_one_does",
    Action.AUDIT_DAY: f"{LOG}:test_without_anything_new_nothing_is_signed_but_once_a_day",
    Action.AUDIT_ROLLBACK: f"{LOG}:test_a_database_brought_back_from_a_backup_is_not_signed",
    Action.AUDIT_READ: f"{CLI}:test_the_log_is_listed_shown_and_reading_it_is_an_entry",
    Action.AUDIT_EXPORT: f"{CLI}:test_what_is_signed_exported_and_proven_the_tool_believes",
    Action.AUDIT_PROVE: f"{CLI}:test_what_is_signed_exported_and_proven_the_tool_believes",
    Action.AUDIT_VERIFY: f"{CLI}:test_what_a_superuser_did_is_found_with_exit_code_3",
}


def used_in_the_program() -> set[Action]:
    texts = [path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "audit.py" or path.parent.name == "cli"]
    names = {name for text in texts for name in re.findall(r"\bAction\.([A-Z_]+)\b", text)}
    names |= {Action(value).name for text in texts for value in re.findall(r'"(keyring:[a-z]+)"', text)}
    return {Action[name] for name in names}


def test_every_action_of_the_program_has_a_test_that_makes_it_happen() -> None:
    assert used_in_the_program() <= set(TRIGGERED), "add a row, and the test"
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
    vault = connect.vault(site)
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
        await connect.audit_start(settings, database, keyring)
    changed = site.model_copy(update={"audit": site.audit.model_copy(update={"checkpoint_every_seconds": 30.0})})
    await connect.audit_start(changed, database, keyring)
    first = ["keyring:make", "service:start", "config:change"]
    assert await actions(database) == [*first, *["service:start"] * 4, "config:change"]


async def test_a_backup_and_a_new_root_key(site: Config, database: Database, tmp_path: Path) -> None:
    open_keyring(site)
    for command in (("backup", tmp_path / "backup"), ("rotate",), ("rotate", "--hold")):
        answer = await ari("keys", *command, "--config", site.source)
        assert answer.code == 0, answer.err
    assert await actions(database) == ["keyring:backup", "keyring:rotate", "key:destroy", "keyring:rotate"]
