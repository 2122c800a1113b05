"""The figures as Prometheus reads them. None holds anything about a person; each has its unit in its name and a HELP.

Counted as it happens: services/meters.py. Looked up before: services/figures.py. Asked of memory now: here.
"""

from collections.abc import Iterator

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ari_recorder.domain.health import State
from ari_recorder.domain.promises import Promise, PromiseState
from ari_recorder.domain.recordings import RecordingState
from ari_recorder.services.alarms import AlarmDesk
from ari_recorder.services.figures import FigureDesk, Figures
from ari_recorder.services.health import HealthDesk
from ari_recorder.services.hosts import HostDesk, HostRow
from ari_recorder.services.meters import Meters
from ari_recorder.services.promises import PromiseDesk
from ari_recorder.services.record import Recorder
from ari_recorder.services.uploads import Uploader
from ari_recorder.storage.figures import Stored
from ari_recorder.supervise import JobState, Supervisor

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "ari_recorder_"


class Metrics(Collector):
    """`text` for a scrape."""

    def __init__(
        self,
        *,
        meters: Meters,
        recorder: Recorder | None,
        figures: FigureDesk,
        health: HealthDesk,
        alarms: AlarmDesk,
        jobs: Supervisor,
        promises: PromiseDesk,
        hosts: HostDesk,
        uploader: Uploader | None = None,
    ) -> None:
        self._registry = meters.registry
        self._recorder = recorder
        self._figures = figures
        self._health = health
        self._alarms = alarms
        self._jobs = jobs
        self._promises = promises
        self._hosts = hosts
        self._uploader = uploader
        self._registry.register(self)
        ProcessCollector(namespace="ari_recorder", registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing before anything is known: the registry would ask at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        report = self._health.look()
        yield _labelled(
            "part_up",
            "1 where a part of the service is well, 0 where it is not.",
            "part",
            {one.part.name: float(one.part.state is State.WELL) for one in report.parts},
        )
        if self._recorder is not None:
            yield _gauge("capture_up", "1 while calls can be recorded.", float(report.state is not State.FAILED))
            yield from _of_pbx(self._recorder)
            yield from _of_capture(self._recorder)
        yield from self._of_jobs()
        yield from _of_hosts(self._hosts.newest)
        yield from _of_promises(self._promises.newest)
        if self._uploader is not None:
            yield from _of_uploads(self._uploader)
        newest = self._figures.newest
        yield from _of_disks(newest)
        if newest.stored is not None and newest.stored_at is not None:
            yield _gauge(
                "figures_timestamp_seconds",
                "When the figures of the database were looked up.",
                newest.stored_at.timestamp(),
            )
            yield from _of_database(newest.stored)

    def _of_jobs(self) -> Iterator[Metric]:
        jobs = self._jobs.health()
        yield _labelled(
            "job_up",
            "1 while a background job runs.",
            "job",
            {job.name: float(job.state is JobState.RUNNING) for job in jobs},
        )
        restarts = CounterMetricFamily(f"{_PREFIX}job_restarts", "Restarts of a job after a failure.", labels=["job"])
        for job in jobs:
            restarts.add_metric([job.name], job.restarts)
        yield restarts
        alarms = CounterMetricFamily(f"{_PREFIX}alarms", "Alarms raised since the start.", labels=["alarm"])
        for code, count in self._alarms.counts.items():
            alarms.add_metric([code], count)
        yield alarms
        yield _labelled(
            "alarm_receiver_waiting",
            "Alarms a receiver has not got yet.",
            "receiver",
            {name: float(count) for name, count in self._alarms.waiting.items()},
        )


def _of_pbx(recorder: Recorder) -> Iterator[Metric]:
    pbx = recorder.pbx
    counters = pbx.counters
    yield _gauge("ami_up", "1 while the AMI session is live.", float(recorder.pbx_live))
    for name, told, value in (
        ("ami_logins", "Sessions that were opened with the PBX; the first is no reconnect.", counters.logins),
        ("ami_gaps", "Times in which events may have been missed.", counters.gaps),
        ("ami_events", "Events that were understood and taken.", counters.events),
        ("ami_received_bytes", "Bytes received from the PBX.", counters.bytes),
        ("ami_forged_events", "Events refused because Asterisk does not send such.", counters.forged),
    ):
        yield _counter(name, told, value)
    yield _gauge("ami_waiting_events", "Events that wait to be looked at.", pbx.waiting)


def _of_capture(recorder: Recorder) -> Iterator[Metric]:
    calls = recorder.calls
    states = dict.fromkeys((state.value for state in RecordingState), 0.0)
    for call in calls:
        for recording in call.recordings:
            states[recording.state.value] += 1
    yield _gauge("calls_under_way", "Calls that are known and not finished and stored.", len(calls))
    yield _labelled("recordings", "Recordings of those calls, by state.", "state", states)
    oldest = min((call.first_seen_at for call in calls), default=None)
    yield _gauge(
        "journal_oldest_timestamp_seconds",
        "When the oldest call in the journal was first seen; 0 when there is none.",
        oldest.timestamp() if oldest is not None else 0,
    )
    yield _gauge("store_waiting_calls", "Calls whose row waits to be written.", recorder.waiting.count)


def _of_hosts(hosts: tuple[HostRow, ...]) -> Iterator[Metric]:
    """As the database has them; each host tells of all that it has heard of."""
    yield _labelled(
        "host_up",
        "1 for a host that was heard of in the last 30 s.",
        "host",
        {one.name: float(one.up) for one in hosts},
    )
    yield _labelled(
        "host_silent_seconds",
        "Seconds since a host was heard of, by the database's clock.",
        "host",
        {one.name: one.silent.total_seconds() for one in hosts},
    )
    yield _labelled(
        "host_waiting_calls",
        "Calls of a host's journal that the database has not got yet.",
        "host",
        {one.name: float(one.waiting_calls) for one in hosts},
    )
    yield _labelled(
        "host_waiting_seconds",
        "How long the first of those has waited.",
        "host",
        {one.name: one.waiting_for.total_seconds() for one in hosts},
    )


def _of_uploads(uploader: Uploader) -> Iterator[Metric]:
    queue = uploader.newest
    yield _gauge("upload_waiting_recordings", "Recordings that the S3 store has not got yet.", queue.waiting)
    yield _gauge("upload_failing_recordings", "Of those, how many failed when they were tried last.", queue.failing)
    yield _gauge(
        "upload_oldest_timestamp_seconds",
        "Since when the oldest of them waits; 0 when there is none.",
        queue.oldest_at.timestamp() if queue.oldest_at is not None else 0,
    )
    yield _counter("upload_verified", "Recordings sent to the S3 store and read back since the start.", uploader.sent)
    yield _counter("upload_failures", "Uploads that failed since the start.", uploader.failures)


def _of_promises(seen: tuple[Promise, ...]) -> Iterator[Metric]:
    """Nothing of those that cannot be told."""
    labels = ["section", "promise"]
    kept = GaugeMetricFamily(
        f"{_PREFIX}promise_kept",
        "1 where a promise of the privacy notice is kept, 0 where it is broken.",
        labels=labels,
    )
    found = GaugeMetricFamily(
        f"{_PREFIX}promise_found", "How much was found that the privacy notice says is not there.", labels=labels
    )
    looked = GaugeMetricFamily(
        f"{_PREFIX}promise_timestamp_seconds", "When a promise was looked at last.", labels=labels
    )
    for one in seen:
        for section in one.sections if one.state is not PromiseState.UNKNOWN else ():
            named = [str(section), one.name.value]
            kept.add_metric(named, float(one.state is PromiseState.KEPT))
            found.add_metric(named, float(one.figure or 0))
            looked.add_metric(named, one.looked_at.timestamp())
    yield from (kept, found, looked)


def _of_disks(newest: Figures) -> Iterator[Metric]:
    yield _labelled(
        "disk_free_bytes",
        "Free room of a folder's file system.",
        "folder",
        {name: float(room.free_bytes) for name, room in newest.rooms.items()},
    )
    yield _labelled(
        "disk_size_bytes",
        "Size of a folder's file system.",
        "folder",
        {name: float(room.size_bytes) for name, room in newest.rooms.items()},
    )
    yield _gauge("spool_files", "Audio files in the spool.", newest.spool_files)
    yield _gauge("spool_bytes", "Memory they take: what is sealed was taken out.", newest.spool_bytes)
    yield _gauge(
        "spool_oldest_timestamp_seconds",
        "When the file in the spool that was not written to for longest was written to; 0 when there is none.",
        newest.spool_oldest_at.timestamp() if newest.spool_oldest_at is not None else 0,
    )


def _of_database(stored: Stored) -> Iterator[Metric]:
    today = GaugeMetricFamily(
        f"{_PREFIX}calls_today", "Calls of today (Europe/Helsinki) in the database.", labels=["state", "reason"]
    )
    for (state, reason), count in stored.calls.items():
        today.add_metric([state, reason], count)
    yield today
    yield _gauge("audit_pending_entries", "Entries of the audit log without a place yet.", stored.audit_pending)
    yield _gauge("audit_entries", "Entries in the tree of the audit log.", stored.audit_size)
    yield _gauge("audit_signed_entries", "Of those, how many are under a signature.", stored.signed_size)
    for name, told, at in (
        ("audit_signed_timestamp_seconds", "When the audit log was signed last; 0 never.", stored.signed_at),
        ("sweep_success_timestamp_seconds", "When a sweep succeeded last; 0 never.", stored.swept_at),
    ):
        yield _gauge(name, told, at.timestamp() if at is not None else 0)
    yield _labelled(
        "audit_anchored_timestamp_seconds",
        "When a place outside got the audit log's head last.",
        "anchor",
        {target: at.timestamp() for target, at in stored.anchored.items()},
    )
    yield _gauge("mail_waiting_letters", "Letters that wait to be sent.", stored.letters_waiting)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}{name}", told, value=value)


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}{name}", told, value=value)


def _labelled(name: str, told: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}{name}", told, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
