"""`ari-recorder check` finds on a real Asterisk what only its files tell: each mistake by itself, with file and line.

That nothing is found without a mistake is tested in test_check.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ari_recorder.asterisk import conf_files
from tests.lab.lab import Lab
from tests.lab.mistakes import SITE, mistaken, trunk_grants
from tests.lab.service import Service
from tests.lab.test_check import service_beside, troubles

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("fresh_heartbeat")]

FEATURES, QUEUES = "module reload features", "queue reload all"


@pytest.fixture
def service(lab: Lab, tmp_path: Path) -> Service:
    return service_beside(lab, tmp_path)


def line_of(lab: Lab, file: str, line: str) -> str:
    path = lab.pbx.folder / "etc" / file
    return f"{path}:{path.read_text().splitlines().index(line) + 1}"


async def found(service: Service) -> list[tuple[str, str, str]]:
    return [(one["level"], one["area"], one["what"]) for one in await troubles(service)]


@asynccontextmanager
async def extension(lab: Lab, *applications: str, context: str = "numbers") -> AsyncIterator[None]:
    for priority, application in enumerate(applications, 1):
        await lab.pbx.cli(f"dialplan add extension 0195202666,{priority},{application} into {context}")
    try:
        yield
    finally:
        await lab.pbx.cli(f"dialplan remove extension 0195202666@{context}")


async def test_one_touch_recording_with_a_key_is_told(lab: Lab, service: Service) -> None:
    async with mistaken(lab, f"{SITE}/features.conf", "[featuremap](+)\nautomixmon = *3", reload=FEATURES):
        ((level, area, what),) = await found(service)
        assert what.startswith(line_of(lab, f"{SITE}/features.conf", "automixmon = *3"))
    assert (level, area) == ("warn", "features")
    assert "automixmon gives the keys *3 to one-touch recording" in what
    assert await troubles(service) == []


async def test_a_code_that_clashes_is_told_with_both_places(lab: Lab, service: Service) -> None:
    codes = "[featuremap](+)\nblindxfer = *9\nparkcall = *92\n[applicationmap](+)\nlights => *931,self,NoOp(x)"
    async with mistaken(lab, f"{SITE}/features.conf", codes, reload=FEATURES):
        told = await found(service)
        transfer = line_of(lab, f"{SITE}/features.conf", "blindxfer = *9")
    transfers = [what for level, _, what in told if level == "fail"]
    assert [what.split("the keys ")[1].split(" ")[0] for what in transfers] == ["*91", "*92", "*93", "*94"]
    assert all(f"*9 of the blind transfer (blindxfer, {transfer})" in what for what in transfers)
    park, lights = [what for level, _, what in told if level == "warn"]
    assert "*92 of ari-recorder-pause and *92 of parking" in park
    assert "*93 of ari-recorder-resume and *931 of lights" in lights


async def test_features_that_the_pbx_has_not_loaded_are_told(lab: Lab, service: Service) -> None:
    async with mistaken(lab, f"{SITE}/features.conf", "[featuremap](+)\natxfer = *7"):
        ((level, _, what),) = await found(service)
    assert level == "fail"
    assert "atxfer is *7 there, but *2 on the PBX" in what


async def test_a_queue_that_records_by_itself_is_told(lab: Lab, service: Service) -> None:
    mistake = mistaken(lab, f"{SITE}/queues.conf", "monitor-format = wav", after="[tekniikka](ari-recorder-queue)")
    async with mistake:
        ((level, area, what),) = await found(service)
        assert what.startswith(line_of(lab, f"{SITE}/queues.conf", "monitor-format = wav"))
    assert (level, area) == ("fail", "queues")
    assert "makes Asterisk record the queue tekniikka by itself" in what
    # Of a queue that is not recorded it is nobody's business here.
    async with mistaken(lab, f"{SITE}/queues.conf", "monitor-format = wav", after="[vaihde]"):
        assert await troubles(service) == []


async def test_queue_callerannounce_as_the_announcement_is_told(lab: Lab, service: Service) -> None:
    setting = "queue-callerannounce = recorded"
    async with mistaken(lab, f"{SITE}/queues.conf", setting, after="[etatyo](ari-recorder-queue)", reload=QUEUES):
        assert await troubles(service) == []  # played besides the announcement
        async with extension(lab, "Queue(etatyo)"):
            told = await found(service)
    assert [(level, area) for level, area, _ in told] == [("fail", "dialplan"), ("fail", "queues")]
    assert "is all that callers of etatyo are told who come by 0195202666 in the context numbers" in told[1][2]


async def test_a_local_member_that_would_go_away_is_told(lab: Lab, service: Service) -> None:
    member = "member => Local/1015@remote-agents,0,Adviser 1015,PJSIP/1015"
    after = "[tekniikka](ari-recorder-queue)"
    async with mistaken(lab, f"{SITE}/queues.conf", member, after=after, reload=QUEUES):
        ((level, area, what),) = await found(service)
    assert (level, area) == ("warn", "queues")
    assert what.startswith("the member Local/1015@remote-agents of the queue tekniikka has no /n")


@pytest.mark.parametrize(("variable", "level"), [("DYNAMIC_FEATURES", "warn"), ("__DYNAMIC_FEATURES", "fail")])
async def test_codes_granted_to_a_trunk_are_told(lab: Lab, service: Service, variable: str, level: str) -> None:
    async with trunk_grants(lab, variable):
        (told,) = await found(service)
        place = line_of(lab, f"{SITE}/pjsip.conf", f"set_var = {variable}=ari-recorder")
    assert told[:2] == (level, "endpoints")
    assert told[2].startswith(f"{place}: {variable} grants the agents' codes to the trunk operator")


async def test_an_inherited_grant_of_an_agents_phone_is_told(lab: Lab, service: Service) -> None:
    shipped = "set_var = DYNAMIC_FEATURES=ari-recorder"
    inherited = "set_var = __DYNAMIC_FEATURES=ari-recorder"
    async with mistaken(lab, "pjsip_ari_recorder.conf", inherited, after=shipped):
        told = await found(service)
    assert {(level, area) for level, area, _ in told} == {("warn", "endpoints")}
    assert any("__DYNAMIC_FEATURES of the endpoint 1001 is inherited" in what for _, _, what in told)


async def test_classes_and_filters_that_are_too_wide_or_too_narrow_are_told(lab: Lab, service: Service) -> None:
    wide = "read = system,call,agent,user,dtmf\nwrite = system,call,reporting,originate,message\n"
    wide += "eventfilter(name(VarSet)) =\neventfilter = Event: Newexten"
    async with mistaken(lab, f"{SITE}/manager.conf", wide, reload="manager reload"):
        told = await found(service)
        read = line_of(lab, f"{SITE}/manager.conf", "read = system,call,agent,user,dtmf")
    assert {(level, area) for level, area, _ in told} == {("warn", "rights")}
    whats = [what for _, _, what in told]
    assert len(whats) == 5
    assert any("has the right originate" in what for what in whats)  # by the PBX's own word
    assert any(what.startswith(read) and "dtmf" in what and "card numbers" in what for what in whats)
    assert any("has the rights message," in what for what in whats)
    assert any("hears events this service does not need: VarSet" in what for what in whats)
    assert any("looks into the text of events" in what for what in whats)
    narrow = "read = system,call,user\neventfilter(action(exclude),name(Hangup)) ="
    async with mistaken(lab, f"{SITE}/manager.conf", narrow, reload="manager reload"):
        told = await found(service)
    assert {(level, area) for level, area, _ in told} == {("fail", "rights")}
    assert any("does not hear the event classes agent" in what for _, _, what in told)
    assert any("has to hear: Hangup" in what for _, _, what in told)
    assert await troubles(service) == []


async def test_a_call_from_outside_that_rings_an_agent_past_the_queue_is_told(lab: Lab, service: Service) -> None:
    rings = "0195202666 in the context numbers: Dial() rings PJSIP/1004 for a call from outside (the trunk operator, "
    async with extension(lab, "Dial(PJSIP/1004,30)"):
        ((level, area, what),) = await found(service)
    assert (level, area) == ("warn", "dialplan")
    assert what.startswith(rings + "which comes in at the context from-operator)")
    # Into the context of the inside phones, whose pattern rings whatever number is dialled.
    async with extension(lab, "Goto(inside,1005,1)"):
        ((_, _, what),) = await found(service)
    assert what.startswith("_10XX in the context inside: Dial() rings PJSIP/1005 for a call from outside")
    async with extension(lab, "Goto(inside,1015,1)"):  # nobody's of a recorded queue
        assert await troubles(service) == []
    async with extension(lab, "Dial(PJSIP/1004,30)", context="inside"):  # only colleagues call it
        assert await troubles(service) == []


async def test_files_that_cannot_be_looked_at_are_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    written = service.config.read_text()
    service.config.write_text(written.replace(f'"{lab.pbx.folder / "etc"}"', f'"{tmp_path / "none"}"'))
    ((level, area, what),) = await found(service)
    assert (level, area) == ("unseen", "files")
    assert what.startswith(f"{tmp_path / 'none'} cannot be read")
    # The files of another PBX tell nothing of this one.
    service.config.write_text(written.replace(f'"{lab.pbx.folder / "etc"}"', f'"{lab.world.folder / "etc"}"'))
    ((level, area, what),) = await found(service)
    assert (level, area) == ("fail", "files")
    assert f"the files of world, but the PBX is {lab.pbx.system_name}" in what


async def test_an_include_that_is_missing_is_told_as_asterisk_sees_it(lab: Lab, service: Service) -> None:
    async with mistaken(lab, f"{SITE}/queues.conf", "#include none.conf"):
        ((level, area, what),) = await found(service)
        place = line_of(lab, f"{SITE}/queues.conf", "#include none.conf")
    assert (level, area, what) == ("fail", "files", f"{place}: #include of none.conf, which is not there")


TRICKY = r"""
[a] ; a comment
x = 1 ; why
y=>2
z = one\; two
x += ,3
;-- nothing = here
[nor] here --;
w = ;-- inside --; 4
;--- dashes
\[odd = 5
empty =
no equals sign
[t](!)
of = t
[u](!,t)
of = u
[b](u)
own = 1
#tryinclude none.conf
#include "tricky.d/*.conf"
of = b
[a](+)
x = again
[b]
second = 1
"""


async def test_files_are_read_as_asterisk_itself_reads_them(lab: Lab) -> None:
    etc = lab.pbx.folder / "etc"
    (etc / "tricky.d").mkdir()
    (etc / "tricky.conf").write_text(TRICKY)
    (etc / "tricky.d" / "2.conf").write_text("two = 2\n[c](t)\nthree = 3")
    (etc / "tricky.d" / "1.conf").write_text("one = 1 --- ; x\n")
    answer = await lab.pbx.ami.action("GetConfig", Filename="tricky.conf")
    theirs: dict[str, list[str]] = {}
    names = {key.partition("-")[2]: value for key, value in answer.headers.items() if key.startswith("Category-")}
    for key, value in answer.headers.items():
        if key.startswith("Line-"):
            theirs.setdefault(key.split("-")[1], []).append(value)
    conf = conf_files.read(etc, "tricky.conf")
    ours = [(one.name, [f"{s.name}={s.value}" for s in one.settings]) for one in conf.sections if not one.template]
    assert [(names[key], theirs.get(key, [])) for key in names] == ours
    assert conf.troubles == ()
