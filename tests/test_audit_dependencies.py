"""What is pinned, and how the answer about known holes in it is read."""

import re

import pytest

from tests.audit_dependencies import LOCK, read

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
