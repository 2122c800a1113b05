"""Whoever changes the audit tables is found: by the program, and by the tool that needs nothing of the program."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest

from ari_recorder.domain import merkle
from ari_recorder.domain.errors import AuditEntryUnknown, AuditNotCovered
from ari_recorder.services import audit_check
from ari_recorder.services.audit_log import sequence
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from tests.services.audit_house import ANNA, TOOL, LogHouse, OneTransaction, run_tool, tool

RNG = random.Random(7)
ENTRIES = 23


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> LogHouse:
    """Two checkpoints, both anchored."""
    house = LogHouse(database, tmp_path)
    await house.write(9)
    await house.log().checkpoint()
    await house.write(ENTRIES - 9)
    await house.log().checkpoint()
    return house


# --- what a superuser does, each with a choice of its own


async def _leaf(raw: Any, seq: int) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(await raw.fetchval("SELECT leaf FROM audit_entry WHERE seq = $1", seq)))


CHANGED = ("action", "outcome", "object", "because", "at")


async def change_a_leaf(raw: Any, names: Sequence[str] = CHANGED) -> None:
    seq = RNG.randrange(ENTRIES)
    leaf = await _leaf(raw, seq)
    name = RNG.choice(names)
    leaf[name] = {"at": "2026-11-24T00:00:00.000Z"}.get(name, f"x{RNG.random()}")
    text = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    await raw.execute("UPDATE audit_entry SET leaf = $2 WHERE seq = $1", seq, text)


async def change_a_leaf_and_make_the_tree_anew(raw: Any) -> None:
    await change_a_leaf(raw)
    await remake(raw)


async def change_a_blank(raw: Any) -> None:
    await raw.execute("UPDATE audit_entry SET leaf = leaf || ' ' WHERE seq = $1", RNG.randrange(ENTRIES))


async def delete_one(raw: Any) -> None:
    await raw.execute("DELETE FROM audit_entry WHERE seq = $1", RNG.randrange(ENTRIES))


async def delete_one_and_close_the_gap(raw: Any) -> None:
    seq = RNG.randrange(ENTRIES)
    await raw.execute("DELETE FROM audit_entry WHERE seq = $1", seq)
    await raw.execute("UPDATE audit_entry SET seq = seq + 1000000 WHERE seq > $1", seq)
    await raw.execute("UPDATE audit_entry SET seq = seq - 1000001 WHERE seq >= 1000000")
    await remake(raw)


async def put_one_in(raw: Any) -> None:
    seq = RNG.randrange(ENTRIES)
    leaf, fresh = await _leaf(raw, seq), uuid4()
    leaf["id"] = str(fresh)
    await raw.execute("UPDATE audit_entry SET seq = seq + 1000000 WHERE seq >= $1", seq)
    await raw.execute("UPDATE audit_entry SET seq = seq - 999999 WHERE seq >= 1000000")
    await raw.execute(
        "INSERT INTO audit_entry (seq, id, at, leaf) SELECT $1, $2, at, $3 FROM audit_entry LIMIT 1",
        seq,
        fresh,
        json.dumps(leaf, sort_keys=True, separators=(",", ":")),
    )
    await remake(raw)


async def exchange_two(raw: Any) -> None:
    one, other = RNG.sample(range(ENTRIES), 2)
    await raw.execute("UPDATE audit_entry SET seq = 1000000 WHERE seq = $1", one)
    await raw.execute("UPDATE audit_entry SET seq = $1 WHERE seq = $2", one, other)
    await raw.execute("UPDATE audit_entry SET seq = $1 WHERE seq = 1000000", other)
    if RNG.random() < 0.5:
        await remake(raw)


async def cut_off(raw: Any) -> None:
    size = RNG.randrange(ENTRIES)
    await raw.execute("DELETE FROM audit_entry WHERE seq >= $1", size)
    await raw.execute("DELETE FROM audit_checkpoint WHERE size > $1", size)
    await remake(raw)


async def begin_anew(raw: Any) -> None:
    await raw.execute("DELETE FROM audit_entry; DELETE FROM audit_checkpoint")
    await remake(raw)


async def change_a_name(raw: Any) -> None:
    await raw.execute(
        "UPDATE audit_personal SET value = value || 'x' WHERE (entry_id, field) IN "
        "(SELECT entry_id, field FROM audit_personal ORDER BY md5(entry_id::text || field || $1) LIMIT 1)",
        str(RNG.random()),
    )


async def change_what_is_left_of_the_names(raw: Any) -> None:
    (entry,) = await raw.fetch("SELECT id FROM audit_entry WHERE seq = $1", RNG.randrange(ENTRIES))
    await raw.execute("DELETE FROM audit_personal WHERE entry_id = $1 AND field = 'actor.name'", entry["id"])
    await raw.execute("UPDATE audit_personal SET value = 'x' WHERE entry_id = $1 AND field = 'text'", entry["id"])


async def show_a_name_twice(raw: Any) -> None:
    between = RNG.choice([",", "\n", '","'])
    await raw.execute(
        "INSERT INTO audit_personal SELECT entry_id, field || $2 || field, salt, value FROM audit_personal "
        "WHERE entry_id = (SELECT id FROM audit_entry WHERE seq = $1) AND field = 'text'",
        RNG.randrange(ENTRIES),
        between,
    )


async def change_a_column(raw: Any) -> None:
    column = RNG.choice(["id = gen_random_uuid()", "at = at - interval '1 day'"])
    await raw.execute(f"UPDATE audit_entry SET {column} WHERE seq = $1", RNG.randrange(ENTRIES))  # noqa: S608


async def change_a_checkpoint(raw: Any) -> None:
    column = RNG.choice(["note = note || 'x'", "note = replace(note, E'\\n9\\n', E'\\n8\\n')", "size = size + 100"])
    await raw.execute(f"UPDATE audit_checkpoint SET {column} WHERE size = 9")  # noqa: S608


async def change_a_node(raw: Any) -> None:
    what = RNG.choice(
        [
            "UPDATE audit_node SET hash = sha256(hash) WHERE level = 1 AND number = $1",
            "DELETE FROM audit_node WHERE level = 1 AND number = $1",
            "INSERT INTO audit_node SELECT 9, $1, sha256('x')",
        ]
    )
    await raw.execute(what, RNG.randrange(ENTRIES // 2))


async def change_the_head(raw: Any) -> None:
    what = RNG.choice(
        ["frontier = array_append(frontier[2:], sha256('x'))", "size = size - 1, frontier = frontier[2:]"]
    )
    await raw.execute(f"UPDATE audit_head SET {what}")  # noqa: S608


async def remake(raw: Any) -> None:
    """The tree of the entries as they are now, as somebody makes it who knows how."""
    leaves = [row["leaf"] for row in await raw.fetch("SELECT leaf FROM audit_entry ORDER BY seq")]
    tree, made = merkle.Frontier().append(merkle.leaf_hash(leaf.encode()) for leaf in leaves)
    await raw.execute("DELETE FROM audit_node")
    await raw.executemany("INSERT INTO audit_node VALUES ($1, $2, $3)", [(*node, found) for node, found in made])
    await raw.execute("UPDATE audit_head SET size = $1, frontier = $2", tree.size, list(tree.hashes))


MANIPULATIONS: list[Callable[[Any], Awaitable[None]]] = [
    change_a_leaf,
    change_a_leaf_and_make_the_tree_anew,
    change_a_blank,
    delete_one,
    delete_one_and_close_the_gap,
    put_one_in,
    exchange_two,
    cut_off,
    begin_anew,
    change_a_name,
    change_what_is_left_of_the_names,
    show_a_name_twice,
    change_a_column,
    change_a_checkpoint,
    change_a_node,
    change_the_head,
]


async def test_a_thousand_manipulations_by_a_superuser_are_all_found(house: LogHouse, dsn: str) -> None:
    assert await house.findings() == []
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica")  # no trigger in the way
    inside = LogHouse(cast(Database, OneTransaction(raw)), house.folder)
    unfound = []
    for number in range(1000):
        manipulate = MANIPULATIONS[number % len(MANIPULATIONS)]
        transaction = raw.transaction()
        await transaction.start()
        try:
            await manipulate(raw)
            if not await inside.findings():
                unfound.append((number, manipulate.__name__))
        finally:
            await transaction.rollback()
    await raw.close()
    assert unfound == []
    assert await house.findings() == []


@pytest.mark.parametrize("manipulate", MANIPULATIONS)
async def test_the_program_finds_them_too(
    house: LogHouse, dsn: str, manipulate: Callable[[Any], Awaitable[None]]
) -> None:
    assert (await house.verify()).found == ()
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica")
    await manipulate(raw)
    await raw.close()
    assert (await house.verify()).found


async def test_a_log_that_grows_and_is_signed_while_it_is_looked_at_is_as_it_was(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the database is asked, there is more of it."""
    grow = Grows(house)
    monkeypatch.setattr(house.database, "transaction", grow.transaction)
    for _ in range(3):
        assert (await house.verify()).found == ()
        anchors = house.anchor_file.read_text().splitlines()
        exported = await house.export(f"export-{grow.times}.jsonl")
        module = tool()
        assert not list(
            module.verify_export([module.look(exported.read_bytes())], anchors, module.Key(house.signer.key))
        )
    assert grow.times > 20


