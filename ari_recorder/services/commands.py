"""Orders that come twice, because the answer to the first got lost: what a refusal of the second one really says.

Whoever orders again what was done finds the door closed: the hold is there already, the call explained. That it was
this very order that did it is what they want to hear.
"""

from uuid import UUID

from ari_recorder.domain.errors import CommandDone, Conflict, RecorderError
from ari_recorder.storage import commands
from ari_recorder.storage.db import Database


async def told(database: Database, command: UUID | None, error: RecorderError) -> RecorderError:
    """The error, or CommandDone when this order was carried out before."""
    if command is None or not isinstance(error, Conflict):
        return error
    async with database.transaction() as conn:
        return CommandDone() if await commands.was_done(conn, command) else error
