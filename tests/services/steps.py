"""Ends what is being tested at one of its steps, as if the service had been killed there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ari_recorder.storage.db import Connection, Database
from ari_recorder.vault.copies import Copies


class Killed(BaseException):
    """The service is gone, here and now."""


class Steps:
    """Counts what a sweep does, and ends it at one of the steps."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def database(self, real: Database) -> Database:
        steps = self

        class Counted(Database):
            @asynccontextmanager
            async def transaction(self, *, within: float | None = None) -> AsyncIterator[Connection]:
                steps.step()
                async with real.transaction(within=within) as conn:
                    yield conn
                    steps.step()  # before COMMIT
                steps.step()

        return Counted(real._dsn)

    def copies(self, vault: Path) -> Copies:
        step = self.step

        class Counted(Copies):
            def unlink(self, name: str, folder: int) -> None:
                step()
                super().unlink(name, folder)
                step()

            def sync(self, folder: int) -> None:
                step()
                super().sync(folder)
                step()

        return Counted(vault)
