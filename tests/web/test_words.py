"""On a page in Finnish or Swedish nothing is English, whatever state things are in: no sentence, no code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import ari_recorder
from ari_recorder.domain import errors
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.calls import MarkKind
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.ledger import Reason
from ari_recorder.domain.recordings import EndReason
from ari_recorder.domain.restriction import RestrictionGround, RestrictionTerms
from ari_recorder.domain.retention import Erase, Kept, Period, Policy, Rules, decide, local_day
from ari_recorder.services import connect
from ari_recorder.services.accounts import Person
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.corrections import Corrections
from ari_recorder.services.erase import Eraser
from ari_recorder.services.holds import HoldTerms
from ari_recorder.storage import audit, erasing
from ari_recorder.vault.copies import Copies
from ari_recorder.web import languages
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.operators import OPERATORS
from ari_recorder.web.routes import ROUTES
from tests.deliveries import deliver
from tests.docs_parts import subclasses
from tests.services.people import BEGAN, OPERATOR
from tests.site import NAME, QUEUE, Recorded, record
from tests.web.cases import every_step
from tests.web.house import House, Visitor
from tests.web.reasons import SOUNDS, STATES
from tests.web.test_every_route import may
from tests.web.test_use import used
from tests.web.wording import English, read

# What people of the test are called and what they wrote, in whatever language.
NAMES = frozenset(
    {NAME, "came in person", "Adviser 1001", "the task asks for it", "the first unit", "root", "ops", QUEUE}
)
TEXT = "Soittaja uhkasi neuvojaa."
DESK = {
    Role.ADVISER: "aatos",
    Role.SUPERVISOR: "sirkku",
    Role.PRIVACY_OFFICER: "pirkko",
    Role.ADMINISTRATOR: "helmi",
    Role.AUDITOR: "tarmo",
}


@dataclass
class Desk:
    """A house where everything has happened to calls once."""

    house: House
    flagged: Recorded
    calls: dict[str, Recorded]
    hold_id: UUID
    restriction_id: UUID
    asked_id: UUID
    export_id: UUID
    case: str
    week: date

    async def visitor(self, role: Role, language: str) -> Visitor:
        found = await self.house.visitor(DESK[role])
        found.language = language
        await found.post("/language", {"language": language})
        return found

    async def path(self, route: Route, visitor: Visitor) -> str:
        people = self.house.people
        match route.name:
            case "invitation":
                made = await people.accounts.create(replace(PERSON, name=f"uusi-{uuid4().hex[:6]}"), OPERATOR)
                return f"/invitation/{made.token}"
            case "delivery":
                site, now = self.house.site, people.watch.now
                return (await deliver(site.config, site.database, self.flagged.recording_id, now=now)).path
            case "listening":
                began = await visitor.post(
                    f"/recordings/{self.flagged.recording_id}/listenings",
                    {"purpose": "other", "text": TEXT, "reference": "VN-1"},
                )
                assert began.status == 303, began.text
                return began.headers["Location"]
            case "login-code":
                who = await self.house.person(DESK[Role.SUPERVISOR])
                began = await visitor.post("/login", {"name": who.name, "password": who.password})
                assert began.status == 303, began.text
                return began.headers["Location"]
            case _:
                samples = {
                    "recording_id": str(self.flagged.recording_id),
                    "hold_id": str(self.hold_id),
                    "restriction_id": str(self.restriction_id),
                    "export_id": str(self.export_id),
                    "case": self.case,
                    "day": local_day(people.watch.now()).isoformat(),
                    "week": self.week.isoformat(),
                    "account_id": str((await self.house.person(DESK[Role.ADVISER])).account_id),
                }
                return route.path.format(**samples)


PERSON = Person(name="uusi", full_name=NAME)
CUT_OFF = (
    "the spool was lost in mid-call; what was sealed by then is here, 12.5 s; "
    "1.0 s could not be read back and are silent here"
)


@pytest.fixture
async def desk(house: House) -> Desk:
    people, site = house.people, house.site
    now = people.watch.now()
    for role, name in DESK.items():
        await house.person(name)
        await people.give(name, role)
    made: dict[str, Recorded] = {}

    async def call(name: str, at: datetime, **more: object) -> UUID:
        recorded = await record(site.config, site.database, started_at=at, uniqueid=f"{len(made)}.1", **more)  # type: ignore[arg-type]
        made[name] = recorded
        return recorded.recording_id

    hour = timedelta(hours=1)
    every_mark = tuple((kind, timedelta(seconds=1)) for kind in MarkKind)
    await call("flagged", now - hour, marks=every_mark)
    await call("late", now - timedelta(days=95))  # flagged, past its period: within the grace
    for name in ("held", "frozen", "asked"):
        await call(name, now - hour)
    for ground in RestrictionGround:
        await call(ground.value, now - hour)
    await call("due", now - timedelta(days=120), marks=())
    await call("undecided", now - timedelta(days=120))
    for state, reasons in STATES.items():
        for reason in reasons:
            await call(reason.value, now - hour, **SOUNDS.get(reason, {}))
            await _set(house, made[reason.value], "call", ledger_state=state.value, ledger_reason=reason.value)
    for end in EndReason:
        await call(f"gone-{end.value}", now - hour)
    await _set(house, made[Reason.TRUNCATED.value], "recording", truncated_because=CUT_OFF)
    await _set(house, made[Reason.LATE_START.value], "recording", late=True, end_reason="ended-unseen")
    await _set(house, made[Reason.ADOPTED.value], "recording", started_by="dialplan")
    for end in EndReason:
        await _erased(house, made[f"gone-{end.value}"], end.value)
    officer = await people.principal((await people.entered(await house.person(DESK[Role.PRIVACY_OFFICER]))).session)
    corrections = Corrections(database=site.database, keyring=site.keyring, clocks=people.watch)
    for field in (Correctable.CALLER_NAME, Correctable.NOTE):
        proposed = Proposed(field=field, value=NAME, because=TEXT)
        await corrections.correct(officer, made["flagged"].recording_id, proposed)
    terms = HoldTerms(reason=TEXT, reference="VN-1", owner=NAME, review_on=(now + timedelta(days=60)).date())
    placed = await site.holds.place([made["held"].recording_id], terms, OPERATOR)
    asked = await site.holds.place([made["asked"].recording_id], terms, OPERATOR)
    sirkku = await people.principal((await people.entered(await house.person(DESK[Role.SUPERVISOR]))).session)
    await site.hold_desk.ask_release(sirkku, asked.hold.id, TEXT)
    await site.holds.open_freeze([made["frozen"].recording_id], "TP-1", OPERATOR)
    terms_of_export = Terms(receiver_kind=ReceiverKind.POLICE, receiver=NAME, reference="VN-1", reason=TEXT)
    export_id = await site.export_desk.ask(officer, made["flagged"].recording_id, terms_of_export)
    for ground in RestrictionGround:
        terms_of = RestrictionTerms(ground=ground, case_number="TP-2")
        made_of = await site.restrictions.restrict([made[ground.value].recording_id], terms_of, OPERATOR)
    restriction = made_of.restriction
    eraser = Eraser(database=site.database, copies=Copies(site.config.storage.vault), clocks=people.watch, at_most=1e9)
    policy = await connect.policies(site.config, site.database).adopt(now)
    await eraser.queue(QUEUE, policy, now, _nothing)
    _, week = await used(house)
    for action in Action:
        for outcome in Outcome:
            await _log(house, Entry(action=action, actor=Actor.service("sweep"), outcome=outcome, because="quality"))
    await sequence(site.database)
    return Desk(
        house=house,
        flagged=made["flagged"],
        calls=made,
        hold_id=placed.hold.id,
        restriction_id=restriction.id,
        asked_id=asked.hold.id,
        export_id=export_id,
        case=await every_step(site, people.watch.now(), OPERATOR),
        week=week,
    )


async def _nothing(*_: object) -> None:
    pass


async def _set(house: House, recorded: Recorded, table: str, **columns: object) -> None:
    id = recorded.call.id if table == "call" else recorded.recording_id
    async with house.site.database.transaction() as conn:
        for name, value in columns.items():
            await conn.execute(f"UPDATE {table} SET {name} = $2 WHERE id = $1", id, value)  # noqa: S608


async def _erased(house: House, recorded: Recorded, because: str) -> None:
    async with house.site.database.transaction() as conn:
        now = house.people.watch.now()
        await erasing.begin_erasing(conn, [recorded.recording_id], because, now)
        await erasing.destroy_keys(conn, [recorded.recording_id])
        await erasing.bury(conn, {recorded.recording_id: ("vault",)}, now)


async def _log(house: House, entry: Entry) -> None:
    async with house.site.database.transaction() as conn:
        await audit.append(conn, entry, house.people.watch.now())


def assert_in(language: str, html: str, what: str) -> None:
    english = ENGLISH[language]
    found = {text: left for text in read(html, language) if (left := english.found(text, NAMES | {TEXT}))}
    assert not found, f"{what}: {found}"


ENGLISH = {language: English(languages.load()[language]) for language in ("fi", "sv")}
PAGES = [route for route in ROUTES if route.method == "GET" and route.template]


async def test_nothing_english_is_on_a_page(desk: Desk) -> None:
    for language, role in product(ENGLISH, Role):
        visitor = await desk.visitor(role, language)
        for route in PAGES:
            if not may(route, role.value) or route.permission is Access.PUBLIC:
                continue
            got = await visitor.get(await desk.path(route, visitor))
            assert got.status == 200, f"{route.name} as {role}: {got.status} {got.text}"
            assert_in(language, got.text, f"{route.name} as {role}")
    stranger = desk.house.stranger()
    for language, route in product(ENGLISH, PAGES):
        if route.permission is Access.PUBLIC:
            stranger.language = language
            got = await stranger.get(await desk.path(route, stranger))
            assert got.status == 200, f"{route.name}: {got.status}"
            assert_in(language, got.text, route.name)


async def test_nothing_english_is_said_of_a_recording_whatever_became_of_it(desk: Desk) -> None:
    for language in ENGLISH:
        await _see_all(desk, language)


async def _see_all(desk: Desk, language: str) -> None:
    visitor = await desk.visitor(Role.SUPERVISOR, language)
    for name, recorded in desk.calls.items():
        got = await visitor.get(f"/recordings/{recorded.recording_id}")
        assert got.status == 200, name
        assert_in(language, got.text, name)
        refused = await visitor.post(f"/recordings/{recorded.recording_id}/listenings", {"purpose": "quality"})
        if refused.status != 303:
            assert_in(language, refused.text, f"listening to {name}")
    for path in ("/recordings?destroyed=true", f"/holds/{desk.asked_id}", "/recordings?flagged=true", "/nowhere"):
        assert_in(language, (await visitor.get(path)).text, path)
    auditor = await desk.visitor(Role.AUDITOR, language)
    entries = (await auditor.get("/audit?format=json")).json()["tree"]["size"]
    for before in range(100, entries + 100, 100):
        got = await auditor.get(f"/audit?before={before}")
        assert_in(language, got.text, f"entries before {before}")


async def test_nothing_english_is_said_of_what_is_refused(desk: Desk) -> None:
    for language in ENGLISH:
        await _be_refused(desk, language)


async def _be_refused(desk: Desk, language: str) -> None:
    people = desk.house.people
    stranger = desk.house.stranger()
    stranger.language = language
    token = (await people.accounts.create(replace(PERSON, name=f"uusin-{language}"), OPERATOR)).token
    for password in ("lyhyt", "a" * 2000, "aaaaaaaaaaaaaaaaaaaaaaa", "salasanasalasana", "uusin uusin uusin"):
        form = {"password": password, "again": password, "code": "123456"}
        got = await stranger.post(f"/invitation/{token}", form)
        assert got.status >= 400
        assert_in(language, got.text, password[:20])
    assert_in(language, (await stranger.post("/login", {"name": "x", "password": "y"})).text, "log-in")
    page = f"/recordings/{desk.flagged.recording_id}"
    day = str((people.watch.now() + timedelta(days=30)).date())
    wrong = {"reason": TEXT, "reference": "a b" * 30, "owner": NAME, "review_on": day}
    refused: tuple[tuple[Role, str, dict[str, str]], ...] = (
        (Role.SUPERVISOR, f"{page}/holds", {}),
        (Role.SUPERVISOR, f"{page}/holds", wrong),
        (Role.SUPERVISOR, f"{page}/holds", {**wrong, "reference": "010170-123A"}),
        (Role.SUPERVISOR, f"{page}/holds", {**wrong, "reference": "VN-1", "review_on": "2036-01-01"}),
        (Role.SUPERVISOR, f"{page}/listenings", {"purpose": "other", "text": "ei"}),
        (Role.SUPERVISOR, f"{page}/listenings", {"purpose": "nothing"}),
        (Role.SUPERVISOR, "/find/by-number", {"number": "ei numeroa"}),
        (Role.SUPERVISOR, "/rights", {"name": "aatos"}),
        (Role.PRIVACY_OFFICER, f"{page}/corrections", {"field": "note", "value": "x" * 501, "because": "y" * 501}),
        (Role.PRIVACY_OFFICER, f"{page}/corrections", {"field": "agent", "value": NAME, "because": ""}),
        (Role.ADMINISTRATOR, "/rights", {"name": "nemo", "role": "auditor", "valid_until": day, "why": TEXT}),
        (Role.ADMINISTRATOR, "/rights", {"name": "sirkku", "role": "auditor", "valid_until": day, "why": TEXT}),
        (
            Role.ADMINISTRATOR,
            "/rights",
            {"name": "aatos", "role": "auditor", "unit": "advice", "valid_until": day, "why": TEXT},
        ),
        (Role.ADMINISTRATOR, "/accounts", {"name": "Ä Ä", "full_name": NAME, "language": "fi"}),
        (Role.ADMINISTRATOR, "/accounts", {"name": "aatos", "full_name": NAME, "language": "de"}),
    )
    for role, path, form in refused:
        got = await (await desk.visitor(role, language)).post(path, form)
        assert got.status >= 400, f"{path} {form}: {got.status}"
        assert_in(language, got.text, f"{path} {form}")


@pytest.mark.parametrize("language", ENGLISH)
def test_reasons_that_are_written_down_are_told_in_the_language(language: str) -> None:
    words = languages.load()[language]
    rules = Rules(queues={QUEUE: Period.parse("P3M")})
    kept = Kept(queue=QUEUE, kept_from=BEGAN - timedelta(days=400))
    for one in (
        kept,
        replace(kept, undecided=True),
        replace(kept, queue="x"),
        replace(kept, queue="x", undecided=True),
    ):
        decision = decide(one, Policy(rules=rules), (), (), BEGAN)
        assert isinstance(decision, Erase)
        assert ENGLISH[language].found(words.destroyed(decision.because), NAMES) == [], decision.because
    assert not ENGLISH[language].found(words.why(CUT_OFF), NAMES)
    assert words.why("P3M of queue x; DROP TABLE") != "P3M of queue x; DROP TABLE"
    assert words.why("{0.__class__} of that") == "{0.__class__} of that"


# Raised where no page is: the configuration is read by whoever starts the service.
UNSEEN = {"PeriodRefused"}


def _reasons() -> Iterator[tuple[str, str]]:
    """What the source gives errors as a reason, a state or a field that is refused; 7 where a value stands."""
    kinds = {one.__name__ for one in subclasses(errors.RecorderError) if one.code not in OPERATORS} - UNSEEN
    for path in sorted(Path(ari_recorder.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds):
                continue
            for word in node.keywords:
                if word.arg in ("reason", "because", "state", "field"):
                    match word.value:
                        case ast.Constant(value=str(text)):
                            yield f"{path.name}:{node.lineno}", text
                        case ast.JoinedStr(values=parts) if path.parent.name != "cli":
                            said = (part.value if isinstance(part, ast.Constant) else "7" for part in parts)
                            yield f"{path.name}:{node.lineno}", "".join(map(str, said))


def test_every_reason_an_error_is_given_has_its_words() -> None:
    reasons = dict(_reasons())
    assert len(reasons) > 20
    missing = {
        place: text
        for place, text in reasons.items()
        if text not in languages.FRAGMENTS | set(languages.DESTROYED)
        and not any(re.fullmatch(re.sub(r"\d+", r"\\d+", known), text) for known in languages.FRAGMENTS)
        and not any(pattern.fullmatch(text) for pattern, _ in languages.SENTENCES)
    }
    assert not missing


def test_words_of_another_language_are_found() -> None:
    """The test's own eyes."""
    english = ENGLISH["fi"]
    page = '<p aria-label="Search">Haku</p><p>Destroyed: P3M of queue neuvonta</p><p>caller-refused</p><code>the</code>'
    found = [text for text in read(page, "fi") if english.found(text, frozenset())]
    assert found == ["Search", "Destroyed: P3M of queue neuvonta", "caller-refused"]
    assert not english.found("Haku", frozenset())
