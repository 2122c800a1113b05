"""Whatever Asterisk sends, in whatever order, and however late, often or badly our own orders are answered.

Random events alone seldom make a call: the examples are the tables of tests/scenarios/ with lines left out, doubled,
moved and thrown in between.
"""

from collections import Counter
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ari_recorder.domain import commands as c
from ari_recorder.domain import events as e
from ari_recorder.domain.recordings import FINAL, RUNNING, RecordingState
from tests.domain.scenario import CHANNELS, START, Bench, event, uniqueid

CALLERS = ["caller", "caller2"]
OTHERS = ["agent", "agent2", "colleague", "trunk", "half1", "half2"]
NET = "net_x_0195202000_fi_1764000000000_1764000003000_" + "0" * 40

LINES = st.one_of(
    st.builds(
        "{0} {1}".format, st.sampled_from(["Announcing", "AnnouncementFailed", "Announced"]), st.sampled_from(CALLERS)
    ),
    st.builds(
        "{0} {1} queue={2}".format,
        st.sampled_from(["QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon"]),
        st.sampled_from(CALLERS),
        st.sampled_from(["neuvonta", "sosiaali", "kahvio"]),
    ),
    st.builds(
        "AgentConnect {0} member={1} queue={2}".format,
        st.sampled_from(CALLERS),
        st.sampled_from(OTHERS),
        st.sampled_from(["neuvonta", "kahvio"]),
    ),
    st.builds("AgentComplete {0} member={1}".format, st.sampled_from(CALLERS), st.sampled_from(OTHERS)),
    st.builds(
        "{0} {1} bridge={2}".format,
        st.sampled_from(["BridgeEnter", "BridgeLeave"]),
        st.sampled_from(CALLERS + OTHERS),
        st.sampled_from(["b1", "b2", "b3"]),
    ),
    st.builds("CodePressed {0} code={1}".format, st.sampled_from(CALLERS + OTHERS), st.sampled_from([*e.Code])),
    st.builds(
        "{0} {1}".format,
        st.sampled_from(["Hold", "Unhold", "MixMonitorStop", "Hangup"]),
        st.sampled_from(CALLERS + OTHERS),
    ),
    st.builds("Armed {0} base={1}{0}".format, st.sampled_from(CALLERS), st.just(NET)),
    st.builds("BlindTransfer {0} exten=1003".format, st.sampled_from(CALLERS)),
    st.just("AttendedTransfer agent bridge=b1 second=b2"),
    st.builds(
        "CodePressed {0} code={1} pressed={2} for={3}".format,
        st.sampled_from(OTHERS),
        st.sampled_from([*e.Code]),
        st.integers(3, 20),
        st.sampled_from(CALLERS),
    ),
    st.sampled_from(["Gap", "ResyncBegan", "ResyncBegan started=2", "ResyncDone", "ResyncDone complete=no"]),
    st.builds("CallRetold {0} base={1}{0}".format, st.sampled_from(CALLERS), st.just(NET)),
    st.builds(
        "ChannelRow {0} bridge={1} mixmonitor={2} codes={3}".format,
        st.sampled_from(CALLERS + OTHERS),
        st.sampled_from(["", "b1", "b2"]),
        st.sampled_from(["", "0x1"]),
        st.sampled_from(["", "refuse@5", "pause@6,resume@7", "resume@5,pause@9"]),
    ),
)

TABLES = [
    [line.split(" ", 1)[1] for line in path.read_text().partition("\n--\n")[0].splitlines() if line[:1].isdigit()]
    for path in sorted((Path(__file__).parent.parent / "scenarios").glob("*.txt"))
]


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """A call as it may happen, disturbed."""
    lines = [line for line in draw(st.sampled_from(TABLES)) if "recording=" not in line]
    for kind, where, line in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100), LINES), max_size=8)):
        at = where % (len(lines) + 1)
        if kind == 0 or not lines:
            lines.insert(at, line)
        elif kind == 1:
            del lines[at % len(lines)]
        elif kind == 2:
            lines.insert(at, lines[where % len(lines)])
        else:
            lines.insert(at, lines.pop(where % len(lines)))
    return lines


class LateBench(Bench):
    """A shell whose answers come later, in the order of the orders; some orders fail."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.answers: list[e.Event] = []
        self.refuse = False
        self.twice = False

    def _feed(self, event: e.Event) -> None:
        for change in self.board.feed(event):
            if change.call is not None:
                self.calls[change.call.uniqueid] = change.call
                running = [r for r in change.call.recordings if r.state in RUNNING]
                assert len(running) <= 1, "two MixMonitors of ours on one caller"
            for command in change.commands:
                self.done.append((event.at - START, command))
                if isinstance(command, c.StartMixMonitor):
                    assert change.call is not None
                    assert change.call.evidence is not None, "started without proof of the announcement"
                    assert change.call.refused_at is None, "started although the caller said no"
                    if self.refuse:
                        self.answers.append(
                            e.MixMonitorRefused(
                                at=event.at, recording_id=command.recording_id, because="No such channel"
                            )
                        )
                        continue
                self.answers += self._carry_out(command, event.at, change.call)

    def answer(self) -> None:
        if self.answers:
            answer = self.answers.pop(0)
            self._feed(answer)
            if self.twice and not isinstance(answer, e.MixMonitorAccepted):
                self._feed(answer)


@settings(max_examples=600, deadline=None)
@given(histories(), st.lists(st.integers(0, 3), min_size=60, max_size=60), st.sets(st.integers(0, 60)), st.booleans())
def test_every_started_recording_is_sealed_exactly_once_or_destroyed(
    lines: list[str], answers: list[int], refused: set[int], twice: bool
) -> None:
    bench = LateBench()
    bench.twice = twice
    for second, line in enumerate(lines, start=4):
        bench.refuse = second in refused
        bench.feed(event(f"{second} {line}"))
        for _ in range(answers[second % 60]):
            bench.answer()
    end = START + timedelta(seconds=4 + len(lines) + 10)
    for caller in CALLERS + OTHERS:
        channel = {"uniqueid": uniqueid(caller), "linkedid": "x", "channel": CHANNELS[caller]}
        bench.feed(e.Hangup(at=end, cause=16, **channel))  # type: ignore[arg-type]
    bench.feed(e.ResyncDone(at=end, complete=False))  # of one that may have been under way
    while bench.answers or bench.timers:
        bench.answer()
        if not bench.answers:
            bench.settle(end)

    sealed = Counter(x.recording_id for _, x in bench.done if isinstance(x, c.SealRecording))
    destroyed = {x.recording_id for _, x in bench.done if isinstance(x, c.DestroyRecording)}
    forgotten = {x.recording_id for _, x in bench.done if isinstance(x, c.ForgetFiles)}
    for call in bench.calls.values():
        assert call.finished
        for recording in call.recordings:
            assert recording.state in FINAL
            if recording.state is RecordingState.SEALED:
                assert sealed[recording.id] == 1
                assert recording.id in forgotten
                assert call.refused_at is None, "kept although the caller said no"
            if recording.state is RecordingState.DISCARDED:
                assert recording.id in destroyed
