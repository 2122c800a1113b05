"""asterisk/dialplan.py: arguments, jumps, dial strings and patterns of extensions, as Asterisk reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.asterisk.dialplan import (
    ANY,
    allows,
    arguments,
    dialled,
    interface,
    jumps,
    known,
    literal,
    local,
    options_of,
    pattern,
    unwrapped,
)


@pytest.mark.parametrize(
    ("application", "data", "expected"),
    [
        ("Queue", "advice,t", [("queue", "advice,t")]),
        ("ExecIf", "$[${A} = 1]?Queue(advice,t):Dial(PJSIP/1)", [("queue", "advice,t"), ("dial", "PJSIP/1")]),
        ("ExecIf", '$["${A:1:2}" = "x?y:z"]?Queue(advice)', [("queue", "advice")]),
        ("TryExec", "MixMonitor(x.wav,b)", [("mixmonitor", "x.wav,b")]),
        ("Exec", "Set(A=${B:1})", [("set", "A=${B:1}")]),
        ("Exec", "${WHICH}", []),
        ("Exec", "Exec(Queue(a))", []),
    ],
)
def test_what_wraps_is_unwrapped(application: str, data: str, expected: list[tuple[str, str]]) -> None:
    assert list(unwrapped(application, data)) == expected


@pytest.mark.parametrize(
    ("application", "data", "expected"),
    [
        ("goto", "5", []),
        ("goto", "s,1", [(None, "s")]),
        ("goto", "inside,${EXTEN},1", [("inside", "${EXTEN}")]),
        ("gosub", "sub,s,1(a,b)", [("sub", "s")]),
        ("gotoif", "$[1 = 2]?a,b,c:d,e,f", [("a", "b"), ("d", "e")]),
        ("gotoif", '$["${X}" = "?"]?label', []),
        ("gotoif", "${A}?:d,${EXTEN:1},1", [("d", "${EXTEN:1}")]),
        ("gotoiftime", "9:00-17:00,mon-fri,*,*?open,s,1", [("open", "s")]),
        ("macro", "dial,30", [("macro-dial", "s")]),
        ("noop", "a,b,c", []),
    ],
)
def test_where_a_line_leads(application: str, data: str, expected: list[tuple[str | None, str | None]]) -> None:
    assert [(jump.context, jump.extension) for jump in jumps(application, data)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PJSIP/1001", "PJSIP/1001"),
        ("pjsip/1001/sip:1001@192.0.2.1", "PJSIP/1001"),
        ("PJSIP/0401234567@operator", "PJSIP/operator"),
        ("${PJSIP_DIAL_CONTACTS(1001)}", "PJSIP/1001"),
        ("Local/1009@remote-agents/n", "Local/1009@remote-agents"),
        ("SIP/1001/x", "SIP/1001"),
        ("${WHICH}", "${WHICH}"),
    ],
)
def test_whom_a_dial_string_rings(text: str, expected: str) -> None:
    assert interface(text) == expected


def test_a_dial_string_names_several() -> None:
    assert dialled("PJSIP/1001&Local/2@x/n,30,t") == ["PJSIP/1001", "Local/2@x"]
    assert dialled("") == []
    assert local("Local/2@x") == ("2", "x")
    assert local("PJSIP/2") is None


@pytest.mark.parametrize(
    ("extension", "matching", "others"),
    [
        ("1001", ["1001"], ["100", "10011"]),
        ("_10XX", ["1001", "1099"], ["1100", "10011", "10a1"]),
        ("_Z.", ["10", "9abc"], ["0", "1"]),
        ("_N!", ["2", "29"], ["1"]),
        ("_[13-5]", ["1", "4"], ["2", "6"]),
        ("_0-4", ["04"], ["0-4"]),
        ("_[", ["["], ["x"]),
        ("_.", ["s", "1"], [""]),
    ],
)
def test_patterns(extension: str, matching: list[str], others: list[str]) -> None:
    assert all(pattern(extension).allows(one) for one in matching)
    assert not any(pattern(extension).allows(one) for one in others)


def test_what_two_patterns_share() -> None:
    assert pattern("_X.").meet(pattern("_10ZX")) == pattern("_10ZX")
    assert pattern("_1X").meet(pattern("_2X")) is None
    assert ANY.meet(literal("s")) == literal("s")
    assert pattern("_X").literal is None
    assert literal("1001").literal == "1001"


def test_of_variables_only_the_extension_is_known() -> None:
    assert known("${EXTEN}", literal("1001")) == literal("1001")
    assert known("${EXTEN:2}", literal("991001")) == literal("1001")
    assert known("s", ANY) == literal("s")
    assert known("${WHICH}", ANY) is None
    assert allows("PJSIP/${EXTEN}", "PJSIP/1001", pattern("_10XX"))
    assert allows("PJSIP/${EXTEN:1}", "PJSIP/1001", pattern("_810XX"))
    assert not allows("PJSIP/${EXTEN}", "PJSIP/1001", pattern("_20XX"))
    assert not allows("PJSIP/${WHICH}", "PJSIP/1001", ANY)


def test_what_is_in_brackets_is_no_option() -> None:
    assert options_of("a,tU(x,y(z))w(q)", 1) == frozenset("tUw")
    assert options_of("a", 1) == frozenset()


TEXT = st.text("ab1,()[]{}$?:&@/;_XZ.!-=EXTEN ", max_size=60)


@given(TEXT, TEXT, TEXT)
def test_no_line_makes_it_raise(application: str, data: str, extension: str) -> None:
    wanted = pattern(extension)
    for name, inner in (*unwrapped("execif", data), *unwrapped(application, data)):
        arguments(inner)
        list(jumps(name, inner))
    for name in ("goto", "gotoif", "gosubif", "macro"):
        for jump in jumps(name, data):
            known(jump.extension or "", wanted)
    for one in dialled(data):
        allows(one, "PJSIP/1001", wanted)
        local(one)


@given(st.text("0123456789", min_size=1, max_size=8), st.data())
def test_a_pattern_made_of_a_number_allows_it(number: str, data: st.DataObject) -> None:
    places = [data.draw(st.sampled_from([digit, "X", f"[{digit}]"])) for digit in number]
    cut = data.draw(st.integers(1, len(places)))
    assert pattern("_" + "".join(places)).allows(number)
    assert pattern("_" + "".join(places[:cut]) + "!").allows(number)
