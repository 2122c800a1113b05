"""How the privacy notice, its versions and its promises look at the command line."""

from collections.abc import Sequence

from ari_recorder.domain.promises import Promise, PromiseState
from ari_recorder.output import local, write_table
from ari_recorder.services.notice import Difference, NoticeVersion


def write_promises(promises: Sequence[Promise]) -> None:
    """Sections of the notice, what was found that should not be there, and when each was last seen to be kept."""
    rows = [
        (
            ", ".join(map(str, one.sections)),
            one.name.value,
            one.state.value if one.state is not PromiseState.UNKNOWN else "cannot be told",
            "" if one.figure is None else f"{one.figure:,}",
            ", ".join(one.names),
            local(one.proved_at) if one.proved_at is not None else "never",
        )
        for one in promises
    ]
    styles = {"kept": "green", "broken": "bold red", "cannot be told": "yellow"}
    write_table(("section", "promise", "state", "found", "what", "proved"), rows, styles=styles)


def write_versions(versions: Sequence[NoticeVersion]) -> None:
    rows = [(str(one.version), local(one.since), ", ".join(one.languages), one.digest) for one in versions]
    write_table(("version", "since", "languages", "SHA-256"), rows)


def write_differences(found: Sequence[Difference]) -> None:
    """A line for each text that is in one and not in the other, as `diff` writes them."""
    if not found:
        print("notice.published names no copy")
    for one in found:
        verdict = f"cannot be read: {one.trouble}" if one.trouble else "differs" if one.differs else "the same"
        print(f"{one.language} {one.place}: {verdict}")
        for sign, texts in (("-", one.more), ("+", one.missing)):
            for text in texts:
                print(f"{sign} {text}")
