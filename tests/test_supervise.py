"""supervise.py: jobs come back after a failure, and end when they are asked to."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from ari_recorder.supervise import Health, JobState, Supervisor


def quick() -> Supervisor:
    return Supervisor(grace_seconds=0.2, first_backoff_seconds=0.01, longest_backoff_seconds=0.04)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition is a state nobody announces
            await asyncio.sleep(0.005)


def health_of(supervisor: Supervisor, name: str) -> Health:
    return next(health for health in supervisor.health() if health.name == name)


async def test_a_job_that_raises_is_started_again_and_its_failure_is_visible() -> None:
    runs = 0

    async def job(stop: asyncio.Event) -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ConnectionError("caller 0401234567 was on the line")
        await stop.wait()

    with capture_logs() as lines:
        async with quick() as supervisor:
            supervisor.start("listen", job)
            await until(lambda: runs == 3)
            health = health_of(supervisor, "listen")
            assert health.state is JobState.RUNNING
            assert health.running_since is not None
            assert health.restarts == 2
            assert health.last_error == "ConnectionError"
            assert health.last_error_at is not None
        assert supervisor.health()[0].state is JobState.STOPPED
    failures = [line for line in lines if line["event"] == "job_fail"]
    assert [line["job"] for line in failures] == ["listen", "listen"]
    assert "test_supervise.py" in failures[0]["where"][-1]
    assert "0401234567" not in str(lines)


async def test_a_job_that_ends_by_itself_has_failed() -> None:
    runs = 0

    async def job(stop: asyncio.Event) -> None:
        nonlocal runs
        runs += 1

    async with quick() as supervisor:
        supervisor.start("sweep", job)
        await until(lambda: runs >= 2)
        assert health_of(supervisor, "sweep").last_error == "ended by itself"


async def test_the_pause_before_a_restart_grows_up_to_its_limit() -> None:
    async def job(stop: asyncio.Event) -> None:
        raise OSError

    with capture_logs() as lines:
        async with quick() as supervisor:
            supervisor.start("listen", job)
            await until(lambda: supervisor.health()[0].restarts >= 4)
    assert [line["retry_seconds"] for line in lines if line["event"] == "job_fail"][:4] == [0.01, 0.02, 0.04, 0.04]


async def test_one_failing_job_does_not_stop_another() -> None:
    finished = asyncio.Event()

    async def failing(stop: asyncio.Event) -> None:
        raise RuntimeError

    async def working(stop: asyncio.Event) -> None:
        await asyncio.sleep(0.05)
        finished.set()
        await stop.wait()

    async with quick() as supervisor:
        supervisor.start("sweep", failing)
        supervisor.start("listen", working)
        async with asyncio.timeout(5):
            await finished.wait()
        assert health_of(supervisor, "listen").restarts == 0


async def test_a_job_may_finish_its_item_after_stop() -> None:
    done = False

    async def job(stop: asyncio.Event) -> None:
        nonlocal done
        await stop.wait()
        await asyncio.sleep(0.05)
        done = True

    async with quick() as supervisor:
        supervisor.start("seal", job)
        await asyncio.sleep(0.01)
    assert done


async def test_a_job_that_does_not_stop_is_cancelled_after_the_grace() -> None:
    cancelled = False

    async def job(stop: asyncio.Event) -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    with capture_logs() as lines:
        async with quick() as supervisor:
            supervisor.start("stuck", job)
            await asyncio.sleep(0.01)
    assert cancelled
    assert any(line["event"] == "job_cancel" for line in lines)


async def test_stop_does_not_wait_for_the_backoff() -> None:
    async def job(stop: asyncio.Event) -> None:
        raise OSError

    supervisor = Supervisor(first_backoff_seconds=60)
    supervisor.start("listen", job)
    await until(lambda: supervisor.health()[0].state is JobState.FAILED)
    async with asyncio.timeout(1):
        await supervisor.stop()


async def test_the_last_started_job_is_stopped_first() -> None:
    order = []

    def named(name: str) -> Callable[[asyncio.Event], asyncio.Future[None]]:
        async def job(stop: asyncio.Event) -> None:
            await stop.wait()
            order.append(name)

        return lambda stop: asyncio.ensure_future(job(stop))

    async with quick() as supervisor:
        for name in ("listen", "decide", "seal"):
            supervisor.start(name, named(name))
        await asyncio.sleep(0.01)
    assert order == ["seal", "decide", "listen"]


async def test_a_job_that_ends_because_another_was_stopped_has_not_failed() -> None:
    over = asyncio.Event()

    async def reader(_: asyncio.Event) -> None:
        await over.wait()

    async def source(stop: asyncio.Event) -> None:
        await stop.wait()
        over.set()
        await asyncio.sleep(0.01)

    with capture_logs() as lines:
        async with quick() as supervisor:
            supervisor.start("reader", reader)
            supervisor.start("source", source)
            await asyncio.sleep(0)
    assert [line["event"] for line in lines] == ["job_stop", "job_stop"]


async def test_a_name_is_given_once() -> None:
    async def job(stop: asyncio.Event) -> None:
        await stop.wait()

    async with quick() as supervisor:
        supervisor.start("listen", job)
        with pytest.raises(ValueError, match="listen"):
            supervisor.start("listen", job)
