"""`ari-recorder keys …`, and listening with a passphrase: the real program, and the real service where it is asked."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.services import control, key_admin
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import day_of
from ari_recorder.vault.key_rotation import NewRoot
from ari_recorder.vault.keyring import Keyring
from tests.command import FAILED, FINE, FOUND, USAGE, ari
from tests.keyring_for_tests import cheap_passphrases
from tests.site import NAME, NUMBER, open_keyring, prepare, record, write_secret

PASSPHRASE, OTHER = "correct horse battery staple", "another long passphrase"


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """For keyrings made here; those made by a command cost what they should."""
    cheap_passphrases(monkeypatch)


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    return write_secret(tmp_path / "passphrase", f"{PASSPHRASE}\n")


@asynccontextmanager
async def service(site: Config) -> AsyncIterator[Path]:
    """The real one; there is no PBX, which it takes calmly. Gives its log."""
    log = site.source.with_name("service.log")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ari_recorder", "run", "--config", str(site.source), stderr=out
        )
    try:
        async with asyncio.timeout(20):
            while not there(site.storage.control):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield log
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def there(path: Path) -> bool:
    return path.exists()


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def locked(site: Config) -> object:
    return (await control.ask(site.storage.control, "keys-status"))["locked"]


async def test_a_service_with_a_passphrase_starts_locked_says_so_and_is_unlocked_and_locked(
    site: Config, database: Database, typed: Path, tmp_path: Path
) -> None:
    key_admin.make(site, PASSPHRASE, despite_recordings=False)
    async with service(site) as log:
        assert (await ari("keys", "status", "--json", "--config", site.source)).json["service_locked"] is True
        wrong = write_secret(tmp_path / "wrong", OTHER)
        answer = await ari("keys", "unlock", "--passphrase-file", wrong, "--config", site.source)
        assert answer.code == FAILED
        assert "not the passphrase" in answer.err
        assert await locked(site) is True
        answer = await ari("keys", "unlock", "--passphrase-file", typed, "--config", site.source)
        assert (answer.code, answer.out) == (FINE, "unlocked\n")
        assert await locked(site) is False
        assert (await ari("keys", "lock", "--json", "--config", site.source)).json == {"locked": True}
        assert await locked(site) is True
        alarms = [line for line in lines(log) if line["action"] == "alarm"]
        assert [line["alarm"] for line in alarms] == ["keyring-locked"]
        text = log.read_text()
        assert PASSPHRASE not in text
        assert OTHER not in text
    answer = await ari("keys", "lock", "--config", site.source)
    assert answer.code == FAILED
    assert "The service does not answer" in answer.err


async def test_a_root_key_replaced_under_the_running_service_is_not_noticed(
    site: Config, database: Database, typed: Path, tmp_path: Path
) -> None:
    """File to passphrase to another passphrase to file: the service stays unlocked, and makes keys afterwards."""
    new = write_secret(tmp_path / "new", OTHER)
    async with service(site):
        for arguments in (
            ["--root", "passphrase", "--new-passphrase-file", typed],
            ["--passphrase-file", typed, "--new-passphrase-file", new],
            ["--passphrase-file", new, "--root", "file"],
            [],
        ):
            answer = await ari("keys", "rotate", *arguments, "--json", "--config", site.source)
            assert answer.code == FINE, answer.err
            assert await control.ask(site.storage.control, "keys-status") == {"locked": False}
            await makes_a_key(site)
    ring = open_keyring(site)
    assert ring.root_generation == 5


async def makes_a_key(site: Config) -> None:
    """What is missing is made by the service when it is woken; for that it needs the root key of now."""
    ring = Keyring.open(site.storage.keys)
    last = max(ring.public.days())
    ring.destroy(f"day-{last}")
    await control.ask(site.storage.control, "keys-look")
    async with asyncio.timeout(10):
        while last not in ring.public.days():  # noqa: ASYNC110 - the folder is all there is to see
            await asyncio.sleep(0.05)


async def test_listening_asks_for_the_passphrase(site: Config, database: Database, typed: Path, tmp_path: Path) -> None:
    recorded = await record(site, database)
    open_keyring(site).rotate(NewRoot.typed(PASSPHRASE), ready=lambda: None)
    show = ("recordings", "show", recorded.recording_id, "--with-caller", "--config", site.source)
    answer = await ari(*show)
    assert answer.code == FAILED
    assert "--passphrase-file" in answer.err
    assert NAME in (await ari(*show, "--passphrase-file", typed)).out
    closed = await ari("recordings", "show", recorded.recording_id, "--config", site.source)
    assert closed.code == FINE
    assert NUMBER not in closed.out
    wrong = write_secret(tmp_path / "wrong", OTHER)
    target = tmp_path / "a.wav"
    export = ("recordings", "export", recorded.recording_id, target, "--config", site.source, "--json")
    answer = await ari(*export, "--passphrase-file", wrong)
    assert answer.json["error"]["code"] == "passphrase_wrong"
    assert not there(target)
    assert (await ari(*export, "--passphrase-file", typed)).code == FINE
    answer = await ari(*export, "--passphrase-file", tmp_path / "none")
    assert answer.json["error"]["code"] == "passphrase_file_unusable"


async def test_a_passphrase_is_typed_on_the_terminal_and_not_shown(site: Config, database: Database) -> None:
    code, shown = await asyncio.to_thread(
        on_terminal,
        ["keys", "init", "--root", "passphrase", "--config", str(site.source)],
        [PASSPHRASE, "slip of the hand", PASSPHRASE, PASSPHRASE],
    )
    assert code == 0, shown
    assert "the two differ" in shown
    assert PASSPHRASE not in shown
    code, shown = await asyncio.to_thread(on_terminal, ["keys", "verify", "--config", str(site.source)], [PASSPHRASE])
    assert code == 0, shown
    assert "0 problem(s)" in shown


def on_terminal(arguments: list[str], answers: list[str]) -> tuple[int, str]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "ari_recorder", *arguments])  # noqa: S606 -- no shell is wanted
    shown = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        shown += read
        if shown.rstrip(b" ").endswith((b"passphrase:", b"again:")) and answers:
            os.write(terminal, f"{answers.pop(0)}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


async def test_no_command_takes_a_passphrase_as_an_argument(site: Config) -> None:
    answer = await ari("keys", "unlock", "--passphrase", PASSPHRASE, "--config", site.source)
    assert answer.code == USAGE


async def test_a_backup_is_the_keyring_and_useless_without_the_root_key(
    site: Config, database: Database, tmp_path: Path
) -> None:
    recorded = await record(site, database)
    target = tmp_path / "copy"
    answer = await ari("keys", "backup", target, "--json", "--config", site.source)
    assert answer.code == FINE, answer.err
    assert answer.json["verified"]["problems"] == []
    assert answer.json["verified"]["opened"] is True
    root = site.root_key().read_bytes()
    for path in target.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
        assert not path.is_file() or root not in path.read_bytes()
    again = await ari("keys", "backup", target, "--json", "--config", site.source)
    assert again.json["error"]["code"] == "backup_target_refused"
    site.storage.keys.rename(tmp_path / "lost")
    (target / ".lock").unlink(missing_ok=True)
    target.rename(site.storage.keys)
    shown = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--config", site.source)
    assert NAME in shown.out


async def test_verify_finds_what_is_wrong_and_is_3(site: Config) -> None:
    ring = open_keyring(site)
    today = day_of(datetime.now(UTC))
    ring.publish([today, today + timedelta(days=1)])
    assert (await ari("keys", "verify", "--config", site.source)).code == FINE
    public, private = site.storage.keys / "public", site.storage.keys / "private"
    (public / "hold-1.pub").unlink()
    (private / f"day-{today}.key").unlink()
    (private / f"day-{today + timedelta(days=1)}.key").write_bytes((private / "fallback.key").read_bytes())
    answer = await ari("keys", "verify", "--json", "--config", site.source)
    assert answer.code == FOUND
    assert [problem.split(":")[0] for problem in answer.json["problems"]] == [
        f"day-{today}",
        f"day-{today + timedelta(days=1)}",
        "hold-1",
    ]


async def test_a_rotation_can_be_taken_back_until_it_is_committed(site: Config) -> None:
    ring = open_keyring(site)
    answer = await ari("keys", "rotate", "--undo", "--config", site.source)
    assert (answer.code, answer.out) == (FINE, "there is nothing to take back\n")

    def refuse() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ring.rotate(NewRoot.in_place_of(site.root_key()), ready=refuse)
    assert (await ari("keys", "status", "--json", "--config", site.source)).json["rotation_begun"] is True
    assert (await ari("keys", "rotate", "--undo", "--json", "--config", site.source)).json == {"undone": True}
    assert (await ari("keys", "verify", "--config", site.source)).code == FINE


async def test_the_hold_key_is_replaced_by_a_command(site: Config, database: Database) -> None:
    await record(site, database)
    answer = await ari("keys", "rotate", "--hold", "--json", "--config", site.source)
    assert answer.code == FINE, answer.err
    assert (answer.json["key_name"], answer.json["destroyed"]) == ("hold-2", ["hold-1"])


async def test_a_day_key_that_is_needed_is_not_destroyed(site: Config, database: Database) -> None:
    at = datetime.now(UTC) - timedelta(days=20)
    await record(site, database, started_at=at)
    day = day_of(at)
    shown = await ari("keys", "destroy-day", day, "--dry-run", "--json", "--config", site.source)
    assert (shown.code, shown.json["recordings"], shown.json["destroyed"]) == (FINE, 1, False)
    answer = await ari("keys", "destroy-day", day, "--json", "--config", site.source)
    assert (answer.code, answer.json["error"]["code"]) == (FAILED, "key_in_use")
    assert f"day-{day}" in open_keyring(site).names()
    empty = day - timedelta(days=1)
    open_keyring(site).publish([empty])
    answer = await ari("keys", "destroy-day", empty, "--json", "--config", site.source)
    assert (answer.code, answer.json["destroyed"]) == (FINE, True)
    assert f"day-{empty}" not in open_keyring(site).names()


async def test_a_service_without_its_root_key_starts_records_and_says_why(site: Config, database: Database) -> None:
    await record(site, database)
    site.root_key().unlink()
    async with service(site) as log:
        assert await locked(site) is True
        alarms = [(line["alarm"], line["subject"]) for line in lines(log) if line["action"] == "alarm"]
        assert alarms == [("keyring-locked", "root_key_missing"), ("keyring-locked", "1-days")]
