"""Mistakes a site can make, made in the running PBX of the lab for as long as a test wants them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.lab.lab import Lab

SITE = "ari_recorder_site"


@asynccontextmanager
async def mistaken(lab: Lab, file: str, lines: str, *, after: str = "", reload: str = "") -> AsyncIterator[None]:
    """`lines` are in the file, behind the line `after` or at its end, and loaded by the command `reload`."""
    path = lab.pbx.folder / "etc" / file
    right = path.read_text()
    assert after in right.splitlines() or not after
    wrong = right.replace(f"{after}\n", f"{after}\n{lines}\n", 1) if after else f"{right}\n{lines}\n"
    path.write_text(wrong)
    try:
        if reload:
            await lab.pbx.cli(reload)
        yield
    finally:
        path.write_text(right)
        if reload:
            await lab.pbx.cli(reload)


@asynccontextmanager
async def trunk_grants(lab: Lab, variable: str = "DYNAMIC_FEATURES") -> AsyncIterator[None]:
    """Whoever comes through the operator's trunk is granted the agents' codes. The shipped dialplan takes them away."""

    async def until(granted: bool) -> None:
        async with asyncio.timeout(10):
            while (variable in await lab.pbx.cli("pjsip show endpoint operator")) is not granted:  # noqa: ASYNC110 - a question to another process
                await asyncio.sleep(0.05)

    setting = f"set_var = {variable}=ari-recorder"
    reload = "module reload res_pjsip.so"
    async with mistaken(lab, f"{SITE}/pjsip.conf", setting, after="aors = operator", reload=reload):
        await until(True)
        yield
    await until(False)
