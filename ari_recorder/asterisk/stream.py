"""The ordered, bounded queue between the AMI connection and the one consumer of events. It never blocks the writer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from ari_recorder.domain.events import Event

# The consumer's turn on the event loop: at about 20 us an event this is 2 ms.
_TURN = 100


class EventStream:
    """`put` from the connection, `events` for one consumer."""

    def __init__(self, most: int) -> None:
        self._queue: deque[Event] = deque()
        self._most = most
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = False
        self._taken = False
        self.waiting_most = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, event: Event) -> bool:
        """False when it is full: the event is not taken, and it is for the caller to say so to the consumer."""
        if len(self._queue) >= self._most:
            return False
        self.put_mark(event)
        return True

    def put_mark(self, event: Event) -> None:
        """Put what must not be refused: a Gap is put when the queue is full, once for each overload."""
        queue = self._queue
        queue.append(event)
        if len(queue) > self.waiting_most:
            self.waiting_most = len(queue)
        if len(queue) == 1:
            self._wake.set()

    async def wait_room(self) -> None:
        """Until the consumer has taken half of what the queue can hold."""
        while len(self._queue) > self._most // 2:
            self._drained.clear()
            await self._drained.wait()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Every event in order; ends after `close`, when all were taken. For one consumer."""
        if self._taken:
            raise RuntimeError("the stream of events has one consumer")
        self._taken = True
        queue = self._queue
        try:
            while True:
                turn = 0
                while queue:
                    yield queue.popleft()
                    turn += 1
                    if turn % _TURN == 0:
                        if len(queue) <= self._most // 2:
                            self._drained.set()
                        await asyncio.sleep(0)
                self._drained.set()
                if self._closed:
                    return
                self._wake.clear()
                await self._wake.wait()
        finally:
            self._taken = False

    def close(self) -> None:
        self._closed = True
        self._wake.set()
