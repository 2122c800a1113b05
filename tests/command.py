"""The real program, started as an operator starts it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FINE, FAILED, USAGE, FOUND = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def ari(*arguments: object, limit: Callable[[], None] | None = None) -> Answer:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "ari_recorder", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        preexec_fn=limit,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    answer = Answer(code=process.returncode, out=out.decode(), err=err.decode())
    assert "Traceback" not in answer.err, answer.err
    return answer
