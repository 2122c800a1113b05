"""QueueLogTail: whatever happens to the log while it is followed, what is known is what all of it would tell."""

import gzip
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.errors import QueueLogUnreadable
from ari_recorder.domain.queue_log import read_queue_log
from ari_recorder.services.queue_logs import QueueLogTail

BEGIN = datetime(2026, 11, 23, 6, tzinfo=UTC)


def of_call(number: int) -> str:
    epoch = int(BEGIN.timestamp()) + number
    uniqueid = f"{epoch}.{number}"
    return (
        f"{epoch}|{uniqueid}|advice|NONE|ENTERQUEUE||0401234567|1\n"
        f"{epoch + 9}|{uniqueid}|advice|Outi|CONNECT|9|1.2|3\n"
        f"{epoch + 69}|{uniqueid}|advice|Outi|COMPLETECALLER|9|60|1\n"
    )


@pytest.fixture
def queue_log(tmp_path: Path) -> Path:
    path = tmp_path / "queue_log"
    path.write_text("")
    return path


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_what_is_new_is_told_once(queue_log: Path) -> None:
    tail = QueueLogTail(queue_log)
    add(queue_log, of_call(1))
    assert len(tail.read(BEGIN)) == 1
    assert tail.read(BEGIN) == frozenset()
    add(queue_log, of_call(2))
    (new,) = tail.read(BEGIN)
    assert new.endswith(".2")
    assert tail.calls == read_queue_log(queue_log.read_text().splitlines())
    tail.close()


def test_half_a_line_is_waited_for(queue_log: Path) -> None:
    tail = QueueLogTail(queue_log)
    text = of_call(1)
    for part in (text[:50], text[50:120], text[120:-1], text[-1:]):
        add(queue_log, part)
        tail.read(BEGIN)
    (call,) = tail.calls.values()
    assert call.ended_at is not None
    assert [leg.talk_time for leg in call.legs] == [timedelta(minutes=1)]
    tail.close()


@pytest.mark.parametrize("seed", range(20))
def test_however_it_is_rotated_nothing_is_lost_or_told_twice(queue_log: Path, seed: int) -> None:
    dice = random.Random(seed)
    tail = QueueLogTail(queue_log)
    written = ""
    for number in range(60):
        text = of_call(number)
        written += text
        cut = dice.randrange(len(text))
        add(queue_log, text[:cut])
        if dice.random() < 0.3:
            tail.read(BEGIN)
        add(queue_log, text[cut:])
        for _ in range(dice.choice([0, 0, 0, 0, 1, 2])):  # twice between two looks, too
            rotate(queue_log, packed=dice.random() < 0.5)
        if dice.random() < 0.5:
            tail.read(BEGIN)
    tail.read(BEGIN)
    assert tail.calls == read_queue_log(written.splitlines())
    tail.close()


def rotate(queue_log: Path, *, packed: bool) -> None:
    """As logrotate does: every file one further, and a new log."""
    at = queue_log.stat()
    old = sorted(queue_log.parent.glob("queue_log.*"), key=lambda path: -int(path.name.split(".")[1]))
    for path in old:
        _, number, *rest = path.name.split(".")
        path.rename(path.with_name(".".join(["queue_log", str(int(number) + 1), *rest])))
    target = queue_log.with_name("queue_log.1.gz" if packed else "queue_log.1")
    if packed:
        target.write_bytes(gzip.compress(queue_log.read_bytes()))
        queue_log.unlink()
    else:
        queue_log.rename(target)
    os.utime(target, ns=(at.st_atime_ns, at.st_mtime_ns))
    queue_log.write_text("")


def test_a_log_that_was_cut_is_read_anew(queue_log: Path) -> None:
    tail = QueueLogTail(queue_log)
    add(queue_log, of_call(1) + of_call(2))
    tail.read(BEGIN)
    queue_log.write_text(of_call(3))
    tail.read(BEGIN)
    assert [call.uniqueid.rpartition(".")[2] for call in tail.calls.values()] == ["3"]
    tail.close()


def test_a_log_that_is_gone_is_told_and_found_again_and_no_file_stays_open(queue_log: Path) -> None:
    tail = QueueLogTail(queue_log)
    add(queue_log, of_call(1))
    tail.read(BEGIN)
    text = queue_log.read_text()
    queue_log.unlink()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(QueueLogUnreadable):
            tail.read(BEGIN)
    assert len(os.listdir("/proc/self/fd")) <= before
    add(queue_log, text + of_call(2))
    tail.read(BEGIN)
    assert len(tail.calls) == 2
    tail.close()
