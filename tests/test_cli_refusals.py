"""Every bad input, told by the command line: one clear message that names the thing and the mend."""

import asyncio
import json
import os
import resource
import sys
from pathlib import Path

import pytest

from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Config
from ari_recorder.storage.db import Database
from tests.asterisk.fake_ami import fake_ami
from tests.command import FAILED, FINE, FOUND, USAGE, ari
from tests.site import NUMBER, Recorded, prepare, record, write_secret, write_site


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> Recorded:
    return await record(site, database)


# --- the configuration, wrong


@pytest.mark.parametrize("command", [["run"], ["check"], ["recordings", "list"], ["ledger"], ["sweep"]])
async def test_an_unknown_key_is_2_and_names_the_nearest(tmp_path: Path, command: list[str]) -> None:
    path = write_site(tmp_path, changes={"pbx.more": 'hots = "x"'})
    answer = await ari(*command, "--config", path)
    assert answer.code == USAGE
    assert answer.err == f"ari-recorder: {path}: pbx.hots: there is no such setting. Did you mean pbx.host?\n"
    assert answer.out == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('retention = "P0M"', "queues[\"advice\"].retention: 'P0M' keeps nothing"),
        ("", 'queues["advice"].retention: it is missing. Add for example: retention = "P3M"'),
    ],
)
async def test_retention_0_or_missing_is_2(tmp_path: Path, line: str, expected: str) -> None:
    answer = await ari("run", "--config", write_site(tmp_path, changes={"retention": line}))
    assert answer.code == USAGE
    assert expected in answer.err


async def test_a_refused_configuration_is_a_json_document_too(tmp_path: Path) -> None:
    answer = await ari("check", "--json", "--config", tmp_path / "none.toml")
    assert answer.code == USAGE
    assert answer.json["error"]["code"] == "config_refused"
    assert answer.json["error"]["problems"][0]["what"] == "there is no such file"
    assert "there is no such file" in answer.err


# --- the database, wrong


@pytest.mark.parametrize("command", [["recordings", "list"], ["ledger"]])
async def test_a_database_that_is_not_there_is_1(tmp_path: Path, command: list[str]) -> None:
    path = write_site(tmp_path, changes={"database": 'dsn = "postgresql://nobody@127.0.0.1:1/none"'})
    answer = await ari(*command, "--json", "--config", path)
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "database_unreachable"
    assert "none on 127.0.0.1:1" in answer.err


async def test_a_password_in_the_address_is_never_shown(tmp_path: Path) -> None:
    secret = write_secret(tmp_path / "dsn", "postgresql://recorder:hunter2@127.0.0.1:1/none")
    path = write_site(tmp_path, changes={"database": f'dsn_file = "{secret}"'})
    answer = await ari("recordings", "list", "--json", "--config", path)
    assert answer.code == FAILED
    assert "hunter2" not in answer.out + answer.err


@pytest.mark.parametrize("command", ["run", "recordings"])
async def test_a_database_newer_than_the_program_is_1(site: Config, database: Database, command: str) -> None:
    async with database.transaction() as conn:
        await conn.execute("INSERT INTO migration (number, name, sha256) VALUES (9999, '9999_future.sql', '\\x00')")
    arguments = ["run"] if command == "run" else ["recordings", "list"]
    answer = await ari(*arguments, "--config", site.source)
    assert answer.code == FAILED
    assert "9999_future.sql" in answer.err


async def test_a_database_without_tables_is_1_and_says_what_makes_them(tmp_path: Path, empty_dsn: str) -> None:
    path = write_site(tmp_path, changes={"database": f'dsn = "{empty_dsn}"'})
    answer = await ari("recordings", "list", "--json", "--config", path)
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "database_not_ready"
    assert "Start the service once" in answer.err


