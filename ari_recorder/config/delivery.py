"""The shape of `[delivery]`: packages that people outside fetch by a link."""

from pydantic import Field

from ari_recorder.config.values import Section


class Delivery(Section):
    """Packages of recordings that a person or the police fetch by a link, once."""

    days: int = Field(
        default=7,
        ge=1,
        le=7,
        description="How many days such a link is good. What is not fetched by then is removed.",
    )
