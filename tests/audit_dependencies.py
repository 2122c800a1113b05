"""`make audit-dependencies`: has a pinned dependency a known hole? And which could not be asked about.

pip-audit is asked first. Where the registry tells it nothing about a version, the registry's page of the package is
asked: it lists the holes of the newest version, so it is an answer for what is pinned at that. A registry may also
answer without knowing of any hole at all: a package that is known to have one, and no mend, is asked about too.

0: all were asked about, none has one. 1: some have. 2: none is known, but not all could be asked about, or the package
with a hole is said to have none: that is not an answer, so it is not 0.
"""

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from packaging.version import Version
from pip._internal.models.index import PyPI

LOCK = Path(__file__).parents[1] / "requirements.lock"
# CVE-2024-23342: its authors say that they will not mend it, so every version has it.
HOLED = "ecdsa"
_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`not_asked`: the names with the versions that could not be asked about. `trusted`: it tells of holes at all."""

    asked: tuple[str, ...]
    not_asked: tuple[str, ...]
    holes: tuple[str, ...]
    trusted: bool = True

    @property
    def code(self) -> int:
        return 1 if self.holes else 2 if self.not_asked or not self.asked or not self.trusted else 0

    def __str__(self) -> str:
        lines = [f"{len(self.asked)} of {len(self.asked) + len(self.not_asked)} pinned packages were asked about."]
        lines += [f"KNOWN HOLE  {hole}" for hole in self.holes]
        if self.not_asked:
            lines += textwrap.wrap(f"NOT ASKED   {', '.join(self.not_asked)}", 100, subsequent_indent=" " * 12)
        if not self.trusted:
            lines.append(f"NOT TRUSTED {HOLED} has a hole in every version, and is said to have none.")
        if not self.holes:
            lines.append(
                "No known hole." if self.code == 0 else "No answer: run it where the vulnerability service is in reach."
            )
        return "\n".join(lines)


def read(report: dict[str, Any]) -> Findings:
    """What pip-audit's JSON says."""
    asked, not_asked, holes = [], [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            not_asked.append(package["name"])
            continue
        asked.append(package["name"])
        for hole in package["vulns"]:
            mended = ", ".join(hole["fix_versions"]) or "no version yet"
            holes.append(f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}")
    return Findings(asked=tuple(asked), not_asked=tuple(not_asked), holes=tuple(holes))


def pinned() -> dict[str, set[str]]:
    """Versions by name; some packages have one for each version of Python."""
    found: dict[str, set[str]] = {}
    for line in LOCK.read_text().splitlines():
        name, is_pin, rest = line.partition("==")
        if is_pin and not name.startswith(" "):
            found.setdefault(name, set()).add(rest.split()[0])
    return found


def of_page(page: dict[str, Any], version: str) -> list[str] | None:
    """The holes of that version, by the registry's page of the package; None when it is a page of another version."""
    if Version(page["info"]["version"]) != Version(version):
        return None
    return [
        f"{page['info']['name']} {version}: {hole['id']}, mended in {', '.join(hole['fixed_in']) or 'no version yet'}"
        for hole in page["vulnerabilities"]
        if hole["withdrawn"] is None
    ]


def asked_again(found: Findings, pages: dict[str, dict[str, Any] | None], versions: dict[str, set[str]]) -> Findings:
    """With what the pages say of what pip-audit could not ask about, and whether they say anything."""
    asked, holes, left = list(found.asked), list(found.holes), []
    for name in dict.fromkeys(found.not_asked):
        page = pages.get(name)
        for version in sorted(versions[name]):
            told = of_page(page, version) if page is not None else None
            if told is None:
                left.append(f"{name} {version}")
            else:
                asked.append(name)
                holes += told
    known = pages.get(HOLED)
    return replace(
        found,
        asked=tuple(asked),
        not_asked=tuple(left),
        holes=tuple(holes),
        trusted=known is not None and bool(of_page(known, known["info"]["version"])),
    )


def page_of(name: str) -> dict[str, Any] | None:
    try:
        answer = requests.get(f"{PyPI.pypi_url}/{name}/json", timeout=_SECONDS)
        answer.raise_for_status()
        page: dict[str, Any] = answer.json()
    except (requests.RequestException, ValueError):
        return None
    return {"info": page["info"], "vulnerabilities": page["vulnerabilities"]} if "vulnerabilities" in page else None


def main() -> int:
    pip_audit = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(LOCK), "--require-hashes"]
    done = subprocess.run(
        [*pip_audit, "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        findings = read(json.loads(done.stdout))
    except ValueError:
        print(f"pip-audit could not ask anything:\n{done.stderr[-2000:]}", file=sys.stderr)
        return 2
    if findings.not_asked:
        pages = {name: page_of(name) for name in (HOLED, *dict.fromkeys(findings.not_asked))}
        findings = asked_again(findings, pages, pinned())
    print(findings)
    return findings.code


if __name__ == "__main__":
    sys.exit(main())
