"""services/clock.py: what is asked of this host's clock before the service starts."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.clock import TOLERANCE
from ari_recorder.domain.errors import ClockBehind
from ari_recorder.services import clock

MADE_AT = datetime.fromtimestamp(os.stat(Path(clock.__file__)).st_mtime, UTC)


@pytest.mark.parametrize("now", [datetime(1970, 1, 1, 0, 1, tzinfo=UTC), MADE_AT - TOLERANCE - timedelta(seconds=1)])
def test_before_the_program_was_made_it_cannot_be(now: datetime) -> None:
    with pytest.raises(ClockBehind, match=f"{now:%Y-%m-%d %H:%M}"):
        clock.refuse_behind(now)


@pytest.mark.parametrize("now", [MADE_AT - TOLERANCE, MADE_AT, datetime.now(UTC) + timedelta(days=4000)])
def test_any_time_since_then_may_be(now: datetime) -> None:
    clock.refuse_behind(now)
