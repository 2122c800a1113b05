"""Phone numbers in one form, so that a number is found however it was written, or sent by a trunk.

    040 123 4567   0401234567   +358401234567   00358401234567   358401234567   ->   +358401234567   (ITU-T E.164)

What is no telephone number of its country (an extension, 116117, a number out of all measure) stays what it is: its
digits alone.
"""

import re
import unicodedata

import phonenumbers

# Numbers without a country are Finnish.
COUNTRY = "FI"
_NO_DIGIT = re.compile(r"[^0-9]")


def plain(text: str) -> str:
    """As somebody would type it: what is copied out of an address book brings marks of direction along that nobody
    sees, and blanks that do not break."""
    kinds = [(sign, unicodedata.category(sign)) for sign in text]
    return "".join(" " if kind == "Zs" else sign for sign, kind in kinds if kind != "Cf").strip()


def e164(text: str) -> str:
    """The number in its one form, or "" when there is none in this text (`anonymous`)."""
    text = plain(text)
    try:
        number = phonenumbers.parse(text, COUNTRY)
    except phonenumbers.NumberParseException:
        return _NO_DIGIT.sub("", text)
    if phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _NO_DIGIT.sub("", text)
