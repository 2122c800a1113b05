"""Figures and health of the real service: there for who asks on this host, documented, and free of people."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ari_recorder import config
from ari_recorder.config import ConfigError
from ari_recorder.storage.db import Database
from tests.docs_parts import OPERATIONS, ROOT
from tests.services.listeners import locked_table
from tests.site import prepare, record, write_site
from tests.web.test_service import spoken, started

PART = re.compile(r"^\| `(ari_recorder_\w+)` \| (\w+) \| (.+) \|$", re.MULTILINE)


async def figures(address: str) -> dict[str, tuple[str, str]]:
    """Each family with its kind and its HELP, once the database's are among them."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            async with http.get(f"{address}/metrics") as response:
                assert response.status == 200
                assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                text = await response.text()
            families = text_string_to_metric_families(text)
            found = {
                f"{one.name}_total" if one.type == "counter" else one.name: (one.type, one.documentation)
                for one in families
            }
            if "ari_recorder_audit_entries" in found:
                return found
            await asyncio.sleep(0.2)


async def test_figures_and_health_are_there_and_documented(tmp_path: Path, dsn: str, database: Database) -> None:
    await record(prepare(tmp_path / "elsewhere"), database)
    (tmp_path / "site").mkdir()
    async with started(tmp_path / "site", dsn) as (_, lines):
        address = await spoken(lines, "monitor_start", "address")
        found = await figures(address)
        own = {name: facts for name, facts in found.items() if not name.startswith("ari_recorder_process_")}
        documented = {name: (kind, told) for name, kind, told in PART.findall(OPERATIONS.read_text())}
        assert documented == own
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{address}/live") as response:
                assert response.status == 204
            async with http.get(f"{address}/health") as response:
                assert response.status == 503, "there is no PBX"
                health = await response.json()
            for path in ("/metrics", "/health", "/live"):
                async with http.get(f"{address}{path}", headers={"Host": "evil.example.org"}) as response:
                    assert response.status == 421
                async with http.post(f"{address}{path}", data=b"x") as response:
                    assert response.status == 405
    parts = {part["part"]: part for part in health["parts"]}
    assert health["state"] == "failed"
    assert parts["pbx"]["state"] == "failed"
    assert "127.0.0.1:1" in parts["pbx"]["because"]
    assert (parts["journal"]["state"], parts["database"]["state"], parts["keyring"]["state"]) == ("well",) * 3
    assert parts["pbx"]["since"] >= health["started_at"]


async def test_health_and_figures_answer_at_once_while_the_database_hangs(
    tmp_path: Path, dsn: str, database: Database
) -> None:
    async with started(tmp_path, dsn) as (_, lines):
        address = await spoken(lines, "monitor_start", "address")
        await figures(address)
        async with locked_table(database, "audit_head"), aiohttp.ClientSession() as http:
            async with asyncio.timeout(30):
                while True:
                    began = asyncio.get_running_loop().time()
                    async with http.get(f"{address}/health") as response:
                        parts = {part["part"]: part for part in (await response.json())["parts"]}
                    async with http.get(f"{address}/metrics") as response:
                        await response.read()
                    assert asyncio.get_running_loop().time() - began < 1
                    if parts["database"]["state"] == "degraded":
                        break
                    await asyncio.sleep(0.2)


def test_nothing_but_loopback_can_be_configured(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    site.write_text(site.read_text().replace("[monitor]\n", '[monitor]\nlisten = "0.0.0.0"\n'))
    with pytest.raises(ConfigError, match="not a loopback address"):
        config.load(site)


def test_rules_and_dashboard_ask_only_for_figures_there_are() -> None:
    documented = {name for name, _, _ in PART.findall(OPERATIONS.read_text())}
    known = documented | {f"{name}_bucket" for name in documented} | {"ari_recorder_process_resident_memory_bytes"}
    for path in (ROOT / "docs" / "monitoring").iterdir():
        used = set(re.findall(r"ari_recorder_\w+", path.read_text()))
        assert used, path.name
        assert used <= known, path.name
    json.loads((ROOT / "docs" / "monitoring" / "dashboard.json").read_text())


async def test_a_broken_promise_is_a_figure(tmp_path: Path, dsn: str, database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute("CREATE TABLE transcript (words text)")
    async with started(tmp_path, dsn) as (_, lines):
        address = await spoken(lines, "monitor_start", "address")
        samples: list[Sample] = []
        async with aiohttp.ClientSession() as http, asyncio.timeout(30):
            while not samples:
                await asyncio.sleep(0.2)
                async with http.get(f"{address}/metrics") as response:
                    families = text_string_to_metric_families(await response.text())
                samples = [one for family in families if "promise" in family.name for one in family.samples]
    broken = {one.labels["promise"] for one in samples if one.name == "ari_recorder_promise_kept" and not one.value}
    found = {one.labels["promise"]: one.value for one in samples if one.name == "ari_recorder_promise_found"}
    assert broken == {"nothing-derived"}
    assert {name: value for name, value in found.items() if value} == {"nothing-derived": 1}
    of_persons = {"requests-on-time", "matches-kept", "withdrawals-carried-out", "refusals-certified"}
    assert of_persons <= found.keys()