class Grows:
    """Before each transaction of others: an entry more, in the tree, and signed."""

    def __init__(self, house: LogHouse) -> None:
        self.times = 0
        self._house = house
        self._ask = house.database.transaction
        self._growing = False

    @asynccontextmanager
    async def transaction(self, **how: Any) -> AsyncIterator[Any]:
        if not self._growing:
            self._growing = True
            self.times += 1
            await self._house.write(2)
            await self._house.log().checkpoint()
            self._growing = False
        async with self._ask(**how) as conn:
            yield conn


async def test_who_holds_the_key_too_and_signs_a_fork_is_found_by_the_anchors(house: LogHouse, dsn: str) -> None:
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica")
    await change_a_leaf(raw, CHANGED[:-1])  # the time stands beside the leaf, too: that would be found
    await remake(raw)
    await raw.execute("DELETE FROM audit_checkpoint")
    await raw.close()
    (house.signer.folder / "signed.json").unlink()
    await house.log(anchors=()).checkpoint()
    found = await house.findings()
    assert any("not those that were signed" in one for one in found)
    house.anchor_file.unlink()
    assert await house.findings() == []  # which is why there are anchors


async def test_lines_of_an_export_cannot_be_changed_either(house: LogHouse) -> None:
    lines = (await house.export()).read_text().split("\n")[:-1]
    assert house.found_in(lines) == []
    for number in range(len(lines)):
        without = lines[:number] + lines[number + 1 :]
        assert house.found_in(without) or number in (ENTRIES + 1, ENTRIES + 2)  # the anchors hold the same
        assert house.found_in([*lines[: number + 1], *lines[number:]]) or number > ENTRIES
        assert house.found_in([*lines[:number], lines[number][:-2], *lines[number + 1 :]])
    assert house.found_in([]) != []


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_an_export_that_is_read_in_blocks_is_one_log(house: LogHouse, size: int) -> None:
    lines = (await house.export()).read_bytes().splitlines(keepends=True)
    module = tool()

    def found_in(lines: list[bytes]) -> list[str]:
        blocks = [module.look(b"".join(lines[place : place + size])) for place in range(0, len(lines), size)]
        return list(module.verify_export(blocks, [], module.Key(house.signer.key)))

    assert found_in(lines) == []
    changed = lines[12].replace(b"typed 2", b"typed 3")  # line 13, entry 11
    assert found_in([*lines[:12], changed, *lines[13:]]) == ["line 13: its 'text' is not the one that was written down"]
    assert found_in([*lines[:13], lines[12], *lines[13:]])[:2] == [
        "line 14: it is entry 11, 12 was next",
        "line 14: this entry is there twice",
    ]
    assert found_in([*lines[:12], *lines[13:]])[0] == "line 13: it is entry 12, 11 was next"


