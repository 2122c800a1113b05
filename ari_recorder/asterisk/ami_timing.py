"""How long the AMI session waits: for answers, and between attempts. No clock is read here."""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiTiming:
    """Seconds. The defaults have their reasons beside them."""

    connect: float = 5.0
    login: float = 10.0  # Asterisk sleeps a second before it refuses
    booted: float = 5.0
    answer: float = 5.0
    resync: float = 20.0  # a Status of a thousand channels takes well under a second
    ping_every: float = 5.0
    pong_within: float = 5.0  # a dead peer is noticed after 10 s of silence; TCP alone takes a quarter of an hour
    retry_first: float = 0.25
    # Calls answered meanwhile are not recorded; an attempt costs the PBX one connection.
    retry_most: float = 3.0
    # At most 7 refused log-ins in ten minutes: fail2ban's asterisk jail bans after 10 of them.
    refused_first: float = 30.0
    refused_most: float = 120.0


@dataclass(slots=True)
class Backoff:
    """How long to wait: doubles with each failure, begins anew when a session lasted longer than the longest wait."""

    first: float
    most: float
    _next: float = field(default=0.0, init=False)

    def failed(self, lasted: float = 0.0) -> float:
        if lasted > self.most:
            self._next = 0.0
        self._next = min(max(self._next * 2, self.first), self.most)
        # Jitter only lengthens, so that the number of attempts in a time has a bound.
        return self._next * random.uniform(1.0, 1.25)  # noqa: S311  (not a secret)
