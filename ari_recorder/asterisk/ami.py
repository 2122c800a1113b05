"""The AMI session: the one class through which this program hears and commands the PBX.

    down -> connecting -> login -> booting -> resync -> live -.
      ^                                                       |
      '------------- lost, refused, silent, overload ---------'     closed: after aclose()

What the consumer of `events()` reads, in the order of the wire:

    ResyncBegan  ChannelRow...  ResyncDone  live events...  Gap  ResyncBegan  ChannelRow...  ResyncDone  ...

Live events may come between any two of these. Asterisk keeps no replay: what it said while nobody listened is gone,
so each loss is a Gap, and the state of the PBX is asked for anew. An action is sent once; when its answer is lost, so
is the knowledge whether it was done (AmiOutcomeUnknown), and the caller has to ask before trying again.
"""

import asyncio
import ssl
import time
import traceback
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import structlog

from ari_recorder.asterisk import actions
from ari_recorder.asterisk.actions import CoreSettings, Dialplan, QueueMember
from ari_recorder.asterisk.ami_link import AmiLink, readable
from ari_recorder.asterisk.ami_protocol import AmiAction, Counters
from ari_recorder.asterisk.ami_resync import Resync
from ari_recorder.asterisk.ami_timing import AmiTiming, Backoff
from ari_recorder.asterisk.frames import Headers
from ari_recorder.asterisk.messages import Reader, forged
from ari_recorder.asterisk.stream import EventStream
from ari_recorder.domain.errors import (
    AmiLoginRefused,
    AmiLost,
    AmiNotLive,
    AmiOutcomeUnknown,
    AmiUnreachable,
    RecorderError,
)
from ari_recorder.domain.events import Event, Forged, Gap, ResyncBegan

log = structlog.get_logger(__name__)

RowTaker = Callable[[Headers | None], None]


class Phase(StrEnum):
    DOWN = "down"
    CONNECTING = "connecting"
    LOGIN = "login"
    BOOTING = "booting"
    RESYNC = "resync"
    LIVE = "live"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiHealth:
    """For metrics and the health page. `trouble` is the last error, None while live."""

    phase: Phase
    since: datetime
    trouble: RecorderError | None
    waiting: int
    waiting_most: int
    counters: Counters


