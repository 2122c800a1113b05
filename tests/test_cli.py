"""cli.py: the real program, started as an operator starts it; what it prints, and its exit code."""

import asyncio
import itertools
import json
import os
import resource
import stat
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ari_recorder import config
from ari_recorder.config import Config
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage import recordings
from ari_recorder.storage.db import Database
from tests.asterisk.fake_ami import fake_ami
from tests.site import LENGTH, NAME, NUMBER, QUEUE, Recorded, prepare, record, write_secret, write_site

FINE, FAILED, USAGE, FOUND = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def ari(*arguments: object, limit: Callable[[], None] | None = None) -> Answer:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "ari_recorder", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        preexec_fn=limit,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    answer = Answer(code=process.returncode, out=out.decode(), err=err.decode())
    assert "Traceback" not in answer.err, answer.err
    return answer


def names_in(folder: Path, part: str) -> list[str]:
    return [name for name in os.listdir(folder) if part in name]


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> Recorded:
    return await record(site, database)


# --- usage


async def test_help_answers_without_loading_what_it_does_not_need() -> None:
    code = "import sys; from ari_recorder.cli import app; app(['--help'], standalone_mode=False);"
    code += "print([m for m in ('asyncpg', 'cryptography', 'numpy', 'panoramisk', 'pydantic') if m in sys.modules])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["recordings", "show", "not-an-id"],
        ["ledger", "--day", "yesterday"],
        ["recordings", "list", "--limit", "0"],
        ["run", "--no-such-option"],
    ],
)
async def test_wrong_usage_is_2(arguments: list[str]) -> None:
    answer = await ari(*arguments)
    assert answer.code == USAGE
    assert answer.err


async def test_the_example_can_be_printed_and_loaded(tmp_path: Path) -> None:
    answer = await ari("example-config")
    assert answer.code == FINE
    (tmp_path / "c.toml").write_text(answer.out)
    assert config.load(tmp_path / "c.toml")


# --- the configuration, wrong


@pytest.mark.parametrize("command", [["run"], ["check"], ["recordings", "list"], ["ledger"]])
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


# --- recordings


async def test_a_list_shows_recordings_and_nothing_of_the_caller(site: Config, recorded: Recorded) -> None:
    answer = await ari("recordings", "list", "--config", site.source)
    assert answer.code == FINE
    assert str(recorded.recording_id) in answer.out
    assert QUEUE in answer.out
    assert "Adviser 1001" in answer.out
    assert "threat" in answer.out
    assert NUMBER not in answer.out
    assert answer.err == ""


async def test_a_list_as_json_can_be_narrowed(site: Config, database: Database, recorded: Recorded) -> None:
    old = await record(site, database, started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), uniqueid="1600000000.1")
    everything = (await ari("recordings", "list", "--json", "--config", site.source)).json
    assert [one["id"] for one in everything] == [str(recorded.recording_id), str(old.recording_id)]
    assert everything[1]["started_at"] == "2026-01-02T03:04:05+00:00"
    assert everything[1]["duration"] == LENGTH.total_seconds()
    day = (await ari("recordings", "list", "--json", "--day", "2026-01-02", "--config", site.source)).json
    assert [one["id"] for one in day] == [str(old.recording_id)]
    assert (await ari("recordings", "list", "--json", "--queue", "other", "--config", site.source)).json == []
    assert len((await ari("recordings", "list", "--json", "--limit", "1", "--config", site.source)).json) == 1
    assert len((await ari("recordings", "list", "--json", "--flagged", "--config", site.source)).json) == 2


async def test_the_caller_is_shown_only_when_asked_for(site: Config, recorded: Recorded) -> None:
    closed = await ari("recordings", "show", recorded.recording_id, "--json", "--config", site.source)
    assert closed.code == FINE
    assert closed.json["caller"] is None
    assert closed.json["members"][0]["interface"] == "PJSIP/1001"
    assert closed.json["marks"][0]["kind"] == "threat"
    assert closed.json["kept_because"] == "P3M of queue advice"
    assert NUMBER not in closed.out
    assert "wrapped_key" not in closed.out
    opened = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--json", "--config", site.source)
    assert opened.json["caller"] == {"num": NUMBER, "name": NAME}
    text = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--config", site.source)
    assert f"{NUMBER} {NAME}" in text.out
    assert "0:01  threat  PJSIP/1001" in text.out


async def test_an_unknown_recording_is_1_in_words_and_as_json(site: Config) -> None:
    unknown = uuid4()
    answer = await ari("recordings", "show", unknown, "--json", "--config", site.source)
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "recording_unknown"
    assert answer.err.startswith(f"ari-recorder: There is no recording {unknown}.")