async def test_commands_make_no_database_of_their_own(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    answer = await ari("recordings", "list", "--json", "--config", path)
    assert answer.json["error"]["code"] == "database_not_ready"
    assert list((tmp_path / "state").iterdir()) == []


# --- check


async def test_check_tells_each_fault_with_its_mend_and_is_3(site: Config) -> None:
    (site.pbx.sounds / "fi" / "announcement.wav").write_bytes(b"")
    answer = await ari("check", "--config", site.source)
    assert answer.code == FOUND
    assert "127.0.0.1:1 cannot be reached" in answer.out
    assert "fi/announcement.wav: it is empty or not a WAV file" in answer.out
    assert "→" in answer.out
    assert answer.err == ""


async def test_check_as_json_names_area_level_and_mend(site: Config) -> None:
    answer = await ari("check", "--json", "--config", site.source)
    assert answer.code == FOUND
    assert answer.json["ok"] is False
    by_area = {finding["area"]: finding for finding in answer.json["findings"]}
    assert by_area["ami"]["level"] == "fail"
    assert by_area["ami"]["mend"]
    assert by_area["database"]["level"] == "ok"
    assert "up to date" in by_area["database"]["what"]


async def test_check_tells_a_wrong_ami_secret(tmp_path: Path, dsn: str) -> None:
    async with fake_ami() as server:
        path = write_site(tmp_path, server.port, {"database": f'dsn = "{dsn}"'})
        write_secret(tmp_path / "ami.secret", "wrong-secret")
        answer = await ari("check", "--config", path)
    assert answer.code == FOUND
    assert "refused the AMI user ari-recorder" in " ".join(answer.out.split())
    assert "wrong-secret" not in answer.out + answer.err


async def test_check_tells_a_wrong_database(tmp_path: Path) -> None:
    path = write_site(tmp_path, changes={"database": 'dsn = "postgresql://nobody@127.0.0.1:1/none"'})
    answer = await ari("check", "--json", "--config", path)
    (finding,) = [finding for finding in answer.json["findings"] if finding["area"] == "database"]
    assert finding["level"] == "fail"
    assert "none on 127.0.0.1:1" in finding["what"]


def no_room() -> None:
    """Nothing can be written to any file: what a full disk is for the program."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


async def test_check_tells_a_spool_that_is_full(site: Config) -> None:
    answer = await ari("check", "--json", "--config", site.source, limit=no_room)
    assert answer.code == FOUND
    (finding,) = [f for f in answer.json["findings"] if f["area"] == "spool" and f["level"] == "fail"]
    assert f"The spool {site.pbx.spool} cannot be used: nothing can be written" in finding["what"]


# --- run, when it cannot


@pytest.mark.parametrize(
    ("spool", "expected"),
    [("missing", "it does not exist; make it: install -d -m 2770"), ("/sys", "nothing can be written")],
)
async def test_run_refuses_a_spool_it_cannot_write(tmp_path: Path, dsn: str, spool: str, expected: str) -> None:
    where = spool if spool.startswith("/") else tmp_path / spool
    path = write_site(tmp_path, changes={"spool": str(where), "database": f'dsn = "{dsn}"'})
    answer = await ari("run", "--config", path)
    assert answer.code == FAILED
    assert f"The spool {where} cannot be used: " in answer.err
    assert expected in answer.err


async def test_run_refuses_a_full_spool(site: Config) -> None:
    answer = await ari("run", "--config", site.source, limit=no_room)
    assert answer.code == FAILED
    assert f"The spool {site.pbx.spool} cannot be used: nothing can be written" in answer.err


async def test_run_refuses_a_spool_that_another_service_holds(site: Config) -> None:
    with Spool(site.pbx.spool).held():
        answer = await ari("run", "--config", site.source)
    assert answer.code == FAILED
    assert f"The spool {site.pbx.spool} is in use by another ari-recorder (process {os.getpid()})" in answer.err


async def test_run_refuses_a_secret_it_cannot_read(site: Config, tmp_path: Path) -> None:
    (tmp_path / "ami.secret").unlink()
    answer = await ari("run", "--config", site.source)
    assert answer.code == USAGE
    assert "pbx.secret_file: " in answer.err
    assert "does not exist" in answer.err


async def test_run_refuses_to_make_a_new_key_beside_sealed_recordings(site: Config, recorded: Recorded) -> None:
    (site.storage.keys / "keyring.json").unlink()
    answer = await ari("run", "--config", site.source)
    assert answer.code == FAILED
    assert "There is no keyring: " in answer.err


# --- faults of the program itself


async def test_a_fault_is_told_without_values(site: Config, database: Database, recorded: Recorded) -> None:
    async with database.transaction() as conn:
        await conn.execute("UPDATE call SET marks = $1", [f"not a mark, but the number {NUMBER}"])
    answer = await ari("recordings", "list", "--json", "--config", site.source)
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "fault"
    assert "ValidationError" in answer.err
    assert "calls.py:" in answer.err
    assert NUMBER not in answer.out + answer.err


# --- run, when the PBX is away


async def test_run_waits_for_a_pbx_that_is_down_and_ends_well_when_told(site: Config) -> None:
    arguments = ("-W", "error", "-m", "ari_recorder", "run", "--config", str(site.source))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while (line := json.loads(await process.stderr.readline()))["action"] != "ami_down":
                assert line["level"] in ("info", "warning"), line
        assert "127.0.0.1:1 cannot be reached" in line["because"]
        process.terminate()
        _, rest = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == FINE, rest.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
