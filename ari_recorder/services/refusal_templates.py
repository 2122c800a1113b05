"""The templates of this house: its own files where there are some, the program's for the rest. Read once, at the start.

papers.templates/refusal.<language>.toml ─┐
the program's own, if there is none there ─┴─► parsed and checked whole ─► Template
"""

from collections.abc import Mapping
from pathlib import Path

from ari_recorder.config.controller import Controller
from ari_recorder.domain.errors import TemplateRefused
from ari_recorder.domain.refusal_certificates import Office
from ari_recorder.domain.refusal_templates import LANGUAGES, Template, parse

_OWN = Path(__file__).parent / "templates"
# Far more than anybody writes: a larger one is another file.
_MOST_BYTES = 256 * 1024


def load(folder: Path | None) -> Mapping[str, Template]:
    """By language. TemplateRefused names the file that cannot be used."""
    wanted = {f"refusal.{language}.toml": language for language in LANGUAGES}
    if folder is not None:
        _check_names(folder, frozenset(wanted))
    return {language: _read(folder, name, language) for name, language in wanted.items()}


def offices(controller: Controller) -> Mapping[str, Office]:
    """By language; a controller that has no name stays without one."""
    return {
        language: Office(
            controller=controller.name.get(language, ""),
            contact=controller.contact.get(language, ""),
            ombudsman=authority,
        )
        for language, authority in controller.supervisory_authority.items()
    }


def _check_names(folder: Path, wanted: frozenset[str]) -> None:
    """A file that nobody reads is a slip of the name, and its words would not be used."""
    try:
        found = sorted(path.name for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise TemplateRefused(name=folder, reason=f"the folder cannot be read: {error.strerror}") from None
    for name in found:
        if name not in wanted:
            known = ", ".join(sorted(wanted))
            raise TemplateRefused(name=folder / name, reason=f"no paper has this name; those there are: {known}")


def _read(folder: Path | None, name: str, language: str) -> Template:
    path = folder / name if folder is not None and (folder / name).exists() else _OWN / name
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise TemplateRefused(name=path, reason=f"it cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise TemplateRefused(name=path, reason=f"it has more than {_MOST_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise TemplateRefused(name=path, reason="it is not UTF-8") from None
    return parse(text, language, str(path))