async def test_erased_names_leave_every_proof_valid(house: LogHouse) -> None:
    async with house.database.transaction() as conn:
        entries = await audit.page(conn, limit=5)
        assert await audit.forget_personal(conn, [entry.id for entry in entries]) == 15
        left = await audit.page(conn, limit=6)
    assert [len(entry.personal) for entry in left] == [0, 0, 0, 0, 0, 3]
    assert all(ANNA.name not in entry.leaf for entry in left)
    assert (await house.verify()).found == ()
    assert await house.findings() == []
    text = await audit_check.prove(house.database, house.signer, left[0].seq)
    module = tool()
    assert module.verify_proof(text, module.Key(house.signer.key)) == left[0].leaf


async def test_each_entry_is_proven_by_itself_and_nothing_else_is(house: LogHouse) -> None:
    module = tool()
    key = module.Key(house.signer.key)
    texts = [await audit_check.prove(house.database, house.signer, seq) for seq in range(ENTRIES)]
    for seq, text in enumerate(texts):
        assert json.loads(module.verify_proof(text, key))["facts"]["number"] == (seq if seq < 9 else seq - 9)
    lines = texts[5].split("\n")
    for number in range(len(lines)):
        if lines[number]:
            # One hash in a thousand ends with "AA=" by itself, and would be no change.
            end = "BA=" if lines[number].endswith("AA=") else "AA="
            changed = [*lines[:number], lines[number][:-3] + end, *lines[number + 1 :]]
            with pytest.raises(module.NotGenuine):
                module.verify_proof("\n".join(changed), key)
    other = texts[6].split("\n")
    with pytest.raises(module.NotGenuine):
        module.verify_proof("\n".join([lines[0], other[1], *lines[2:]]), key)
    await house.write()
    await sequence(house.database)
    with pytest.raises(AuditNotCovered):
        await audit_check.prove(house.database, house.signer, ENTRIES)
    with pytest.raises(AuditEntryUnknown):
        await audit_check.prove(house.database, house.signer, ENTRIES + 1)


