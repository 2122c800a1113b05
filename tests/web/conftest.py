"""A running page for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ari_recorder.storage.db import Database
from tests.web.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, database: Database) -> AsyncIterator[House]:
    async with open_house(tmp_path, database) as opened:
        yield opened
