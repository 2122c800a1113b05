"""Which passwords are refused: too short ones, and those that are tried first. No rules of composition.

Length counts characters after NFC. What is tried first is judged without a network: by zxcvbn, which knows lists of
passwords, words and names, keyboards, repetitions and sequences, and is told the words of this place; and by a file of
the operator, a password a line.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from zxcvbn import zxcvbn

from ari_recorder.domain.errors import BlocklistUnusable, PasswordRefused
from ari_recorder.vault.passwords import MOST_CHARACTERS

# SP 800-63B-4, section 3.1.1.2: 15 characters; 8 may do beside a second factor.
LEAST_CHARACTERS = 15
FLOOR_CHARACTERS = 8
# zxcvbn's "safely unguessable": 10^8 guesses, which at its price of a fifth of a second are eight months.
_LEAST_SCORE = 3
# To it eight random characters are no more than 10^8: where they are enough, so is "somewhat guessable", 10^6.
_FLOOR_SCORE = 2
# It takes no more; what follows can only make a password better.
_JUDGED_CHARACTERS = 72
_LEAST_WORD = 4
_BETWEEN = re.compile(r"[\W_]+")
SERVICE = ("ari-recorder", "recorder", "recording", "asterisk", "tallennin", "tallenne", "inspelning", "salasana")


class WeakPasswords:
    def __init__(
        self, *, least: int = LEAST_CHARACTERS, words: Iterable[str] = (), refused_file: Path | None = None
    ) -> None:
        self._least = max(least, FLOOR_CHARACTERS)
        self._score = _LEAST_SCORE if self._least > FLOOR_CHARACTERS else _FLOOR_SCORE
        self._words = (*SERVICE, *words)
        self._file = refused_file

    def check(self, password: str, about: Iterable[str]) -> str:
        """The password, if it may be one. `about`: name, log-in name and address of its owner. Takes milliseconds."""
        composed = unicodedata.normalize("NFC", password)
        if len(composed) < self._least:
            raise PasswordRefused(reason=f"it has fewer than {self._least} characters")
        if len(composed) > MOST_CHARACTERS:
            raise PasswordRefused(reason=f"it has more than {MOST_CHARACTERS} characters")
        if "\0" in composed or any("\ud800" <= sign <= "\udfff" for sign in composed):
            raise PasswordRefused(reason="it has characters that no keyboard makes")
        if composed.casefold() in self._listed:
            raise PasswordRefused(reason="it is on the list of passwords that are tried first")
        known = _parts(*self._words, *about)
        rest = composed.casefold()
        for word in known:
            rest = rest.replace(word, "")
        if len(rest) < FLOOR_CHARACTERS:
            raise PasswordRefused(reason="it is little more than names that everybody here knows")
        if zxcvbn(composed[:_JUDGED_CHARACTERS], user_inputs=known)["score"] < self._score:
            raise PasswordRefused(reason="it is too easy to guess; take four or more random words")
        return composed

    @cached_property
    def _listed(self) -> frozenset[str]:
        if self._file is None:
            return frozenset()
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise BlocklistUnusable(path=self._file, reason=reason) from None
        composed = (unicodedata.normalize("NFC", line).casefold() for line in lines)
        # Shorter ones are refused anyway; of the lists there are, that leaves a tenth.
        return frozenset(line for line in composed if len(line) >= self._least)


def _parts(*texts: str) -> list[str]:
    """The words in them, the longest first."""
    composed = (unicodedata.normalize("NFC", text).casefold() for text in texts)
    words = {word for text in composed for word in _BETWEEN.split(text)}
    return sorted((word for word in words if len(word) >= _LEAST_WORD), key=lambda word: (-len(word), word))
