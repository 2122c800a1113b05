"""The signed head of the audit log goes out by mail once a day, and what somebody kept of it is an anchor."""

from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from ari_recorder.config import Mail
from ari_recorder.services.audit_log import AuditLog
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit_tree
from ari_recorder.storage.audit_tree import AnchorState
from ari_recorder.storage.db import Database
from tests.services.audit_house import LogHouse, run_tool, tool
from tests.services.smtp_server import SmtpServer, smtp_server
from tests.services.test_mail import Office, office

OFFICER = "privacy@example.org"


@dataclass
class Mailed:
    """A log that is anchored by mail and nowhere else."""

    house: LogHouse
    office: Office

    def log(self, language: str = "en") -> AuditLog:
        return self.house.log(anchors=(), post=Post(self.office.config.mail, language))

    async def send(self) -> int:
        self.office.time = self.house.clocks.now()
        return await self.office.send()

    async def state(self) -> AnchorState:
        async with self.house.database.transaction() as conn:
            (state,) = await audit_tree.anchors(conn)
        return state


def mailed(database: Database, folder: Path, server: SmtpServer) -> Mailed:
    here = office(database, folder, server, audit_to=[OFFICER])
    return Mailed(house=LogHouse(database, folder), office=here)


async def letters(database: Database, folder: Path, language: str = "en") -> tuple[LogHouse, EmailMessage]:
    """The letter of a log of five entries."""
    async with smtp_server() as server:
        here = mailed(database, folder, server)
        await here.house.write(5)
        await here.log(language).checkpoint()
        assert await here.send() == 1
    ((to, message),) = server.messages
    assert to == OFFICER
    return here.house, message


async def test_the_first_head_of_each_day_is_mailed_and_the_auditor_sees_when(
    database: Database, tmp_path: Path
) -> None:
    async with smtp_server() as server:
        here = mailed(database, tmp_path, server)
        for size in (3, 5):
            await here.house.write(size)
            await here.log().checkpoint()
            await here.send()
        assert len(server.messages) == 1
        state = await here.state()
        assert (state.target, state.size, state.trouble) == (f"mail:{OFFICER}", 3, "")
        assert state.anchored_at == here.house.clocks.now()
        here.house.clocks.time += timedelta(days=1)
        await here.log()._sign_if_new()
        await here.send()
        assert (await here.state()).size == 9
    assert ["3 entries" in str(message["Subject"]) for _, message in server.messages] == [True, False]


async def test_a_server_that_is_away_is_the_anchors_trouble_until_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    async with smtp_server(answers={"MAIL": 451}) as server:
        here = mailed(database, tmp_path, server)
        await here.house.write(2)
        await here.log().checkpoint()
        assert await here.send() == 0
        state = await here.state()
        assert (state.size, state.anchored_at, state.trouble) == (0, None, "the mail server answers 451")
        server.answers = {}
        here.house.clocks.time += timedelta(minutes=2)
        assert await here.send() == 1
        state = await here.state()
    assert (state.size, state.trouble) == (2, "")


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
async def test_a_saved_mail_is_an_anchor_in_each_language(database: Database, tmp_path: Path, language: str) -> None:
    house, message = await letters(database, tmp_path, language)
    saved = tmp_path / "head.eml"
    saved.write_bytes(message.as_bytes())
    given = ("--key", house.signer.key, "--anchors", saved)
    whole = await house.export()
    good = run_tool(*given, whole)
    assert (good.returncode, good.stderr) == (0, "")
    # Cut off with its checkpoints: nothing but the mail knows.
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(whole.read_text().splitlines(keepends=True)[:4]))
    bad = run_tool(*given, cut)
    assert bad.returncode == 1
    assert "anchor 1 is of 5 entries, only 3 are there: the log was cut off" in bad.stderr


async def test_the_note_is_an_anchor_however_it_was_pasted(database: Database, tmp_path: Path) -> None:
    house, message = await letters(database, tmp_path)
    text = message.get_content()
    origin, size, root, _, signature = text[text.index(house.signer.origin) :].splitlines()[:5]
    dash, name, signed = signature.split(" ")
    note = "\n".join((origin, size, root, "", signature, ""))
    key = tool().Key(house.signer.key)
    ways = {
        "as it was": note,
        "for Windows": note.replace("\n", "\r\n"),
        "quoted": "".join(f"> > {line}\n" for line in note.splitlines()),
        "wrapped": f"  {origin}\n {size} {root}\n{dash} {name}\n    {signed}\n",
        "in JSON": tool().json.dumps({"note": note}, ensure_ascii=False),
        "another dash": note.replace("—", "-"),
        "amid words": f"On Monday:\n\n{note}\nand so on",
    }
    for way, pasted in ways.items():
        (found,) = tool().notes_in(tool().anchor_text(pasted.encode()), house.signer.origin)
        assert key.head(found)[0] == 5, way
    blocks = [tool().look((await house.export()).read_bytes())]
    assert list(tool().verify_export(blocks, ways.values(), key)) == []
    changed = note.replace("\n5\n", "\n4\n")
    assert any("was not signed by this key" in one for one in tool().verify_export(blocks, [changed], key))
    assert tool().notes_in(note[:-9], house.signer.origin) == []


async def test_a_letter_that_was_changed_before_it_went_out_is_no_anchor_and_says_so(
    database: Database, tmp_path: Path
) -> None:
    async with smtp_server() as server:
        here = mailed(database, tmp_path, server)
        await here.house.write(5)
        await here.log().checkpoint()
        async with database.transaction() as conn:
            await conn.execute(
                "UPDATE outbox SET facts = jsonb_set(facts, '{note}', to_jsonb(replace(facts ->> 'note', $1, $2)))",
                "\n5\n",
                "\n4\n",
            )
        assert await here.send() == 1
    (tmp_path / "head.eml").write_bytes(server.messages[0][1].as_bytes())
    told = run_tool("--key", here.house.signer.key, "--anchors", tmp_path / "head.eml", await here.house.export())
    assert told.returncode == 1
    assert "the checkpoint of '4' entries was not signed by this key, or was changed" in told.stderr


async def test_a_file_without_a_head_of_this_log_is_no_anchor(database: Database, tmp_path: Path) -> None:
    house, _ = await letters(database, tmp_path)
    (tmp_path / "other.eml").write_text("Subject: lunch\n\nAt noon?\n")
    told = run_tool("--key", house.signer.key, "--anchors", tmp_path / "other.eml", await house.export())
    assert told.returncode == 1
    assert "anchor 1: there is no signed head of this log" in told.stderr


async def test_without_addresses_nothing_is_mailed(database: Database, tmp_path: Path) -> None:
    house = LogHouse(database, tmp_path)
    await house.write()
    await house.log(post=Post(Mail(), "en")).checkpoint()
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
