"""What rows and files say of each other."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ari_recorder.domain.reconcile import (
    ON_ITS_WAY,
    DifferenceKind,
    FileFacts,
    RowFacts,
    compare,
    compare_parts,
)
from ari_recorder.domain.retention import StoredState

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
OLD, YOUNG = NOW - ON_ITS_WAY - timedelta(seconds=1), NOW - ON_ITS_WAY
ID = UUID(int=1)
SEALED = RowFacts(state=StoredState.SEALED, sealed_bytes=100)
ERASING = RowFacts(state=StoredState.ERASING, sealed_bytes=100)
ERASED = RowFacts(state=StoredState.ERASED, sealed_bytes=None)


def file(size: int = 100, at: datetime = OLD) -> FileFacts:
    return FileFacts(size=size, written_at=at)


@pytest.mark.parametrize(
    ("row", "there", "kinds"),
    [
        (SEALED, file(), []),
        (SEALED, None, ["missing"]),
        (SEALED, file(99), ["size-differs"]),
        (ERASING, file(), []),
        (ERASING, None, []),
        (ERASED, None, []),
        (ERASED, file(), ["outlived"]),
        (None, file(), ["unknown"]),
        (None, file(at=YOUNG), []),
    ],
)
def test_a_row_and_its_file(row: RowFacts | None, there: FileFacts | None, kinds: list[str]) -> None:
    found = compare({ID: row} if row else {}, {ID: there} if there else {}, NOW)
    assert [one.kind for one in found] == kinds
    assert all(one.subject == str(ID) and not one.mended for one in found)


@pytest.mark.parametrize(
    ("row", "at", "broken", "kinds"),
    [
        (None, YOUNG, False, []),  # the call goes on
        (SEALED, YOUNG, False, []),  # is just being removed
        (SEALED, OLD, False, [DifferenceKind.PART_LEFT]),
        (SEALED, OLD, True, [DifferenceKind.PART_NEEDED]),
        (ERASED, OLD, False, [DifferenceKind.PART_LEFT]),
        (ERASED, OLD, True, [DifferenceKind.PART_LEFT]),
        (None, OLD, False, [DifferenceKind.UNKNOWN]),
    ],
)
def test_a_part_and_its_row(row: RowFacts | None, at: datetime, broken: bool, kinds: list[DifferenceKind]) -> None:
    found = compare_parts({ID: row} if row else {}, {ID: file(at=at)}, {ID} if broken else (), NOW)
    assert [one.kind for one in found] == kinds
