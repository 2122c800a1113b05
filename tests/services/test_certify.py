import ast
import asyncio
import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.certificates import CertificateKind, list_sha256
from ari_recorder.domain.errors import CertificateUnknown
from ari_recorder.domain.retention import Period
from ari_recorder.services import certify
from ari_recorder.services.certify import Certifier
from ari_recorder.services.day_keys import DayKeys
from ari_recorder.services.policy import Policies
from ari_recorder.services.sweep import Chore
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from tests.keyring_for_tests import keyring_in
from tests.services.house import PERSON, READER, RULES, House, at
from tests.services.steps import Killed, Steps
from tests.services.test_holds import TERMS
from tests.storage.calls_for_tests import BEGAN

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "tools" / "verify_certificate.py"
DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)
DAY = "day-2026-11-23"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files.folder, keyring=keyring_in(tmp_path, date(2026, 11, 23)))


def keys_of(house: House) -> Keyring:
    assert house.keyring is not None
    return house.keyring


def chores(
    house: House,
    database: Database | None = None,
    keyring: Keyring | None = None,
    journal: frozenset[str] = frozenset(),
) -> list[Chore]:
    opened, keys = database or house.database, keyring or keys_of(house)
    parts = Parts(house.vault, keys)
    days = DayKeys(database=opened, keyring=keys, parts=parts, clocks=house.clocks, in_journal=lambda: journal)
    certifier = Certifier(database=opened, keyring=keys, clocks=house.clocks, backups_kept=Period.parse("P1M"))
    return [days.destroy_due, certifier.certify]


async def sweep_at(house: House, now: datetime, journal: frozenset[str] = frozenset()) -> None:
    house.clocks.time = now
    await house.sweep(chores=chores(house, journal=journal)).run_once()


async def certificate(house: House, subject: object) -> dict[str, object]:
    fields: dict[str, object] = json.loads((await certify.get(house.database, str(subject), READER)).body)
    return fields


# --- day keys


async def test_the_key_of_a_day_goes_with_its_last_ordinary_recording(house: House) -> None:
    first, last, held, next_day = at(BEGAN), at(BEGAN, flagged=True), at(BEGAN), at(BEGAN + timedelta(days=1))
    await house.store(first, last, held, next_day)
    await house.holds().place([held.recordings[0].id], TERMS, Actor.operator("sari"))
    await sweep_at(house, DUE)
    assert DAY in keys_of(house).names(), "a flagged call of that day waits for a decision"
    await sweep_at(house, DUE + timedelta(days=14))
    assert DAY not in keys_of(house).names()
    assert await house.plays(held.recordings[0])
    assert await house.caller(held.id) == PERSON
    fields = await certificate(house, DAY)
    gone = [call.recordings[0].id for call in (first, last)]
    assert fields["what"] == {
        "day": "2026-11-23",
        "key": DAY,
        "recordings": 2,
        "recordings_sha256": list_sha256(gone),
    }


async def test_a_day_without_recordings_keeps_its_key_until_its_time(house: House) -> None:
    """A recording may still be on its way into the database."""
    await sweep_at(house, DUE - timedelta(microseconds=1))
    assert DAY in keys_of(house).names()
    await sweep_at(house, DUE)
    assert DAY not in keys_of(house).names()


async def test_calls_in_the_journal_and_parts_keep_the_key_of_their_day(house: House) -> None:
    await sweep_at(house, DUE, journal=frozenset({DAY}))
    assert DAY in keys_of(house).names()
    call = at(BEGAN)
    recording_id = call.recordings[0].id
    wrapped = keys_of(house).public.wrap(DAY, bytes(32), recording_id)
    parts = house.vault / ".parts"
    parts.mkdir(exist_ok=True)
    (parts / f"{recording_id}.1.key").write_bytes(b"\x01" + bytes(8) + wrapped)
    (parts / f"{recording_id}.1.part").write_bytes(bytes(56 + 16384 + 16))
    await sweep_at(house, DUE)
    assert DAY in keys_of(house).names()
    for path in parts.iterdir():
        path.unlink()
    await sweep_at(house, DUE)
    assert DAY not in keys_of(house).names()


