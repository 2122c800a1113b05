"""The caller's number and name, sealed as soon as they are known: what the journal and the database get of them."""

import json
from collections.abc import Collection
from uuid import UUID

import structlog

from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import NotWrapped
from ari_recorder.domain.events import Party
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.public_keys import PublicKeys
from ari_recorder.vault.wrapping import key_name_of

log = structlog.get_logger(__name__)

CALLER_PURPOSE = "caller"


class SealedCallers:
    """Of the calls that are not in the database yet. Sealing takes the public key only: the keyring may be locked."""

    def __init__(self, public: PublicKeys) -> None:
        self._public = public
        self._sealed: dict[UUID, bytes] = {}

    def carry_on(self, call_id: UUID, sealed: bytes) -> None:
        """Sealed before the restart, and kept as it is: nothing is opened here."""
        try:
            key_name_of(sealed)
        except NotWrapped as error:
            log.error("caller_drop", call_id=str(call_id), code=error.code)
        else:
            self._sealed[call_id] = sealed

    def of(self, call: Call) -> bytes | None:
        """None: nobody knows who calls."""
        sealed = self._sealed.get(call.id)
        if sealed is None and call.caller is not None:
            text = caller_text(call.caller)
            name = self._public.name_for(day_of(call.first_seen_at))
            sealed = self._public.seal_text(name, text, CALLER_PURPOSE, call.id)
            self._sealed[call.id] = sealed
        return sealed

    def values(self) -> Collection[bytes]:
        return self._sealed.values()

    def forget(self, call_id: UUID) -> None:
        self._sealed.pop(call_id, None)


def caller_text(caller: Party) -> str:
    """What is sealed of one."""
    return json.dumps({"num": caller.num, "name": caller.name}, ensure_ascii=False)


def open_caller(keyring: Keyring, call_id: UUID, personal: bytes) -> Party:
    """The caller as sealed with the call."""
    fields = json.loads(keyring.open_text(personal, CALLER_PURPOSE, call_id))
    return Party(num=fields["num"], name=fields["name"])
