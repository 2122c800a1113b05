"""services/check.py: each fault is found and its mend told. The PBX is the fake one here."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.config import Config
from ari_recorder.domain.evidence import token
from ari_recorder.services import check_pbx
from ari_recorder.services.check import check_host
from ari_recorder.services.check_version import judge_version
from ari_recorder.services.findings import Area, Finding, Level
from ari_recorder.vault.files import day_of
from tests.asterisk.fake_ami import Action, Client, FakeAmi, fake_ami, frame, rows_begin
from tests.site import DIALPLAN_SECRET, QUEUE, open_keyring, prepare, write_secret, write_sound


def of(findings: list[Finding], area: Area, level: Level) -> list[str]:
    return [f"{f.what} → {f.mend}" for f in findings if f.area is area and f.level is level]


def troubles(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is not Level.OK]


# --- this host


def host(settings: Config) -> list[Finding]:
    # Where the tests run may be on a disk; that is told and not meant here.
    return [finding for finding in check_host(settings) if "tmpfs" not in finding.what]


def test_a_host_on_which_all_is_right_has_no_trouble(tmp_path: Path) -> None:
    findings = host(prepare(tmp_path))
    assert troubles(findings) == []
    assert {f.area for f in findings} >= {Area.SOUNDS, Area.SPOOL, Area.KEYS, Area.VAULT, Area.QUEUE_LOG, Area.TIME}
    assert any("3.0 s" in f.what for f in findings if f.area is Area.SOUNDS)


def test_a_missing_sound_is_a_warning_while_another_language_is_there(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    (settings.pbx.sounds / "sv" / "announcement.wav").unlink()
    (text,) = of(host(settings), Area.SOUNDS, Level.WARN)
    assert "sv/announcement.wav: there is no such file" in text


def test_no_sound_at_all_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    for path in settings.pbx.sounds.glob("*/announcement.wav"):
        path.unlink()
    assert len(of(host(settings), Area.SOUNDS, Level.FAIL)) == 3


def test_a_queue_recorded_before_its_day_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    text = settings.source.read_text()
    settings.source.write_text(text.replace('staff_informed_on = "2026-01-26"', 'staff_informed_on = "2999-01-01"'))
    (found,) = of(host(config.load(settings.source)), Area.CONFIGURATION, Level.FAIL)
    assert found.startswith(f"{QUEUE} is recorded, though the day")


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "it is empty or not a WAV file"), (b"RIFF", "it is empty or not a WAV file")]
)
def test_an_empty_sound_is_a_failure(tmp_path: Path, content: bytes, expected: str) -> None:
    settings = prepare(tmp_path)
    (settings.pbx.sounds / "fi" / "announcement.wav").write_bytes(content)
    (text,) = of(host(settings), Area.SOUNDS, Level.FAIL)
    assert expected in text
    assert "put a WAV file there" in text


def test_a_sound_without_samples_and_one_of_another_rate_are_failures(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    write_sound(settings.pbx.sounds / "fi" / "announcement.wav", 0)
    write_sound(settings.pbx.sounds / "sv" / "announcement.wav", rate=44100)
    texts = of(host(settings), Area.SOUNDS, Level.FAIL)
    assert "it holds no sound" in texts[0]
    assert "44100 Hz" in texts[1]


def test_a_missing_confirmation_is_a_warning(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    (settings.pbx.sounds / "confirm-pause.wav").unlink()
    (text,) = of(host(settings), Area.SOUNDS, Level.WARN)
    assert "confirm-pause.wav" in text


def test_a_missing_spool_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    settings.pbx.spool.rmdir()
    (text,) = of(host(settings), Area.SPOOL, Level.FAIL)
    assert str(settings.pbx.spool) in text
    assert "2770" in text


def test_a_spool_open_to_everybody_is_told(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    settings.pbx.spool.chmod(0o2777)
    assert any("open to every user" in text for text in of(host(settings), Area.SPOOL, Level.WARN))


def test_keys_that_others_can_use_are_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    open_keyring(settings).publish(today_and(30))
    assert of(host(settings), Area.KEYS, Level.FAIL) == []
    settings.storage.keys.chmod(0o750)
    (text,) = of(host(settings), Area.KEYS, Level.FAIL)
    assert f"Others can use {settings.storage.keys} of the keyring (mode 0750)" in text
    assert f"chmod 700 {settings.storage.keys}" in text


def test_a_site_that_never_ran_has_no_keys_yet_and_one_that_did_lacks_them(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    assert "the first start makes it" in of(host(settings), Area.KEYS, Level.OK)[0]
    settings.storage.journal.mkdir()
    assert "There is no keyring" in of(host(settings), Area.KEYS, Level.FAIL)[0]


def test_a_root_key_that_is_missing_or_of_others_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    open_keyring(settings).publish(today_and(30))
    settings.root_key().unlink()
    assert "The root key" in of(host(settings), Area.KEYS, Level.FAIL)[0]
    write_secret(settings.root_key(), "x" * 32)
    assert "is not that of the keyring" in of(host(settings), Area.KEYS, Level.FAIL)[0]


def test_a_key_that_does_not_open_or_lost_a_half_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    open_keyring(settings).publish(today_and(30))
    (settings.storage.keys / "private" / "hold-1.key").chmod(0o640)
    (settings.storage.keys / "private" / "fallback.key").unlink()
    lost, exposed = of(host(settings), Area.KEYS, Level.FAIL)
    assert "hold-1: Others can use" in exposed
    assert "fallback: it has no private half" in lost


def test_day_keys_that_run_out_are_a_warning(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    open_keyring(settings).publish(today_and(2))
    (text,) = of(host(settings), Area.KEYS, Level.WARN)
    assert "there are day keys for 3 day(s)" in text


def today_and(more: int) -> list[date]:
    today = day_of(datetime.now(UTC))
    return [today + timedelta(days=ahead) for ahead in range(more + 1)]


def test_a_missing_queue_log_is_a_failure(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    settings.pbx.queue_log.unlink()
    (text,) = of(host(settings), Area.QUEUE_LOG, Level.FAIL)
    assert "queue_log = yes" in text


def test_little_room_is_a_warning_and_none_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = prepare(tmp_path)
    monkeypatch.setattr("ari_recorder.vault.files.VaultFiles.free_bytes", lambda _: 1 << 30)
    assert "Make room soon" in of(host(settings), Area.VAULT, Level.WARN)[0]
    monkeypatch.setattr("ari_recorder.vault.files.VaultFiles.free_bytes", lambda _: 1 << 20)
    assert "has 1 MiB free" in of(host(settings), Area.VAULT, Level.FAIL)[0]


def test_a_missing_secret_is_a_failure_with_its_key(tmp_path: Path) -> None:
    settings = prepare(tmp_path, changes={"ami_secret": str(tmp_path / "none")})
    (text,) = of(host(settings), Area.CONFIGURATION, Level.FAIL)
    assert text.startswith("pbx.secret_file: ")


# --- the PBX


class Pbx:
    """What the fake PBX says when it is asked for a variable."""

    def __init__(self, server: FakeAmi) -> None:
        self.server = server
        self.variables = {"QUEUE_EXISTS(advice)": "1"}
        self.dialplan = [
            ("ari-recorder-enter", "s", "Set", "ARI_RECORDER_QUEUE=${ARG1}"),
            ("numbers", "0800123456", "Gosub", "ari-recorder-enter,s,1(advice,fi-sv,0800123456)"),
        ]
        self.secret = DIALPLAN_SECRET
        self.rights = {**check_pbx.NEEDED, "MixMonitor": "system"}
        self.version = "22.10.1"
        server.answers["Getvar"] = self._getvar
        server.answers["ListCommands"] = self._list_commands
        server.answers["ShowDialPlan"] = self._show_dialplan
        server.answers["CoreSettings"] = self._settings

    def _getvar(self, _: Client, action: Action) -> bytes:
        name = action["Variable"]
        value = self.variables.get(name, "")
        if name.startswith("EVAL("):
            word = name.partition("}check:")[2].partition(")")[0]
            value = token(self.secret, f"check:{word}")
            assert self.secret not in name
        return frame(("Response", "Success"), ("ActionID", action["ActionID"]), ("Variable", name), ("Value", value))

    def _list_commands(self, _: Client, action: Action) -> bytes:
        rows = [(name, f"What it does.  (Priv: {right},all)") for name, right in self.rights.items()]
        return frame(("Response", "Success"), ("ActionID", action["ActionID"]), *rows)

    def _show_dialplan(self, _: Client, action: Action) -> bytes:
        identity = ("ActionID", action["ActionID"])
        names = ("Context", "Extension", "Application", "AppData")
        rows = [
            frame(("Event", "ListDialplan"), identity, *zip(names, row, strict=True), ("Registrar", "pbx_config"))
            for row in self.dialplan
        ]
        end = (("EventList", "Complete"), ("ListItems", len(rows)))
        return rows_begin(identity[1]) + b"".join(rows) + frame(("Event", "ShowDialPlanComplete"), identity, *end)

    def _settings(self, _: Client, action: Action) -> bytes:
        identity = (("Response", "Success"), ("ActionID", action["ActionID"]))
        return frame(*identity, ("AsteriskVersion", self.version), ("SystemName", "fakepbx"))


@asynccontextmanager
async def good_pbx(folder: Path, **changes: str) -> AsyncIterator[tuple[Pbx, Config]]:
    async with fake_ami() as server:
        pbx = Pbx(server)
        settings = prepare(folder, server.port, changes)
        pbx.variables |= {
            "ARI_RECORDER_SPOOL": str(settings.pbx.spool),
            "ARI_RECORDER_SOUNDS": str(settings.pbx.sounds),
            "ARI_RECORDER_START": settings.capture.start,
            "ARI_RECORDER_HEARTBEAT": str(int(time.time())),
        }
        yield pbx, settings


async def asked(settings: Config) -> list[Finding]:
    return (await check_pbx.check(settings)).findings


async def test_a_pbx_on_which_all_is_right_has_no_trouble(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (_, settings):
        findings = await asked(settings)
    assert troubles(findings) == []
    assert [f.area for f in findings] == [
        Area.AMI, Area.RIGHTS, Area.VERSION, Area.DIALPLAN, Area.DIALPLAN, Area.QUEUES
    ]  # fmt: skip


async def test_a_pbx_that_is_down_is_one_failure_told_soon(tmp_path: Path) -> None:
    async with fake_ami() as server:
        settings = prepare(tmp_path, server.port)
    began = time.monotonic()
    (finding,) = await asked(settings)
    assert finding.level is Level.FAIL
    assert f"127.0.0.1:{settings.pbx.port} cannot be reached" in finding.what
    assert time.monotonic() - began < 5


async def test_a_wrong_secret_is_one_failure(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (_, settings):
        write_secret(Path(settings.pbx.secret_file), "wrong-secret")
        (finding,) = await asked(settings)
    assert finding.level is Level.FAIL
    assert "refused the AMI user ari-recorder" in finding.what
    assert "wrong-secret" not in finding.what


async def test_missing_rights_are_named_with_the_class_to_add(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        del pbx.rights["MixMonitor"]
        (text,) = of(await asked(settings), Area.RIGHTS, Level.FAIL)
    assert "may not send MixMonitor" in text
    assert "Add system to its write=" in text


async def test_rights_that_are_too_wide_are_a_warning(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.rights |= {"Command": "command", "Originate": "originate"}
        texts = of(await asked(settings), Area.RIGHTS, Level.WARN)
    assert [text.split("right ")[1].split(",")[0] for text in texts] == ["command", "originate"]


async def test_in_dialplan_mode_the_right_to_start_is_too_wide(tmp_path: Path) -> None:
    async with good_pbx(tmp_path, **{"capture.start": "dialplan"}) as (pbx, settings):
        (text,) = of(await asked(settings), Area.RIGHTS, Level.WARN)
        assert "right system" in text
        del pbx.rights["MixMonitor"]
        assert troubles(await asked(settings)) == []


async def test_a_dialplan_that_is_not_loaded_is_a_failure(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        del pbx.dialplan[0]
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.FAIL)
    assert "#include extensions_ari_recorder.conf" in text


async def test_a_configured_number_that_the_dialplan_does_not_know_is_a_failure(tmp_path: Path) -> None:
    changes = {"queue": 'advice"\nnumbers = ["0800123456", "0800999999"]\n# '}
    async with good_pbx(tmp_path, **changes) as (_, settings):
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.FAIL)
    assert 'queues["advice"].numbers: the dialplan does not lead 0800999999 to this queue' in text
    assert "exten => 0800999999,1,Gosub(ari-recorder-enter,s,1(advice," in text


async def test_a_number_that_leads_to_a_queue_not_configured_is_a_warning(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.dialplan.append(("numbers", "1", "Gosub", "ari-recorder-enter,s,1(sales,fi,0800555555,60)"))
        pbx.dialplan.append(("numbers", "2", "Gosub", "ari-recorder-enter,s,1(${which},fi,0800666666)"))
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.WARN)
    assert "0800555555 leads to the queue sales, which is not configured here" in text
    assert '[[queues]] with name = "sales"' in text


async def test_a_queue_no_number_leads_to_is_a_warning(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        del pbx.dialplan[1]
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.WARN)
    assert 'queues["advice"]: no line of the dialplan leads to it' in text


async def test_a_number_announced_in_a_language_without_a_sound_is_a_failure(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (_, settings):
        (settings.pbx.sounds / "sv" / "announcement.wav").write_bytes(b"")
        (text,) = of(await asked(settings), Area.SOUNDS, Level.FAIL)
    assert "0800123456 announces in sv, but there is no sound that can be played" in text


@pytest.mark.parametrize("name", ["ARI_RECORDER_SPOOL", "ARI_RECORDER_SOUNDS", "ARI_RECORDER_START"])
async def test_what_dialplan_and_configuration_say_must_agree(tmp_path: Path, name: str) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.variables[name] = "/somewhere"
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.FAIL)
    assert f"{name} is '/somewhere' on the PBX" in text
    assert f"Set {name} = " in text


async def test_another_secret_in_the_dialplan_is_found_without_sending_it(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.secret = "0b" * 32
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.FAIL)
    assert "its reports would be refused" in text
    assert "0a0a" not in text


@pytest.mark.parametrize(("beat", "expected"), [("", "never"), ("1700000000", "s ago for the last time")])
async def test_a_stale_heartbeat_is_a_warning(tmp_path: Path, beat: str, expected: str) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.variables["ARI_RECORDER_HEARTBEAT"] = beat
        (text,) = of(await asked(settings), Area.DIALPLAN, Level.WARN)
    assert "no service is running" in text
    assert expected in text


async def test_a_queue_the_pbx_does_not_have_is_a_failure(tmp_path: Path) -> None:
    async with good_pbx(tmp_path, queue="advise") as (_, settings):
        (text,) = of(await asked(settings), Area.QUEUES, Level.FAIL)
    assert 'queues["advise"]: the PBX has no such queue' in text


async def test_another_pbx_than_the_configured_one_is_a_failure(tmp_path: Path) -> None:
    async with good_pbx(tmp_path, **{"pbx.more": 'system_name = "pbx1"'}) as (_, settings):
        (text,) = of(await asked(settings), Area.AMI, Level.FAIL)
    assert "calls itself 'fakepbx', not 'pbx1'" in text


async def test_a_certificate_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    more = f'tls = true\ntls_ca_file = "{tmp_path / "none.pem"}"'
    (text,) = of(await asked(prepare(tmp_path, changes={"pbx.more": more})), Area.AMI, Level.FAIL)
    assert "none.pem" in text


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("22.10.1", Level.OK),
        ("22.10.1~dfsg+~cs6.15.60671435-1", Level.OK),
        ("23.0.0", Level.OK),
        ("20.20.1", Level.OK),
        ("20.20.0", Level.WARN),
        ("22.10.0", Level.WARN),
        ("22.3.0", Level.WARN),
        ("20.14.1", Level.WARN),
        ("21.12.0", Level.WARN),
        ("certified-20.7-cert8", Level.WARN),
        ("18.17.0", Level.WARN),
        ("16.16.2", Level.FAIL),
        ("13.38.3", Level.FAIL),
        ("GIT-master-1a2b3c", Level.WARN),
    ],
)
def test_versions_are_judged(version: str, level: Level) -> None:
    (finding,) = judge_version(version)
    assert finding.level is level
    assert version in finding.what
    assert finding.mend or level is Level.OK


@pytest.mark.parametrize(
    ("version", "faults"),
    [
        ("22.4.1", ["crackle", "crash"]),
        ("22.5.0", ["crash"]),
        ("22.0.0", ["crash", "eventfilter"]),
        ("20.12.0", ["crackle", "crash"]),
        ("20.2.1", ["mute", "crash", "eventfilter"]),
        ("20.18.0", []),
        ("18.26.4", ["crash", "no mends"]),
        ("16.30.1", ["mute", "crash", "eventfilter", "drift apart", "no mends"]),
        ("certified-20.7-cert8", ["not known here"]),
    ],
)
def test_what_a_release_does_wrong_is_named(version: str, faults: list[str]) -> None:
    (finding,) = judge_version(version)
    every = ("mute", "crackle", "crash", "eventfilter", "drift apart", "no mends", "not known here")
    assert [word for word in every if word in finding.what] == [word for word in every if word in faults]


async def test_a_member_that_would_go_away_is_found_and_a_pbx_that_tells_no_members_is_not_at_fault(
    tmp_path: Path,
) -> None:
    def members(_: Client, action: Action) -> bytes:
        identity = ("ActionID", action["ActionID"])
        names = (("Queue", "advice"), ("Name", "Aino"), ("Location", "Local/1001@x"), ("StateInterface", "PJSIP/1001"))
        rows = frame(("Event", "QueueParams"), ("Queue", "advice"), identity)
        rows += frame(("Event", "QueueMember"), *names, identity)
        end = (("EventList", "Complete"), ("ListItems", 2))
        return rows_begin(identity[1]) + rows + frame(("Event", "QueueStatusComplete"), identity, *end)

    def refuse(_: Client, action: Action) -> bytes:
        return frame(("Response", "Error"), ("ActionID", action["ActionID"]), ("Message", "Permission denied"))

    async with good_pbx(tmp_path) as (pbx, settings):
        pbx.server.answers["QueueStatus"] = members
        seen = await check_pbx.check(settings)
        assert seen.facts.members is not None
        assert [(one.interface, one.state_interface) for one in seen.facts.members] == [("Local/1001@x", "PJSIP/1001")]
        assert [finding.level for finding in troubles(seen.findings)] == [Level.WARN]
        pbx.server.answers["QueueStatus"] = refuse
        seen = await check_pbx.check(settings)
    assert seen.facts.members is None
    assert [finding.level for finding in troubles(seen.findings)] == [Level.UNSEEN]


async def test_the_pbxs_own_word_on_features_is_taken_only_when_it_gives_one(tmp_path: Path) -> None:
    async with good_pbx(tmp_path) as (pbx, settings):
        assert (await check_pbx.check(settings)).facts.featuremap is None
        pbx.variables |= {"FEATURE(featuredigittimeout)": "2500", "FEATUREMAP(blindxfer)": "##"}
        facts = (await check_pbx.check(settings)).facts
    assert facts.digit_timeout == 2500
    assert facts.featuremap is not None
    assert (facts.featuremap["blindxfer"], facts.featuremap["automixmon"]) == ("##", "")
