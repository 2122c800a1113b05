"""What holds, freezes, policy and certificates print on the command line, and their exit codes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.retention import local_day
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from tests.command import FAILED, FINE, FOUND, USAGE, ari
from tests.keyring_for_tests import cheap_passphrases
from tests.services.test_certify import run_tool
from tests.site import Recorded, open_keyring, prepare, record, write_secret

REVIEW = (local_day(datetime.now(UTC)) + timedelta(days=200)).isoformat()


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def old(site: Config, database: Database) -> Recorded:
    """Long overdue, even for a flagged call."""
    return await record(site, database, started_at=datetime.now(UTC) - timedelta(days=200))


def placing(tmp_path: Path) -> list[object]:
    reason = tmp_path / "reason.txt"
    reason.write_text("Said he knows where we live.\n")
    terms = ["--reason-file", reason, "--reference", "5530/R/1/26", "--owner", "Sari Supervisor", "--review-on", REVIEW]
    return list(terms)


async def test_a_hold_from_place_to_release(site: Config, old: Recorded, tmp_path: Path) -> None:
    at = ("--config", site.source)
    beginning = str(old.recording_id)[:8]
    placed = await ari("holds", "place", beginning, *placing(tmp_path), "--json", *at)
    assert placed.code == FINE, placed.err
    hold = placed.json["hold"]["id"]
    assert placed.json["recordings"] == [str(old.recording_id)]
    assert (await ari("sweep", "--json", *at)).json["erased"] == 0
    shown = await ari("recordings", "show", beginning, "--json", *at)
    assert (shown.json["keep_until"], shown.json["kept_because"]) == (
        None,
        f"a hold (5530/R/1/26), to be reviewed on {REVIEW}",
    )
    later = (local_day(datetime.now(UTC)) + timedelta(days=300)).isoformat()
    assert (await ari("holds", "extend", hold, "--review-on", later, *at)).code == FINE
    preview = await ari("holds", "release", hold, "--dry-run", *at)
    assert preview.code == FINE
    assert "at once" in preview.out
    assert "nothing was changed" in preview.out
    refused = await ari("holds", "release", hold, "--json", *at)
    assert (refused.code, refused.json["error"]["code"]) == (FAILED, "release_destroys")
    released = await ari("holds", "release", hold, "--yes", "--json", *at)
    assert [fate["at_once"] for fate in released.json] == [True]
    assert "Said he knows where we live." in (await ari("holds", "list", "--all", *at)).out


async def test_a_freeze_from_open_to_close(site: Config, old: Recorded) -> None:
    at = ("--config", site.source)
    opened = await ari("freezes", "open", old.recording_id, "--reference", "2026-77", "--json", *at)
    assert opened.code == FINE, opened.err
    freeze = opened.json["freeze"]["id"]
    assert "2026-77" in (await ari("freezes", "list", *at)).out
    assert "at once" in (await ari("freezes", "close", freeze, "--dry-run", *at)).out
    assert (await ari("freezes", "close", freeze, "--yes", *at)).code == FINE


async def test_a_flagged_call_is_decided_on(site: Config, database: Database, tmp_path: Path) -> None:
    at = ("--config", site.source)
    recorded = await record(site, database)
    (waiting,) = (await ari("holds", "review", "--json", *at)).json
    assert waiting["recording_id"] == str(recorded.recording_id)
    assert (await ari("holds", "decide", recorded.recording_id, "--hold", *at)).code == USAGE
    assert (
        await ari("holds", "decide", recorded.recording_id, "--hold", "--yes", *placing(tmp_path), *at)
    ).code == USAGE
    preview = await ari("holds", "decide", recorded.recording_id, "--not-a-threat", "--dry-run", "--json", *at)
    assert [fate["at_once"] for fate in preview.json] == [False]
    assert len((await ari("holds", "review", "--json", *at)).json) == 1
    decided = await ari("holds", "decide", recorded.recording_id, "--not-a-threat", "--json", *at)
    assert [fate["because"] for fate in decided.json] == ["P3M of queue advice"]
    assert "0 flagged call(s) nobody decided on" in (await ari("holds", "review", *at)).out
    held = await ari("holds", "decide", recorded.recording_id, "--hold", *placing(tmp_path), "--json", *at)
    assert held.json["reason"] == "Said he knows where we live."


async def test_what_cannot_be_held_is_1_and_says_why(site: Config, old: Recorded, tmp_path: Path) -> None:
    at = ("--json", "--config", site.source)
    terms = placing(tmp_path)
    no_file = ["--reason-file", tmp_path / "none.txt", *terms[2:]]
    answer = await ari("holds", "place", old.recording_id, *no_file, *at)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "hold_text_refused")
    assert (await ari("holds", "release", "not-an-id", *at)).code == USAGE
    await ari("sweep", *at)
    answer = await ari("holds", "place", old.recording_id, *terms, *at)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "recording_erased")


async def test_certificates_are_listed_shown_and_verified_elsewhere(
    site: Config, old: Recorded, tmp_path: Path
) -> None:
    at = ("--config", site.source)
    await ari("sweep", *at)
    subject = str(old.recording_id)
    listed = await ari("certificates", "list", "--json", *at)
    assert ([one["subject"] for one in listed.json["certificates"]], listed.json["waiting"]) == ([subject], 0)
    assert "wrapped data key, sealed file" in (await ari("certificates", "show", subject[:8], *at)).out
    target = tmp_path / "certificate.json"
    assert (await ari("certificates", "export", subject, target, *at)).code == FINE
    again = await ari("certificates", "export", subject, target, "--json", *at)
    assert (again.code, again.json["error"]["code"]) == (FAILED, "export_target_refused")
    code, out, err = await run_tool("--signer", open_keyring(site).signer.hex(), target)
    assert (code, err) == (0, ""), out
    unknown = await ari("certificates", "show", "day-2020-01-01", "--json", *at)
    assert (unknown.code, unknown.json["error"]["code"]) == (FAILED, "certificate_unknown")


async def test_shorter_retention_is_shown_and_confirmed(site: Config, database: Database) -> None:
    at = ("--config", site.source)
    young = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=40))
    await ari("holds", "decide", young.recording_id, "--not-a-threat", *at)
    await ari("sweep", *at)
    site.source.write_text(site.source.read_text().replace("P3M", "P1M"))
    assert (await ari("sweep", "--json", *at)).json["erased"] == 0
    shown = await ari("policy", "show", "--json", *at)
    assert shown.code == FOUND
    assert shown.json["proposed"] == 2
    assert shown.json["at_once"] == [{"queue": "advice", "because": "P1M of queue advice", "recordings": 1}]
    found = await ari("check", "--json", *at)
    whats = [finding["what"] for finding in found.json["findings"] if finding["area"] == "retention"]
    assert any("waits to be confirmed" in what for what in whats)
    assert (await ari("policy", "confirm", "2", *at)).code == FINE
    assert (await ari("sweep", "--json", *at)).json["erased"] == 1


async def test_the_nights_to_come(site: Config, database: Database) -> None:
    at = ("--config", site.source)
    started = datetime.now(UTC) - timedelta(days=80)
    recorded = await record(site, database, started_at=started)
    await ari("holds", "decide", recorded.recording_id, "--not-a-threat", *at)
    assert "1 become due; nothing was destroyed" in (await ari("sweep", "--dry-run", "--nights", "30", *at)).out
    assert (await ari("sweep", "--nights", "30", *at)).code == USAGE


async def test_an_export_goes_with_its_recording(site: Config, old: Recorded, tmp_path: Path) -> None:
    at = ("--config", site.source)
    target = tmp_path / "evidence.wav"
    assert (await ari("recordings", "export", old.recording_id, target, *at)).code == FINE
    assert target.exists()
    assert (await ari("sweep", "--confirm-time", "--json", *at)).json["erased"] == 1
    assert not target.exists()
    shown = json.loads((await ari("certificates", "show", old.recording_id, "--json", *at)).out)
    assert shown["copies_destroyed"] == ["wrapped data key", "sealed file", "export in clear"]


async def test_a_keyring_with_a_passphrase_is_asked_for_it(
    site: Config, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap_passphrases(monkeypatch)
    Keyring.make(site.storage.keys, passphrase="correct horse battery staple").publish([local_day(datetime.now(UTC))])
    open_freezes = ("freezes", "list", "--json", "--config", site.source)
    answer = await ari(*open_freezes)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "passphrase_needed")
    typed = write_secret(tmp_path / "passphrase", "correct horse battery staple\n")
    assert (await ari(*open_freezes, "--passphrase-file", typed)).json == []
