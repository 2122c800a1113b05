"""What is wrong with files, rows, folders or the database must not cost a day key that something still needs."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ari_recorder.domain.errors import KeyringForeign, KeyringWriteFailed
from ari_recorder.services.day_keys import DayKeys
from ari_recorder.services.policy import Policies
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.key_files import KeyFolder
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from tests.keyring_for_tests import keyring_in
from tests.services.house import RULES, House, at
from tests.storage.calls_for_tests import BEGAN

DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)
DAY = "day-2026-11-23"
BEFORE = "day-2026-11-22"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files.folder, keyring=keyring_in(tmp_path, date(2026, 11, 22), date(2026, 11, 23)))


def keys_of(house: House) -> Keyring:
    assert house.keyring is not None
    return house.keyring


async def destroy_due(house: House, now: datetime = DUE) -> list[tuple[str, str, str]]:
    """The alarms, each with its subject and what it says."""
    house.clocks.time = now
    parts = Parts(house.vault, keys_of(house))
    days = DayKeys(
        database=house.database, keyring=keys_of(house), parts=parts, clocks=house.clocks, in_journal=frozenset
    )
    policy = await Policies(house.database, RULES).adopt(now)
    with capture_logs() as logs:
        await days.destroy_due(policy, now)
    return [(line["alarm"], line["subject"], line["because"]) for line in logs if line["event"] == "alarm"]


def days_left(house: House) -> set[str]:
    return {name for name in keys_of(house).names() if name.startswith("day-")}


@pytest.mark.parametrize("fault", ["damaged", "short", "unreadable", "folder"])
async def test_a_part_that_does_not_say_which_key_it_needs_keeps_every_key_and_is_an_alarm(
    house: House, fault: str
) -> None:
    recording_id = at(BEGAN).recordings[0].id
    wrapped = keys_of(house).public.wrap(DAY, bytes(32), recording_id)
    parts = house.vault / ".parts"
    parts.mkdir()
    key = parts / f"{recording_id}.1.key"
    key.write_bytes(b"\x01" + bytes(8) + wrapped)
    (parts / f"{recording_id}.1.part").write_bytes(bytes(56 + 16384 + 16))
    match fault:
        case "damaged":
            key.write_bytes(b"\x01" + bytes(8) + b"\xff" + wrapped[1:])
        case "short":
            key.write_bytes(b"\x01")
        case "unreadable":
            key.unlink()
            key.mkdir()
        case "folder":
            shutil.rmtree(parts)
            parts.write_text("a file where the folder was")
    alarms = await destroy_due(house)
    assert days_left(house) == {BEFORE, DAY}
    wanted = {BEFORE, DAY} if fault == "folder" else {str(recording_id)}
    assert {(code, subject) for code, subject, _ in alarms} == {("erase-failed", subject) for subject in wanted}


@pytest.mark.parametrize("wrong", ["hold-1", None])
@pytest.mark.parametrize(
    ("other", "change"),
    [
        ("UPDATE call SET personal = NULL", "UPDATE recording SET key_name = $1"),
        ("UPDATE recording SET key_name = 'hold-1', wrapped_key = '\\x02'", "UPDATE call SET personal_key_name = $1"),
    ],
    ids=["recording", "caller"],
)
async def test_a_row_that_names_another_key_than_its_bytes_do_keeps_both(
    house: House, wrong: str | None, other: str, change: str
) -> None:
    """`other` is out of the way: it alone does not keep the key."""
    await house.store(at(BEGAN))
    async with house.database.transaction() as conn:
        await conn.execute(other)
        await conn.execute(change, wrong)
    assert await destroy_due(house) == []
    assert days_left(house) == {DAY}


async def test_an_empty_database_beside_a_full_vault_costs_no_key(house: House) -> None:
    """The address of another database, or an old copy of it: it cannot say that nothing is left of the day."""
    call = at(BEGAN, flagged=True)
    await house.store(call)
    async with house.database.transaction() as conn:
        await conn.execute("DELETE FROM recording_agent")
        await conn.execute("DELETE FROM recording")
        await conn.execute("DELETE FROM call")
    ((code, subject, because),) = await destroy_due(house)
    assert (code, subject) == ("vault-differs", DAY)
    assert "1 sealed file(s)" in because
    assert days_left(house) == {DAY}, "a day of which nothing lies in the vault goes"


async def test_one_key_that_cannot_be_destroyed_stops_no_other_and_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = KeyFolder.remove

    def failing(folder: KeyFolder, where: str, name: str) -> None:
        if name == f"{BEFORE}.key":
            raise KeyringWriteFailed(path=name, reason="Input/output error")
        real(folder, where, name)

    with monkeypatch.context() as patch:
        patch.setattr(KeyFolder, "remove", failing)
        for _ in range(2):  # what was begun, and what is begun
            ((code, subject, because),) = await destroy_due(house)
            assert (code, subject) == ("erase-failed", BEFORE)
            assert "Input/output error" in because
            assert days_left(house) == {BEFORE}
    assert await destroy_due(house) == []
    assert days_left(house) == set()


async def test_the_keys_of_another_installation_are_never_destroyed(house: House, tmp_path: Path) -> None:
    """They came in place of ours while the service ran, and their days have the same names."""
    (tmp_path / "other").mkdir()
    other = keyring_in(tmp_path / "other", date(2026, 11, 22), date(2026, 11, 23))
    ours = keys_of(house).folder
    ours.rename(tmp_path / "aside")
    other.folder.rename(ours)
    alarms = await destroy_due(house)
    assert {(code, subject) for code, subject, _ in alarms} == {("erase-failed", BEFORE), ("erase-failed", DAY)}
    assert all("another installation" in because for _, _, because in alarms)
    assert days_left(house) == {BEFORE, DAY}
    with pytest.raises(KeyringForeign):
        keys_of(house).destroy(DAY)
    shutil.rmtree(ours)
    (tmp_path / "aside").rename(ours)
    assert await destroy_due(house, DUE + timedelta(hours=1)) == []
    assert days_left(house) == set()


async def test_without_its_folder_no_key_is_called_destroyed(house: House, tmp_path: Path) -> None:
    async with house.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO destroyed_key (name, day, because, destroying_at) VALUES ($1, '2026-11-23', 'test', now())",
            DAY,
        )
    ours = keys_of(house).folder
    ours.rename(tmp_path / "aside")
    for mounted in (False, True):
        if mounted:
            ours.mkdir(mode=0o700)  # the empty place of a folder that is not mounted
        ((code, subject, because),) = await destroy_due(house)
        assert (code, subject) == ("erase-failed", DAY)
        assert str(ours) in because
    shutil.rmtree(ours)
    (tmp_path / "aside").rename(ours)
    assert await destroy_due(house) == []
    assert days_left(house) == set()
