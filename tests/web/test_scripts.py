"""What scripts of ours may do in a browser. What they do there is tested in tests/browser."""

import re
from pathlib import Path

import pytest

from ari_recorder.web.static import STATIC

SCRIPTS = sorted(STATIC.glob("*.js"))
# Text that would be taken as HTML or as a program.
AS_CODE = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|eval|Function|createContextualFragment"
    r"|DOMParser|setHTML\w*|importScripts)\b|set(?:Timeout|Interval)\(\s*[\"'`]|\bon\w+\s*=\s*[\"'`]"
)
KEPT = re.compile(r"\b(localStorage|sessionStorage|indexedDB|caches|serviceWorker|cookie|cookieStore|openDatabase)\b")
# Names that come from elsewhere become properties nowhere: neither set by name, nor merged, nor through the prototype.
BY_NAME = re.compile(
    r"[\w)\]]\[[^\]\n]*\]\s*(?:[-+*/|&?]{0,2}=)(?![=>])"
    r"|__proto__|\bprototype\b|\bconstructor\b|setPrototypeOf|Object\.assign|defineProperty"
)
# A BroadcastChannel reaches tabs of this service only; messages between windows come from anybody.
ELSEWHERE = re.compile(
    r"https?:|//[a-z0-9-]+\.|WebSocket|EventSource|sendBeacon"
    r"|(?<!\bchannel\.)postMessage|(?<!\bchannel\.addEventListener\()\"message\""
    r"|\bchannel = (?!new BroadcastChannel\()"
)


# The one thing that is kept: how fast one listens, and whether over silences.
LIKED = (
    'localStorage.setItem(LIKED, JSON.stringify({ speed: control("speed").value, skip: control("skip").checked }));',
    "JSON.parse(localStorage.getItem(LIKED))",
)


def code_of(text: str) -> str:
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    for line in LIKED:
        text = text.replace(line, "", 1)
    return text


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("refused", [AS_CODE, KEPT, BY_NAME], ids=["as code", "kept", "by name"])
def test_scripts_show_text_keep_nothing_and_set_nothing_by_a_name_from_elsewhere(
    path: Path, refused: re.Pattern[str]
) -> None:
    assert not refused.findall(code_of(path.read_text()))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_speak_to_this_service_only_and_are_strict(path: Path) -> None:
    text = path.read_text()
    assert not ELSEWHERE.findall(code_of(text))
    assert re.search(r'^"use strict";$', text, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("told.innerHTML = text;", AS_CODE),
        ('setTimeout("go()", 1);', AS_CODE),
        ("localStorage.setItem(a, b);", KEPT),
        ("all[name] = value;", BY_NAME),
        ("all[name] ??= value;", BY_NAME),
        ("Object.assign(all, JSON.parse(text));", BY_NAME),
        ("fetch('https://elsewhere.example/')", ELSEWHERE),
        ("opener.postMessage(lines, '*');", ELSEWHERE),
        ('addEventListener("message", take);', ELSEWHERE),
        ("const channel = window.opener;", ELSEWHERE),
    ],
)
def test_a_line_that_does_it_is_found(line: str, refused: re.Pattern[str]) -> None:
    assert refused.search(line)


def test_there_are_scripts() -> None:
    assert SCRIPTS
