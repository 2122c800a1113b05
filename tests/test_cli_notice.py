"""`notice` at the command line: the notice as it is and was, and published copies held against it."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.domain.promises import CHECKS
from ari_recorder.domain.retention import local_day
from ari_recorder.services import connect
from ari_recorder.services.clock import Clocks
from ari_recorder.storage.db import Database
from tests.command import ari
from tests.reading_pdf import read
from tests.site import open_keyring, write_site

BEGAN = datetime(2026, 11, 24, 10, tzinfo=UTC)


class _At(Clocks):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Path:
    return write_site(tmp_path, changes={"database": f'dsn = "{dsn}"'})


async def test_the_notice_is_printed_in_the_language_that_is_asked_for(site: Path) -> None:
    for language, words in {
        "fi": "Neuvonta: 3 kuukautta",
        "sv": "Rådgivning: 3 månader",
        "en": "Advice line: 3 months",
    }.items():
        done = await ari("notice", "render", "--language", language, "--config", str(site))
        assert done.code == 0, done.err
        assert f'<html lang="{language}">' in done.out
        assert words in done.out
    made = (await ari("notice", "render", "--json", "--config", str(site))).json
    assert [one["number"] for one in made["sections"]] == list(range(1, 21))
    refused = await ari("notice", "render", "--language", "de", "--config", str(site))
    assert (refused.code, "'de' is not a language" in refused.err) == (1, True)


async def test_the_notice_is_printed_as_pdf(site: Path, database: Database, tmp_path: Path) -> None:
    await connect.notices(config.load(site), database, _At(BEGAN)).adopt()
    for day in ((), ("--on", "2026-11-25")):
        target = tmp_path / "notice.pdf"
        with target.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "ari_recorder", "notice", "render", "--format", "pdf", "--language", "sv", *day),
                *("--config", str(site)),
                stdout=file,
            )
            assert await process.wait() == 0
        found = read(target.read_bytes())
        assert (found.language, len(found.of("H1")), found.part_of_ua) == ("sv-FI", 20, 1)
        assert found.author == "Exempelby stad"
    refused = await ari("notice", "render", "--format", "pdf", "--json", "--config", str(site))
    assert (refused.code, "without --json" in refused.err) == (2, True)


async def test_each_version_is_kept_from_the_moment_it_was_first_seen(site: Path, database: Database) -> None:
    """What any call was recorded under follows from its time. Saying the same again makes no version, and what was
    said before and is said again is a new one."""
    long = config.load(site)
    short = config.load(write_other(site, "P3M", "P14D"))
    for days, settings in enumerate((long, long, short, long)):
        await connect.notices(settings, database, _At(BEGAN + timedelta(days=days))).adopt()
    kept = await connect.notices(long, database).versions()
    assert [(one.version, one.since) for one in kept] == [
        (3, BEGAN + timedelta(days=3)),
        (2, BEGAN + timedelta(days=2)),
        (1, BEGAN),
    ]
    assert kept[0].digest == kept[2].digest != kept[1].digest
    listed = (await ari("notice", "versions", "--json", "--config", str(site))).json
    assert [one["version"] for one in listed] == [3, 2, 1]

    async def said(days: int) -> str:
        on = local_day(BEGAN + timedelta(days=days)).isoformat()
        return (await ari("notice", "render", "--language", "en", "--on", on, "--config", str(site))).out

    assert ["3 months" in await said(days) for days in range(5)] == [True, True, False, True, True]
    assert "14 days" in await said(2)
    before = await ari("notice", "render", "--on", "2026-11-23", "--config", str(site))
    assert (before.code, "no privacy notice in fi yet on 2026-11-23" in before.err) == (1, True)


def write_other(site: Path, old: str, new: str) -> Path:
    other = site.with_name("other.toml")
    other.write_text(site.read_text().replace(old, new))
    return other


async def test_versions_are_only_added(site: Path, database: Database) -> None:
    await connect.notices(config.load(site), database).adopt()
    for sql in ("UPDATE notice_version SET since = now()", "DELETE FROM notice_version", "TRUNCATE notice_version"):
        with pytest.raises(Exception, match="never changed"):
            async with database.transaction() as conn:
                await conn.execute(sql)


async def test_a_published_copy_is_compared(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "published.html"
    with site.open("a") as file:
        file.write(f'[notice]\npublished = {{ fi = "{copy}" }}\n')
    arguments = ("notice", "diff", "--config", str(site))
    away = await ari(*arguments)
    assert (away.code, "cannot be read: No such file" in away.out) == (1, True)
    copy.write_text((await ari("notice", "render", "--config", str(site))).out)
    same = await ari(*arguments)
    assert (same.code, same.out) == (0, f"fi {copy}: the same\n")
    copy.write_text(copy.read_text().replace("3 kuukautta", "6 kuukautta"))
    other = await ari(*arguments)
    assert (other.code, other.out.splitlines()[1:]) == (
        3,
        ["- Neuvonta: 6 kuukautta", "+ Neuvonta: 3 kuukautta"],
    )
    told = (await ari(*arguments, "--json")).json
    assert told["ok"] is False
    assert told["copies"][0]["missing"] == ["Neuvonta: 3 kuukautta"]


async def test_what_is_promised_is_checked(site: Path, database: Database) -> None:
    """Exit code 3 when something is not so. What only the service can tell is told to be so."""
    settings = config.load(site)
    open_keyring(settings)
    arguments = ("notice", "check", "--config", str(site))
    kept = await ari(*arguments, "--json")
    assert kept.code == 0, kept.out + kept.err
    states = {one["name"]: one["state"] for one in kept.json["promises"]}
    unknown = {"destinations", "no-plain-listener", "published-copy"}
    assert states == {check.name.value: "unknown" if check.name in unknown else "kept" for check in CHECKS}
    arguments = ("notice", "check", "--config", str(write_other(site, 'contact = "kirjaamo@example.org"', "")))
    broken = await ari(*arguments, "--json")
    assert (broken.code, broken.json["ok"]) == (3, False)
    table = await ari(*arguments)
    assert table.code == 3
    (line,) = [line for line in table.out.splitlines() if "fields-filled" in line]
    assert "broken" in line
    assert "controller.contact" in line
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM promise") == 0, "it is the service that tells, and once"
