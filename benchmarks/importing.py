"""Import of an old archive: files of ten seconds into the vault, against a plain encode of the same files.

The peer reads each file, writes it as FLAC and copies the original beside it, by soundfile and as many threads: no
cipher, no database, nothing read back, nothing brought to disk. The goal is in files a second, and so is the ratio's
demand: what the peer does a second on this machine is what it may be a part of.
"""

import asyncio
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import soundfile

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.importing import Outcome, Terms
from ari_recorder.domain.retention import Period, Policy, Rules
from ari_recorder.services.clock import Clocks
from ari_recorder.services.importing import Importer
from ari_recorder.services.importing_files import Archive
from ari_recorder.services.policy import Policies
from ari_recorder.services.sweep import Sweep
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from benchmarks.database import migrated
from benchmarks.figures import Figure, Goal

FILES = 10_000
SECONDS = 10
JOBS = 8
WANTED_PER_SECOND = 200
DAYS = 60
TALKS = 50
RULES = Rules(queues={"advice": Period.parse("P3M")}, undecided_grace=Period.parse("P14D"))
ZONE = ZoneInfo("Europe/Helsinki")


def _talk(random: np.random.Generator) -> np.ndarray:
    """As loud and as quiet as two people who take turns: noise under words, with pauses."""
    samples = SECONDS * 8000
    word = np.repeat(random.random(samples // 1600) > 0.35, 1600)[:samples]
    noise = np.convolve(random.normal(0, 1500, samples), np.ones(6) / 6, "same")
    tone = 3000 * np.sin(2 * np.pi * np.cumsum(random.normal(180, 30, samples // 400).repeat(400)[:samples]) / 8000)
    talk: np.ndarray = (word * (noise + tone) + random.normal(0, 4, samples)).astype(np.int16)
    return talk


def _write(folder: Path, files: int) -> None:
    random = np.random.default_rng(1)
    talks = [_talk(random) for _ in range(TALKS)]
    for number in range(files):
        at = datetime.now(ZONE) - timedelta(days=1 + number % DAYS)
        name = f"q-600-040{number:07d}-{at:%Y%m%d-%H%M%S}-{int(at.timestamp())}.{number}.wav"
        path = folder / f"{at:%Y/%m/%d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.roll(talks[number % TALKS], 8 * number), 8000)  # no two are the same


def _peer(archive: Path, target: Path) -> float:
    """Files a second."""
    several = [one for one in archive.rglob("*.wav")]

    def one(path: Path) -> None:
        sound, rate = soundfile.read(path, dtype="int16")
        soundfile.write(target / f"{path.stem}.flac", sound, rate)
        shutil.copy(path, target / path.name)

    began = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, several))
    return len(several) / (time.perf_counter() - began)


async def _import(folder: Path, archive: Path) -> tuple[float, float]:
    """Files a second, and milliseconds of processor for each, the database's own not counted."""
    files = VaultFiles(folder / "vault")
    files.prepare()
    keyring = Keyring.make(folder / "keys", root_key=folder / "root.key")
    async with migrated(folder) as (database, _):
        clocks, policies = Clocks(), Policies(database, RULES)
        with Archive(archive) as opened:
            importer = Importer(
                database=database,
                vault=Vault(files, keyring, Path(tempfile.gettempdir())),
                keyring=keyring,
                clocks=clocks,
                sweep=Sweep(
                    database=database,
                    copies=Copies(files.folder),
                    policies=policies,
                    clocks=clocks,
                    every=timedelta(hours=1),
                    at_most=1e9,
                ),
                archive=opened,
                terms=Terms(zone=ZONE, queues={"600": "advice"}, queue="", policy=Policy(rules=RULES)),
                actor=Actor.operator("bench"),
                jobs=JOBS,
            )
            began, processor = time.perf_counter(), time.process_time()
            report = await importer.run()
            took, processor = time.perf_counter() - began, time.process_time() - processor
    assert report.counts[Outcome.IMPORTED] == report.files, report.counts
    return report.files / took, 1000 * processor / report.files


def measure(files: int = FILES) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "archive"
        _write(archive, files)
        (folder / "plain").mkdir()
        plain = _peer(archive, folder / "plain")
        shutil.rmtree(folder / "plain")
        rate, milliseconds = asyncio.run(_import(folder, archive))
    return [
        Figure(
            name=f"files of {SECONDS} s imported per second, against a plain encode and a copy",
            ratio=rate / plain,
            goal=Goal(at_least=WANTED_PER_SECOND / plain),
            measured=f"import: {rate:,.0f}/s of {files:,} files (goal {WANTED_PER_SECOND}/s), {JOBS} threads, "
            f"{milliseconds:.1f} ms of processor a file\n"
            f"plain FLAC and copy: {plain:,.0f}/s",
            details={
                "imported_per_s": round(rate),
                "plain_per_s": round(plain),
                "processor_ms_per_file": round(milliseconds, 1),
            },
            key="import",
            bars={"import": rate, "plain": plain, "goal": WANTED_PER_SECOND},
            unit="files/s",
        )
    ]
