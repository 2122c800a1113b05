"""Builds the Debian package: `.venv/bin/python packaging/debian/build.py OUT`. Asks nobody on the network.

    /opt/ari-recorder/lib           the program and what it needs, at the versions of requirements.lock, as in .venv
    /usr/bin/ari-recorder           starts it with the Python it was built for, and with nothing of the environment
    /usr/lib/systemd/system, sysusers.d, tmpfiles.d     packaging/systemd
    /usr/share/ari-recorder         asterisk_conf: what goes into /etc/asterisk, and the announcements
    /usr/share/doc/ari-recorder     README and docs

The .venv is the one `make` makes: its packages were installed with their hashes checked. Each file is compared once
more with what its own package says of it. The same source gives the same package, byte for byte: times are those of
SOURCE_DATE_EPOCH, or of the last commit.
"""

import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackagePath, distribution
from pathlib import Path

import sbom
from packaging.requirements import Requirement

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NAME = "ari-recorder"
SCRIPTS = ("postinst", "prerm", "postrm")
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_NEXT = f"{sys.version_info.major}.{sys.version_info.minor + 1}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder the package is written to")
    # Debian's dpkg reads zstd since bookworm; xz saves a tenth of the room and takes a minute.
    parser.add_argument("--compression", default="zstd", choices=("xz", "zstd", "gzip", "none"))
    options = parser.parse_args()
    print(build(options.out, options.compression))


def build(out: Path, compression: str = "zstd") -> Path:
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or last_commit()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    with tempfile.TemporaryDirectory(prefix="ari-recorder-deb-") as made_in:
        tree = Path(made_in) / "tree"
        lib = tree / "opt" / NAME / "lib"
        lib.mkdir(parents=True)
        _add_program(lib, Path(made_in), environment)
        for needed in needs(NAME):
            _add(needed, lib)
        _add_files(tree, datetime.fromtimestamp(int(epoch), UTC))
        version = distribution(NAME).version
        _add_control(tree, version)
        _open_to_all(tree)
        out.mkdir(parents=True, exist_ok=True)
        package = out / f"{NAME}_{version}_{_architecture()}.deb"
        dpkg = ["dpkg-deb", "--root-owner-group", "--uniform-compression", f"-Z{compression}", "--build"]
        subprocess.run([*dpkg, str(tree), str(package)], check=True, stdout=subprocess.DEVNULL, env=environment)
    return package


def needs(name: str) -> list[Distribution]:
    """What this package needs to run, and what that needs, by name; not the package itself."""
    return [package for _, (package, _) in sorted(graph(name).items())]


def graph(name: str) -> dict[str, tuple[Distribution, tuple[str, ...]]]:
    """The same by name, each with the names of what it needs itself."""
    found: dict[str, tuple[Distribution, tuple[str, ...]]] = {}

    def walk(wanted: str) -> tuple[str, ...]:
        direct = []
        for text in distribution(wanted).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                key = requirement.name.lower().replace("_", "-")
                direct.append(key)
                if key not in found:
                    found[key] = (distribution(key), ())  # known from here on: they may need each other
                    found[key] = (distribution(key), walk(key))
        return tuple(direct)

    walk(name)
    return found


def files_of(package: Distribution) -> Iterator[tuple[PackagePath, Path]]:
    """Its files that are imported or read: no programs, which start another Python, and nothing compiled here."""
    for path in package.files or ():
        if ".." not in path.parts and "__pycache__" not in path.parts:
            yield path, Path(str(package.locate_file(path)))


def _add(package: Distribution, lib: Path) -> None:
    for path, source in files_of(package):
        data = source.read_bytes()
        if path.hash is not None:
            digest = base64.urlsafe_b64encode(hashlib.new(path.hash.mode, data).digest()).rstrip(b"=").decode()
            if digest != path.hash.value:
                sys.exit(f"{source} is not what {package.name} says it is: make .venv anew")
        target = lib / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _add_program(lib: Path, work: Path, environment: dict[str, str]) -> None:
    """The wheel of this source, unpacked."""
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "ari_recorder", source / "ari_recorder", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-compile",
        "--target",
        str(lib),
    ]
    subprocess.run([*pip, str(source)], check=True, env=environment)
    shutil.rmtree(lib / "bin", ignore_errors=True)
    (record,) = lib.glob("ari_recorder-*.dist-info/RECORD")
    for made_here in ("direct_url.json", "REQUESTED", "INSTALLER"):  # they name the folder it was built in
        (record.parent / made_here).unlink(missing_ok=True)
    kept = [
        line for line in record.read_text().splitlines() if (lib / line.split(",")[0]).exists() and ".." not in line
    ]
    record.write_text("\n".join(sorted(kept)) + "\n")


def _add_files(tree: Path, at: datetime) -> None:
    start = tree / "usr" / "bin" / NAME
    start.parent.mkdir(parents=True)
    start.write_text((HERE / "start.py").read_text().replace("@PYTHON@", _PYTHON))
    start.chmod(0o755)
    for source in (ROOT / "packaging" / "systemd").iterdir():
        kind = source.suffix.lstrip(".")
        places = {"sysusers": f"sysusers.d/{NAME}.conf", "tmpfiles": f"tmpfiles.d/{NAME}.conf"}
        target = tree / "usr" / "lib" / places.get(kind, f"systemd/system/{source.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shared, documents = tree / "usr" / "share" / NAME, tree / "usr" / "share" / "doc" / NAME
    shutil.copytree(ROOT / "asterisk_conf", shared, ignore=shutil.ignore_patterns("make_sounds.py", "__pycache__"))
    documents.mkdir(parents=True)
    for source in (ROOT / "README.md", ROOT / "docs" / "operations.md", ROOT / "docs" / "formats.md"):
        shutil.copy(source, documents / source.name)
    shutil.copytree(ROOT / "docs" / "monitoring", documents / "monitoring")
    parts = sbom.made_of(distribution(NAME), graph(NAME), at)
    (documents / "sbom.cdx.json").write_text(parts)
    licences = [f"{NAME}\n\n{(ROOT / 'LICENSE').read_text()}"]
    licences += [f"{one.name} {one.version}: {sbom.licence_of(one) or 'see its files'}" for one in needs(NAME)]
    (documents / "copyright").write_text("\n".join(licences) + "\n")


def _add_control(tree: Path, version: str) -> None:
    control = tree / "DEBIAN"
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    control.mkdir()
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]  # noqa: S324
    (control / "md5sums").write_text("".join(sums))
    size = sum(path.stat().st_size for path in files) // 1024
    values = {"VERSION": version, "ARCHITECTURE": _architecture(), "SIZE": str(size), "PYTHON": _PYTHON, "NEXT": _NEXT}
    text = (HERE / "control.in").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (control / "control").write_text(text)
    for name in SCRIPTS:
        shutil.copy(HERE / name, control / name)
        (control / name).write_text((control / name).read_text().replace("@PYTHON@", _PYTHON))
        (control / name).chmod(0o755)


def _open_to_all(tree: Path) -> None:
    """Whatever the umask of who builds it."""
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _architecture() -> str:
    known = {"x86_64": "amd64", "aarch64": "arm64"}
    machine = sysconfig.get_platform().rpartition("-")[2]
    return known.get(machine, machine)


def last_commit() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
