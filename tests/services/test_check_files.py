"""What `check` says of the PBX's files: each mistake is named with its place, and the shipped files have none."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.asterisk.actions import Dialplan, DialplanInclude, DialplanLine, QueueMember
from ari_recorder.asterisk.conf import Conf, Source, parse
from ari_recorder.services import check_files
from ari_recorder.services.check_endpoints import endpoints_in, groups_in, judge_endpoints, trunks
from ari_recorder.services.check_features import clash, judge_features
from ari_recorder.services.check_manager import judge_manager
from ari_recorder.services.check_paths import OURS
from ari_recorder.services.check_queue_files import judge_members, judge_queues
from ari_recorder.services.check_reach import agents_of, judge_reach
from ari_recorder.services.findings import Finding, Level
from ari_recorder.services.pbx_facts import PbxFacts
from tests.lab.asterisk import SHIPPED_CONF
from tests.site import prepare

Told = list[tuple[Level, str]]
OUTSIDE = ("PJSIP/operator-",)
BEGIN = "[general]\n[featuremap]\n[applicationmap]\n"


def conf(name: str, text: str) -> Conf:
    """With the shipped files beside it. What they include of the site is empty."""

    def load(wanted: str) -> list[Source]:
        if wanted == name:
            return [Source(path=name, text=text)]
        shipped = SHIPPED_CONF / wanted
        return [Source(path=wanted, text=shipped.read_text() if shipped.exists() else "")]

    return parse(name, load)


def told(findings: Iterable[Finding]) -> Told:
    for one in (found := list(findings)):
        assert one.mend or one.level is Level.OK
    return [(one.level, one.what) for one in found if one.level is not Level.OK]


# --- features.conf

SHIPPED_FEATURES = BEGIN + "#include features_ari_recorder.conf\n"


def features(more: str = "", facts: PbxFacts | None = None, begin: str = SHIPPED_FEATURES) -> Told:
    return told(judge_features(conf("features.conf", begin + more), facts or PbxFacts()))


@pytest.mark.parametrize(
    "more",
    [
        "",
        "[featuremap](+)\nautomixmon =\nparkcall = *7\natxfer = *3",
        "[applicationmap](+)\nlights => *8,self,NoOp(x)\n[others]\nlights => *81",
        "[applicationmap](+)\nari-recorder-threat => *77,self,Gosub(ari-recorder-code,s,1(threat))",
        "[general](+)\nfeaturedigittimeout = 3000",
    ],
)
def test_features_that_are_in_order(more: str) -> None:
    assert features(more) == []


@pytest.mark.parametrize(
    ("more", "level", "what"),
    [
        ("[featuremap](+)\nautomixmon = *1", Level.WARN, "features.conf:6: automixmon gives the keys *1 to one-touch"),
        ("[featuremap](+)\nautomon = *1", Level.WARN, "features.conf:6: automon gives the keys *1 to one-touch"),
        ("[featuremap](+)\nparkcall = *91", Level.WARN, "*91 of parking (parkcall, features.conf:6) begin alike"),
        ("[featuremap](+)\nparkcall = *912", Level.WARN, "*912 of parking"),
        ("[featuremap](+)\natxfer = *94", Level.FAIL, "*94 of ari-recorder-refuse and *94 of the attended transfer"),
        ("[applicationmap](+)\nx => *91,self,NoOp()", Level.WARN, "*91 of x (features.conf:6) begin alike"),
        ("[applicationmap](+)\nx => *5,self,NoOp()\n[g]\nx => *92#", Level.WARN, "*92# of x in the group g"),
        (
            "[applicationmap](+)\nari-recorder-pause => *9,peer,Gosub(ari-recorder-code,s,1(refuse))",
            Level.FAIL,
            "no keys for the agents' code pause",
        ),
        (
            "[applicationmap](+)\nari-recorder-pause => *92,peer,Gosub(ari-recorder-code,s,1(pause))",
            Level.FAIL,
            "does not run on the agent's own channel",
        ),
        ("[general](+)\nfeaturedigittimeout = 900", Level.WARN, "features.conf:6: featuredigittimeout is 900 ms"),
        ("[general](+)\nfeaturedigittimeout = ten", Level.WARN, "featuredigittimeout is 0 ms"),
    ],
)
def test_features_that_are_to_be_mended(more: str, level: Level, what: str) -> None:
    found = features(more)
    assert any(one is level and what in text for one, text in found), found


def test_asterisks_own_hanging_up_takes_the_first_key_of_every_code() -> None:
    bare = (SHIPPED_CONF / "features_ari_recorder.conf").read_text().replace("disconnect = *0", "")
    found = features(begin=BEGIN + bare)
    assert len(found) == 4
    assert all("* of hanging up (disconnect, features.conf (Asterisk's own default))" in what for _, what in found)


def test_without_the_shipped_file_every_code_is_missed() -> None:
    assert [what for level, what in features(begin=BEGIN) if level is Level.FAIL] == [
        f"features.conf has no keys for the agents' code {code}: nobody can give it"
        for code in ("threat", "pause", "resume", "refuse")
    ]


def test_the_word_of_the_pbx_counts_more_than_the_file() -> None:
    loaded = {"blindxfer": "##", "atxfer": "*2", "disconnect": "*0", "parkcall": "", "automon": "", "automixmon": "*1"}
    found = features(facts=PbxFacts(featuremap=loaded, digit_timeout=1000))
    assert [level for level, _ in found] == [Level.FAIL, Level.WARN, Level.WARN]
    assert "automixmon is nothing there, but *1 on the PBX" in found[0][1]
    assert found[1][1].startswith("features as the PBX has loaded them: automixmon gives the keys *1")
    assert "featuredigittimeout is 1000 ms" in found[2][1]
    assert features(facts=PbxFacts(featuremap=loaded | {"automixmon": ""}, digit_timeout=2500)) == []


@pytest.mark.parametrize(("one", "two", "is_one"), [("*9", "*91", True), ("*91", "*92", False), ("", "*9", False)])
def test_clash(one: str, two: str, is_one: bool) -> None:
    assert clash(one, two) is clash(two, one) is is_one


# --- queues.conf


def line(application: str, data: str, extension: str = "0195", context: str = "numbers") -> DialplanLine:
    return DialplanLine(context=context, extension=extension, application=application, data=data)


def dialplan(*lines: DialplanLine, includes: tuple[tuple[str, str], ...] = ()) -> Dialplan:
    return Dialplan(
        lines=lines, includes=tuple(DialplanInclude(context=one, included=other) for one, other in includes)
    )


ENTERED = dialplan(line("Gosub", "ari-recorder-enter,s,1(advice,fi,0195)"))


def queues(text: str, plan: Dialplan | None = ENTERED, announced: tuple[str, ...] = ("advice",)) -> Told:
    read = conf("queues.conf", "[general]\n#include queues_ari_recorder.conf\n" + text)
    return told(judge_queues(read, PbxFacts(dialplan=plan), ["advice"], announced))


def test_queues_that_are_in_order() -> None:
    assert queues("[advice](ari-recorder-queue)\nmember => PJSIP/1001") == []
    assert queues("[advice]\nmonitor-format =\ncontext =\nqueue-callerannounce = busy-today") == []
    assert queues("[advice]\n[other]\nmonitor-format = wav\nqueue-callerannounce = x\ncontext = y") == []
    assert queues("[t](!)\nmonitor-format = wav\n[Advice](t)\nmonitor-format =") == []


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        ("[advice]\nmonitor-format = wav", Level.FAIL, "queues.conf:4: monitor-format = wav makes Asterisk record"),
        ("[t](!)\nmonitor-format = gsm\n[advice](t)", Level.FAIL, "queues.conf:4: monitor-format = gsm"),
        ("[advice]\ncontext = keys", Level.WARN, "queues.conf:4: in the queue advice a key that a waiting caller"),
        ("[other]", Level.UNSEEN, "the queue advice is not in queues.conf"),
    ],
)
def test_queues_that_are_to_be_mended(text: str, level: Level, what: str) -> None:
    ((seen, text_told),) = queues(text)
    assert (seen, what in text_told) == (level, True)


def test_queue_callerannounce_is_no_announcement() -> None:
    text = "[advice]\nqueue-callerannounce = recorded"
    past = dialplan(*ENTERED.lines, line("ExecIf", "$[1]?Queue(advice,t)", "0196"))
    ((level, what),) = queues(text, past)
    assert level is Level.FAIL
    assert what.startswith(
        "queues.conf:4: queue-callerannounce is all that callers of advice are told who come by 0196"
    )
    ((level, what),) = queues(text, dialplan(), announced=())
    assert (level, "is all that callers of advice are told;" in what) == (Level.FAIL, True)
    ((level, what),) = queues(text, None, announced=())
    assert (level, "is not known while the PBX does not answer" in what) == (Level.WARN, True)


def member(interface: str, queue: str = "advice", state: str = "") -> QueueMember:
    return QueueMember(queue=queue, interface=interface, state_interface=state or interface)


@pytest.mark.parametrize(
    ("one", "count"),
    [
        (member("PJSIP/1001"), 0),
        (member("Local/1001@x/n"), 0),
        (member("Local/1001@x/nj"), 0),
        (member("Local/1001@x", queue="other"), 0),
        (member("Local/1001@x"), 1),
        (member("local/1001@remote-agents/j", queue="Advice"), 1),
    ],
)
def test_members_behind_local_channels(one: QueueMember, count: int) -> None:
    found = told(judge_members([one], ["advice"]))
    assert len(found) == count
    assert all(level is Level.WARN and "has no /n" in what for level, what in found)


# --- manager.conf

SHIPPED_MANAGER = "[general]\n#include manager_ari_recorder.conf\n"


def manager(more: str = "", begin: str = SHIPPED_MANAGER, rights: tuple[str, ...] = ()) -> Told:
    facts = PbxFacts()
    facts.told_rights |= set(rights)
    return told(judge_manager(conf("manager.conf", begin + more), "ari-recorder", facts))


def test_the_shipped_user_is_in_order() -> None:
    assert manager() == []
    assert manager("[ari-recorder](+)\nwrite = call,reporting") == []
    assert manager("[lab]\nread = all\nwrite = all") == []


@pytest.mark.parametrize(
    ("more", "level", "what"),
    [
        ("read = system,call,agent", Level.FAIL, "manager.conf:4: ari-recorder does not hear the event classes user"),
        ("read =", Level.FAIL, "does not hear the event classes system, call, agent, user"),
        ("read = all", Level.WARN, "hears the event classes all, which this service does not need: they tell every"),
        ("read = system,call,agent,user,dtmf", Level.WARN, "event classes dtmf, which"),
        ("write = system,call,reporting,command", Level.WARN, "manager.conf:4: ari-recorder has the rights command"),
        ("eventfilter = !Event: RTCP*", Level.WARN, "manager.conf:4: this form of eventfilter looks into the text"),
        ("eventfilter(name(DTMFEnd)) =", Level.WARN, "manager.conf:4: ari-recorder hears events this service does not"),
        ("eventfilter(action(exclude),name(Hangup)) =", Level.FAIL, "what it has to hear: Hangup"),
        ("allowmultiplelogin = no", Level.WARN, "manager.conf:4: allowmultiplelogin = no keeps ari-recorder out"),
    ],
)
def test_a_user_that_hears_or_may_do_too_much_or_too_little(more: str, level: Level, what: str) -> None:
    ((seen, text),) = manager(f"[ari-recorder](+)\n{more}")
    assert (seen, what in text) == (level, True), text


def own_user(*filters: str) -> Told:
    lines = "\n".join(filters)
    return manager(begin=f"[general]\n[ari-recorder]\nread = system,call,agent,user\nwrite = system,call\n{lines}\n")


def test_filters_of_a_user_of_the_sites_own() -> None:
    ((level, what),) = own_user()
    assert (level, "without an eventfilter" in what) == (Level.WARN, True)
    ((level, what),) = own_user("eventfilter(action(exclude),name(RTCPSent)) =")
    assert (level, "all that are not kept out" in what) == (Level.WARN, True)
    ((level, what),) = own_user("eventfilter(name(UserEvent)) =", "eventfilter(name(Hangup),header(Channel)) = PJSIP/")
    assert level is Level.FAIL
    assert "always or sometimes, what it has to hear: AgentComplete, AgentConnect" in what
    assert "Hangup" in what
    assert "UserEvent" not in what


def test_a_user_that_is_not_there_was_not_looked_at_and_what_the_pbx_told_is_not_told_twice() -> None:
    ((level, _),) = manager(begin="[general]\n")
    assert level is Level.UNSEEN
    assert manager("[ari-recorder](+)\nwrite = system,call,command", rights=("command",)) == []


def test_no_secret_is_repeated() -> None:
    found = manager("[ari-recorder](+)\nsecret = insecure-secret\nread = all\nwrite = all\neventfilter = insecure")
    assert len(found) == 3
    assert "insecure" not in str(found)


# --- pjsip.conf

PHONES = "#include pjsip_ari_recorder.conf\n[1001](ari-recorder-agent)\ncontext = inside\n"
TRUNK = "[operator]\ntype = endpoint\ncontext = from-operator\n[x]\ntype = identify\nendpoint = operator\n"
GROUPS = groups_in(conf("features.conf", SHIPPED_FEATURES + "[team]\nari-recorder-threat =>\n"))


def endpoints(text: str) -> Told:
    return told(judge_endpoints(endpoints_in(conf("pjsip.conf", text)), OUTSIDE, GROUPS))


def test_endpoints_that_are_in_order() -> None:
    assert endpoints(PHONES + TRUNK) == []
    assert endpoints(TRUNK + "[operator](+)\nset_var = DYNAMIC_FEATURES=lights\nset_var = A=ari-recorder") == []
    assert endpoints("[t](!)\ntype = endpoint\nset_var = __DYNAMIC_FEATURES=ari-recorder") == []


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        ("[operator](+)\nset_var = DYNAMIC_FEATURES=ari-recorder", Level.WARN, "to the trunk operator"),
        ("[operator](+)\nset_var = DYNAMIC_FEATURES=lights#team", Level.WARN, "to the trunk operator"),
        ("[operator](+)\nset_var=__DYNAMIC_FEATURES=ari-recorder", Level.FAIL, "pjsip.conf:11: __DYNAMIC_FEATURES"),
        ("[1001](+)\nset_var = _DYNAMIC_FEATURES=ari-recorder-threat", Level.WARN, "endpoint 1001 is inherited"),
        ("[1001](+)\none_touch_recording = yes", Level.WARN, "pjsip.conf:11: one_touch_recording lets the record key"),
    ],
)
def test_endpoints_that_are_to_be_mended(text: str, level: Level, what: str) -> None:
    ((seen, text_told),) = endpoints(PHONES + TRUNK + text)
    assert (seen, what in text_told) == (level, True), text_told


def test_endpoints_of_wizards_are_endpoints() -> None:
    wizard = conf("pjsip_wizard.conf", "[operator]\ntype = wizard\nendpoint/set_var = __DYNAMIC_FEATURES=ari-recorder")
    found = endpoints_in(conf("pjsip.conf", ""), wizard)
    ((level, what),) = told(judge_endpoints(found, OUTSIDE, GROUPS))
    assert (level, "pjsip_wizard.conf:3: __DYNAMIC_FEATURES" in what) == (Level.FAIL, True)


def test_trunks_are_those_of_the_setting_or_else_those_known_by_their_address() -> None:
    identified = "[1002]\ntype = endpoint\n[y]\ntype = identify\nendpoint = 1002\n"
    found = endpoints_in(conf("pjsip.conf", PHONES + TRUNK + identified))

    def names(outside: tuple[str, ...], *agents: str) -> list[str]:
        return [one.name for one in trunks(found, outside, agents, GROUPS)]

    assert names(OUTSIDE) == ["operator"]
    assert names((), "PJSIP/1002") == ["operator"]
    assert names(()) == ["operator", "1002"]
    assert names(("PJSIP/other-",)) == []


# --- where calls from outside come to

AGENTS = agents_of(
    [member("PJSIP/1001"), member("Local/1009@remote/n", state="PJSIP/1009"), member("PJSIP/1010", queue="other")],
    ["advice"],
)
INSIDE = (
    line("Dial", "PJSIP/${EXTEN},30", "_10XX", "inside"),
    line("Hangup", "", "_10XX", "inside"),
    line("Dial", "PJSIP/${EXTEN:1},30", "_81XXX", "inside"),
)


def reach(*lines: DialplanLine, includes: tuple[tuple[str, str], ...] = ()) -> list[str]:
    found = told(judge_reach(dialplan(*lines, *INSIDE, includes=includes), {"trunk": "the trunk operator"}, AGENTS))
    assert all("for a call from outside" in what or "a call from outside" in what for _, what in found)
    return [what.partition(" for a call")[0].partition(" lets a call")[0] for _, what in found]


def test_agents_are_the_members_of_recorded_queues_and_the_phones_behind_them() -> None:
    assert {"PJSIP/1001", "Local/1009@remote", "PJSIP/1009"} == AGENTS


@pytest.mark.parametrize(
    "lines",
    [
        [line("Gosub", "ari-recorder-enter,s,1(advice,fi,0195)", context="trunk")],
        [line("Goto", "numbers,${EXTEN},1", "_0195XX", "trunk"), line("Queue", "other")],
        [line("Goto", "inside,${EXTEN},1", "_0195XX", "trunk")],
        [line("Goto", "inside,1010,1", context="trunk")],
        [line("Goto", "inside,${CHOSEN},1", context="trunk")],
        [line("Dial", "PJSIP/1001@operator", context="trunk")],
        [line("Dial", "${WHOM}", context="trunk")],
        [line("Dial", "PJSIP/1001", context="elsewhere")],
        [line("ChanSpy", "PJSIP/1001", context="inside-only")],
        [line("Goto", "inside,1001,1", context="trunk"), line("Answer", "", "1001", "inside")],
        [line("Gosub", "ari-recorder-enter,s,1", context="trunk"), line("Dial", "PJSIP/1001", "s", OURS + "enter")],
    ],
)  # fmt: skip
def test_calls_that_ring_no_agent(lines: list[DialplanLine]) -> None:
    assert reach(*lines) == []


PATTERN = "_10XX in the context inside: Dial() rings "


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line("Dial", "PJSIP/1001,30", context="trunk")], "0195 in the context trunk: Dial() rings PJSIP/1001"),
        ([line("Page", "PJSIP/1&PJSIP/1001", context="trunk")], "0195 in the context trunk: Page() rings PJSIP/1001"),
        ([line("ExecIf", "1?Dial(PJSIP/1001)", context="trunk")], "0195 in the context trunk: Dial() rings PJSIP/1001"),
        (
            [line("Dial", "${PJSIP_DIAL_CONTACTS(1001)}", context="trunk")],
            "0195 in the context trunk: Dial() rings PJSIP/1001",
        ),
        (
            [line("Dial", "Local/1009@remote/n", context="trunk")],
            "0195 in the context trunk: Dial() rings Local/1009@remote",
        ),
        ([line("Goto", "inside,1001,1", context="trunk")], PATTERN + "PJSIP/1001"),
        ([line("Goto", "inside,${EXTEN},1", "_10.", "trunk")], PATTERN + "PJSIP/1001, PJSIP/1009"),
        ([line("Goto", "inside,${EXTEN:4},1", "_01951XXX", "trunk")], PATTERN + "PJSIP/1001, PJSIP/1009"),
        ([line("GotoIf", "$[1]?x:inside,1001,1", context="trunk")], PATTERN + "PJSIP/1001"),
        ([line("Dial", "Local/1001@inside/n", context="trunk")], PATTERN + "PJSIP/1001"),
        (
            [line("Goto", "inside,81001,1", context="trunk")],
            "_81XXX in the context inside: Dial() rings PJSIP/1001",
        ),
        ([line("ChanSpy", "PJSIP/1001", context="trunk")], "0195 in the context trunk: ChanSpy()"),
        ([line("Pickup", "1001@x", context="trunk")], "0195 in the context trunk: Pickup()"),
        (
            [line("Macro", "ring,1", context="trunk"), line("Dial", "PJSIP/1001", "s", "macro-ring")],
            "s in the context macro-ring: Dial() rings PJSIP/1001",
        ),
    ],
)  # fmt: skip
def test_calls_that_ring_an_agent(lines: list[DialplanLine], expected: str) -> None:
    assert reach(*lines) == [expected]


def test_included_contexts_are_reached_and_a_menu_lets_callers_choose() -> None:
    both = [PATTERN + "PJSIP/1001, PJSIP/1009", "_81XXX in the context inside: Dial() rings PJSIP/1001, PJSIP/1009"]
    included = (("trunk", "menu"), ("menu", "inside"))
    assert reach(line("Answer", "", context="trunk"), includes=included) == both
    menu = (line("Goto", "menu,s,1", context="trunk"), line("Answer", "", "s", "menu"))
    assert reach(*menu, includes=(("menu", "inside"),)) == []
    assert reach(*menu, line("WaitExten", "5", "s", "menu"), includes=(("menu", "inside"),)) == both


def test_contexts_that_lead_to_each_other_come_to_an_end() -> None:
    circle = (line("Goto", "b,${EXTEN:1},1", "_X.", "trunk"), line("Goto", "trunk,${EXTEN},1", "_X.", "b"))
    assert reach(*circle, includes=(("trunk", "b"), ("b", "trunk"))) == []


def test_a_dialplan_without_end_is_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.services.check_reach.LINES_MOST", 5)
    lines = [line("Goto", f"c{number},s,1", "s", f"c{number - 1}") for number in range(1, 20)]
    ((level, what),) = told(judge_reach(dialplan(*lines), {"c0": "the trunk operator"}, AGENTS))
    assert (level, "leads into more than 5 lines" in what) == (Level.UNSEEN, True)


# --- all of them

ALL = {
    "features.conf": SHIPPED_FEATURES,
    "manager.conf": SHIPPED_MANAGER,
    "queues.conf": "[general]\n#include queues_ari_recorder.conf\n[advice](ari-recorder-queue)\n",
    "pjsip.conf": PHONES + TRUNK,
}
Write = Callable[[str, str], Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    (etc / "ari_recorder_site").mkdir(parents=True)
    for shipped in SHIPPED_CONF.glob("*.conf"):
        (etc / shipped.name).write_bytes(shipped.read_bytes())
        (etc / "ari_recorder_site" / shipped.name.replace("_ari_recorder", "")).write_text("")
    for name, text in ALL.items():
        (etc / name).write_text(text)
    return etc


def check(etc: Path, **facts: object) -> Told:
    changes = {"pbx.more": f'config = "{etc}"\noutside = ["PJSIP/operator-"]'}
    there = etc.parent / "ari-recorder.toml"
    settings = config.load(there) if there.exists() else prepare(etc.parent, changes=changes)
    known = PbxFacts(dialplan=ENTERED, members=(member("PJSIP/1001"),), system_name="pbx1")
    for name, value in facts.items():
        setattr(known, name, value)
    return told(check_files.check(settings, known, {"advice"}))


def test_a_site_made_of_the_shipped_files_is_in_order(site: Path) -> None:
    assert check(site) == []


def test_mistakes_of_every_file_are_found(site: Path) -> None:
    for name, more in {
        "features.conf": "[featuremap](+)\nautomixmon = *1\n",
        "manager.conf": "[ari-recorder](+)\nread = all\n",
        "queues.conf": "monitor-format = wav\n",
        "pjsip.conf": "[1001](+)\none_touch_recording = yes\n",
    }.items():
        (site / name).write_text(ALL[name] + more)
    found = check(site, dialplan=dialplan(line("Dial", "PJSIP/1001", context="from-operator")))
    assert len(found) == 5
    assert all(str(site) in what for _, what in found[:4])


def test_what_was_not_looked_at_is_told(site: Path) -> None:
    (site / "pjsip.conf").unlink()
    (site / "queues.conf").write_text(ALL["queues.conf"] + "#exec /usr/local/bin/queues\n")
    (site / "extconfig.conf").write_text("[settings]\nqueue_members => odbc,asterisk\nvoicemail => odbc,asterisk\n")
    found = check(site)
    assert {level for level, _ in found} == {Level.UNSEEN}
    assert [what.removeprefix(str(site)) for _, what in found] == [
        "/queues.conf:4: #exec is not followed: what that program writes is not looked at",
        "/pjsip.conf is not there: what it would tell was not looked at",
        "/extconfig.conf:2: queue_members is kept in a database, where it was not looked at",
    ]


def test_a_trunk_that_is_not_known_is_told(site: Path) -> None:
    (site / "pjsip.conf").write_text(PHONES)
    ((level, what),) = check(site)
    assert (level, what.startswith("no trunk is known")) == (Level.UNSEEN, True)
    assert check(site, dialplan=None, members=None) == []


def test_the_files_of_another_pbx_are_told_and_not_judged(site: Path) -> None:
    (site / "asterisk.conf").write_text("[options]\nsystemname = pbx2\n")
    (site / "features.conf").write_text(BEGIN)
    ((level, what),) = check(site)
    assert (level, "these are the files of pbx2, but the PBX is pbx1" in what) == (Level.FAIL, True)


def test_a_folder_that_cannot_be_read_is_one_finding(site: Path) -> None:
    ((level, what),) = check(site.parent / "none")
    assert level is Level.UNSEEN
    assert what.startswith(f"{site.parent / 'none'} cannot be read: No such file or directory")


def test_freepbx_includes_its_files_first_and_the_sites_after(site: Path) -> None:
    """FreePBX writes features_general_additional.conf and its like; a custom file of the site goes on with them."""
    (site / "queues.conf").write_text("#include queues_general_additional.conf\n#include queues_additional.conf\n")
    (site / "queues_general_additional.conf").write_text("[general]\npersistentmembers=yes\n")
    (site / "queues_additional.conf").write_text("[advice]\nmonitor-format=\n#include queues_post_custom.conf\n")
    (site / "queues_post_custom.conf").write_text("[advice](+)\nmonitor-format=wav\n")
    ((level, what),) = check(site)
    assert (level, what.startswith(f"{site}/queues_post_custom.conf:2: monitor-format = wav")) == (Level.FAIL, True)