async def test_a_caller_who_is_still_known_keeps_the_key(house: House) -> None:
    """The call came in before midnight, its recording began after."""
    late = datetime(2026, 11, 23, 22, 0, 10, tzinfo=UTC)
    call = at(late)
    await house.store(call)
    assert (await house.row(call.recordings[0].id)).key_name == "day-2026-11-24"
    await sweep_at(house, DUE)
    assert DAY in keys_of(house).names()
    assert await house.caller(call.id) == PERSON
    await sweep_at(house, DUE + timedelta(days=1))
    assert not {DAY, "day-2026-11-24"} & keys_of(house).names()


async def test_a_hold_that_ends_after_its_day_went_stays_under_the_hold_key(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    view = await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
    await sweep_at(house, DUE)
    assert DAY not in keys_of(house).names()
    await house.holds().release(view.hold.id, Actor.operator("olli"), yes=True)
    assert (await house.row(call.recordings[0].id)).key_name == "hold-1"
    assert await house.plays(call.recordings[0])


async def test_ending_holds_and_destroying_days_at_once_loses_nothing(house: House) -> None:
    """Back under the key before it goes, or not at all: what was released can be played until it is erased."""
    for turn in range(12):
        call = at(BEGAN + timedelta(days=turn), queue="dental")
        await house.store(call)
        view = await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
        house.clocks.time = max(house.clocks.time, DUE + timedelta(days=turn, minutes=10))
        policy = await house.policies.adopt(house.clocks.time)
        days = chores(house)[0]

        async def release(turn: int = turn, hold_id: object = view.hold.id) -> None:
            await asyncio.sleep((turn % 4) * 0.003)
            await house.holds().release(hold_id, Actor.operator("olli"), yes=True)  # type: ignore[arg-type]

        await asyncio.gather(release(), days(policy, house.clocks.time))
        assert await house.plays(call.recordings[0])
        assert await house.caller(call.id) == PERSON
        house.clocks.time = BEGAN


# --- certificates


async def test_every_destruction_has_a_certificate(house: House) -> None:
    call = at(BEGAN, parts=2)
    await house.store(call)
    await sweep_at(house, DUE + timedelta(minutes=7))
    recording = call.recordings[0]
    assert await certificate(house, recording.id) == {
        "format": "ari-recorder/certificate/1",
        "installation": str(keys_of(house).installation),
        "kind": "recording",
        "what": {
            "recording": str(recording.id),
            "queue": "advice",
            "day": "2026-11-23",
            "sealed_sha256": "ab" * 32,
            "sealed_bytes": 123456,
        },
        "when": {"decided": "2027-02-23T22:07:00+00:00", "destroyed": "2027-02-23T22:07:00+00:00"},
        "why": "P3M of queue advice",
        "copies_destroyed": ["wrapped data key", "sealed file"],
        "copies_not_found": [],
        "caller": "number and name destroyed",
        "key": DAY,
        "was_held": False,
        "backups_may_hold_ciphertext_until": "2027-03-24",
    }
    listed = await certify.find(house.database, None, 10, READER)
    assert (len(listed.certificates), listed.waiting) == (3, 0)
    (day,) = (await certify.find(house.database, CertificateKind.DAY, 10, READER)).certificates
    assert day.subject == DAY
    with pytest.raises(CertificateUnknown):
        await certify.get(house.database, "day-2020-01-01", READER)


async def test_the_signed_text_is_canonical(house: House) -> None:
    await house.store(at(BEGAN))
    await sweep_at(house, DUE)
    for one in (await certify.find(house.database, None, 10, READER)).certificates:
        fields = json.loads(one.body)
        assert one.body == json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


async def test_with_the_keyring_locked_it_destroys_and_certifies_later(house: House, tmp_path: Path) -> None:
    call = at(BEGAN)
    await house.store(call)
    keys_of(house).lock()
    await sweep_at(house, DUE)
    assert not await house.plays(call.recordings[0])
    assert DAY not in keys_of(house).names()
    assert (await certify.find(house.database, None, 10, READER)).waiting == 2
    keys_of(house).unlock(root_key=tmp_path / "root.key")
    await sweep_at(house, DUE + timedelta(days=1))
    listed = await certify.find(house.database, None, 10, READER)
    assert (len(listed.certificates), listed.waiting) == (2, 0)
    fields = await certificate(house, call.recordings[0].id)
    assert fields["when"] == {"decided": "2027-02-23T22:00:00+00:00", "destroyed": "2027-02-23T22:00:00+00:00"}


async def test_several_who_certify_at_once_make_one_each(house: House) -> None:
    await house.store(*(at(BEGAN) for _ in range(20)))
    house.clocks.time = DUE
    await house.sweep().run_once()
    policy = await house.policies.in_force()
    await asyncio.gather(*(chores(house)[1](policy, DUE) for _ in range(4)))
    assert len((await certify.find(house.database, None, 100, READER)).certificates) == 20


async def run_tool(*arguments: object) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        TOOL,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_stand_alone_verifier_believes_genuine_ones_only(house: House, tmp_path: Path) -> None:
    call = at(BEGAN)
    await house.store(call)
    await sweep_at(house, DUE)
    signer = keys_of(house).signer.hex()
    good = tmp_path / "good.json"
    data = certify.as_file(await certify.get(house.database, str(call.recordings[0].id)[:8], READER))
    good.write_bytes(data)
    code, out, err = await run_tool("--signer", signer, good)
    assert (code, err) == (0, "")
    assert str(call.recordings[0].id) in out
    envelope = json.loads(data)
    other = certify.as_file(await certify.get(house.database, DAY, READER))
    forgeries = {
        "changed": data.replace(b"P3M", b"P9M"),
        "moved": json.dumps({**envelope, "signature": json.loads(other)["signature"]}).encode(),
        "own key": json.dumps({**envelope, "signer": "00" * 32}).encode(),
        "cut": data[:-20],
        "twice": data.replace(b'"signer"', b'"certificate": "{}", "signer"'),
        "list": b"[]",
        "no text": json.dumps({**envelope, "certificate": 1}).encode(),
        "not base64": json.dumps({**envelope, "signature": "?"}).encode(),
        "not ascii": json.dumps({**envelope, "signature": "ä"}).encode(),
        "half a sign": json.dumps({**envelope, "certificate": "\ud800"}).encode(),
        "signer wipes the screen": json.dumps({**envelope, "signer": "\x1b[2J genuine"}).encode(),
        "endless number": b'{"certificate": ' + b"9" * 5000 + b"}",
        "endless depth": b"[" * 100_000,
    }
    for name, forged in forgeries.items():
        assert forged != data, name
        (tmp_path / f"{name}.json").write_bytes(forged)
    code, out, err = await run_tool("--signer", signer, *(tmp_path / f"{name}.json" for name in forgeries))
    assert (code, out) == (1, "")
    assert err.count("NOT GENUINE") == len(forgeries)
    assert "\x1b" not in err
    assert (await run_tool("--signer", "11" * 32, good))[0] == 1
    assert (await run_tool("--signer", "short", good))[0] == 2


def test_the_verifier_needs_nothing_but_cryptography() -> None:
    names = set()
    for node in ast.walk(ast.parse(TOOL.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    assert names - sys.stdlib_module_names == {"cryptography"}


# --- killed at any step


class CountedKeys:
    """The keyring with a step before and after a key is destroyed; everything else is the keyring's."""

    def __init__(self, real: Keyring, steps: Steps) -> None:
        self._real = real
        self._steps = steps

    def destroy(self, key_name: str) -> None:
        self._steps.step()
        self._real.destroy(key_name)
        self._steps.step()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


async def test_killed_at_any_step_after_the_recordings_the_next_sweep_finishes(house: House) -> None:
    killed = 0
    for last in range(1, 200):
        began = BEGAN + timedelta(days=last)
        call, held = at(began), at(began)
        house.clocks.time = began
        async with house.database.transaction() as conn:
            await conn.execute("DELETE FROM sweep_run")  # another life: no sweep knows of a later time
        await house.store(call, held)
        await house.holds().place([held.recordings[0].id], TERMS, Actor.operator("sari"))
        name = (await house.row(call.recordings[0].id)).key_name
        house.clocks.time = DUE + timedelta(days=last + 4)
        await house.sweep().run_once()
        policy = await Policies(house.database, RULES).adopt(house.clocks.time)
        steps = Steps(last)
        counted: object = CountedKeys(keys_of(house), steps)
        try:
            for chore in chores(house, steps.database(house.database), counted):  # type: ignore[arg-type]
                await chore(policy, house.clocks.time)
        except Killed:
            killed += 1
        for chore in chores(house):
            await chore(policy, house.clocks.time)
        assert name not in keys_of(house).names()
        assert await house.plays(held.recordings[0])
        assert (await certify.find(house.database, None, 1000, READER)).waiting == 0
        await certify.get(house.database, str(call.recordings[0].id), READER)
        await certify.get(house.database, str(name), READER)
        if steps.left > 0:
            break
    assert killed > 10
