"""Restrictions at the command line: set, listed, shown, lifted, and their exit codes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.retention import local_day
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, ari
from tests.site import prepare, record


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.mark.timeout(600)  # the program is started ten times
async def test_a_restriction_from_set_to_lifted(site: Config, database: Database) -> None:
    at = ("--config", site.source)
    recorded = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=200), marks=())
    beginning = str(recorded.recording_id)[:8]
    wanted = ("restriction", "set", beginning, "--case", "TP-2026/4")
    made = await ari(*wanted, "--ground", "unlawful", "--json", *at)
    assert made.code == FINE, made.err
    assert made.json["recordings"] == [str(recorded.recording_id)]
    restriction = made.json["restriction"]["id"]
    again = await ari(*wanted, "--ground", "unlawful", "--json", *at)
    assert (again.code, again.json["error"]["code"]) == (FAILED, "restriction_there")
    assert (await ari("sweep", "--json", *at)).json["erased"] == 0
    listed = await ari("restriction", "list", *at)
    assert "1 recording(s) past their period and kept by a restriction alone" in listed.out
    shown = await ari("recordings", "show", beginning, *at)
    assert "unlawful, case TP-2026/4" in shown.out
    told = ("--told-how", "letter", "--told-on", local_day(datetime.now(UTC)).isoformat())
    assert "at once" in (await ari("restriction", "lift", restriction, *told, "--dry-run", *at)).out
    refused = await ari("restriction", "lift", restriction, *told, "--json", *at)
    assert (refused.code, refused.json["error"]["code"]) == (FAILED, "release_destroys")
    early = ("--told-how", "letter", "--told-on", "2020-01-01", "--yes", "--json")
    untold = await ari("restriction", "lift", restriction, *early, *at)
    assert (untold.code, untold.json["error"]["code"]) == (FAILED, "subject_not_told")
    lifted = await ari("restriction", "lift", restriction, *told, "--yes", "--json", *at)
    assert [fate["at_once"] for fate in lifted.json] == [True]
    assert restriction in (await ari("restriction", "list", "--all", *at)).out
