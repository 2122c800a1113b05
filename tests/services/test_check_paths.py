"""Lines of a dialplan that go past the announcement, or meddle with a recording, are named; others are not."""

import pytest

from ari_recorder.asterisk.actions import DialplanLine
from ari_recorder.services.check_paths import judge_paths
from ari_recorder.services.findings import Level


def found(application: str, data: str, context: str = "from-operator") -> list[tuple[Level, str]]:
    line = DialplanLine(context=context, extension="0195", application=application, data=data)
    return [(one.level, one.what) for one in judge_paths([line], {"advice"})]


@pytest.mark.parametrize(
    ("application", "data"),
    [
        ("Gosub", "ari-recorder-enter,s,1(advice,fi,0195)"),
        ("Queue", "switchboard,txh"),  # not recorded: as it likes
        ("Dial", "PJSIP/1001,30"),
        ("Dial", "PJSIP/1001,30,tU(x-sub^w)b(handler^s^1(x,w))"),
        ("Dial", "PJSIP/x1001&PJSIP/w1002,30,hH"),  # no agent of a queue has codes there
        ("Set", "DYNAMIC_FEATURES="),
        ("Set", "DYNAMIC_FEATURES=other"),
        ("NoOp", "MixMonitor(x)"),
        ("ExecIf", "$[1]?Queue(switchboard,x)"),
        ("Set", "FEATUREMAP(automixmon)="),
        ("Set", "FEATUREMAP(blindxfer)=*8"),
        ("MSet", "A=1,DYNAMIC_FEATURES=other"),
    ],
)
def test_what_is_in_order(application: str, data: str) -> None:
    assert found(application, data) == []


@pytest.mark.parametrize(
    ("application", "data", "level", "what"),
    [
        ("Queue", "advice", Level.FAIL, "leads into the queue advice without the announcement"),
        ("QUEUE", " advice ,t,,,300", Level.FAIL, "leads into the queue advice without the announcement"),
        ("Queue", "${WHICH},t", Level.WARN, "leads into whatever queue ${WHICH} names"),
        ("Dial", "PJSIP/1001,30,tx", Level.WARN, "option x of Dial() lets a key stop the recording"),
        ("Dial", "PJSIP/1001,30,U(sub)WX", Level.WARN, "option W, X of Dial() lets a key stop the recording"),
        ("MixMonitor", "/var/spool/x.wav,b", Level.WARN, "makes a recording of its own"),
        ("Monitor", "wav", Level.WARN, "makes a recording of its own"),
        ("StopMixMonitor", "", Level.WARN, "may stop this service's recording"),
        ("Set", "__DYNAMIC_FEATURES=other#ari-recorder", Level.WARN, "has the agents' codes"),
        ("Set", "_DYNAMIC_FEATURES=ari-recorder", Level.WARN, "_DYNAMIC_FEATURES gives them to whoever is called"),
        ("MSet", "A=1,DYNAMIC_FEATURES=ari-recorder", Level.WARN, "has the agents' codes"),
        ("Set", "FEATUREMAP(automixmon)=*1", Level.WARN, "gives the keys *1 to one-touch recording"),
        ("ExecIf", "$[${A} > 1]?NoOp():Queue(advice)", Level.FAIL, "leads into the queue advice without"),
        ("TryExec", "MixMonitor(x.wav)", Level.WARN, "MixMonitor() makes a recording of its own"),
    ],
)
def test_what_is_to_be_mended(application: str, data: str, level: Level, what: str) -> None:
    ((seen, told),) = found(application, data)
    assert seen is level
    assert what in told
    assert told.startswith("0195 in the context from-operator")
    assert found(application, data, context="ari-recorder-enter") == []

    assert [what.partition(": ")[2] for _, what in found("Queue", "advice,txhH")[1:]] == [
        "the option x of Queue() lets a key stop the recording of the call",
        "with the option H, h the first key of an agent's code may hang up",
    ]
