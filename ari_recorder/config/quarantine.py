"""The shape of `[quarantine]`: how long audio is kept whose announcement nobody can prove."""

from pydantic import Field

from ari_recorder.config.values import Section


class Quarantine(Section):
    """Audio of which nothing proves that its caller was told: sealed, heard by nobody, destroyed after some days."""

    days: int = Field(
        default=14,
        ge=1,
        le=90,
        description="How many days it is kept, so that somebody can find out what made it. What is there already keeps "
        "the day that was told.",
    )
