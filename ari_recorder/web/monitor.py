"""Figures and health over plain HTTP on loopback, apart from the page: no account, nothing about a person.

/metrics   what Prometheus reads
/health    what works, what not, since when; 503 when calls are not recorded
/live      204: the event loop turns
"""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from ari_recorder.config import Monitor
from ari_recorder.domain.errors import MonitorAddressTaken
from ari_recorder.domain.health import State
from ari_recorder.services.health import HealthDesk, Report
from ari_recorder.services.metrics import CONTENT_TYPE, Metrics

log = structlog.get_logger(__name__)

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Loopback by name or number, with any port: it may be forwarded.
_OURS = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MonitorServer:
    """`run` is the service's job. `address` is known when `ready` is set."""

    def __init__(self, settings: Monitor, health: HealthDesk, metrics: Metrics) -> None:
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self.address = ""
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        app = web.Application(middlewares=[_guarded], client_max_size=0)
        app.add_routes(
            [web.get("/metrics", self._figures), web.get("/health", self._report), web.get("/live", self._live)]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=5.0)
        await runner.setup()
        try:
            listener = self._bind()
            site = web.SockSite(runner, listener)
            await site.start()
            host, port = listener.getsockname()[:2]
            self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            self.ready.set()
            log.info("monitor_start", address=self.address)
            await stop.wait()
        finally:
            self.ready.clear()
            await runner.cleanup()

    def _bind(self) -> socket.socket:
        settings = self._settings
        family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
        try:
            return socket.create_server((settings.listen, settings.port), family=family, backlog=16)
        except OSError as error:
            where = f"{settings.listen} port {settings.port}"
            raise MonitorAddressTaken(address=where, reason=error.strerror or type(error).__name__) from None

    async def _figures(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _report(self, _: web.Request) -> web.Response:
        report = self._health.look()
        status = 503 if report.state is State.FAILED else 200
        return web.Response(text=_as_json(report), status=status, content_type="application/json")

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(status=204)


@web.middleware
async def _guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Pages of other sites, open in a browser on this host, get nothing (DNS rebinding)."""
    if not _OURS.fullmatch(request.host):
        raise web.HTTPMisdirectedRequest
    response = await handler(request)
    response.headers.update(_HEADERS)
    return response


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "state": report.state.value,
            "started_at": report.started_at.isoformat(),
            "parts": [
                {
                    "part": one.part.name,
                    "state": one.part.state.value,
                    "because": one.part.because,
                    "since": one.since.isoformat(),
                }
                for one in report.parts
            ],
        },
        indent=1,
    )
