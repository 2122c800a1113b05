"""Random ids (RFC 9562, version 4) without a system call for each.

`uuid.uuid4` lets go of the interpreter's lock while it asks the kernel; beside threads that seal, the event loop then
waits for its turn, for milliseconds, at each event.
"""

import os
from uuid import UUID

_AT_ONCE = 256


class Ids:
    """Not for several threads."""

    def __init__(self) -> None:
        self._left = b""

    def new(self) -> UUID:
        if not self._left:
            self._left = os.urandom(16 * _AT_ONCE)
        taken, self._left = self._left[:16], self._left[16:]
        return UUID(bytes=taken, version=4)
