"""The one lab of a test session, for any folder of tests; and one with the service.

A folder's conftest.py says `from tests.lab.fixtures import fresh_heartbeat, lab`; its test modules say
`pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]`, because a lab lives in one event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lab.lab import Lab, start_lab
from tests.lab.service import Service, running_service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with start_lab(tmp_path_factory.mktemp("lab")) as lab:
        print(f"Asterisk {lab.pbx.tree.version}, logs in {lab.pbx.folder.parent}")
        yield lab


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_heartbeat(lab: Lab) -> None:
    """As if the service were there: the dialplan arms nothing by itself."""
    await lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", str(int(time.time())))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A lab of its own, with the service beside it."""
    folder = tmp_path_factory.mktemp("recording")
    async with start_lab(folder / "lab") as lab, running_service(lab, folder / "service") as service:
        yield service
