"""The section `requests`: how soon people are answered who ask about what was recorded of them. The law's own days are
not here: domain/due_dates.py.
"""

from collections.abc import Iterator

from pydantic import Field

from ari_recorder.config.problems import Problem
from ari_recorder.config.values import Section


class Requests(Section):
    """Requests of persons about their recordings. The law gives a month; your house may be quicker."""

    answer_days: int = Field(
        default=28,
        ge=2,
        le=28,
        description="In how many days a request is answered. The law's month (GDPR, article 12(3)) has 28 at least.",
    )
    warn_days: int = Field(
        default=21, ge=1, le=27, description="After how many days somebody is warned that an answer is due."
    )
    appeal_days: int = Field(
        default=37,
        ge=30,
        le=365,
        description="How many days after closing a case its recordings stay frozen: 30 to appeal (808/2019, "
        "section 13), and 7 for the letter to arrive (434/2003, section 59).",
    )

    def contradictions(self) -> Iterator[Problem]:
        if self.warn_days >= self.answer_days:
            yield Problem(
                key="requests.warn_days",
                what=f"a warning after {self.warn_days} days comes too late for an answer in {self.answer_days}",
                mend="Warn some days before",
            )
