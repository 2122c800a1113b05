"""One AMI connection's bytes, on panoramisk's protocol and action classes with their faults mended.

Of panoramisk.AMIProtocol stay the asyncio.Protocol and the table of pending actions; of panoramisk.Action the
case-blind headers, the id and the future. Overridden, because the library loses events, bytes or the connection
there: framing, decoding, sending, completion, loss. tests/asterisk/test_panoramisk_contract.py fails when that changes.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from ari_recorder.asterisk import actions
from ari_recorder.asterisk.frames import (
    BadFrame,
    EventFilter,
    Framer,
    FrameTooLong,
    Headers,
    bytes_of,
    event_headers_of,
    frames_in,
    headers_of,
    text_of,
)
from ari_recorder.asterisk.messages import WANTED
from ari_recorder.domain.errors import AmiOutcomeUnknown

_GREETING = b"Asterisk Call Manager/"
_WANTED = EventFilter(WANTED)
_WANTED_LINES = frozenset(f"Event: {name}".encode() for name in WANTED)
_STATUS_LINE = f"Event: {actions.STATUS_ROW}".encode()
_ACTION_ID = re.compile(rb"\r\nActionID: ([0-9a-f-]{36})(?=\r\n|$)")

# panoramisk logs whole messages and actions: phone numbers and the secret. This logger has no handler and no parent.
SILENT = logging.Logger("panoramisk", logging.CRITICAL + 1)
SILENT.addHandler(logging.NullHandler())


@dataclass(slots=True, kw_only=True)
class Counters:
    """What went over the wire, for metrics; kept over reconnects."""

    bytes: int = 0
    events: int = 0
    forged: int = 0
    not_utf8: int = 0
    gaps: int = 0
    logins: int = 0
    logins_refused: int = 0
    connections_failed: int = 0


class AmiAction(Action):  # type: ignore[misc]  # the library has no types
    """An action whose headers were checked before anything is registered, and which ends by headers, not by prose.

    `on_row` takes each row of a list at the moment it is read, so rows keep their place among live events; it is called
    with None at the end of the list. `refused` rows came, and could not be read: callers choose part of what is in a
    row of Status, and shall not be able to end a list by it, nor to keep it from its end.
    """

    def __init__(self, headers: Headers, *, on_row: Callable[[Headers | None], None] | None = None) -> None:
        # Other sessions see our ActionIDs in some events: an id nobody can guess cannot be answered by them.
        super().__init__({"Action": headers["Action"], "ActionID": str(uuid4()), **headers})
        self.wire = bytes_of(headers["Action"], dict(self.items()))
        self.on_row = on_row
        self.rows = 0
        self.refused = 0

    @property
    def name(self) -> str:
        return str(self["Action"])

    def add_message(self, message: Headers) -> bool:
        """Take an answer or a row; True when the action is complete."""
        if self.future.done():
            return True
        if not self.responses:
            if "Event" in message:
                return False  # some event that names our action; rows follow the answer
            self.responses.append(message)
            if actions.rows_follow(message):
                return False
            self.future.set_result(message)
            return True
        if "Event" not in message:
            raise BadFrame("it is no row", message)
        if not (actions.rows_end(message) and actions.is_asterisks_own(message)):
            if self.on_row is not None:
                self.on_row(message)
            self.rows += 1
            return False
        if actions.rows_promised(message) != str(self.rows):
            self.fail(f"{self.rows} of its rows came, {actions.rows_promised(message)} were promised")
            return True
        if self.on_row is not None:
            self.on_row(None)
        self.future.set_result(self.responses[0])
        return True

    def refuse_message(self) -> bool:
        """A message of this action could not be read: a row of it has come all the same, but its answer is lost."""
        if self.responses:
            self.rows += 1
            self.refused += 1
            return False
        self.fail("its answer cannot be read")
        return True

    def fail(self, because: str) -> None:
        if not self.future.done():
            self.future.set_exception(AmiOutcomeUnknown(action=self.name, because=because))
            self.future.exception()  # somebody who stopped waiting shall not be reported as "never retrieved"

    def __repr__(self) -> str:
        return f"<AmiAction {self.name} {self.id}>"

    __str__ = __repr__  # the library writes str(action), with the secret, to its log and to the socket


def _without_stray_breaks(frame: bytes) -> bytes:
    """Some versions of Asterisk end some messages with a line break too many."""
    return frame.lstrip(b"\r\n")


class Owner(Protocol):
    """What a connection tells: AmiLink."""

    counters: Counters

    def dispatch(self, event: Headers) -> None: ...
    def refuse(self, headers: Headers, because: str) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...


class AmiProtocol(AMIProtocol):  # type: ignore[misc]  # the library has no types
    """Frames in, actions out. Every frame stands alone: what is wrong with one does not touch the next."""

    responses: dict[str, AmiAction]
    version: str | None

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._framer = Framer()
        self._greeting = b""
        self.heard = time.monotonic()
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.factory, self.log = self._owner, SILENT

    def data_received(self, data: bytes) -> None:
        self.heard = time.monotonic()
        self._owner.counters.bytes += len(data)
        if self.version is None:
            data = self._greet(data)
        try:
            block = self._framer.take(data)
        except FrameTooLong:
            self.abort("it sent a message without an end")
            return
        if not self.responses:
            # No answer is due. Most of what AMI says is not for us, and is never cut out of the bytes.
            for frame in _WANTED.frames_in(block):
                self._event(frame)
                if self.closed:
                    return
            return
        for frame in map(_without_stray_breaks, frames_in(block)):
            first_line = frame.partition(b"\r")[0]
            if (action := self._asked_by(frame)) is not None:
                self._answer(action, frame)
            elif first_line in _WANTED_LINES:
                self._event(frame)
            elif first_line == _STATUS_LINE:
                self._cut_row()
            if self.closed:
                return

    def _asked_by(self, frame: bytes) -> AmiAction | None:
        """The pending action that this is an answer to, or a row of. What another session asked for is dropped."""
        if b"\r\nActionID: " in frame:
            for found in _ACTION_ID.finditer(frame):
                if (action := self.responses.get(found[1].decode())) is not None:
                    return action
        return None

    def _cut_row(self) -> None:
        """A row without our ActionID, its last line: it was cut by what is in it. Its rest, with the id, is counted."""
        for action in self.responses.values():
            if action.name == actions.STATUS_ROW:
                action.refused += 1
                self._owner.refuse({"Event": actions.STATUS_ROW}, "it ends before its ActionID")

    def _greet(self, data: bytes) -> bytes:
        """Read the first line; what follows it. No secret is sent to a peer that does not greet as AMI does."""
        self._greeting += data
        line, end, rest = self._greeting.partition(b"\r\n")
        if not _GREETING.startswith(line[: len(_GREETING)]) or len(line) > 100:
            self.abort("it does not greet as AMI does")
            return b""
        if not end:
            return b""
        self.version = line[len(_GREETING) :].decode("ascii", "replace")
        if not self.greeted.done():
            self.greeted.set_result(None)
        return rest

    def _event(self, frame: bytes) -> None:
        text, is_utf8 = text_of(frame)
        if not is_utf8:
            self._owner.counters.not_utf8 += 1
        try:
            self._owner.dispatch(event_headers_of(text))
        except BadFrame as fault:
            self._owner.refuse(fault.headers, fault.because)
        except Exception as fault:
            self._owner.refuse({}, f"reading it failed with {type(fault).__name__}")

    def _answer(self, action: AmiAction, frame: bytes) -> None:
        text, is_utf8 = text_of(frame)
        if not is_utf8:
            self._owner.counters.not_utf8 += 1
        try:
            complete = action.add_message(headers_of(text))
        except BadFrame as fault:
            self._owner.refuse(fault.headers, fault.because)
            complete = action.refuse_message()
        except Exception as fault:
            self._owner.refuse({}, f"reading an answer failed with {type(fault).__name__}")
            complete = action.refuse_message()
        if complete:
            self.forget(action)

    def handle_message(self, message: object) -> None:
        raise TypeError("use data_received()")

    def send(self, data: AmiAction, as_list: Any = None) -> "asyncio.Future[Headers]":
        """Send an action once. Only AmiAction: it has been checked."""
        if not isinstance(data, AmiAction):
            raise TypeError("only an AmiAction is sent")
        self.responses[data.id] = data
        if self.closed or self.transport.is_closing():
            data.fail("the connection was lost at that moment")
        else:
            self.transport.write(data.wire)
        future: asyncio.Future[Headers] = data.future
        return future

    def forget(self, action: AmiAction) -> None:
        """Nobody waits for this action any more."""
        self.responses.pop(action.id, None)

    def abort(self, because: str) -> None:
        """End the connection at once, for a reason of our own."""
        self.connection_lost(ConnectionError(because))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed:
            return
        self.close()
        self._owner.connection_lost(exc)

    def close(self) -> None:
        """End it and fail all that waits; nothing is kept to be sent again."""
        self.closed = True
        self.transport.abort()
        if not self.greeted.done():
            self.greeted.cancel()
        pending: Sequence[AmiAction] = tuple(self.responses.values())
        for action in pending:
            self.forget(action)
            action.fail("the connection was lost before the answer")
