"""The part of `check` that judges the ledger's other witness, where there is one: CEL, in the file that cel_custom
writes, and what lets its events through.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ari_recorder.asterisk import conf_files
from ari_recorder.asterisk.conf import Conf, Setting
from ari_recorder.config import Config
from ari_recorder.domain import cel, queue_log
from ari_recorder.services.findings import Area, Finding, fail, ok, unseen, warn

# The last lines: of a busy minute's calls there are some thousand.
LAST_BYTES = 1 << 20
# The answered call in queue_log has been in CEL for long by then.
LATE = timedelta(minutes=1)
YES = ("yes", "true", "y", "t", "1", "on")
RELOAD = "then `module reload cel` and `module reload cel_custom`"


def check(config: Config) -> list[Finding]:
    """Nothing at all when pbx.cel is not set."""
    if config.pbx.cel is None:
        return []
    found = [*_file(config.pbx.cel, config.pbx.queue_log)]
    if conf_files.why_not(config.pbx.config) is None:  # that it cannot be read is told of the other files
        found += judge_conf(conf_files.read(config.pbx.config, "cel.conf"))
    return found


def _file(path: Path, log: Path) -> Iterator[Finding]:
    try:
        lines = _last_lines(path)
    except FileNotFoundError:
        if path.parent.is_dir() and _last_answered(log) is None:
            yield unseen(
                Area.CEL,
                f"{path} does not exist, and queue_log has no answered call yet: whether CEL is written is not known",
                "Call a queue once, have it answered, and check again",
            )
            return
        yield fail(
            Area.CEL,
            f"{path} does not exist: the ledger has queue_log alone",
            f"Make the folder {path.parent}, writable for Asterisk, include cel_custom_ari_recorder.conf in "
            "cel_custom.conf, load cel_custom, and compare pbx.cel with astlogdir",
        )
        return
    except OSError as error:
        yield fail(
            Area.CEL,
            f"{path} cannot be read: {error.strerror}",
            "Let this service's user read it, for example by the group of Asterisk",
        )
        return
    times = [at for at in map(cel.time_of, lines) if at is not None]
    if any(lines) and not times:
        yield fail(
            Area.CEL,
            f"{path}: none of its last lines is as cel_custom_ari_recorder.conf writes them",
            "Name the file of that mapping in pbx.cel, and take dateformat out of cel.conf, " + RELOAD,
        )
        return
    answered = _last_answered(log)
    # queue_log has whole seconds.
    if answered is not None and datetime.now(UTC) - answered > LATE and (not times or max(times) < answered):
        said = f"its last line is of {max(times):%Y-%m-%d %H:%M:%S} UTC" if times else "it is empty"
        yield fail(
            Area.CEL,
            f"{path} does not grow: queue_log has a call that was answered at {answered:%Y-%m-%d %H:%M:%S} UTC, {said}",
            "Is cel_custom loaded (`module show like cel_custom`), is CEL on (`cel show status`), is the disk full?",
        )
        return
    yield ok(Area.CEL, f"{path} can be read" + ("" if times else "; there is nothing in it yet"))


def _last_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LAST_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return lines[1:] if size > LAST_BYTES else lines


def _last_answered(log: Path) -> datetime | None:
    try:
        lines = _last_lines(log)
    except OSError:
        return None  # told of queue_log itself
    return next((at for line in reversed(lines) if "|CONNECT|" in line and (at := queue_log.time_of(line))), None)


def judge_conf(conf: Conf) -> Iterator[Finding]:
    if not conf.there:
        yield unseen(
            Area.CEL,
            f"{conf.name} is not there: which events CEL lets through was not looked at",
            "See there that it includes cel_ari_recorder.conf",
        )
        return
    include = f"Include cel_ari_recorder.conf in {conf.name}, {RELOAD}"
    on = conf.last("general", "enable")
    if on is None or on.value.lower() not in YES:
        yield fail(Area.CEL, f"{_place(conf, on)}: CEL is off: nothing is written", include)
        return
    events = _words(conf, "events")
    missing = sorted(event for event in cel.EVENTS if not {event.lower(), "all"} & events.keys())
    if missing:
        yield fail(
            Area.CEL,
            f"{conf.name} does not let through {', '.join(missing)}: of calls the ledger is told too little by CEL",
            include,
        )
    apps = _words(conf, "apps")
    if not {"queue", "all"} & apps.keys():
        yield fail(Area.CEL, f"{conf.name} does not track the application queue: who waits in one is not told", include)
    if (form := conf.last("general", "dateformat")) is not None and form.value:
        yield fail(
            Area.CEL,
            f"{form.place}: dateformat is set: the ledger reads seconds and microseconds only",
            f"Take dateformat out of {conf.name}, or write `dateformat =` behind it, {RELOAD}",
        )
    if (keys := events.get("dtmf") or events.get("all")) is not None:
        yield warn(
            Area.CEL,
            f"{keys.place}: CEL tells every log it feeds which keys callers press (DTMF), card numbers among them",
            f"Name the events you want in {conf.name}, without ALL and DTMF, {RELOAD}",
        )


def _words(conf: Conf, name: str) -> dict[str, Setting]:
    """Of all settings of this name, which CEL takes together, in small letters."""
    return {
        word.strip().lower(): setting
        for setting in conf.named("general")
        if setting.name.lower() == name
        for word in setting.value.split(",")
        if word.strip()
    }


def _place(conf: Conf, setting: Setting | None) -> str:
    return conf.name if setting is None else str(setting.place)
