"""tools/open_recording.py, written from docs/formats.md alone, opens what the program sealed, and refuses the rest."""

import io
import os
import random
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ari_recorder.config import Config
from ari_recorder.services import connect, connect_service
from ari_recorder.storage import recordings
from ari_recorder.storage.db import Database
from ari_recorder.vault.stream import CHUNK_BYTES, context_of, seal
from tests.site import prepare, record

SCRIPT = Path(__file__).parent.parent.parent / "tools" / "open_recording.py"
TOOL: dict[str, Any] = runpy.run_path(str(SCRIPT))
RECORDING = UUID("b0a1c7d2-1111-4222-8333-444455556666")


def sealed(plain: bytes, data_key: bytes) -> bytes:
    sink = io.BytesIO()
    seal(io.BytesIO(plain), sink, data_key, context_of(RECORDING))
    return sink.getvalue()


def lengths() -> list[int]:
    """Round every edge of a chunk, the longest, and some anywhere."""
    edges = [0, 1, *(n * CHUNK_BYTES + by for n in (1, 2, 3, 63, 64) for by in (-1, 0, 1)), 1 << 20, (1 << 20) + 1]
    return edges + [random.Random(1).randrange(1 << 20) for _ in range(40)]


def test_both_readers_agree_on_every_length() -> None:
    data_key = os.urandom(32)
    for length in lengths():
        plain = os.urandom(length)
        assert TOOL["open_container"](sealed(plain, data_key), data_key, RECORDING) == plain, length


def test_it_refuses_what_was_changed_cut_or_moved() -> None:
    data_key, plain = os.urandom(32), os.urandom(3 * CHUNK_BYTES + 5)
    whole = sealed(plain, data_key)
    rng = random.Random(2)
    changed = [(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) for at in rng.sample(range(len(whole)), 200)]
    cut = [whole[:at] for at in (0, 55, 71, 56 + 16400, 56 + 2 * 16400, len(whole) - 1)]
    for data in changed + cut:
        with pytest.raises(TOOL["Refused"]):
            TOOL["open_container"](data, data_key, RECORDING)
    with pytest.raises(TOOL["Refused"], match="another recording"):
        TOOL["open_container"](whole, data_key, uuid4())


async def test_a_stranger_with_the_paper_opens_a_recording(tmp_path: Path, dsn: str, database: Database) -> None:
    site = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    recorded = await record(site, database)
    async with database.transaction() as conn:
        row = await recordings.get(conn, recorded.recording_id)
    assert row is not None
    assert row.wrapped_key is not None
    assert row.path is not None
    (tmp_path / "wrapped.hex").write_text(row.wrapped_key.hex())
    with connect_service.vault(site).open_recording(row.path, row.wrapped_key, row.id) as opened:
        audio = opened.read(0, opened.size)
    answer = run(site, tmp_path, row.id, row.path)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "call.flac").read_bytes() == audio
    assert audio.startswith(b"fLaC")
    other = run(site, tmp_path, uuid4(), row.path, out="other.flac")
    assert (other.returncode, other.stderr) == (
        1,
        "open_recording: the wrapped key was changed, or belongs to another recording\n",
    )
    connect.keyring(site).destroy(row.key_name or "")
    gone = run(site, tmp_path, row.id, row.path, out="gone.flac")
    assert gone.returncode == 1
    assert "was destroyed" in gone.stderr
    assert not (tmp_path / "gone.flac").exists()


def run(
    site: Config, folder: Path, recording_id: UUID, path: str, out: str = "call.flac"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-I",  # nothing of this project is in its way
            str(SCRIPT),
            "--keys",
            str(site.storage.keys),
            "--root-key",
            str(site.root_key()),
            "--wrapped-key",
            str(folder / "wrapped.hex"),
            "--id",
            str(recording_id),
            "--sealed",
            str(site.storage.vault / path),
            "--out",
            str(folder / out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_knows_nothing_of_the_program() -> None:
    assert "ari_recorder" not in SCRIPT.read_text().replace("ari_recorder/", "")
