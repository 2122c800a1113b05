"""People of a house: one of each role, with password and authenticator, as they log in and what they see.

await house.supervisor.log_in(page)        # in the browser, and waits for nobody: the clock of the house goes on
house.supervisor.code()                    # the next code that was never used
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyotp

from ari_recorder.services.clock import Clocks

STEP = 30  # s: how long a code is good for (RFC 6238)
MARGIN = 10  # s that a code has to be good for still: time to type it on a machine that does other things


class ClocksAhead(Clocks):
    """The clock of a house: as everywhere, and set ahead when somebody would have to wait."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def go_on(self, by: timedelta) -> None:
        self._ahead += by


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with an account, and the authenticator in their pocket."""

    name: str
    full_name: str
    password: str
    secret: str
    clocks: ClocksAhead
    last_step: int = field(default=0)

    def code(self) -> str:
        """A code of a step that was not used before, and that is good for a while: time goes on until there is one."""
        now = self.clocks.now().timestamp()
        step = int(now // STEP)
        if step <= self.last_step or now % STEP > STEP - MARGIN:
            step = max(step, self.last_step) + 1
            self.clocks.go_on(timedelta(seconds=step * STEP + 1 - now))
        self.last_step = step
        return pyotp.TOTP(self.secret).generate_otp(step)
