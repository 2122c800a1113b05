"""A process that writes spool files as MixMonitor does: opened once, 32768 bytes at a time, the rest at the close.

Driven line by line: `open BASE`, `write SECONDS`, `close`, `exit`. Each line is answered when it is done.
"""

import os
import sys

BUFFER = 32768
FRAME = b"\x01\x00" * 160  # 20 ms


class Side:
    """stdio's buffer: written when it is full, to the byte (Python's own writes whole frames)."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660)
        self.buffer = b""

    def write(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= BUFFER:
            os.write(self.fd, self.buffer[:BUFFER])
            self.buffer = self.buffer[BUFFER:]

    def close(self) -> None:
        os.write(self.fd, self.buffer)
        os.close(self.fd)


def main(folder: str) -> None:
    sides: list[Side] = []
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "open":
            sides = [Side(f"{folder}/{rest}.{side}.sln") for side in ("caller", "agent")]
        elif word == "write":
            for _ in range(round(float(rest) * 50)):
                for side in sides:
                    side.write(FRAME)
        elif word == "close":
            for side in sides:
                side.close()
        elif word == "exit":
            return
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
