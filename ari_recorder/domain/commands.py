"""What the shell shall do: the call machine's orders, carried out in sequence once the journal holds the call's state.

Every order may be carried out twice without harm: a crash between the journal and the effect repeats it.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID


class AlarmCode(StrEnum):
    """Stable names of what somebody must look at."""

    NO_EVIDENCE = "no-announcement-evidence"
    MIXMONITOR_REFUSED = "mixmonitor-refused"
    FILES_NOT_GROWING = "files-not-growing"
    STOPPED_BY_OTHERS = "stopped-by-others"
    SEAL_FAILED = "seal-failed"
    LIVE_SEAL_FAILED = "live-seal-failed"
    ORPHAN_PART = "orphan-part"
    FORGED_REPORT = "forged-report"
    ORDER_FAILED = "order-failed"
    QUEUE_LOG_UNREADABLE = "queue-log-unreadable"
    CEL_UNREADABLE = "cel-unreadable"
    WITNESSES_DIFFER = "witnesses-differ"
    CALL_UNEXPLAINED = "call-unexplained"
    COVERAGE_UNKNOWN = "coverage-unknown"
    WRONG_PBX = "wrong-pbx"
    ORPHAN_IN_SPOOL = "orphan-in-spool"
    REQUEST_DUE = "request-due"  # a person is to be answered
    QUARANTINED = "quarantined"
    JOURNAL_FAILED = "journal-failed"
    DISK_TROUBLE = "disk-trouble"
    HOST_SILENT = "host-silent"
    HOST_REFUSED = "host-refused"
    DATABASE_AWAY = "database-away"
    KEY_FALLBACK = "key-fallback"
    KEYS_DIFFER = "keys-differ"
    KEYRING_LOCKED = "keyring-locked"
    RECORDING_DAMAGED = "recording-damaged"
    VAULT_DIFFERS = "vault-differs"
    ERASE_FAILED = "erase-failed"
    FLAG_UNDECIDED = "flag-undecided"
    HOLD_REVIEW = "hold-review"
    SWEEP_OVERDUE = "sweep-overdue"
    CLOCK_JUMPED = "clock-jumped"
    AUDIT_ROLLED_BACK = "audit-rolled-back"
    AUDIT_NOT_ANCHORED = "audit-not-anchored"
    AUDIT_CHANGED = "audit-changed"
    MAIL_FAILED = "mail-failed"
    LOGIN_CLOSED = "login-closed"
    PROMISE_BROKEN = "promise-broken"
    DELIVERY_BLOCKED = "delivery-blocked"
    BREACH_DUE = "breach-due"
    UPLOAD_LATE = "upload-late"
    BUCKET_UNFIT = "bucket-unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`subject` is an id, never a number or a name of a person."""

    code: AlarmCode
    subject: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingCommand:
    """`channel`, where there is one, is the Uniqueid: Asterisk takes it for a name, and names may change."""

    recording_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMixMonitor(RecordingCommand):
    """Answered by MixMonitorAccepted or MixMonitorRefused. `settle`: how long to wait after what was ordered before."""

    base: str
    channel: str
    settle: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMixMonitor(RecordingCommand):
    """Stops this MixMonitor and no other; no answer is needed, FilesClosed tells."""

    channel: str
    mixmonitor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteMixMonitor(RecordingCommand):
    """Both directions: silence is written, the timeline stays whole."""

    channel: str
    mixmonitor_id: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchGrowth(RecordingCommand):
    """Answered by FilesGrew or FilesMissing."""

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitClosed(RecordingCommand):
    """The channel is gone or MixMonitor was stopped: answered by FilesClosed once nobody writes."""

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeLater(RecordingCommand):
    """Answered by ResumeDue."""

    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLater(RecordingCommand):
    """Something ended or failed under a living call: answered by CheckDue, when it is looked at again."""

    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRecording(RecordingCommand):
    """Answered by Sealed or SealFailed."""

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetFiles(RecordingCommand):
    """The sealed recording is safe: the spool files go."""

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyRecording(RecordingCommand):
    """The caller said no, or was never told: no byte stays. `path` is that of the sealed file, if there is one.

    Answered by Destroyed.
    """

    base: str
    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCall:
    """The call's row in the database is to become what the call is now."""

    call_id: UUID


Command = (
    Alarm
    | StartMixMonitor
    | StopMixMonitor
    | MuteMixMonitor
    | WatchGrowth
    | AwaitClosed
    | ResumeLater
    | CheckLater
    | SealRecording
    | ForgetFiles
    | DestroyRecording
    | StoreCall
)
