"""Ids are random, and none comes twice, also over the end of what was drawn at once."""

from ari_recorder.services.ids import Ids


def test_no_id_comes_twice_and_each_is_random() -> None:
    ids = Ids()
    drawn = [ids.new() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert {one.version for one in drawn} == {4}
    assert not {one.bytes for one in drawn} & {Ids().new().bytes for _ in range(1000)}
