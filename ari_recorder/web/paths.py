"""Paths: where somebody may be sent on to, never to what a browser takes for another host; and days in them."""

import re
from datetime import date

from ari_recorder.domain.errors import PageUnknown
from ari_recorder.web.form import FIRST_DAY, LAST_DAY

# One slash and then none: //host and /\host are other hosts to a browser. What it would cut out is not let in.
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1999}")


def own_path(text: str) -> str:
    """The path, or the first page."""
    return text if _OWN.fullmatch(text) and "\\" not in text else "/"


def day_of(text: str) -> date:
    """A day as its page has it. What is none, or written in another way, is no page."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise PageUnknown from None
    if text != day.isoformat() or not FIRST_DAY <= day <= LAST_DAY:
        raise PageUnknown
    return day
