"""logs.py: one way for every line, and a last net for numbers and secrets."""

import asyncio
import io
import json
import logging
import stat
import threading
import time
from pathlib import Path

import pytest
import structlog

from ari_recorder import logs


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_its_time_level_and_fields(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log")
    structlog.get_logger("ari_recorder.x").info("call_seal", call_id="1", duration_seconds=3.5)
    (line,) = lines_of(tmp_path / "log")
    assert line.pop("timestamp")
    assert line == {
        "action": "call_seal",
        "call_id": "1",
        "duration_seconds": 3.5,
        "level": "info",
        "logger": "ari_recorder.x",
    }


FORGED = 'x\n{"action": "session_login", "level": "info"}\r\n\u2028\x1b[2J\x00end'


@pytest.mark.parametrize("json_lines", [True, False])
def test_what_others_say_stays_in_its_line(tmp_path: Path, json_lines: bool) -> None:
    logs.set_up(file=tmp_path / "log", json_lines=json_lines)
    structlog.get_logger("ari_recorder.x").warning("ami_event_refused", because=FORGED, names=[FORGED])
    logging.getLogger("library").warning("it said %s", FORGED)
    text = (tmp_path / "log").read_text()
    assert len(text.split("\n")) == 3
    assert "\r" not in text
    assert "\x1b" not in text
    assert "\x00" not in text


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "logs" / "log")
    assert stat.S_IMODE((tmp_path / "logs" / "log").stat().st_mode) & 0o007 == 0


def test_a_rotated_file_is_begun_anew(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log")
    structlog.get_logger().info("one")
    (tmp_path / "log").rename(tmp_path / "log.1")
    structlog.get_logger().info("two")
    assert [line["action"] for line in lines_of(tmp_path / "log")] == ["two"]


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    logs.set_up(level="warning", file=tmp_path / "log")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["action"] for line in lines_of(tmp_path / "log")] == ["loud"]


@pytest.mark.parametrize("library", ["panoramisk", "asyncio", "asyncpg"])
def test_a_library_is_heard_from_warning_on_and_in_the_same_form(tmp_path: Path, library: str) -> None:
    logs.set_up(level="debug", file=tmp_path / "log")
    logging.getLogger(library + ".part").info("chatter about +358 40 123 4567")
    logging.getLogger(library + ".part").warning("trouble with %s", "+358401234567")
    (line,) = lines_of(tmp_path / "log")
    assert line["action"] == f"trouble with {logs.REMOVED}"
    assert line["level"] == "warning"


def test_setting_up_twice_does_not_write_twice(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log")
    logs.set_up(file=tmp_path / "log")
    structlog.get_logger().info("once")
    assert len(lines_of(tmp_path / "log")) == 1


def test_a_traceback_holds_no_values_of_variables(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log")
    try:
        person = "Aino Example"
        raise ValueError("from 0401234567")
    except ValueError:
        structlog.get_logger().exception("call_fail")
        logging.getLogger("library").exception("also here")
    text = (tmp_path / "log").read_text()
    assert "ValueError" in text
    assert person not in text
    assert "0401234567" not in text


def test_text_for_people_has_the_same_net(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(json_lines=False)
    try:
        raise ValueError("from 0401234567")
    except ValueError:
        structlog.get_logger().exception("call_fail", who="0501234567")
    text = capsys.readouterr().err
    assert "call_fail" in text
    assert "1234567" not in text


@pytest.mark.parametrize(
    "text",
    ["0401234567", "+358 40 123 4567", "call from 358-40-1234567 ended", "09.310.1691", "sip:0401234567@example.org"],
)
def test_what_looks_like_a_telephone_number_is_removed(text: str) -> None:
    cleaned = str(
        logs.remove_personal(None, "info", {"event": text, "because": text, "list": [text], "map": {"a": text}})
    )
    assert sum(character.isdigit() for character in cleaned) == 0
    assert cleaned.count(logs.REMOVED) == 4


@pytest.mark.parametrize(
    "key", ["ami_secret", "password", "token", "caller_id_num", "caller_name", "number", "caller", "dsn"]
)
def test_a_field_with_the_name_of_a_secret_is_removed(key: str) -> None:
    assert logs.remove_personal(None, "info", {key: "hunter2"}) == {key: logs.REMOVED}


@pytest.mark.parametrize(
    "key", ["a" * 64, "0123456789abcdef" * 2, "k3J9" * 11 + "=", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYm1"]
)
def test_what_looks_like_a_key_is_removed(key: str) -> None:
    assert logs.remove_personal(None, "info", {"because": f"with {key}."}) == {"because": f"with {logs.REMOVED}."}


@pytest.mark.parametrize(
    "text",
    [
        "channel 1700000000.12 is gone",
        "pbx1-1700000000.12",
        "recording 0198a1b2-c3d4-7e5f-8a9b-0123456789ab",
        "since 2026-01-02T03:04:05.678901Z",
        "192.168.100.200:5038 refused the connection",
        "sealed 1073741824 bytes",
        "/var/lib/ari-recorder/vault/2026/01/02/0198a1b2-c3d4-7e5f-8a9b-0123456789ab.sealed",
        "Asterisk 22.10.1",
        "queue advice-2, member PJSIP/agent-1001",
    ],
)
def test_ids_times_and_places_stay(text: str) -> None:
    assert logs.remove_personal(None, "info", {"because": text}) == {"because": text}


async def test_a_line_can_be_written_from_a_thread(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log")
    await asyncio.to_thread(structlog.get_logger().info, "from_thread")
    assert [line["action"] for line in lines_of(tmp_path / "log")] == ["from_thread"]


def test_standard_error_may_be_anything_that_can_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.set_up()
    structlog.get_logger().info("here")
    assert json.loads(stream.getvalue())["action"] == "here"


class Hangs(logging.Handler):
    """A disk that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.flows = threading.Event()
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert self.flows.wait(30)
        self.written.append(record.getMessage())


def test_who_logs_does_not_wait_for_a_disk_that_hangs_and_what_is_lost_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(logs, "_MOST_LINES", 10)
    logs.set_up(file=tmp_path / "log")  # where the loss is told
    disk = Hangs()
    behind = logs._Behind(disk)
    began = time.monotonic()
    for number in range(100):
        behind.handle(logging.makeLogRecord({"msg": f"line {number}", "levelno": logging.INFO}))
    assert time.monotonic() - began < 1
    assert disk.written == []
    disk.flows.set()
    behind.close()
    kept = len(disk.written)
    assert disk.written == [f"line {number}" for number in range(kept)]
    assert kept in (10, 11), "one is under way"
    (told,) = lines_of(tmp_path / "log")
    assert (told["action"], told["lines"]) == ("log_lines_lost", 100 - kept)


def test_what_was_logged_behind_is_there_when_it_is_closed(tmp_path: Path) -> None:
    logs.set_up(file=tmp_path / "log", behind=True)
    for number in range(1000):
        structlog.get_logger("ari_recorder.x").info("call_seal", n=number)
    logs.set_up(file=tmp_path / "other")
    assert [line["n"] for line in lines_of(tmp_path / "log")] == list(range(1000))
