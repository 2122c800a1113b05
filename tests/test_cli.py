"""cli.py: what the commands print, and their exit codes. What they refuse: test_cli_refusals.py."""

import asyncio
import itertools
import os
import stat
import sys
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import typer

from ari_recorder import config
from ari_recorder.cli.tools import moment
from ari_recorder.config import Config
from ari_recorder.domain.retention import HELSINKI, StoredState
from ari_recorder.storage import erasing
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, FOUND, USAGE, ari
from tests.site import LENGTH, NAME, NUMBER, QUEUE, Recorded, prepare, record


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


# --- recordings


async def test_a_list_shows_recordings_and_nothing_of_the_caller(site: Config, recorded: Recorded) -> None:
    answer = await ari("recordings", "list", "--config", site.source)
    assert answer.code == FINE
    assert str(recorded.recording_id)[:8] in answer.out.split()
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
    assert closed.json["kept_because"] == "P3M of queue advice, and P14D for a flag nobody decided on"
    assert NUMBER not in closed.out
    assert "wrapped_key" not in closed.out
    opened = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--json", "--config", site.source)
    assert opened.json["caller"] == {"num": NUMBER, "name": NAME}
    text = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--config", site.source)
    assert f"{NUMBER} {NAME}" in text.out
    assert "0:01  threat  PJSIP/1001" in text.out


async def test_the_beginning_of_an_id_is_enough_where_it_is_clear(site: Config, database: Database) -> None:
    first, second = (UUID(f"abcd{n}000-0000-4000-8000-000000000000") for n in (1, 2))
    await record(site, database, recording_id=first)
    await record(site, database, recording_id=second, uniqueid="1700000009.1")
    listed = await ari("recordings", "list", "--config", site.source)
    assert {"abcd1000", "abcd2000"} <= set(listed.out.split())
    shown = await ari("recordings", "show", "ABCD1", "--json", "--config", site.source)
    assert shown.json["id"] == str(first)
    answer = await ari("recordings", "show", "abcd", "--json", "--config", site.source)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "recording_ambiguous")
    answer = await ari("recordings", "export", "abc-%", "x.wav", "--config", site.source)
    assert answer.code == USAGE


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


async def test_an_export_can_say_what_was_checked(site: Config, recorded: Recorded, tmp_path: Path) -> None:
    export = ["recordings", "export", recorded.recording_id]
    answer = await ari(*export, tmp_path / "a.wav", "--verify", "--config", site.source)
    assert answer.code == FINE
    assert answer.out.count("checked: ") == 4
    assert "none is missing at its end" in answer.out
    answer = await ari(*export, tmp_path / "b.wav", "--verify", "--json", "--config", site.source)
    assert len(answer.json["checked"]) == 4
    (sealed,) = site.storage.vault.rglob("*.sealed")
    data = bytearray(sealed.read_bytes())
    data[-1] ^= 1
    sealed.write_bytes(data)
    answer = await ari(*export, tmp_path / "c.wav", "--verify", "--json", "--config", site.source)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "sealed_differs")
    assert not (tmp_path / "c.wav").exists()


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
        await erasing.begin_erasing(conn, [recorded.recording_id], "P3M of queue advice", datetime.now(UTC))
    answer = await ari("recordings", "export", recorded.recording_id, tmp_path / "a.wav", "--config", site.source)
    assert answer.code == FAILED
    assert "was destroyed (P3M of queue advice)" in answer.err
    assert StoredState.ERASING.value in (await ari("recordings", "list", "--config", site.source)).out


async def test_without_the_root_key_an_export_is_1_and_no_key_is_made(
    site: Config, recorded: Recorded, tmp_path: Path
) -> None:
    site.root_key().unlink()
    answer = await ari(
        "recordings", "export", recorded.recording_id, tmp_path / "a.wav", "--json", "--config", site.source
    )
    assert answer.code == FAILED
    assert answer.json["error"]["code"] == "root_key_missing"
    assert not site.root_key().exists()


# --- the ledger


