"""A disk that fails at the n-th call: the same thing is done with n = 1, 2, 3, … until nothing fails any more.

Python's own `os` functions are replaced, so every file operation of the product goes through here, and those that
pathlib and tempfile do for it. What C code does by itself (the encoder, reading an ordinary file object) does not.
`close` never fails: what matters was fsynced before.
"""

import errno
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pytest

from ari_recorder.domain.errors import RecorderError

# What may find no room, what may find a broken disk, and what needs a file descriptor.
_ROOM = ("open", "write", "pwrite", "fsync", "mkdir", "link", "rename", "ftruncate")
_DISK = (*_ROOM, "unlink", "rmdir", "stat", "lstat", "listdir", "scandir", "pread", "preadv")
_DESCRIPTOR = ("open", "listdir", "scandir")
_FAILING = {errno.ENOSPC: _ROOM, errno.EIO: _DISK, errno.EMFILE: _DESCRIPTOR}
EVERY_WAY = pytest.mark.parametrize(
    ("code", "lasting"),
    [(code, lasting) for code in _FAILING for lasting in (False, True)],
    ids=["full-once", "full", "broken-once", "broken", "no-descriptor-once", "no-descriptor"],
)
_REASONS = {code: os.strerror(code) for code in _FAILING}
_MOST = 3000  # an operation that has not ended by then does not end


class Fault:
    """Use it in a `with`: within it the `number`-th call fails; `lasting`: all after it, too."""

    def __init__(self, number: int, code: int, *, lasting: bool) -> None:
        self.number = number
        self.reason = _REASONS[code]
        self.fired = ""  # the function that failed first
        self._code = code
        self._lasting = lasting
        self._seen = 0
        self._real: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Self:
        for name in _FAILING[self._code]:
            self._real[name] = getattr(os, name)
            setattr(os, name, self._failing(name, self._real[name]))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def __str__(self) -> str:
        return f"{self.reason} at call {self.number}, {self.fired}{', and ever after' if self._lasting else ''}"

    def _failing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **more: Any) -> Any:
            needs_room = name != "open" or bool(args[1] & os.O_CREAT)
            if self._code != errno.ENOSPC or needs_room:
                self._seen += 1
                if self._seen == self.number or (self._lasting and self._seen > self.number):
                    self.fired = self.fired or name
                    raise OSError(self._code, self.reason)
            return real(*args, **more)

        return called


def faults(code: int, *, lasting: bool = False, stride: int = 1) -> Iterator[Fault]:
    """One after the other, until the last one had nothing to fail. Long ones in strides, but for the nightly run: other
    places each day."""
    if os.environ.get("ARI_RECORDER_NIGHTLY"):
        stride = 1
    for number in range(1 + datetime.now(UTC).toordinal() % stride, _MOST, stride):
        fault = Fault(number, code, lasting=lasting)
        yield fault
        if not fault.fired:
            return
    raise AssertionError("it does not end")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


class told:
    """Within it the fault fires. What comes out is an error of ours that says why; or none, where it could go on."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def __enter__(self) -> None:
        self._before = open_files()
        self._fault.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        self._fault.__exit__(kind, error, at)
        if isinstance(error, OSError):
            raise AssertionError(f"{self._fault}: it came out as {type(error).__name__}") from error
        if error is not None and not isinstance(error, RecorderError):
            return False
        assert error is None or self._fault.reason in str(error), f"{self._fault}: {error}"
        assert open_files() == self._before, f"{self._fault}: a descriptor stays open"
        return True
