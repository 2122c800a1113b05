"""`recordings package --deliver` and `deliveries`, as an operator types them."""

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.config import Config
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.disclosures import parties
from ari_recorder.storage import disclosures
from ari_recorder.storage.db import Database
from ari_recorder.vault.delivered import Deliveries
from tests.command import FAILED, FINE, USAGE, Answer, ari
from tests.site import Recorded, open_keyring, prepare, record
from tests.test_audit_events import entries

WHO = ("--receiver", "Päivi Pyytäjä", "--reason", "GDPR, artikla 15")


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


async def deliver(site: Config, recorded: Recorded, *more: object) -> Answer:
    arguments = ("recordings", "package", "--deliver", str(recorded.recording_id)[:8], "--case", "PRV/5/2026")
    return await ari(*arguments, *more, "--config", site.source)


async def test_link_and_passphrase_are_said_once_and_kept_nowhere(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    answer = await deliver(site, recorded, *WHO, "--json")
    assert answer.code == FINE, answer.err
    made = answer.json
    (file,) = site.storage.deliveries.iterdir()
    assert (file.stat().st_mode & 0o777, site.storage.deliveries.stat().st_mode & 0o777) == (0o600, 0o700)
    opened = Deliveries(site.storage.deliveries).open(_id(made), made["passphrase"])
    assert opened is not None
    with opened, zipfile.ZipFile(io.BytesIO(opened.read(0, opened.size))) as archive:
        assert archive.testzip() is None
    assert Deliveries(site.storage.deliveries).open(_id(made), made["passphrase"][:-1]) is None
    token = made["link"].rpartition("/")[2]
    async with database.transaction() as conn:
        rows = [dict(row) for table in ("delivery", "call_text") for row in await conn.fetch(f"SELECT * FROM {table}")]  # noqa: S608
    everything = str(rows) + json.dumps(list(map(dict, await entries(database))))
    for secret in (token, made["passphrase"], "Pyytäjä"):
        assert secret not in everything
        assert secret.encode() not in file.read_bytes()
    told = await deliver(site, recorded, *WHO)
    assert "Its link, shown once, good until" in told.out
    assert "/delivery/" in told.out
    assert "Its passphrase, shown once: " in told.out


def _id(made: dict[str, str]) -> UUID:
    return UUID(made["delivery_id"])


async def test_what_is_missing_is_said_and_nothing_is_left(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    unsaid = await deliver(site, recorded)
    assert (unsaid.code, "--receiver" in unsaid.err) == (USAGE, True)
    police = await deliver(site, recorded, *WHO, "--police")
    assert (police.code, "under no hold" in police.err) == (FAILED, True)
    assert not site.storage.deliveries.exists() or not list(site.storage.deliveries.iterdir())
    nothing = await ari("recordings", "package", "x.zip", "--case", "PRV/5/2026", "--config", site.source)
    assert (nothing.code, "then recordings" in nothing.err) == (USAGE, True)


async def test_deliveries_are_listed_and_withdrawn(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    made = (await deliver(site, recorded, *WHO, "--json")).json
    listed = await ari("deliveries", "list", "--config", site.source)
    assert listed.code == FINE, listed.err
    assert [
        word for word in ("waiting", "PRV/5/2026", "Päivi Pyytäjä", made["delivery_id"]) if word not in listed.out
    ] == []
    done = await ari("deliveries", "withdraw", made["delivery_id"], "--config", site.source)
    assert done.code == FINE, done.err
    assert list(site.storage.deliveries.iterdir()) == []
    (one,) = (await ari("deliveries", "list", "--json", "--config", site.source)).json["deliveries"]
    assert one["state"] == "withdrawn"
    again = await ari("deliveries", "withdraw", made["delivery_id"], "--config", site.source)
    assert (again.code, "over already" in again.err) == (FAILED, True)
    nobody = await ari("deliveries", "withdraw", "00000000-0000-4000-8000-000000000000", "--config", site.source)
    assert (nobody.code, "There is no delivery" in nobody.err) == (FAILED, True)


async def test_what_is_handed_over_is_in_the_log_of_disclosures(
    site: Config, database: Database, tmp_path: Path
) -> None:
    recorded = await record(site, database)
    target = tmp_path / "package.zip"
    arguments = ("recordings", "package", target, recorded.recording_id, "--case", "PRV/5/2026")
    assert (await ari(*arguments, "--config", site.source)).code == FINE
    over = (*WHO, "--case", "PRV/5/2026", "--receiver-kind", "person-concerned", "--signature", "Kuitti 14, mappi C")
    answer = await ari("deliveries", "hand-over", target, *over, "--config", site.source, "--json")
    assert answer.code == FINE, answer.err
    assert answer.json["sha256"] == sha256(target.read_bytes()).hexdigest()
    async with database.transaction() as conn:
        (row,) = await disclosures.of_recording(conn, recorded.recording_id)
        known = await parties(conn, CallTexts(open_keyring(site)), [row.disclosure.text_id])
    one = row.disclosure
    assert (one.way.value, one.user_id, one.reference) == ("on-premises", None, "PRV/5/2026")
    assert row.sent is not None
    assert (row.sent.because.value, row.sent.bytes) == ("complete", target.stat().st_size)
    assert (known[one.text_id].receiver, known[one.text_id].signature) == ("Päivi Pyytäjä", "Kuitti 14, mappi C")
    (entry,) = [one for one in await entries(database) if one["action"] == "recording:hand-over"]
    assert "Kuitti" not in json.dumps(dict(entry))
    (tmp_path / "other.zip").write_bytes(target.read_bytes())
    other = await ari("deliveries", "hand-over", tmp_path / "other.zip", *over, "--config", site.source)
    assert (other.code, "No copy of a recording" in other.err) == (FAILED, True)
