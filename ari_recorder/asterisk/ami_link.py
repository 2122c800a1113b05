"""One AMI connection from connect to loss: greeting, login, answers with deadlines, the watchdog. Reconnecting: ami.py.

On panoramisk.Manager, whose own reconnecting, pinging and sending again are taken out: each of them acted behind the
back of whoever held the connection.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from panoramisk.manager import Manager

from ari_recorder.asterisk import actions
from ari_recorder.asterisk.ami_protocol import SILENT, AmiAction, AmiProtocol, Counters
from ari_recorder.asterisk.frames import Headers
from ari_recorder.asterisk.messages import FULLY_BOOTED, SHUTDOWN
from ari_recorder.domain.errors import (
    AmiActionRefused,
    AmiLoginRefused,
    AmiLost,
    AmiOutcomeUnknown,
    AmiUnreachable,
    RecorderError,
)

T = TypeVar("T")


class AmiLink(Manager):  # type: ignore[misc]  # the library has no types
    """Used once: `open`, `login`, requests, `close`. `lost` is done, with the reason, when the connection has ended."""

    protocol: AmiProtocol

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_hostname: str | None,
        counters: Counters,
        on_event: Callable[[Headers], None],
        on_refused: Callable[[Headers, str], None],
    ) -> None:
        super().__init__(host=host, port=port, log=SILENT, protocol_factory=lambda: AmiProtocol(self))
        self._host, self._port = host, port
        self._tls, self._server_hostname = tls, server_hostname
        self.counters = counters
        self._on_event, self._on_refused = on_event, on_refused
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.booted: asyncio.Future[None] = loop.create_future()

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def heard(self) -> float:
        """When the peer last sent anything, on the monotonic clock."""
        return self.protocol.heard

    async def open(self, timeout: float) -> None:
        """Connect and wait for AMI's greeting, in `timeout` altogether. Raises AmiUnreachable with the reason."""
        tls: dict[str, Any] = {}
        if self._tls is not None:
            tls = {
                "ssl": self._tls,
                "server_hostname": self._server_hostname or self._host,
                "ssl_handshake_timeout": timeout,
            }
        try:
            async with asyncio.timeout(timeout):
                _, self.protocol = await asyncio.get_running_loop().create_connection(
                    self.config["protocol_factory"], self._host, self._port, **tls
                )
                await _first_of(self.protocol.greeted, self.lost)
        except TimeoutError:
            raise self._unreachable(f"no greeting within {timeout:g} s") from None
        except ssl.SSLCertVerificationError as fault:
            raise self._unreachable(f"its certificate is not trusted, {fault.verify_message}") from fault
        except ssl.SSLError as fault:
            raise self._unreachable(f"TLS failed, {fault.reason or fault}") from fault
        except OSError as fault:
            raise self._unreachable(fault.strerror or str(fault) or type(fault).__name__) from fault
        if self.lost.done():
            raise self._unreachable(self.lost.result())

    def _unreachable(self, because: str) -> AmiUnreachable:
        return AmiUnreachable(address=self.address, because=because)

    async def login(self, username: str, secret: str, timeout: float) -> None:
        try:
            answer = await self._ask(AmiAction(actions.login(username, secret)), timeout)
        except AmiOutcomeUnknown as fault:
            self.raise_if_lost()
            raise self._unreachable(f"{fault.fields['because']} to the log-in") from None
        if actions.is_error(answer):
            if actions.SHUTTING_DOWN in actions.reason_in(answer):  # nothing is wrong with the log-in
                raise self._unreachable("Asterisk is shutting down")
            raise AmiLoginRefused(address=self.address, username=username, because=actions.reason_in(answer))

    async def wait_booted(self, timeout: float) -> bool:
        """Wait for FullyBooted. False: it did not come, as for a user without the right to read `system`."""
        await _first_of(self.booted, self.lost, timeout=timeout)
        self.raise_if_lost()
        if not self.booted.done():
            self.booted.cancel()
        return not self.booted.cancelled()

    async def request(self, action: AmiAction, timeout: float) -> Headers:
        """Send an action once and wait for its answer. Raises AmiActionRefused or AmiOutcomeUnknown."""
        answer = await self._ask(action, timeout)
        if actions.is_error(answer):
            raise AmiActionRefused(action=action.name, because=actions.reason_in(answer))
        return answer

    async def _ask(self, action: AmiAction, timeout: float) -> Headers:
        try:
            async with asyncio.timeout(timeout):
                return await self.protocol.send(action)
        except TimeoutError:
            raise AmiOutcomeUnknown(action=action.name, because=f"no answer came within {timeout:g} s") from None
        finally:
            self.protocol.forget(action)

    async def watch(self, *, ping_every: float, pong_within: float) -> None:
        """Return never: raise AmiLost when the connection is lost or the peer says nothing, not even to a Ping."""
        while True:
            silent = time.monotonic() - self.heard
            await asyncio.wait({self.lost}, timeout=max(ping_every - silent, 0.001))
            self.raise_if_lost()
            if time.monotonic() - self.heard < ping_every:
                continue
            asked = time.monotonic()
            try:
                await self.request(AmiAction(actions.ping()), pong_within)
            except RecorderError:
                self.raise_if_lost()
                # A busy PBX may answer late; as long as it talks it is alive.
                if self.heard < asked:
                    self.abort(f"it said nothing for {time.monotonic() - self.heard:.1f} s, not even to a Ping")
                    self.raise_if_lost()

    def raise_if_lost(self) -> None:
        if self.lost.done():
            raise AmiLost(address=self.address, because=self.lost.result())

    # --- called by the protocol

    def dispatch(self, event: Headers) -> None:
        name = event["Event"]
        if name == FULLY_BOOTED:
            if self.booted.cancelled():
                # It was still starting when it was asked for its channels: ask again, from the beginning.
                self.abort("the PBX has finished starting only now")
            elif not self.booted.done():
                self.booted.set_result(None)
        elif name == SHUTDOWN:
            self.abort("the PBX is shutting down")
        else:
            self._on_event(event)

    def refuse(self, headers: Headers, because: str) -> None:
        self._on_refused(headers, because)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result("the PBX closed it" if exc is None else str(exc) or type(exc).__name__)

    def abort(self, because: str) -> None:
        """End the connection for a reason of our own, which `lost` then tells."""
        self.protocol.abort(because)

    def close(self) -> None:
        """End the connection. Nothing follows: no timer, no second attempt."""
        if self.protocol is not None:
            self.protocol.close()

    # --- what panoramisk would do by itself

    def connect(self, *_: object, **__: object) -> None:
        raise TypeError("use open()")

    def connection_made(self, _: object) -> None:
        raise TypeError("use open()")

    def ping(self) -> None:
        raise TypeError("use watch()")

    async def send_awaiting_actions(self, *_: object) -> None:
        """Nothing is kept to be sent again."""

    def send_action(self, action: object, as_list: object = None, **_: object) -> None:
        raise TypeError("use request()")


def readable(action: str, read: Callable[[], T]) -> T:
    """What `read` finds in an answer. Raises AmiOutcomeUnknown when it is not there."""
    try:
        return read()
    except (KeyError, ValueError, IndexError):
        raise AmiOutcomeUnknown(action=action, because="its answer does not hold what it should") from None


async def _first_of(*futures: "asyncio.Future[Any]", timeout: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
