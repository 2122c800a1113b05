"""Where somebody may be sent on to: paths of this service, and nothing that a browser takes for another one."""

import re

# One slash and then none: //host and /\host are other hosts to a browser. What it would cut out is not let in.
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1999}")


def own_path(text: str) -> str:
    """The path, or the first page."""
    return text if _OWN.fullmatch(text) and "\\" not in text else "/"
