"""A clock for tests."""

from datetime import UTC, datetime, timedelta

from ari_recorder.services.clock import Clocks


class ClocksAhead(Clocks):
    """A clock as everywhere, and set ahead when somebody would have to wait."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def go_on(self, by: timedelta) -> None:
        self._ahead += by
