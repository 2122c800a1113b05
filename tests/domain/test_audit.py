"""The bytes that stand for an entry: one way to write them, nothing personal in clear."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest

from ari_recorder.domain.audit import JSON, Action, Actor, ActorKind, Entry, Leaf, clean

AT = datetime(2026, 11, 24, 4, 20, 0, 123456, tzinfo=timezone(timedelta(hours=2)))


def salts() -> Iterator[bytes]:
    number = 0
    while True:
        yield bytes([number]) * 32
        number += 1


def leaf(**changes: object) -> Leaf:
    actor = Actor(kind=ActorKind.USER, id="7c1f", name="anna.a", role="supervisor", unit="dental", address="::1")
    given: dict[str, object] = {"action": Action.HOLD_PLACE, "actor": actor, "object": "hold:1"}
    return Entry(**(given | changes)).leaf(UUID(int=5), AT, salts())  # type: ignore[arg-type]


def test_the_leaf_is_the_text_of_docs_formats() -> None:
    found = leaf(because="adviser-safety", facts={"recordings": 2, "b": [True, None]}, personal={"text": "uhkasi"})
    commitments = {
        name: sha256(bytes([salt]) * 32 + value.encode()).hexdigest()
        for salt, (name, value) in enumerate((("actor.address", "::1"), ("actor.name", "anna.a"), ("text", "uhkasi")))
    }
    assert found.text == (
        '{"action":"hold:place","actor":{"id":"7c1f","kind":"user","role":"supervisor","unit":"dental"},'
        '"at":"2026-11-24T02:20:00.123Z","because":"adviser-safety","facts":{"b":[true,null],"recordings":2},'
        '"format":"ari-recorder/audit/1","id":"00000000-0000-0000-0000-000000000005","object":"hold:1","outcome":"ok",'
        '"personal":' + json.dumps(commitments, sort_keys=True, separators=(",", ":")) + "}"
    )


def test_what_is_personal_is_not_in_the_leaf() -> None:
    found = leaf(personal={"reference": "RIKOS-7"})
    for value in ("anna.a", "::1", "RIKOS-7"):
        assert value not in found.text
    assert {one.field: one.value for one in found.personal} == {
        "actor.name": "anna.a",
        "actor.address": "::1",
        "reference": "RIKOS-7",
    }


def test_the_same_value_is_committed_to_differently_each_time() -> None:
    first, second = leaf(personal={"a": "same", "b": "same"}).personal[-2:]
    assert first.digest != second.digest


@pytest.mark.parametrize("code", ["131052-308T", "010107A9054", "131052+308t", "290200Y123A"])
def test_a_personal_identity_code_is_cut_out_wherever_it_was_typed(code: str) -> None:
    found = leaf(object=f"x {code}", facts={"a": [code], code: 1}, personal={"text": f"soittaja {code}, uhkaus"})
    assert code not in found.text
    assert [one.value for one in found.personal][-1] == "soittaja [henkilötunnus], uhkaus"


def test_what_no_database_takes_does_not_change_the_commitment() -> None:
    found = leaf(personal={"text": "a\0b\ud800"})
    assert found.personal[-1].value == "a\ufffdb\ufffd" == clean("a\0b\ud800")


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, b"bytes", datetime.now(UTC)])
def test_what_can_be_written_in_more_than_one_way_is_refused(value: JSON) -> None:
    with pytest.raises((TypeError, ValueError)):
        leaf(facts={"a": value})


def test_services_and_operators_are_actors_too() -> None:
    assert Actor.service("sweep") == Actor(kind=ActorKind.SERVICE, id="sweep")
    assert '"actor":{"id":"command-line","kind":"operator"}' in leaf(actor=Actor.operator("root")).text
