"""What people ask the running service about its keys, through the socket."""

import asyncio
from pathlib import Path

import pytest

from ari_recorder.domain.errors import RecorderError
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.control import ControlSocket, ask
from ari_recorder.services.key_control import KeyControl
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from tests.keyring_for_tests import cheap_passphrases
from tests.site import prepare

PASSPHRASE = "correct horse battery staple"


async def test_a_wrong_passphrase_has_the_code_it_has_without_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    cheap_passphrases(monkeypatch)
    settings = prepare(tmp_path)
    Keyring.make(settings.storage.keys, passphrase=PASSPHRASE)
    keyring = Keyring.open(settings.storage.keys)
    heard: list[bool] = []
    control = KeyControl(
        config=settings,
        keyring=keyring,
        database=database,
        unlocked=lambda: heard.append(True),
        needed=lambda: frozenset(),
        later=LaterEntries(settings.storage.audit),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(ControlSocket(settings.storage.control, control.answers).run(stop))
    async with asyncio.timeout(5):
        while not settings.storage.control.exists():  # noqa: ASYNC110 - the file is all there is to see
            await asyncio.sleep(0.005)
    for wrong in ("correct horse battery stable", "", 7, None):
        with pytest.raises(RecorderError) as caught:
            await ask(settings.storage.control, "keys-unlock", passphrase=wrong)
        assert caught.value.code == ("passphrase_wrong" if isinstance(wrong, str) else "keyring_locked")
        assert str(settings.storage.keys) in str(caught.value) or not isinstance(wrong, str)
        assert keyring.locked
    assert not heard
    assert (await ask(settings.storage.control, "keys-unlock", passphrase=PASSPHRASE)) == {"locked": False}
    assert heard == [True]
    await ask(settings.storage.control, "keys-lock", by="olli")
    await sequence(database)
    async with database.transaction() as conn:
        written = [(entry.fields, entry.personal) for entry in reversed(await audit.page(conn))]
    told = [(fields["action"], fields["outcome"], fields["because"]) for fields, _ in written]
    assert told == [
        *[("keyring:unlock", "refused", "passphrase_wrong")] * 2,
        *[("keyring:unlock", "refused", "keyring_locked")] * 2,
        ("keyring:unlock", "ok", ""),
        ("keyring:lock", "ok", ""),
    ]
    assert written[-1][1][0].value == "olli"
    stop.set()
    await running
