"""What the commands of the audit log print, and their exit codes."""

import json
from pathlib import Path

import asyncpg
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, FOUND, USAGE, ari
from tests.services.audit_house import run_tool
from tests.site import open_keyring, prepare
from tests.storage.test_audit import AT


@pytest.fixture
async def site(tmp_path: Path, dsn: str, database: Database) -> Config:
    """With three entries, and a file of anchors."""
    site = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"\n[audit]\nanchor_file = "{tmp_path}/anchors.jsonl"'})
    open_keyring(site)
    entries = [
        Entry(action=Action.HOLD_PLACE, actor=Actor.operator(name), object=f"hold:{name}", because="police")
        for name in ("anna", "berta", "cecilia")
    ]
    async with database.transaction() as conn:
        await audit.append_many(conn, entries, AT)
    return site


async def test_the_log_is_listed_shown_and_reading_it_is_an_entry(site: Config) -> None:
    at = ("--json", "--config", site.source)
    listed = (await ari("audit", "list", *at)).json
    assert [entry["object"] for entry in listed] == ["hold:cecilia", "hold:berta", "hold:anna"]
    assert [entry["personal"]["actor.name"] for entry in listed] == ["cecilia", "berta", "anna"]
    one = await ari("audit", "list", "--actor", "berta", "--day", "2026-11-24", "--action", "hold:place", *at)
    assert [entry["seq"] for entry in one.json] == [1]
    assert (await ari("audit", "list", "--before", "1", "--object", "hold:anna", *at)).json[0]["seq"] == 0
    shown = await ari("audit", "show", "0", "--config", site.source)
    assert shown.code == FINE
    assert "anna" in shown.out
    assert "hold:place" in shown.out
    reads = (await ari("audit", "list", "--action", "audit:read", *at)).json
    assert [entry["facts"].get("entries") for entry in reads] == [1, 1, 1, 3]
    assert "audit:read" in (await ari("audit", "list", "--config", site.source)).out
    missing = await ari("audit", "show", "99", *at)
    assert (missing.code, missing.json["error"]["code"]) == (FAILED, "audit_entry_unknown")
    assert (await ari("audit", "list", "--action", "nothing", *at)).code == USAGE


async def test_what_is_signed_exported_and_proven_the_tool_believes(site: Config, tmp_path: Path) -> None:
    at = ("--config", site.source)
    signed = await ari("audit", "checkpoint", *at)
    assert signed.out.startswith("ari-recorder/")
    assert json.loads((tmp_path / "anchors.jsonl").read_text())["note"] == signed.out
    assert (await ari("audit", "proof", "1", tmp_path / "one.tlog-proof", *at)).code == FINE
    exported = await ari("audit", "export", tmp_path / "log.jsonl", "--json", *at)
    assert exported.json["entries"] == 5  # with the proof and the export themselves
    anchors = tmp_path / "anchors.jsonl"
    told = run_tool(
        "--key", exported.json["key"], "--anchors", anchors, tmp_path / "log.jsonl", tmp_path / "one.tlog-proof"
    )
    assert told.returncode == 0, told.stderr
    again = await ari("audit", "export", tmp_path / "log.jsonl", "--json", *at)
    assert (again.code, again.json["error"]["code"]) == (FAILED, "export_target_refused")
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600


async def test_what_a_superuser_did_is_found_with_exit_code_3(site: Config, dsn: str) -> None:
    at = ("--json", "--config", site.source)
    await ari("audit", "checkpoint", *at)
    well = await ari("audit", "verify", *at)
    assert (well.code, well.json["ok"], well.json["size"], well.json["signed"]) == (FINE, True, 3, 3)
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica")
    await raw.execute("UPDATE audit_entry SET leaf = replace(leaf, 'hold:anna', 'hold:other')")
    await raw.close()
    found = await ari("audit", "verify", *at)
    assert (found.code, found.json["ok"]) == (FOUND, False)
    told = await ari("audit", "verify", "--config", site.source)
    assert told.code == FOUND
    assert "not those that" in told.out


async def test_a_log_that_was_rolled_back_goes_on_as_a_new_one(site: Config, dsn: str) -> None:
    at = ("--json", "--config", site.source)
    first = await ari("audit", "checkpoint", *at)
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica; TRUNCATE audit_entry, audit_node, audit_checkpoint")
    await raw.execute("UPDATE audit_head SET size = 0, frontier = '{}'")
    await raw.close()
    refused = await ari("audit", "checkpoint", *at)
    assert (refused.code, refused.json["error"]["code"]) == (FAILED, "audit_rolled_back")
    anew = await ari("audit", "checkpoint", "--new-log", *at)
    assert anew.code == FINE, anew.err
    assert anew.json["note"]["origin"] == first.json["note"]["origin"] + "/2"
    assert (await ari("audit", "verify", *at)).code == FINE
    away = site.source.parent / "away"
    changed = site.source.read_text().replace(f'anchor_file = "{site.source.parent}', f'anchor_file = "{away}')
    site.source.write_text(changed)
    troubled = await ari("audit", "checkpoint", "--config", site.source)
    assert troubled.code == FOUND
    assert "not anchored" in troubled.err
