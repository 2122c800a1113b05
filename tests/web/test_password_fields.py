"""Fields for passwords: nobody reads along, and managers of passwords can fill them in."""

import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "ari_recorder" / "web"


def test_passwords_are_not_shown_and_may_be_pasted() -> None:
    fields = [
        line
        for path in sorted((WEB / "templates").rglob("*.html"))
        for line in path.read_text().splitlines()
        if re.search(r'parts\.field\("(?:password|old|again)"', line)
    ]
    assert len(fields) >= 5
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(?:new|current)-password"', field), field
    scripts = "".join(path.read_text() for path in (WEB / "static").rglob("*.js"))
    assert "paste" not in scripts