def queue_log(call: Recorded, answered: bool = True) -> str:
    entered = int((call.call.joined_at or datetime.now(UTC)).timestamp())
    lines = [f"{entered - 86400}|NONE|NONE|NONE|QUEUESTART|"]  # the log holds the whole day
    lines.append(f"{entered}|{call.call.uniqueid}|{QUEUE}|NONE|ENTERQUEUE||{NUMBER}|1")
    if answered:
        lines.append(f"{entered + 5}|{call.call.uniqueid}|{QUEUE}|Adviser 1001|CONNECT|5|1700000000.2|3")
        lines.append(f"{entered + 7}|{call.call.uniqueid}|{QUEUE}|Adviser 1001|COMPLETECALLER|5|2|1")
    return "\n".join(lines) + "\n"


async def test_a_ledger_that_balances_is_0(site: Config, database: Database) -> None:
    recorded = await record(site, database, started_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    site.pbx.queue_log.write_text(queue_log(recorded))
    answer = await ari("ledger", "--day", "2026-03-04", "--json", "--config", site.source)
    assert answer.code == FINE, answer.out
    assert answer.json["totals"] == {"recorded": 1, "not_recorded": 0, "quarantined": 0, "unexplained": 0, "pending": 0}
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


# --- the sweep


async def test_a_dry_sweep_shows_what_is_due_and_destroys_nothing(
    site: Config, database: Database, recorded: Recorded
) -> None:
    old = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=200), uniqueid="1600000000.1")
    dry = await ari("sweep", "--dry-run", "--json", "--config", site.source)
    assert dry.code == FINE, dry.err
    (due,) = dry.json["due"]
    assert due["recording_id"] == str(old.recording_id)
    assert due["because"] == "P3M of queue advice, and P14D for a flag nobody decided on"
    assert len(list(site.storage.vault.glob("*/*/*/*.sealed"))) == 2
    text = await ari("sweep", "--dry-run", "--config", site.source)
    assert str(old.recording_id)[:8] in text.out.split()
    done = await ari("sweep", "--json", "--config", site.source)
    assert done.code == FINE, done.err
    swept = done.json
    assert abs(datetime.now(UTC) - datetime.fromisoformat(swept.pop("last_success"))) < timedelta(minutes=1)
    assert swept == {"dry_run": False, "erased": 1, "failed": [], "forgotten_calls": 0}
    assert len(list(site.storage.vault.glob("*/*/*/*.sealed"))) == 1
    again = await ari("sweep", "--dry-run", "--json", "--config", site.source)
    assert again.json["due"] == []
    assert (again.json["newest_run"]["state"], again.json["newest_run"]["erased"]) == ("done", 1)
    assert len((await ari("recordings", "list", "--json", "--config", site.source)).json) == 2


async def test_a_sweep_that_cannot_remove_a_file_is_1_and_names_it(site: Config, database: Database) -> None:
    old = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=200))
    (sealed,) = site.storage.vault.glob("*/*/*/*.sealed")
    sealed.unlink()
    sealed.mkdir()
    answer = await ari("sweep", "--config", site.source)
    assert answer.code == FAILED
    assert f"a file of recording {old.recording_id} could not be removed" in answer.err
    sealed.rmdir()
    again = await ari("sweep", "--json", "--config", site.source)
    assert again.json["erased"] == 1


def test_a_day_is_shown_as_it_was_at_its_end_and_today_as_it_is() -> None:
    assert moment("2026-03-29") == datetime(2026, 3, 29, 20, 59, 59, 999999, tzinfo=UTC), "23 hours, in Helsinki"
    assert moment("2026-01-31T14:30") == datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    assert moment("2026-01-31T14:30:01+00:00") == datetime(2026, 1, 31, 14, 30, 1, tzinfo=UTC)
    now = datetime.now(UTC)
    assert abs(moment(now.astimezone(HELSINKI).date().isoformat()) - now) < timedelta(minutes=1)
    later = (now + timedelta(days=2)).date()
    for wrong in ("yesterday", "2026-02-30", "9999-12-31", "", f"{later}", f"{later}T09:00", "0001-01-01T00:00+14:00"):
        with pytest.raises(typer.BadParameter):
            moment(wrong)