async def test_an_export_is_a_wav_with_the_caller_left_for_its_owner_alone(
    site: Config, recorded: Recorded, tmp_path: Path
) -> None:
    target = tmp_path / "call.wav"
    answer = await ari("recordings", "export", recorded.recording_id, target, "--json", "--config", site.source)
    assert answer.code == FINE, answer.err
    assert answer.json["duration"] == LENGTH.total_seconds()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with wave.open(str(target)) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getnframes()) == (2, 8000, 16000)
        frames = memoryview(wav.readframes(16000)).cast("h")
    sides = (frames[::2].tolist(), frames[1::2].tolist())
    crossings = [sum(a < 0 <= b for a, b in itertools.pairwise(side)) for side in sides]
    assert crossings == [pytest.approx(880, abs=2), pytest.approx(1760, abs=2)]  # 440 and 880 Hz for 2 s
    assert names_in(tmp_path, "call.wav") == ["call.wav"]


async def test_an_export_does_not_overwrite(site: Config, recorded: Recorded, tmp_path: Path) -> None:
    target = tmp_path / "call.wav"
    target.write_text("mine")
    answer = await ari("recordings", "export", recorded.recording_id, target, "--config", site.source)
    assert answer.code == FAILED
    assert "cannot be written: it is there already" in answer.err
    assert target.read_text() == "mine"


async def test_an_export_of_a_damaged_recording_leaves_nothing(
    site: Config, recorded: Recorded, tmp_path: Path
) -> None:
    (sealed,) = site.storage.vault.glob("*/*/*/*.sealed")
    content = bytearray(sealed.read_bytes())
    content[len(content) // 2] ^= 1
    sealed.write_bytes(content)
    answer = await ari(
        "recordings", "export", recorded.recording_id, tmp_path / "a.wav", "--json", "--config", site.source
    )
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "sealed_damaged"
    assert names_in(tmp_path, "a.wav") == []


async def test_an_erased_recording_cannot_be_exported_and_says_why(
    site: Config, database: Database, recorded: Recorded, tmp_path: Path
) -> None:
    async with database.transaction() as conn:
        await recordings.begin_erasing(conn, [recorded.recording_id], "P3M of queue advice", datetime.now(UTC))
    answer = await ari("recordings", "export", recorded.recording_id, tmp_path / "a.wav", "--config", site.source)
    assert answer.code == FAILED
    assert "was destroyed (P3M of queue advice)" in answer.err
    assert StoredState.ERASING.value in (await ari("recordings", "list", "--config", site.source)).out


async def test_without_the_master_key_an_export_is_1_and_no_key_is_made(
    site: Config, recorded: Recorded, tmp_path: Path
) -> None:
    site.storage.master_key.unlink()
    answer = await ari(
        "recordings", "export", recorded.recording_id, tmp_path / "a.wav", "--json", "--config", site.source
    )
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "master_key_missing"
    assert not site.storage.master_key.exists()


# --- the ledger


def queue_log(call: Recorded, answered: bool = True) -> str:
    entered = int((call.call.joined_at or datetime.now(UTC)).timestamp())
    lines = [f"{entered}|{call.call.uniqueid}|{QUEUE}|NONE|ENTERQUEUE||{NUMBER}|1"]
    if answered:
        lines.append(f"{entered + 5}|{call.call.uniqueid}|{QUEUE}|Adviser 1001|CONNECT|5|1700000000.2|3")
        lines.append(f"{entered + 7}|{call.call.uniqueid}|{QUEUE}|Adviser 1001|COMPLETECALLER|5|2|1")
    return "\n".join(lines) + "\n"


async def test_a_ledger_that_balances_is_0(site: Config, database: Database) -> None:
    recorded = await record(site, database, started_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    site.pbx.queue_log.write_text(queue_log(recorded))
    answer = await ari("ledger", "--day", "2026-03-04", "--json", "--config", site.source)
    assert answer.code == FINE, answer.out
    assert answer.json["totals"] == {"recorded": 1, "not_recorded": 0, "unexplained": 0, "pending": 0}
    assert answer.json["balanced"] is True
    assert NUMBER not in answer.out
    text = await ari("ledger", "--day", "2026-03-04", "--config", site.source)
    assert "2026-03-04: 1 calls: 1 recorded" in text.out


async def test_an_unexplained_call_is_3(site: Config) -> None:
    begin = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
    lines = [f"{begin}|1.1|{QUEUE}|NONE|ENTERQUEUE||{NUMBER}|1", f"{begin + 5}|1.1|{QUEUE}|A|CONNECT|5|1.2|3"]
    lines.append(f"{begin + 65}|1.1|{QUEUE}|A|COMPLETECALLER|5|60|1")
    site.pbx.queue_log.write_text("\n".join(lines) + "\n")
    answer = await ari("ledger", "--day", "2026-03-04", "--json", "--config", site.source)
    assert answer.code == FOUND
    assert answer.json["calls"][0]["verdict"] == {"state": "unexplained", "reason": "unknown-call"}


async def test_a_missing_queue_log_is_1(site: Config) -> None:
    site.pbx.queue_log.unlink()
    answer = await ari("ledger", "--json", "--config", site.source)
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "queue_log_unreadable"
    assert str(site.pbx.queue_log) in answer.err


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
    from ari_recorder.asterisk.spool import Spool

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
    site.storage.master_key.unlink()
    answer = await ari("run", "--config", site.source)
    assert answer.code == FAILED
    assert "there are sealed recordings" in answer.err


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
