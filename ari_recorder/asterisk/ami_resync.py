"""What the PBX is asked at the beginning of a connection: when it was started, and which channels it has now.

    ResyncBegan  ChannelRow...  ResyncDone        with live events between any two of these

When to ask, and what a loss means: ami.py. What the rows are good for: domain/switchboard.py.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from ari_recorder.asterisk import actions
from ari_recorder.asterisk.ami_link import AmiLink, readable
from ari_recorder.asterisk.ami_protocol import AmiAction
from ari_recorder.asterisk.ami_timing import AmiTiming
from ari_recorder.asterisk.frames import Headers
from ari_recorder.asterisk.messages import Reader, forged
from ari_recorder.domain.errors import AmiActionRefused
from ari_recorder.domain.events import Event, Forged, ResyncBegan, ResyncDone

log = structlog.get_logger(__name__)


class Resync:
    """Used once. A row that cannot be read, or cannot be right, is told as Forged and leaves the resync incomplete."""

    def __init__(self, *, link: AmiLink, reader: Reader, timing: AmiTiming, put: Callable[[Event], None]) -> None:
        self._link, self._reader, self._timing, self._put = link, reader, timing, put
        self._status = AmiAction(actions.status_of_all(), on_row=self._row)
        self._rows_wrong = 0

    async def run(self) -> None:
        """Raises AmiActionRefused or AmiOutcomeUnknown; then no ResyncDone was told."""
        settings = await self._ask(actions.core_settings())
        began = ResyncBegan(
            at=datetime.now(UTC),
            pbx_started=await self._pbx_started(),
            system_name=readable("CoreSettings", lambda: actions.settings_in(settings)).system_name,
        )
        self._put(began)
        await self._link.request(self._status, self._timing.resync)

    async def _pbx_started(self) -> datetime:
        """By the PBX's own clock and zone: the service's may be others, and a start that seems later than it was would
        end calls that live."""
        status = await self._ask(actions.core_status())
        local = readable("CoreStatus", lambda: actions.local_start_in(status))
        try:
            return actions.moment_in(await self._ask(actions.epoch_of(local)), local)
        except (AmiActionRefused, KeyError, ValueError):
            log.warning("ami_zone_unknown", because="the PBX does not compute STRPTIME: func_strings is not loaded")
            return actions.earliest(local)

    async def _ask(self, headers: Headers) -> Headers:
        return await self._link.request(AmiAction(headers), self._timing.answer)

    def _row(self, row: Headers | None) -> None:
        if row is None:
            complete = not self._rows_wrong and not self._status.refused
            self._put(ResyncDone(at=datetime.now(UTC), complete=complete))
            return
        if row["Event"] == actions.STATUS_ROW:
            event = self._reader.row(row)
        else:
            event = forged(row, "it is no row of the list it came in")
        self._rows_wrong += isinstance(event, Forged)
        self._put(event)
