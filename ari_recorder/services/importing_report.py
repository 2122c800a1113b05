"""What an import has done, for people and for scripts. Names of files are printable, and in no log."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from ari_recorder.domain.importing import DateSource, Outcome, Refused
from ari_recorder.services.importing_files import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a file that is not simply imported. `file`: from the archive's top, printable."""

    file: str
    outcome: Outcome
    reason: str = ""
    because: str = ""
    recording_id: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Report:
    """`counts`: every file has one outcome. `dates`: which source gave the date of how many that were taken. `told`:
    each file that was refused, is overdue, is the same as another one, or whose date is in doubt. `destroyed`: how many
    that are overdue are gone by now. `originals_left`: how many that should have been removed are still there.
    `overdue_originals`: how many of recordings that are destroyed, because nobody asked for their removal."""

    dry_run: bool
    files: int = 0
    counts: Counter[Outcome] = field(default_factory=lambda: Counter(dict.fromkeys(Outcome, 0)))
    dates: Counter[DateSource] = field(default_factory=Counter)
    audio: timedelta = timedelta()
    told: list[Told] = field(default_factory=list)
    destroyed: int = 0
    not_destroyed_because: str = ""
    originals_removed: int = 0
    originals_left: int = 0
    overdue_originals: int = 0

    @property
    def clean(self) -> bool:
        """Nothing was refused, and nothing is left to do."""
        undone = self.not_destroyed_because or self.originals_left or self.overdue_originals
        return not self.counts[Outcome.REFUSED] and not undone

    def add(self, place: Place, outcome: Outcome, because: str = "", recording_id: UUID | None = None) -> None:
        self.counts[outcome] += 1
        if because or outcome is not Outcome.IMPORTED:
            self.told.append(Told(file=place.shown, outcome=outcome, because=because, recording_id=recording_id))

    def refuse(self, place: Place, refused: Refused) -> None:
        self.counts[Outcome.REFUSED] += 1
        told = Told(file=place.shown, outcome=Outcome.REFUSED, reason=refused.reason.value, because=refused.because)
        self.told.append(told)
