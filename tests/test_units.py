"""The units we ship: understood by systemd, as closed as they can be, and with everything the service really needs."""

import ctypes
import os
import re
from pathlib import Path

import pytest

from ari_recorder.storage.db import Database
from tests import systemd
from tests.command import ari
from tests.site import prepare, record
from tests.systemd import UNITS

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SERVICES = ("ari-recorder.service", "ari-recorder-backup.service")
# 0 is closed, 10 is open. Of what is left, the network is what the service is for.
MOST_EXPOSED = 2.0


def settings(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (UNITS / name).read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_open(name: str) -> None:
    done = systemd.run("systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / name)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_voices_come_first(name: str) -> None:
    (weight,) = settings(name)["CPUWeight"]
    assert int(weight) < 100, "what every unit has that says nothing, Asterisk's for one"


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    root = systemd.host(tmp_path)
    units = sorted(path.name for path in UNITS.iterdir() if path.suffix in (".service", ".timer", ".mount"))
    assert len(units) == 4
    verify = ("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}")
    done = systemd.run(*verify, *units)
    assert (done.returncode, done.stderr) == (0, "")
    broken = root / "usr" / "lib" / "systemd" / "system" / units[0]
    broken.write_text(broken.read_text() + "\nNoSuchKey=1\n")
    assert systemd.run(*verify, units[0]).returncode != 0  # it does look


def test_users_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = systemd.run("systemd-sysusers", f"--root={tmp_path}", UNITS / "ari-recorder.sysusers")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^ari-recorder:.*:/var/lib/ari-recorder:", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE
    )
    assert re.search(r"^ari-spool:.*:ari-recorder$", (tmp_path / "etc" / "group").read_text(), re.MULTILINE)
    dry = ("systemd-tmpfiles", "--create", "--dry-run", f"--root={tmp_path}")
    made = systemd.run(*dry, UNITS / "ari-recorder.tmpfiles", level="info")
    assert made.returncode == 0, made.stderr
    for folder in ("/etc/ari-recorder", "/var/lib/ari-recorder", "/var/backups/ari-recorder"):
        assert folder in made.stdout + made.stderr, folder


def test_the_spool_is_in_memory_and_closed() -> None:
    mount = settings("run-ari\\x2drecorder-spool.mount")
    escaped = mount["Where"][0].strip("/").replace("-", "\\x2d").replace("/", "-")
    assert (UNITS / f"{escaped}.mount").exists()  # systemd wants that name
    options = mount["Options"][0].split(",")
    assert {"mode=2770", "gid=ari-spool", "nodev", "nosuid", "noexec", "noswap"} <= set(options)
    assert mount["Where"][0] in settings("ari-recorder.service")["ReadWritePaths"]


def test_what_the_service_holds_in_memory_reaches_no_disk() -> None:
    for name in SERVICES:
        unit = settings(name)
        assert (unit["LimitCORE"], unit["MemorySwapMax"]) == (["0"], ["0"]), name


def test_the_credentials_have_the_names_that_are_documented() -> None:
    text = (UNITS / "ari-recorder.service").read_text()
    names = re.findall(r"^#?LoadCredential=([\w.]+):(/etc/ari-recorder/\S+)$", text, re.MULTILINE)
    assert [name for name, _ in names] == ["ami", "dialplan", "root.key", "dsn"]
    for name, path in names:
        assert f'= "{name}"' in text or f'"{name}"' in text, name
        assert path in OPERATIONS, path


def denied() -> None:
    """As MemoryDenyWriteExecute= does it: prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), Linux 6.3."""
    if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) != 0:
        os._exit(77)


async def test_the_backup_works_where_no_memory_may_become_code(tmp_path: Path, dsn: str, database: Database) -> None:
    """It is the one of the two that has this setting: libsndfile's binding, which the service needs, fails under it."""
    assert "MemoryDenyWriteExecute" in settings("ari-recorder-backup.service")
    assert "MemoryDenyWriteExecute" not in settings("ari-recorder.service")
    site = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    recorded = await record(site, database)
    done = await ari("backup", tmp_path / "backup", "--config", site.source, "--json", limit=denied)
    assert (done.code, done.json["recordings"]) == (0, 1), done.err
    export = ("recordings", "export", recorded.recording_id, tmp_path / "x.wav", "--config", site.source)
    assert (await ari(*export, limit=denied)).code != 0  # the day this works, the service may have the setting too
