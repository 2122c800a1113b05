"""Checks a package of recordings without the service that made it. Needs Python 3.9 and `cryptography`, nothing else.

    python3 verify_package.py --signer 7c1f… package.zip        or the folder it was unpacked into
    python3 verify_package.py --language sv package.zip         fi, sv or en; without it, all three

The signer is the controller's public key, 64 hexadecimal digits. Have it from the controller by another way than the
package: one that brings its own key proves nothing about who made it.

What is checked: every file is listed in SHA256SUMS and is as it was listed, nothing else is there, SHA256SUMS was
signed (Ed25519 over "ari-recorder/package/1" | 00 | SHA256SUMS), and the parts that package.json calls muted are silent
in the WAV files. Exit code 0: all of it, by that signer. 1: something is not as it was made. 2: wrong usage. 3: nothing
was changed since it was signed, but --signer was not given.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PURPOSE = b"ari-recorder/package/1"
SUMS, SIGNATURE, DATA = "SHA256SUMS", "signature.json", "package.json"
BLOCK = 1 << 16
MOST_TEXT = 1 << 26  # of the files that are read as a whole
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")

TEXTS = {
    "genuine": {
        "fi": "Paketti on muuttumaton, ja sen on allekirjoittanut antamasi avaimen haltija.",
        "sv": "Paketet är oförändrat, och det har undertecknats av innehavaren av den nyckel du angav.",
        "en": "The package is unchanged, and was signed by the holder of the key you gave.",
    },
    "unchanged": {
        "fi": "Paketti on muuttumaton siitä, kun se allekirjoitettiin avaimella {0}.\n"
        "Vertaa avainta siihen, jonka rekisterinpitäjä on antanut sinulle muuta tietä (--signer).",
        "sv": "Paketet är oförändrat sedan det undertecknades med nyckeln {0}.\n"
        "Jämför nyckeln med den som den personuppgiftsansvarige har gett dig på annat sätt (--signer).",
        "en": "The package is unchanged since it was signed with the key {0}.\n"
        "Compare the key with the one the controller gave you by another way (--signer).",
    },
    "counted": {
        "fi": "Tarkistettuja tiedostoja {0}, hiljennettyjä kohtia {1}.",
        "sv": "Kontrollerade filer {0}, tystade ställen {1}.",
        "en": "Files checked: {0}. Parts made silent: {1}.",
    },
    "bad": {
        "fi": "PAKETTIIN EI VOI LUOTTAA: {0}",
        "sv": "DET GÅR INTE ATT LITA PÅ PAKETET: {0}",
        "en": "THE PACKAGE CANNOT BE TRUSTED: {0}",
    },
    "no_package": {
        "fi": "tätä ei voi lukea pakettina",
        "sv": "det kan inte läsas som ett paket",
        "en": "it cannot be read as a package",
    },
    "missing": {"fi": "tiedosto {0} puuttuu", "sv": "filen {0} saknas", "en": "the file {0} is missing"},
    "twice": {
        "fi": "tiedosto {0} on siinä kahdesti",
        "sv": "filen {0} finns två gånger",
        "en": "the file {0} is there twice",
    },
    "extra": {
        "fi": "tiedosto {0} ei kuulu siihen",
        "sv": "filen {0} hör inte till det",
        "en": "the file {0} does not belong to it",
    },
    "changed": {
        "fi": "tiedostoa {0} on muutettu",
        "sv": "filen {0} har ändrats",
        "en": "the file {0} was changed",
    },
    "unreadable": {
        "fi": "tiedosto {0} ei ole sellainen kuin sen pitäisi",
        "sv": "filen {0} är inte som den ska vara",
        "en": "the file {0} is not as it should be",
    },
    "forged": {
        "fi": "allekirjoitus ei täsmää",
        "sv": "underskriften stämmer inte",
        "en": "the signature does not fit",
    },
    "stranger": {
        "fi": "sen on allekirjoittanut toinen avain, {0}",
        "sv": "det har undertecknats med en annan nyckel, {0}",
        "en": "it was signed by another key, {0}",
    },
    "loud": {
        "fi": "tiedostossa {0} kuuluu ääntä kohdassa, jonka pitäisi olla hiljainen",
        "sv": "i filen {0} hörs ljud på ett ställe som ska vara tyst",
        "en": "in the file {0} there is sound in a part that should be silent",
    },
}


class NotGenuine(Exception):
    """Which of TEXTS, and of what."""

    def __init__(self, what: str, about: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.about = printable(about)


def printable(text: str) -> str:
    """Nothing of a name in the package may move the cursor of who reads this."""
    return text if text.isprintable() and len(text) < 300 else ascii(text)[:300]


class Zip:
    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)

    def names(self) -> list[str]:
        return [one.filename for one in self._archive.infolist()]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with self._archive.open(name) as file:
            yield file


class Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return [str(one.relative_to(self._path).as_posix()) for one in self._path.rglob("*") if not one.is_dir()]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        path = self._path / name
        if path.is_symlink() or not path.is_file():
            raise NotGenuine("unreadable", name)
        with path.open("rb") as file:
            yield file


def verify(package: Zip | Folder, signer: bytes | None) -> tuple[bytes, int, int]:
    """The key that signed it, how many files and how many muted parts there are; NotGenuine says what is wrong."""
    names = package.names()
    for name in names:
        if names.count(name) > 1:
            raise NotGenuine("twice", name)
    for name in (SUMS, SIGNATURE, DATA):
        if name not in names:
            raise NotGenuine("missing", name)
    listed = text_of(package, SUMS)
    key = signed_by(package, listed)
    if signer is not None and key != signer:
        raise NotGenuine("stranger", key.hex())
    sums = sums_in(listed)
    for name in names:
        if name not in sums and name not in (SUMS, SIGNATURE):
            raise NotGenuine("extra", name)
    for name, listed_as in sums.items():
        if name not in names:
            raise NotGenuine("missing", name)
        if digest_of(package, name) != listed_as:
            raise NotGenuine("changed", name)
    return key, len(sums), muted_parts(package, sums)


def signed_by(package: Zip | Folder, listed: bytes) -> bytes:
    told = object_in(text_of(package, SIGNATURE), SIGNATURE)
    try:
        key = bytes.fromhex(told["signer"])
        signature = base64.b64decode(told["signature"], validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, PURPOSE + b"\0" + listed)
    except (KeyError, TypeError, ValueError, InvalidSignature):
        raise NotGenuine("forged") from None
    if told.get("signed") != SUMS:
        raise NotGenuine("forged")
    return key


def sums_in(listed: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        lines = listed.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NotGenuine("unreadable", SUMS) from None
    for line in lines[:-1]:
        digest, separator, name = line.partition("  ")
        parts = name.split("/")
        if len(digest) != 64 or not separator or name in found or not all(parts) or ".." in parts:
            raise NotGenuine("unreadable", SUMS)
        found[name] = digest
    return found


def digest_of(package: Zip | Folder, name: str) -> str:
    digest = hashlib.sha256()
    with package.open(name) as file:
        while True:
            block = file.read(BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def muted_parts(package: Zip | Folder, sums: dict[str, str]) -> int:
    """How many there are; each is silent in its WAV file."""
    told = object_in(text_of(package, DATA), DATA)
    count = 0
    try:
        if told["format"] != PURPOSE.decode():
            raise NotGenuine("unreadable", DATA)
        for recording in told["recordings"]:
            wav = recording["audio"][0]
            spans = [(one["first_sample"], one["end_sample"], one["side"]) for one in recording["muted"]]
            if wav not in sums or any(type(n) is not int for span in spans for n in span[:2]):
                raise NotGenuine("unreadable", DATA)
            count += len(spans)
            if spans:
                check_silence(package, wav, spans)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise NotGenuine("unreadable", DATA) from None
    return count


def check_silence(package: Zip | Folder, name: str, spans: list[tuple[int, int, str]]) -> None:
    """Frames of four bytes: the caller's sample, the agent's."""
    with package.open(name) as file:
        header = file.read(WAV_HEADER.size)
        if len(header) != WAV_HEADER.size or header[:4] != b"RIFF" or header[8:16] != b"WAVEfmt ":
            raise NotGenuine("unreadable", name)
        at = 0
        while True:
            block = file.read(BLOCK)
            if not block:
                break
            count = len(block) // 4
            for first, end, side in spans:
                part = block[max(first - at, 0) * 4 : max(end - at, 0) * 4]
                heard = {"caller": (0, 1), "agent": (2, 3)}.get(side, (0, 1, 2, 3))
                if any(any(part[low::4]) for low in heard):
                    raise NotGenuine("loud", name)
            at += count


def text_of(package: Zip | Folder, name: str) -> bytes:
    with package.open(name) as file:
        data = file.read(MOST_TEXT + 1)
    if len(data) > MOST_TEXT:
        raise NotGenuine("unreadable", name)
    return data


def object_in(data: bytes, name: str) -> dict[str, Any]:
    """JSON without a name given twice: readers would not agree on which one counts."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise NotGenuine("unreadable", name)
        return dict(pairs)

    try:
        found = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise NotGenuine("unreadable", name) from None
    if not isinstance(found, dict):
        raise NotGenuine("unreadable", name)
    return found


