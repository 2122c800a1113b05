"""`ari-recorder request`: a case from the letter to the end, and what is refused with a message and a code."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, USAGE, Answer, ari
from tests.site import NUMBER, Recorded, open_keyring, prepare, record
from tests.test_audit_events import entries

TODAY = datetime.now(HELSINKI).date()


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> Recorded:
    made = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=2))
    await CallerIndex(database=database, keyring=open_keyring(site)).run_once(asyncio.Event())
    return made


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "aino.toml"
    path.write_text(
        f'name = "Aino Esimerkki"\ncontact = "Torikatu 1"\nasked = "Poistakaa puheluni."\nnumber = "{NUMBER}"\n'
    )
    return path


@pytest.fixture
def why(tmp_path: Path) -> Path:
    path = tmp_path / "why.txt"
    path.write_text("Asia on vireillä tuomioistuimessa.")
    return path


async def request(site: Config, *arguments: object) -> Answer:
    return await ari("request", *arguments, "--json", "--config", site.source)


async def opened(site: Config, letter: Path, kind: str = "erasure", *more: object) -> Answer:
    came = ("--channel", "paper", "--received-on", TODAY, "--language", "sv", "--file", letter)
    return await request(site, "open", "--kind", kind, *came, *more)


async def test_a_case_from_the_letter_to_its_certificate(
    site: Config, database: Database, recorded: Recorded, letter: Path, why: Path, tmp_path: Path
) -> None:
    answer = await opened(site, letter)
    assert answer.code == FINE, answer.err
    number = answer.json["case"]["number"]
    assert (number, answer.json["calls"], answer.json["case"]["state"]) == (f"R{TODAY.year}-1", 1, "received")
    signed = ("--signatory", "Sari Virkanen", "--title", "Kommunikationsdirektör")
    steps: tuple[tuple[object, ...], ...] = (
        ("identity", number, "--version", 2, "--method", "in-person", "--proved"),
        ("confirm", number, "--version", 3, "--theirs", str(recorded.recording_id)[:8]),
        ("extend", number, "--version", 4, "--told-on", TODAY, "--because-file", why),
        ("refuse", number, "--version", 5, "--ground", "legal-claims", "--because-file", why, *signed),
        ("close", number, "--version", 6),
    )
    for step in steps:
        answer = await request(site, *step)
        assert answer.code == FINE, (step, answer.err)
    assert answer.json["case"]["state"] == "closed"
    shown = await ari("request", "show", number, "--config", site.source)
    for word in ("Poistakaa puheluni.", "Asia on vireillä", str(recorded.recording_id), "theirs", "legal-claims"):
        assert word in shown.out
    papers = tmp_path / "papers"
    papers.mkdir()
    written = await request(site, "certificate", number, "--into", papers)
    assert written.code == FINE, written.err
    names = sorted(path.name for path in papers.iterdir())
    assert names == [f"certificate-{TODAY.year}-1.sv.html", f"certificate-{TODAY.year}-1.sv.pdf"]
    assert {path.stat().st_mode & 0o777 for path in papers.iterdir()} == {0o600}
    assert (await request(site, "certificate", number, "--into", papers)).json["error"][
        "code"
    ] == "export_target_refused"
    assert len(list(papers.iterdir())) == 2
    assert [one["number"] for one in (await request(site, "list", "--all")).json] == [number]
    log = json.dumps(list(map(dict, await entries(database))))
    assert "Aino" not in log
    assert NUMBER not in log


async def test_erasure_wants_a_yes(site: Config, recorded: Recorded, letter: Path, why: Path) -> None:
    number = (await opened(site, letter)).json["case"]["number"]
    await request(site, "identity", number, "--version", 2, "--method", "suomi-fi", "--proved")
    await request(site, "confirm", number, "--version", 3, "--theirs", recorded.recording_id)
    decide = ("decide", number, "granted", "--version", 4, "--because-file", why)
    refused = await request(site, *decide)
    assert (refused.code, refused.json["error"]["code"]) == (FAILED, "decision_destroys")
    assert (await request(site, *decide, "--yes")).code == FINE
    handed = await request(site, "hand-over", number, "--version", 5, "--way", "letter", "--note-file", why)
    assert handed.json["case"]["state"] == "answered"


async def test_what_is_refused_says_why(site: Config, recorded: Recorded, letter: Path, tmp_path: Path) -> None:
    number = (await opened(site, letter, "access")).json["case"]["number"]
    for arguments, code in (
        (("show", "R1999-1"), "request_unknown"),
        (("confirm", number, "--version", 2, "--theirs", recorded.recording_id), "identity_not_proved"),
        (("identity", number, "--version", 1, "--method", "in-person", "--proved"), "request_changed"),
        (("match", number, "--version", 2, "--since", TODAY), "request_search_refused"),
        (("certificate", number, "--into", tmp_path), "certificate_missing"),
    ):
        answer = await request(site, *arguments)
        assert (answer.code, answer.json["error"]["code"]) == (FAILED, code), arguments
    days = TODAY - timedelta(days=30), TODAY - timedelta(days=1)
    found = await request(site, "match", number, "--version", 2, "--since", days[0], "--until", days[1])
    assert found.code == FINE, found.err
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "Aino"\nage = "40"')
    assert "number" in (await opened(site, wrong)).json["error"]["message"]
    assert (await opened(site, tmp_path / "none.toml")).json["error"]["code"] == "request_text_refused"
    assert (await request(site, "show", "7")).code == USAGE
    empty = tmp_path / "empty"
    empty.write_text("")
    answer = await request(site, "close", number, "--version", 2, "--taken-back-file", empty)
    assert answer.json["error"]["code"] == "request_text_refused"


async def test_a_case_is_shown_as_it_was_on_a_day(site: Config, recorded: Recorded, letter: Path, why: Path) -> None:
    number = (await opened(site, letter)).json["case"]["number"]
    await request(site, "identity", number, "--version", 2, "--method", "in-person", "--proved")
    await request(site, "confirm", number, "--version", 3, "--theirs", recorded.recording_id)
    matched = datetime.now(UTC).isoformat()
    signed = ("--signatory", "Sari Virkanen", "--title", "Kommunikationsdirektör", "--because-file", why)
    await request(site, "refuse", number, "--version", 4, "--ground", "legal-claims", *signed)
    then = (await request(site, "show", number, "--on", matched)).json
    (case,) = then["cases"]
    assert (case["stood"]["state"], case["stood"]["decision"], len(case["since"])) == ("matched", None, 1)
    assert (case["certificates"]["in_force"], case["certificates"]["since"][0]["ground"]) == (None, "legal-claims")
    assert [one["id"] for one in then["recordings"]] == [str(recorded.recording_id)]
    shown = await ari("request", "show", number, "--on", TODAY, "--config", site.source)
    assert shown.code == FINE, shown.err
    for word in (f"case {number}: erasure", "refused", "theirs", "Poistakaa puheluni.", "legal-claims", NUMBER):
        assert word in shown.out
