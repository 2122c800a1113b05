"""Parts of a copy made silent: every sample they touch, and not one more; each with its reason."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import MuteLineRefused, MuteRefused
from ari_recorder.domain.muting import SAMPLE, Mute, MutedSide, check, muted, typed

LENGTH = timedelta(seconds=10)


def mute(since: timedelta, until: timedelta, side: MutedSide = MutedSide.BOTH) -> Mute:
    return Mute(since=since, until=until, reason="Toisen henkilön tietoja", side=side)


def noise(samples: int) -> bytes:
    """No byte of it is 0, so that silence is seen."""
    return bytes(random.Random(samples).choices(range(1, 256), k=4 * samples))


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + 4 * size]
        at += 4 * size
    yield data[at:]


spans = st.tuples(st.integers(0, 1500), st.integers(1, 700), st.sampled_from(MutedSide))


@given(st.integers(0, 2000), st.lists(spans, max_size=6), st.lists(st.integers(0, 700), max_size=8))
def test_every_sample_of_a_part_is_silent_and_no_other_is_touched(
    samples: int, parts: list[tuple[int, int, MutedSide]], sizes: list[int]
) -> None:
    data = noise(samples)
    mutes = [mute(first * SAMPLE, (first + count) * SAMPLE, side) for first, count, side in parts]
    made = b"".join(muted(pieces(data, sizes), mutes))
    assert len(made) == len(data)
    for at in range(samples):
        for side, low in ((MutedSide.CALLER, 0), (MutedSide.AGENT, 2)):
            inside = any(
                first <= at < first + count and wanted in (side, MutedSide.BOTH) for first, count, wanted in parts
            )
            sample = slice(4 * at + low, 4 * at + low + 2)
            assert made[sample] == (b"\0\0" if inside else data[sample])


@pytest.mark.parametrize(
    ("since", "until", "first", "end"),
    [
        (timedelta(microseconds=125), timedelta(microseconds=250), 1, 2),
        (timedelta(microseconds=249), timedelta(microseconds=251), 1, 3),  # every sample it touches
        (timedelta(), timedelta(microseconds=1), 0, 1),
        (timedelta(seconds=3600), timedelta(seconds=3601), 28_800_000, 28_808_000),
    ],
)
def test_a_part_covers_the_samples_it_touches(since: timedelta, until: timedelta, first: int, end: int) -> None:
    one = mute(since, until)
    assert (one.first, one.end) == (first, end)


@pytest.mark.parametrize(
    "wrong",
    [
        mute(timedelta(seconds=2), timedelta(seconds=2)),
        mute(timedelta(seconds=3), timedelta(seconds=2)),
        mute(timedelta(seconds=-1), timedelta(seconds=2)),
        mute(timedelta(seconds=9), timedelta(seconds=10, microseconds=1)),
        Mute(since=timedelta(), until=timedelta(seconds=1), reason=" "),
        Mute(since=timedelta(), until=timedelta(seconds=1), reason="a\nb"),
        Mute(since=timedelta(), until=timedelta(seconds=1), reason="x" * 501),
    ],
)
def test_what_is_no_part_of_the_recording_or_has_no_reason_is_refused(wrong: Mute) -> None:
    with pytest.raises(MuteRefused):
        check([wrong], LENGTH)


def test_parts_come_in_their_order_and_name_nobody() -> None:
    late, early = mute(timedelta(seconds=5), timedelta(seconds=6)), mute(timedelta(seconds=1), timedelta(seconds=2))
    assert check([late, early], LENGTH) == (early, late)
    named = Mute(since=timedelta(), until=LENGTH, reason="Tunnus 010190-123A")
    assert "010190" not in check([named], LENGTH)[0].reason
    with pytest.raises(MuteRefused):
        check([early] * 501, LENGTH)


def test_parts_are_typed_one_a_line() -> None:
    text = "1 0:10 0:12.5 toisen henkilön osoite\n\n2 3 1:02:03,25 numero 040 1\r\n"
    at = timedelta
    assert typed(text, 2) == (
        (1, Mute(since=at(seconds=10), until=at(seconds=12.5), reason="toisen henkilön osoite")),
        (2, Mute(since=at(seconds=3), until=at(hours=1, minutes=2, seconds=3.25), reason="numero 040 1")),
    )
    assert typed(" \n", 0) == ()


@pytest.mark.parametrize(
    "line", ["1 0:10 0:12", "0 1 2 syy", "3 1 2 syy", "x 1 2 syy", "1 a 2 syy", "1 -1 2 syy", "1 1"]
)
def test_a_line_that_is_none_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(MuteLineRefused) as refused:
        typed(f"1 1 2 syy\n{line}", 2)
    assert refused.value.fields["line"] == 2