def key_of(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise argparse.ArgumentTypeError("a signer is 64 hexadecimal digits")
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description="Tarkistaa paketin. Kontrollerar ett paket. Checks a package.")
    parser.add_argument("--signer", type=key_of, help="the controller's public key, 64 hexadecimal digits")
    parser.add_argument("--language", choices=("fi", "sv", "en"), help="without it, all three")
    parser.add_argument("package", type=Path, metavar="PACKAGE")
    arguments = parser.parse_args()
    languages = [arguments.language] if arguments.language else ["fi", "sv", "en"]

    def say(what: str, *values: object) -> None:
        for language in languages:
            told = [one[language] if isinstance(one, dict) else one for one in values]
            print(TEXTS[what][language].format(*told))

    try:
        package: Zip | Folder = Zip(arguments.package) if arguments.package.is_file() else Folder(arguments.package)
        key, files, parts = verify(package, arguments.signer)
    except NotGenuine as error:
        say("bad", {one: TEXTS[error.what][one].format(error.about) for one in languages})
        return 1
    except (OSError, ValueError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile):
        say("bad", {one: TEXTS["no_package"][one] for one in languages})
        return 1
    say("counted", files, parts)
    if arguments.signer is None:
        say("unchanged", key.hex())
        return 3
    say("genuine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
