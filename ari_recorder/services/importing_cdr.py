"""An exported table `cdr` (CSV), looked up by the name of a recording's file, or by its uniqueid.

A table of years has millions of rows: what is kept in memory is 16 bytes of each, where it is and a hash of what it is
found by; the row itself is read again from the file. A hash that two share costs a row read too much, and no mistake.
"""

import csv
import hashlib
import os
import re
import stat
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from ari_recorder.domain.archive_names import CDR_COLUMNS, CdrFacts, best_row, cdr_facts, stem_of
from ari_recorder.domain.errors import CdrUnusable

_NO_ROW = re.compile(r"^[\s;,\t]*$")
_MOST_BYTES = 1 << 20  # of one row: a quote that is never closed would swallow the rest


class Cdr:
    """Use it in a `with`. CdrUnusable when it is no such table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        try:
            self._columns, self._delimiter, begin = self._header()
            self._index(begin)
        except BaseException:
            self._file.close()
            raise

    def find(self, name: str, uniqueid: str) -> CdrFacts | None:
        """`name`: of the file, without its suffix."""
        rows = list(self._rows(_hash("file", name), lambda row: stem_of(_file_of(row)) == name))
        if not rows and uniqueid:
            rows = list(self._rows(_hash("uniqueid", uniqueid), lambda row: row.get("uniqueid") == uniqueid))
        row = best_row(rows)
        return cdr_facts(row) if row is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _open(self) -> BinaryIO:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise CdrUnusable(path=self._path, reason=error.strerror) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise CdrUnusable(path=self._path, reason="it is not an ordinary file")
        return os.fdopen(fd, "rb")

    def _header(self) -> tuple[list[str], str, int]:
        first = self._file.readline(_MOST_BYTES)
        text = _text(first).lstrip("\ufeff")
        for delimiter in (",", ";", "\t"):
            columns = [one.strip().lower() for one in next(csv.reader([text], delimiter=delimiter), [])]
            if set(columns) >= CDR_COLUMNS:
                return columns, delimiter, len(first)
        wanted = ", ".join(sorted(CDR_COLUMNS))
        raise CdrUnusable(path=self._path, reason=f"its first line does not name the columns {wanted}")

    def _index(self, begin: int) -> None:
        keys, places = array("Q"), array("Q")
        for place, row in self._read(begin):
            for kind, value in (("file", stem_of(_file_of(row))), ("uniqueid", row.get("uniqueid", ""))):
                if value:
                    keys.append(_hash(kind, value))
                    places.append(place)
        order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable")
        self._keys = np.frombuffer(keys, np.uint64)[order]
        self._places = np.frombuffer(places, np.uint64)[order]

    def _read(self, place: int) -> Iterator[tuple[int, Mapping[str, str]]]:
        """The rows from there on, each with the place where it begins."""
        self._file.seek(place)
        taken = place

        def lines() -> Iterator[str]:
            nonlocal taken
            while line := self._file.readline(_MOST_BYTES):
                taken += len(line)
                yield _text(line)

        reader = csv.reader(lines(), delimiter=self._delimiter)
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise CdrUnusable(path=self._path, reason=f"{error}, at byte {place}") from None
            if values and not (len(values) == 1 and _NO_ROW.match(values[0])):
                yield place, dict(zip(self._columns, values, strict=False))
            place = taken

    def _rows(self, key: int, is_it: Callable[[Mapping[str, str]], bool]) -> Iterator[Mapping[str, str]]:
        at = np.uint64(key)
        first, last = np.searchsorted(self._keys, at, "left"), np.searchsorted(self._keys, at, "right")
        for place in self._places[first:last]:
            _, row = next(self._read(int(place)))
            if is_it(row):
                yield row


def _hash(kind: str, value: str) -> int:
    digest = hashlib.blake2b(f"{kind} {value}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _file_of(row: Mapping[str, str]) -> str:
    """`recordingfile` holds a name, of older versions a path."""
    return row.get("recordingfile", "").rpartition("/")[2]


def _text(line: bytes) -> str:
    """Of a table that is in part Latin-1, what is UTF-8 is read."""
    return line.decode("utf-8", "replace").replace("\0", "\ufffd")
