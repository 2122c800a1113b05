"""The section `accounts`: how people log in. Who they are is in the database."""

from pydantic import Field

from ari_recorder.config.values import AbsolutePath, Section, Texts


class Accounts(Section):
    """How people log in."""

    password_characters: int = Field(
        default=15, ge=8, le=64, description="The least length of a password. There is no rule of what is in it."
    )
    password_words: Texts = Field(
        default=(),
        description="Words everybody here knows, which make no password: of the city, the office, its street.",
        examples=[["porvoo", "borgå"]],
    )
    refused_passwords_file: AbsolutePath | None = Field(
        default=None,
        description="A list of passwords known to others, one a line, beside those this program knows.",
        examples=["/etc/ari-recorder/refused-passwords.txt"],
    )
    code_steps: int = Field(
        default=0,
        ge=0,
        le=1,
        description="How many steps of 30 s an authenticator's clock may be off. 1 makes a code good for 90 s.",
    )
