"""How an import is told to people."""

import sys

from ari_recorder.domain.importing import Outcome
from ari_recorder.output import clock, write_table, write_trouble
from ari_recorder.services.importing_report import Report

_WORDS = {
    Outcome.IMPORTED: "imported",
    Outcome.OVERDUE: "overdue",
    Outcome.DUPLICATE: "the same as another one",
    Outcome.ALREADY: "imported before",
    Outcome.REFUSED: "refused",
}


def write_imported(report: Report) -> None:
    if report.told:
        write_table(
            ("file", "", "because"),
            [
                (one.file, _WORDS[one.outcome], one.because or (str(one.recording_id) if one.recording_id else ""))
                for one in report.told
            ],
            styles={"refused": "bold red", "overdue": "yellow", "imported": "green"},
        )
    counts = ", ".join(f"{report.counts[one]} {words}" for one, words in _WORDS.items() if report.counts[one])
    begins = "nothing was changed; of " if report.dry_run else ""
    sys.stdout.write(f"{begins}{report.files} files: {counts or 'none'}; {clock(report.audio) or '0:00'} of audio\n")
    if report.dates:
        dates = ", ".join(f"{source.value} {count}" for source, count in sorted(report.dates.items()))
        sys.stdout.write(f"dated by: {dates}\n")
    if report.dry_run:
        return
    if report.counts[Outcome.OVERDUE]:
        sys.stdout.write(f"destroyed: {report.destroyed} of {report.counts[Outcome.OVERDUE]} overdue\n")
    if report.not_destroyed_because:
        write_trouble(f"not all that is overdue is destroyed: {report.not_destroyed_because}")
    if report.originals_removed:
        sys.stdout.write(f"originals removed: {report.originals_removed}\n")
    if report.overdue_originals:
        write_trouble(
            f"{report.overdue_originals} recording(s) were destroyed here, and their originals still lie in the "
            "archive in clear: run it again with --remove-originals"
        )
    if report.originals_left:
        write_trouble(f"{report.originals_left} original(s) could not be removed, or were changed since")
