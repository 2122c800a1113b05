"""What else keeps lists of calls: FreePBX's table `cdr` in MariaDB, and a plain table with LIKE in PostgreSQL.

Both hold as many calls as ours, spread alike over numbers, agents and queues. They are asked what they can answer: they
know of no flags, holds, ledger or scope. The queues of a unit stand in the question.
"""

import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pymysql

from benchmarks.figures import p95_ms
from tests import debian

TIMES = 20
EVERY_SECONDS = 7  # somebody calls
STARTED_WITHIN = 60.0
# As FreePBX makes it: these columns, these keys.
_CDR = """
    CREATE TABLE cdr (
        calldate datetime NOT NULL, clid varchar(80) NOT NULL, src varchar(80) NOT NULL, dst varchar(80) NOT NULL,
        dcontext varchar(80) NOT NULL, channel varchar(80) NOT NULL, dstchannel varchar(80) NOT NULL,
        lastapp varchar(80) NOT NULL, lastdata varchar(80) NOT NULL, duration int NOT NULL, billsec int NOT NULL,
        disposition varchar(45) NOT NULL, amaflags int NOT NULL, accountcode varchar(20) NOT NULL,
        uniqueid varchar(32) NOT NULL, userfield varchar(255) NOT NULL, did varchar(50) NOT NULL,
        recordingfile varchar(255) NOT NULL, cnum varchar(80) NOT NULL, cnam varchar(80) NOT NULL,
        KEY (calldate), KEY (dst), KEY (accountcode), KEY (uniqueid), KEY (did), KEY (recordingfile(191))
    )
"""
_CDR_ROWS = """
    INSERT INTO cdr
    SELECT at, concat('"Caller" <', src, '>'), src, queue, 'ext-queues', concat('PJSIP/trunk-', hex(seq)),
        concat('PJSIP/', seq * 7 % 200, '-', hex(seq)), 'Queue', concat(queue, ',t,,,300'), talked + 20, talked,
        'ANSWERED', 3, '', concat('n', seq), '', queue,
        concat('q-', queue, '-', src, '-', date_format(at, '%Y%m%d-%H%i%s'), '-n', seq, '.wav'), src, 'Caller'
    FROM (
        SELECT seq, now() - INTERVAL seq * {every} SECOND AS at, concat('04', lpad(seq % 100000, 8, '0')) AS src,
            concat('queue', floor(20 * pow(mod(seq * 0.618, 1), 3))) AS queue, floor(600 * pow(rand(seq), 3)) AS talked
        FROM seq_1_to_{rows}
    ) AS made
"""
_PLAIN = """
    CREATE TABLE plain AS
    SELECT now() - n * interval '{every} s' AS calldate, '04' || lpad((n % 100000)::text, 8, '0') AS src,
        'queue' || floor(20 * (n * 0.618 % 1) ^ 3) AS dst, 'PJSIP/' || n * 7 % 200 || '-' || to_hex(n) AS dstchannel,
        floor(600 * random() ^ 3) AS billsec, 'q-' || n || '.wav' AS recordingfile
    FROM generate_series(1, {rows}) AS n
"""
_UNIT = "dst IN ('queue3', 'queue17', 'queue19')"
QUESTIONS = {
    "the newest": "true",
    "the newest of a unit": _UNIT,
    "a number": "src LIKE '%0400012345%'",
    "an agent": "dstchannel LIKE 'PJSIP/7-%'",
    "long ones": f"billsec >= 599 AND {_UNIT}",
    "a day": f"calldate >= {{day}} AND calldate < {{next_day}} AND {_UNIT}",
}


def _asked(table: str, question: str, ago: str, rows: int) -> str:
    """`ago`: how a number of days before now is written."""
    halfway = rows * EVERY_SECONDS // 86_400 // 2
    where = QUESTIONS[question].format(day=ago.format(halfway), next_day=ago.format(halfway - 1))
    return f"SELECT * FROM {table} WHERE {where} ORDER BY calldate DESC LIMIT 51"  # noqa: S608 -- our own words


@contextmanager
def _mariadb(folder: Path) -> Iterator[Any]:
    """A connection to one of its own, with nothing in it and nobody's rights."""
    tree = debian.ensure_tree(debian.MARIADB)
    folder.mkdir()
    program = [tree.loader, "--library-path", tree.libraries, tree.root / "usr/sbin/mariadbd"]
    options = {
        "basedir": tree.root / "usr",
        "datadir": folder,
        "socket": folder / "socket",
        "pid-file": folder / "pid",
        "lc-messages-dir": tree.root / "usr/share/mariadb",
        "innodb-buffer-pool-size": "1G",
    }
    flags = ["--no-defaults", "--skip-networking", "--skip-grant-tables", "--user=root"]
    command = [*program, *flags, *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([str(one) for one in command], stderr=log, stdout=log)
    try:
        end = time.monotonic() + STARTED_WITHIN
        while True:
            try:
                conn = pymysql.connect(unix_socket=str(folder / "socket"), user="root", autocommit=True)
                break
            except pymysql.Error:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((folder / "log").read_text()[-2000:]) from None
                time.sleep(0.2)
        yield conn
        conn.close()
    finally:
        server.terminate()
        server.wait(60)


async def cdr(folder: Path, rows: int) -> dict[str, float]:
    """FreePBX's: of each question the 95th percentile, ms."""
    with _mariadb(folder) as conn, conn.cursor() as cursor:
        for statement in (
            "CREATE DATABASE calls",
            "USE calls",
            _CDR,
            _CDR_ROWS.format(rows=rows, every=EVERY_SECONDS),
            "ANALYZE TABLE cdr",
        ):
            cursor.execute(statement)
            cursor.fetchall()

        async def fetch(asked: str) -> Sequence[object]:
            cursor.execute(asked)
            return list(cursor.fetchall())

        return await _p95("cdr", "now() - INTERVAL {} DAY", rows, fetch)


async def plain(conn: asyncpg.Connection, rows: int) -> dict[str, float]:
    """A table with an index on the time, in the database of ours."""
    await conn.execute(_PLAIN.format(rows=rows, every=EVERY_SECONDS), timeout=600)
    await conn.execute("CREATE INDEX ON plain (calldate)", timeout=600)
    await conn.execute("VACUUM ANALYZE plain", timeout=600)
    p95 = await _p95("plain", "now() - interval '{} days'", rows, conn.fetch)
    await conn.execute("DROP TABLE plain")
    return p95


async def _p95(
    table: str, ago: str, rows: int, fetch: Callable[[str], Awaitable[Sequence[object]]]
) -> dict[str, float]:
    p95 = {}
    for question in QUESTIONS:
        asked = _asked(table, question, ago, rows)

        async def ask(asked: str = asked, question: str = question) -> None:
            assert await fetch(asked), question

        p95[question] = await p95_ms(ask, TIMES)
    return p95
