"""`records` at the command line: the controller's papers, of this site as it is."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.storage.db import Database
from tests.command import ari
from tests.reading_pdf import Read, read
from tests.site import open_keyring, record, write_site
from tests.test_cli_notice import write_other


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Path:
    path = write_site(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    open_keyring(config.load(path))
    return path


async def as_pdf(*arguments: str) -> Read:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ari_recorder", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return read(out)


async def test_each_paper_is_of_this_site_in_the_language_that_is_asked_for(site: Path, database: Database) -> None:
    wanted = {
        "processing": {"fi": "Neuvonta: 3 kuukautta", "sv": "Rådgivning: 3 månader", "en": "Advice line: 3 months"},
        "dpia": {"fi": "HR 14/2026", "sv": "12.1.2026", "en": "12 January 2026"},
        "information-management": {"fi": "Tietovarannot", "sv": "Informationslager", "en": "Information pools"},
    }
    for kind, words in wanted.items():
        for language, word in words.items():
            done = await ari("records", kind, "--language", language, "--config", str(site))
            assert done.code == 0, done.err
            assert f'<html lang="{language}">' in done.out
            assert word in done.out
        found = await as_pdf("records", kind, "--language", "sv", "--format", "pdf", "--config", str(site))
        assert (found.language, found.part_of_ua) == ("sv-FI", 1)
        assert found.author == "Exempelby stad"


async def test_the_assessment_has_figures_and_promises_of_this_moment(site: Path, database: Database) -> None:
    await record(config.load(site), database)
    arguments = ("records", "dpia", "--language", "en", "--json", "--config", str(site))
    told = (await ari(*arguments)).json

    def rows(answer: object) -> dict[str, str]:
        blocks = answer["blocks"]  # type: ignore[index]
        return {row[0]: row[1] for block in blocks for row in block.get("rows", ())}

    assert rows(told)["Recordings that are kept on that day"] == "1"
    assert rows(told)["Everything the notice has to say is filled in"] == "Kept"
    other = write_other(site, 'contact = "kirjaamo@example.org"', "")
    broken = (await ari(*arguments[:-1], str(other))).json
    assert broken["missing"] == ["controller.contact"]
    assert rows(broken)["Everything the notice has to say is filled in"] == "Broken"
    assert broken["blanks"] == told["blanks"]


async def test_a_setting_that_changes_changes_the_data(site: Path) -> None:
    arguments = ("records", "information-management", "--json", "--config")
    assert json.loads((await ari(*arguments, str(site))).out)["datasets"][0]["kept"] == "3 kuukautta"
    other = write_other(site, "P3M", "P14D")
    assert (await ari(*arguments, str(other))).json["datasets"][0]["kept"] == "14 päivää"


async def test_a_language_nobody_here_writes_is_refused(site: Path) -> None:
    refused = await ari("records", "dpia", "--language", "de", "--config", str(site))
    assert (refused.code, "'de' is not a language" in refused.err) == (1, True)
