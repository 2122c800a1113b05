"""What the program is made of, as CycloneDX 1.6: `packaging/debian/sbom.py OUT`, and in the Debian package.

Each package that it runs with, at the version of requirements.lock, with its licence and what it needs itself. The same
source gives the same bytes: the time is SOURCE_DATE_EPOCH, or the last commit's, and the number is made of the content.
"""

import os
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_OF_OURS = uuid.UUID("c5b7d5f0-6a39-5a0c-9a44-2f1f3c0b7d11")


def made_of(program: Distribution, needed: dict[str, tuple[Distribution, tuple[str, ...]]], at: datetime) -> str:
    """`needed`: by its name each package, and the names of what it needs itself."""
    bom = Bom()
    bom.metadata.timestamp = at
    bom.metadata.component = root = _component(program, ComponentType.APPLICATION)
    parts = {name: _component(package, ComponentType.LIBRARY) for name, (package, _) in needed.items()}
    for part in parts.values():
        bom.components.add(part)
    bom.register_dependency(root, parts.values())
    for name, (_, further) in needed.items():
        bom.register_dependency(parts[name], [parts[one] for one in further])
    listed = "\n".join(sorted(str(part.purl) for part in parts.values()))
    bom.serial_number = uuid.uuid5(_OF_OURS, f"{root.purl}\n{listed}")
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _component(package: Distribution, kind: ComponentType) -> Component:
    name = package.name.lower().replace("_", "-")
    licence = licence_of(package)
    return Component(
        type=kind,
        name=name,
        version=package.version,
        bom_ref=f"{name}@{package.version}",
        purl=PackageURL("pypi", name=name, version=package.version),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def licence_of(package: Distribution) -> str:
    """As an expression, in a line of its own, or as the old classifiers say."""
    told = package.metadata.get("License-Expression") or package.metadata.get("License") or ""
    classified = [one for one in package.metadata.get_all("Classifier", []) if one.startswith("License ::")]
    lines = told.strip().splitlines() or [one.rpartition(" :: ")[2] for one in classified]
    return lines[0][:100] if lines else ""


def main() -> None:
    import build

    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or build.last_commit())
    target = out / f"{build.NAME}_{distribution(build.NAME).version}.cdx.json"
    target.write_text(made_of(distribution(build.NAME), build.graph(build.NAME), datetime.fromtimestamp(epoch, UTC)))
    print(target)


if __name__ == "__main__":
    main()
