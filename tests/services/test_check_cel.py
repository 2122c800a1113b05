"""What `check` says of the ledger's other witness: the file that cel_custom writes, and cel.conf."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.services import check_cel
from ari_recorder.services.findings import Level
from tests.services.test_check_files import Told, conf, told
from tests.services.test_witnesses import of_call
from tests.site import prepare

SHIPPED = "[general]\n#include cel_ari_recorder.conf\n"
AGO = datetime.now(UTC) - timedelta(minutes=10)


@pytest.fixture
def site(tmp_path: Path) -> Config:
    site = prepare(tmp_path, changes={"pbx.more": f'cel = "{tmp_path}/cel.csv"\nconfig = "{tmp_path}/etc"'})
    assert site.pbx.cel is not None
    site.pbx.cel.write_text(of_call("pbx-1.0", AGO))
    return site


def of_file(site: Config) -> Told:
    return told(check_cel.check(site))


def of_conf(text: str) -> Told:
    return told(check_cel.judge_conf(conf("cel.conf", text)))


def answered(at: datetime) -> str:
    return f"{int(at.timestamp())}|pbx-1.0|advice|Outi|CONNECT|9|1.2|3\n"


def test_without_cel_nothing_is_said(tmp_path: Path) -> None:
    assert check_cel.check(prepare(tmp_path)) == []


def test_a_file_that_grows_is_well_and_so_is_one_without_any_call_yet(site: Config) -> None:
    assert site.pbx.cel is not None
    site.pbx.queue_log.write_text(answered(AGO) + f"{int(datetime.now(UTC).timestamp())}|NONE|NONE|NONE|QUEUESTART|\n")
    assert of_file(site) == []
    site.pbx.queue_log.write_text("")
    site.pbx.cel.write_text("")
    assert of_file(site) == []


def test_a_missing_file_is_a_failure(site: Config) -> None:
    assert site.pbx.cel is not None
    site.pbx.cel.unlink()
    ((level, what),) = of_file(site)
    assert level is Level.UNSEEN, "no call has been answered"
    site.pbx.queue_log.write_text(answered(AGO))
    ((level, what),) = of_file(site)
    assert level is Level.FAIL
    assert "does not exist" in what


def test_a_file_that_cannot_be_read_is_a_failure(site: Config) -> None:
    assert site.pbx.cel is not None
    site.pbx.cel.unlink()
    site.pbx.cel.mkdir()
    ((level, what),) = of_file(site)
    assert level is Level.FAIL
    assert "cannot be read" in what


def test_a_file_of_another_mapping_is_a_failure(site: Config) -> None:
    assert site.pbx.cel is not None
    site.pbx.cel.write_text(site.pbx.cel.read_text().replace("cel-1,", "cel-1,2026-11-28 03:04:05 "))
    ((level, what),) = of_file(site)
    assert level is Level.FAIL
    assert "none of its last lines" in what


def test_a_file_that_does_not_grow_is_a_failure(site: Config) -> None:
    """Not before the call has had the time to be written."""
    now = datetime.now(UTC)
    site.pbx.queue_log.write_text(answered(now - timedelta(seconds=20)))
    assert of_file(site) == []
    site.pbx.queue_log.write_text(answered(now - timedelta(minutes=2)))
    ((level, what),) = of_file(site)
    assert level is Level.FAIL
    assert "does not grow" in what
    assert site.pbx.cel is not None
    site.pbx.cel.write_text("")
    assert "it is empty" in of_file(site)[0][1]


def test_the_last_lines_of_a_large_file_are_enough(site: Config) -> None:
    assert site.pbx.cel is not None
    site.pbx.cel.write_text("of another format\n" * 100_000 + of_call("pbx-1.0", AGO))
    site.pbx.queue_log.write_text(answered(AGO))
    assert of_file(site) == []


def test_cel_conf_of_the_folder_is_looked_at(site: Config) -> None:
    folder = site.pbx.config
    folder.mkdir()
    assert [(level, what.split(":")[0]) for level, what in of_file(site)] == [(Level.UNSEEN, "cel.conf is not there")]
    (folder / "cel.conf").write_text("[general]\nenable = no\n")
    ((level, what),) = of_file(site)
    assert level is Level.FAIL
    assert f"{folder}/cel.conf:2: CEL is off" in what


@pytest.mark.parametrize(
    "more",
    [
        "",
        "[general](+)\nevents = CHAN_START,LINKEDID_END\napps = dial",
        "[manager]\nenabled = no",
        "[general](+)\napps = ALL",
        "dateformat = %F %T\ndateformat =",
    ],
)
def test_the_shipped_file_and_what_a_site_adds_is_well(more: str) -> None:
    assert of_conf(SHIPPED + more) == []


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ("[general]\n", Level.FAIL, "CEL is off"),
        ("[general]\nenable=yes\napps=queue\n", Level.FAIL, "does not let through APP_START"),
        (SHIPPED.replace("#inc", "events = HANGUP\n;#inc") + "enable=1\napps=Queue", Level.FAIL, "BRIDGE_ENTER"),
        (SHIPPED + "dateformat = %F %T", Level.FAIL, "dateformat is set"),
        ("[general]\nenable=yes\napps=dial,park\nevents=ALL", Level.FAIL, "does not track the application queue"),
        ("[general]\nenable=yes\napps=queue\nevents=ALL", Level.WARN, "(DTMF), card numbers"),
        (SHIPPED + "events = DTMF", Level.WARN, "(DTMF), card numbers"),
    ],
)
def test_what_the_ledger_lacks_is_told(text: str, level: Level, words: str) -> None:
    assert [words in what for found, what in of_conf(text) if found is level] == [True]