async def test_the_tool_runs_alone_and_says_what_it_found(house: LogHouse, tmp_path: Path) -> None:
    export = await house.export()
    proof = tmp_path / "entry.tlog-proof"
    proof.write_text(await audit_check.prove(house.database, house.signer, 3))
    key = house.signer.folder / "log.key"
    good = run_tool("--key", key, "--anchors", house.anchor_file, export, proof)
    assert (good.returncode, good.stderr) == (0, "")
    assert "as it was signed" in good.stdout
    assert '"recording:3"' in good.stdout
    export.write_text(export.read_text().replace("recording:3", "recording:4"))
    bad = run_tool("--key", house.signer.key, "--anchors", house.anchor_file, export)
    assert bad.returncode == 1
    assert "NOT AS IT WAS SIGNED" in bad.stdout
    assert "not those that were signed" in bad.stderr
    assert run_tool("--key", "nonsense", export).returncode == 2
    assert run_tool("--key", key, tmp_path / "missing").returncode == 1
    assert len(TOOL.read_text().splitlines()) < 300


def test_the_tool_shows_nothing_that_a_terminal_would_obey(house: LogHouse) -> None:
    evil = (
        '{"format": "ari-recorder/audit-export/1"}\n{"seq": "\\u001b[2J", "leaf": 3}\n{"checkpoint": "a\\nb\\nc\\n\\n"}'
    )
    found = house.found_in(evil.split("\n"))
    assert found
    assert all(one.isprintable() for one in found)
    assert tool().object_of("{}") == {}
    with pytest.raises(tool().NotGenuine):
        tool().object_of("[" * 100_000)
