"""Audio over HTTP that is in an S3 store only: heard in ranges from there, or refused with a reason."""

from pathlib import Path

from ari_recorder.storage.db import Database
from tests.faults.proxy import fault_proxy
from tests.s3 import S3House
from tests.web.house import open_house
from tests.web.test_playback import begin


async def test_what_only_the_store_has_is_heard_and_without_the_store_the_answer_is_503(
    tmp_path: Path, database: Database, s3: S3House
) -> None:
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        async with open_house(tmp_path, database, store=store) as house:
            player = await begin(house)
            from_here = await player.visitor.ask("GET", player.audio, headers={"Range": "bytes=0-9999"})
            (file,) = house.site.config.storage.vault.rglob("*.sealed")
            path = str(file.relative_to(house.site.config.storage.vault))
            s3.put(path, file.read_bytes())
            file.unlink()
            from_store = await player.visitor.ask("GET", player.audio, headers={"Range": "bytes=0-9999"})
            assert (from_store.status, from_store.text) == (206, from_here.text)
            assert await player.hear() == player.size
            store.forget(path)
            proxy.refusing = True
            proxy.reset()
            for what in (player.audio, player.audio.replace("/audio", "/peaks")):
                got = await player.visitor.ask("GET", what, headers={"Accept": "application/json"})
                assert got.status == 503
                assert got.json()["error"]["code"] == "object_store_away"
                assert len(got.text) < 1000, "a reason, and no audio"
            proxy.refusing = False
            store._away_until = 0.0
            assert await player.hear() == player.size
