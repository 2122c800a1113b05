"""`make audit-dependencies`: has a pinned dependency a known hole? And which could not be asked about.

0: all were asked about, none has one. 1: some have. 2: none is known, but not all could be asked about: that is not
an answer, so it is not 0.
"""

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    asked: tuple[str, ...]
    not_asked: tuple[str, ...]
    holes: tuple[str, ...]

    @property
    def code(self) -> int:
        return 1 if self.holes else 2 if self.not_asked or not self.asked else 0

    def __str__(self) -> str:
        lines = [f"{len(self.asked)} of {len(self.asked) + len(self.not_asked)} pinned packages were asked about."]
        lines += [f"KNOWN HOLE  {hole}" for hole in self.holes]
        if self.not_asked:
            lines += textwrap.wrap(f"NOT ASKED   {', '.join(self.not_asked)}", 100, subsequent_indent=" " * 12)
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
    print(findings)
    return findings.code


if __name__ == "__main__":
    sys.exit(main())
