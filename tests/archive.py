"""An old PBX's folder of recordings, as FreePBX and Issabel leave it behind."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import soundfile

HELSINKI = ZoneInfo("Europe/Helsinki")
CALLER = "0401234567"
RATE = 8000


def voice(hertz: float, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    at = np.arange(int(seconds * rate)) / rate
    sound: np.ndarray = (8000 * np.sin(2 * math.pi * hertz * at)).astype(np.int16)
    return sound


def write(
    path: Path,
    hertz: float,
    *,
    seconds: float = 2.0,
    rate: int = RATE,
    form: str | None = None,
    subtype: str | None = None,
    sound: np.ndarray | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = voice(hertz, seconds, rate) if sound is None else sound
    soundfile.write(path, data, rate, format=form, subtype=subtype)
    return path


def freepbx(
    at: datetime,
    queue: str = "600",
    caller: str = CALLER,
    running: int = 45,
    suffix: str = "wav",
    zone: ZoneInfo = HELSINKI,
    kind: str = "q",
) -> str:
    """`2025/01/31/q-600-0401234567-20250131-101112-1738311072.45.wav`"""
    local = at.astimezone(zone)
    name = f"{kind}-{queue}-{caller}-{local:%Y%m%d-%H%M%S}-{int(at.timestamp())}.{running}.{suffix}"
    return f"{local:%Y/%m/%d}/{name}"


CDR = (
    "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,amaflags,"
    "accountcode,uniqueid,userfield,did,recordingfile,cnum,cnam,outbound_cnum,outbound_cnam,dst_cnam,linkedid,"
    "peeraccount,sequence"
)


def cdr_row(
    at: datetime,
    *,
    file: str = "",
    uniqueid: str = "",
    queue: str = "600",
    caller: str = CALLER,
    name: str = "Aino Example",
    agent: str = "PJSIP/1001-0000002a",
    disposition: str = "ANSWERED",
    zone: ZoneInfo = HELSINKI,
) -> str:
    local = f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    clid = f'"""{name}"" <{caller}>"'
    return (
        f'{local},{clid},{caller},{queue},ext-queues,PJSIP/trunk-00000029,{agent},Queue,"{queue},tR,,",65,60,'
        f"{disposition},3,,{uniqueid},,0800123456,{file},{caller},{name},,,,{uniqueid},,1"
    )


def write_cdr(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join((CDR, *rows)) + "\n", encoding="utf-8")
    return path


def days_ago(days: int, **more: int) -> datetime:
    """At ten in the morning in Helsinki, whole seconds."""
    today = datetime.now(HELSINKI).replace(hour=10, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=days) + timedelta(**more)).astimezone(UTC)
