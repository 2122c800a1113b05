"""What is pinned, and how the answer about known holes in it is read."""

import re
from typing import Any

import pytest

from tests.audit_dependencies import HOLED, LOCK, Findings, asked_again, pinned, read

# Versions before these have holes that were published; a lock made anew must not fall below.
FLOORS = {"aiohttp": (3, 14, 3), "cryptography": (50,), "pyotp": (2, 12)}

SAFE = {"name": "jinja2", "version": "3.1.6", "vulns": []}
HOLE = {"name": "aiohttp", "version": "3.9.1", "vulns": [{"id": "CVE-2024-30251", "fix_versions": ["3.9.4"]}]}
SKIPPED = {"name": "segno", "skip_reason": "could not be asked"}


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([SAFE], 0, "No known hole."),
        ([SAFE, HOLE], 1, "KNOWN HOLE  aiohttp 3.9.1: CVE-2024-30251, mended in 3.9.4"),
        ([SAFE, SKIPPED], 2, "NOT ASKED   segno"),
        ([HOLE, SKIPPED], 1, "KNOWN HOLE"),
        ([], 2, "0 of 0"),
    ],
)
def test_what_could_not_be_asked_is_no_good_news(packages: list[dict[str, object]], code: int, told: str) -> None:
    findings = read({"dependencies": packages})
    assert findings.code == code
    assert told in str(findings)


def test_every_pinned_package_is_known_by_its_hash() -> None:
    blocks = re.split(r"\n(?=\S)", LOCK.read_text().strip())
    assert len(blocks) > 30
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_nothing_pinned_is_older_than_what_mended_its_known_holes() -> None:
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE))
    for name, floor in FLOORS.items():
        assert tuple(int(part) for part in pinned[name].split(".")) >= floor, name


def page(name: str, version: str, *holes: str, withdrawn: str | None = None) -> dict[str, Any]:
    vulnerabilities = [{"id": hole, "fixed_in": ["9.9"], "withdrawn": withdrawn} for hole in holes]
    return {"info": {"name": name, "version": version}, "vulnerabilities": vulnerabilities}


KNOWN = page(HOLED, "0.19.2", "CVE-2024-23342")
UNASKED = Findings(asked=(), not_asked=("segno",), holes=())


@pytest.mark.parametrize(
    ("pages", "code", "told"),
    [
        ({HOLED: KNOWN, "segno": page("segno", "1.6.6")}, 0, "No known hole."),
        ({HOLED: KNOWN, "segno": page("segno", "1.6.6", "CVE-1")}, 1, "KNOWN HOLE  segno 1.6.6: CVE-1, mended in 9.9"),
        ({HOLED: KNOWN, "segno": page("segno", "1.6.6", "CVE-1", withdrawn="2026-01-01")}, 0, "No known hole."),
        ({HOLED: KNOWN, "segno": page("segno", "1.6.7")}, 2, "NOT ASKED   segno 1.6.6"),
        ({HOLED: KNOWN, "segno": None}, 2, "NOT ASKED   segno 1.6.6"),
        ({HOLED: page(HOLED, "0.19.2"), "segno": page("segno", "1.6.6")}, 2, "NOT TRUSTED"),
        ({HOLED: None, "segno": page("segno", "1.6.6")}, 2, "NOT TRUSTED"),
    ],
)
def test_a_page_speaks_of_its_own_version_and_is_trusted_when_it_tells_of_a_hole_there_is(
    pages: dict[str, dict[str, Any] | None], code: int, told: str
) -> None:
    findings = asked_again(UNASKED, pages, {"segno": {"1.6.6"}})
    assert findings.code == code
    assert told in str(findings)


def test_all_that_is_pinned_is_asked_about() -> None:
    names = pinned()
    assert {"aiohttp", "cryptography", "jinja2"} <= set(names)
    assert len(names) == len(set(re.findall(r"^([a-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)))