class AmiSession:
    """`run()` in a task, `events()` in one consumer, everything else from anywhere. `aclose()` ends it for good."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        secret: str,
        token_secret: str,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        timing: AmiTiming | None = None,
        waiting_most: int = 20_000,
    ) -> None:
        """`token_secret` authenticates the dialplan's reports; `waiting_most` events (20 MB) may wait to be read."""
        self._host, self._port = host, port
        self._username, self._secret = username, secret
        self._tls, self._server_hostname = tls, server_hostname
        self._timing = timing or AmiTiming()
        self._reader = Reader(token_secret)
        self._stream = EventStream(waiting_most)
        self._counters = Counters()
        self._link: AmiLink | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._phase, self._since = Phase.DOWN, datetime.now(UTC)
        self._changed = asyncio.Event()
        self._trouble: RecorderError | None = None
        self._coverage_begun = False  # ResyncBegan was told since the last Gap
        self._live_since: float | None = None
        self._resyncing = asyncio.Lock()
        self._heard_at = self._since

    def __repr__(self) -> str:
        return f"<AmiSession {self._address} {self._phase}>"

    # --- life

    async def run(self) -> None:
        """Connect and stay connected until `aclose()`. Never ends by itself, whatever the PBX does."""
        if self._supervisor is not None or self._phase is Phase.CLOSED:
            raise RuntimeError("an AMI session runs once")
        self._supervisor = asyncio.create_task(self._supervise(), name="ami-session")
        try:
            await asyncio.wait({self._supervisor})
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End it: no connection, no timer and no task is left. `events()` ends after what it still holds."""
        self._enter(Phase.CLOSED)
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        self._stream.close()

    def doubt(self, because: str) -> None:
        """End the connection, though it works: something is not known that only the state of the PBX can tell, as when
        an order had no answer in time. Gap, a new connection and a resync follow. Nothing happens unless live."""
        if self.live and self._link is not None:
            self._link.abort(because)

    async def resync(self) -> None:
        """Ask for all channels on the living connection: ResyncBegan, rows and ResyncDone come among the live events.
        One at a time. AmiNotLive, AmiActionRefused or AmiOutcomeUnknown: then no ResyncDone was told."""
        link = self._link
        if link is None or not self.live:
            raise AmiNotLive(action="Status", address=self._address)
        async with self._resyncing:
            await Resync(link=link, reader=self._reader, timing=self._timing, put=self._put).run()

    @property
    def live(self) -> bool:
        return self._phase is Phase.LIVE

    async def wait_live(self, timeout: float) -> None:
        """Until live. Raises the trouble: at once when the log-in is refused, else after `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                while not self.live:
                    if isinstance(self._trouble, AmiLoginRefused):
                        raise self._trouble
                    if self._phase is Phase.CLOSED:
                        break
                    self._changed.clear()
                    await self._changed.wait()
                else:
                    return
        except TimeoutError:
            pass
        raise self._trouble or AmiUnreachable(address=self._address, because=f"not live within {timeout:g} s")

    def health(self) -> AmiHealth:
        return AmiHealth(
            phase=self._phase,
            since=self._since,
            trouble=self._trouble,
            waiting=len(self._stream),
            waiting_most=self._stream.waiting_most,
            counters=replace(self._counters),
        )

    def events(self) -> AsyncGenerator[Event, None]:
        """The one ordered stream, for one consumer. See the module's first lines for what comes in which order."""
        return self._stream.events()

    # --- orders. Each raises AmiNotLive, AmiValueRefused, AmiActionRefused or AmiOutcomeUnknown.

    async def start_mixmonitor(self, channel: str, caller_path: str, agent_path: str) -> str:
        """Record `channel` (name or Uniqueid) while it is bridged, one file a side; the MixMonitorID.

        An id does not prove that anything is written: Asterisk says Success before it has opened a file.
        """
        answer = await self._order(actions.start_mixmonitor(channel, caller_path, agent_path))
        return readable("MixMonitor", lambda: actions.mixmonitor_id_in(answer))

    async def stop_mixmonitor(self, channel: str, mixmonitor_id: str) -> None:
        """Both files are closed when this returns."""
        await self._order(actions.stop_mixmonitor(channel, mixmonitor_id))

    async def mute_mixmonitor(self, channel: str, mixmonitor_id: str, on: bool) -> None:
        """Write silence on both sides, or end that."""
        await self._order(actions.mute_mixmonitor(channel, mixmonitor_id, on))

    async def set_global(self, name: str, value: str) -> None:
        await self._order(actions.set_global(name, value))

    async def get_variable(self, channel: str, name: str) -> str:
        """The value of a channel variable or dialplan function; empty when it is not set."""
        answer = await self._order(actions.get_variable(channel, name))
        return readable("Getvar", lambda: answer["Value"])

    async def core_settings(self) -> CoreSettings:
        answer = await self._order(actions.core_settings())
        return readable("CoreSettings", lambda: actions.settings_in(answer))

    async def permissions(self) -> frozenset[str]:
        """The names of the actions this user may send. Which events Asterisk lets through, it does not tell."""
        return actions.actions_in(await self._order(actions.list_commands()))

    async def dialplan(self) -> Dialplan:
        """Every priority of every extension, and what includes what; no `switch` or `ignorepat`. Thousands on a large
        PBX."""
        rows = await self._rows(actions.show_dialplan())
        return Dialplan(
            lines=tuple(line for row in rows if (line := actions.dialplan_line_in(row)) is not None),
            includes=tuple(one for row in rows if (one := actions.dialplan_include_in(row)) is not None),
        )

    async def queue_members(self) -> tuple[QueueMember, ...]:
        """Of all queues, those who logged in by phone among them."""
        rows = await self._rows(actions.queue_status())
        found = readable("QueueStatus", lambda: [actions.queue_member_in(row) for row in rows])
        return tuple(member for member in found if member is not None)

    async def _rows(self, headers: Headers) -> list[Headers]:
        rows: list[Headers] = []

        def on_row(row: Headers | None) -> None:
            if row is not None:
                rows.append(row)

        await self._order(headers, on_row, timeout=self._timing.resync)
        return rows

    async def _order(
        self, headers: Headers, on_row: RowTaker | None = None, *, timeout: float | None = None
    ) -> Headers:
        if self._link is None or self._phase not in (Phase.RESYNC, Phase.LIVE):
            raise AmiNotLive(action=headers["Action"], address=self._address)
        action = AmiAction(headers, on_row=on_row)
        answer = await self._link.request(action, timeout or self._timing.answer)
        if action.refused:
            raise AmiOutcomeUnknown(action=action.name, because=f"{action.refused} of its rows cannot be read")
        return answer

    # --- supervision

    async def _supervise(self) -> None:
        timing = self._timing
        retry = Backoff(timing.retry_first, timing.retry_most)
        refused = Backoff(timing.refused_first, timing.refused_most)
        while True:
            self._live_since = None
            try:
                await self._one_connection()
            except RecorderError as error:
                trouble = error
            except Exception as error:  # whatever went wrong, the next attempt is all that helps
                # No traceback with its values: the secret is among them.
                at = traceback.extract_tb(error.__traceback__)[-1]
                log.error("ami_failed", fault=type(error).__name__, at=f"{at.filename}:{at.lineno}")
                trouble = AmiLost(address=self._address, because=f"of a fault in this program, {type(error).__name__}")
            self._gap(trouble)
            self._trouble = trouble
            self._enter(Phase.DOWN)
            lasted = 0.0 if self._live_since is None else time.monotonic() - self._live_since
            if isinstance(trouble, AmiLoginRefused):
                self._counters.logins_refused += 1
                pause = refused.failed()
                log.error("ami_login_refused", code=trouble.code, because=str(trouble), next_attempt_s=round(pause))
            else:
                self._counters.connections_failed += self._live_since is None
                pause = retry.failed(lasted)
                log.warning("ami_down", code=trouble.code, because=str(trouble), next_attempt_s=round(pause, 1))
            await asyncio.sleep(pause)
            # After an overload: a resync into a full queue would be the next overload.
            await self._stream.wait_room()

    async def _one_connection(self) -> None:
        """One connection from connect to loss. Always ends with an error."""
        timing = self._timing
        link = AmiLink(
            host=self._host,
            port=self._port,
            tls=self._tls,
            server_hostname=self._server_hostname,
            counters=self._counters,
            on_event=self._on_event,
            on_refused=self._on_refused,
        )
        try:
            self._enter(Phase.CONNECTING)
            await link.open(timing.connect)
            self._link = link
            self._enter(Phase.LOGIN)
            await link.login(self._username, self._secret, timing.login)
            self._counters.logins += 1
            self._enter(Phase.BOOTING)
            booted = await link.wait_booted(timing.booted)
            if not booted:
                log.warning(
                    "ami_no_fully_booted", because="the AMI user may not read system, or the PBX is still starting"
                )
            self._enter(Phase.RESYNC)
            await Resync(link=link, reader=self._reader, timing=timing, put=self._put).run()
            self._live_since = time.monotonic()
            self._trouble = None
            self._enter(Phase.LIVE)
            log.info("ami_live", address=self._address)
            await link.watch(ping_every=timing.ping_every, pong_within=timing.pong_within)
        except AmiOutcomeUnknown:
            # Why the connection was lost says more than what it cost the action that was under way.
            link.raise_if_lost()
            raise
        finally:
            if self._link is not None:
                self._heard_at = datetime.now(UTC) - timedelta(seconds=time.monotonic() - link.heard)
            self._link = None
            link.close()

    # --- what comes in

    def _on_event(self, headers: Headers) -> None:
        event = self._reader.read(headers)
        if event is not None:
            self._put(event)

    def _on_refused(self, headers: Headers, because: str) -> None:
        self._put(forged(headers, because))

    def _put(self, event: Event) -> None:
        if isinstance(event, Forged):
            self._counters.forged += 1
            log.warning("ami_event_refused", event_name=event.name, uniqueid=event.uniqueid, because=event.because)
        if isinstance(event, ResyncBegan):
            self._coverage_begun = True
        if self._stream.put(event):
            self._counters.events += 1
        elif self._link is not None:
            # Losing an event in silence is worse than losing the connection: that is told, and mended by a resync.
            self._link.abort(f"{len(self._stream)} events wait for a consumer that is too slow")

    def _gap(self, trouble: RecorderError) -> None:
        if not self._coverage_begun:
            return
        self._coverage_begun = False
        self._counters.gaps += 1
        self._stream.put_mark(Gap(at=self._heard_at, because=str(trouble)))

    def _enter(self, phase: Phase) -> None:
        if self._phase is not Phase.CLOSED:
            self._phase, self._since = phase, datetime.now(UTC)
            self._changed.set()

    @property
    def _address(self) -> str:
        return f"{self._host}:{self._port}"
