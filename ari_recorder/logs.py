"""How this service logs: JSON lines or coloured text, to standard error or a file, and a last net.

Rules for the code that logs: what was done first, like `call_seal` (the field `action`), then ids. No numbers or names
of people, no secrets, no keys.
The net below is the last one, not the first.
"""

import atexit
import contextlib
import logging
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from logging.handlers import WatchedFileHandler
from pathlib import Path

import structlog

REMOVED = "[removed]"
# A minute of a hundred calls at once; some 10 MB.
_MOST_LINES = 10_000
_PATIENCE_SECONDS = 5.0
# Libraries that speak of every packet or of every slow callback.
_QUIET = ("asyncio", "panoramisk", "asyncpg")
# Seven digits in a row, blanks, dots and dashes allowed between: the shortest telephone number worth hiding.
_NUMBER = re.compile(r"(?<![0-9A-Za-z])\+?[0-9](?:[ ().-]?[0-9]){6,}(?![0-9A-Za-z]| ?bytes)")
# Long runs of hexadecimal or base64: keys, tokens, hashes of secrets. Base64 has all three kinds of characters; most
# paths do not.
_KEY = re.compile(
    r"(?<![0-9A-Za-z+/=-])(?:[0-9A-Fa-f]{32,}"
    r"|(?=[^ ]*[A-Z])(?=[^ ]*[a-z])(?=[^ ]*[0-9])[A-Za-z0-9+/_-]{43,}={0,2})(?![0-9A-Za-z+/=-])"
)
_SECRET_FIELD = re.compile(
    r"secret|passw|token|wrapped|dsn|data_key|caller_?(id|num|name)|connected_line|party|(^|_)num(ber)?$|^caller$",
    re.IGNORECASE,
)
# Ids and measures, which may hold many digits. Each is made by this program or by Asterisk, never by a caller.
_PLAIN_FIELD = re.compile(
    r"^(timestamp|at|level|logger|path|file|filename|where|base)$"
    r"|(^|_)id$|uniqueid$|linkedid$|_(at|bytes|seconds|ms)$"
)
# A Uniqueid, a UUID, a time, an IPv4 address: many digits, and nobody's telephone number.
_ID = re.compile(
    r"[0-9]{10}\.[0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:\+[0-9:]{5}|Z)?)?"
)


Line = Mapping[str, object]


def set_up(
    *,
    level: str = "info",
    file: Path | None = None,
    json_lines: bool = True,
    heard: Callable[[Line], None] | None = None,
    behind: bool = False,
) -> None:
    """Everything that is logged from now on, by this program and its libraries, goes one way. `heard` is given each
    line of this program as it is written, without anything personal; it may be called from any thread. `behind`: lines
    are written by a thread, for who must not wait for a disk or a journal that hangs."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        # For the service's own group, not for everybody. A rotated file is noticed and a new one begun.
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o640)
        handler = WatchedFileHandler(file, encoding="utf-8")
    # No local variables of the frames: they hold what must not be logged.
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(traceback) if json_lines else structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("action"),
        remove_personal,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(
            event_key="action",
            colors=file is None and sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, one_line, last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
            old.close()
    root.addHandler(_Behind(handler) if behind else handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            *([_passing_on(heard)] if heard is not None else []),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Behind(logging.Handler):
    """Hands lines to a thread that writes them. What does not fit while the disk hangs is counted, and told later."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self.formatter = handler.formatter
        self._handler = handler
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """What waits is written, if the disk takes it."""
        atexit.unregister(self.close)
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_PATIENCE_SECONDS)
        self._thread.join(_PATIENCE_SECONDS)
        super().close()

    def _write_all(self) -> None:
        while (record := self._lines.get()) is not None:
            self._handler.handle(record)
            if self._lost and self._lines.empty():
                lost, self._lost = self._lost, 0
                structlog.get_logger(__name__).warning("log_lines_lost", lines=lost)
        self._handler.close()


def _passing_on(heard: Callable[[Line], None]) -> structlog.typing.Processor:
    def pass_on(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
        heard(event)
        return event

    return pass_on


def remove_personal(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A structlog processor: what looks like a telephone number or a secret does not get out."""
    for key, value in event.items():
        event[key] = _clean(key, value)
    return event


def one_line(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A structlog processor: what a library tells may hold what others sent, and coloured text shows it as it is."""
    action = event.get("action")
    if isinstance(action, str) and not action.isprintable():
        event["action"] = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in action)
    return event


def _clean(key: str, value: object) -> object:
    if _SECRET_FIELD.search(key):
        return REMOVED if value not in (None, "", 0, False) else value
    if _PLAIN_FIELD.search(key):
        return value
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return _text(value)
        case dict():
            return {str(inner): _clean(str(inner), one) for inner, one in value.items()}
        case Iterable() if not isinstance(value, bytes):
            return [_clean(key, one) for one in value]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Ids stay, other long runs of digits go."""
    parts = []
    last = 0
    for found in _ID.finditer(text):
        parts += [_hide(text[last : found.start()]), found.group()]
        last = found.end()
    return "".join([*parts, _hide(text[last:])])


def _hide(text: str) -> str:
    return _NUMBER.sub(REMOVED, _KEY.sub(REMOVED, text))
