"""Replies to COMMIT that get lost, a few of them. `make faults` does a thousand."""

from pathlib import Path

from tests.faults import commits
from tests.faults.figures import broken


async def test_what_was_done_before_the_reply_was_lost_is_not_done_again(tmp_path: Path) -> None:
    figures = await commits.run(tmp_path, seed=1, count=40, tell=print)
    assert not broken(figures), broken(figures)
