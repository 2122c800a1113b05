"""The page as one job of the service: sockets, TLS, and limits on who is slow. Recording never waits for any of it.

    connection ─► TLS within 10 s ─► whole head of a request within 30 s ─► answer within 30 s ─► idle for 30 s at most

How many there may be: web/door.py. What is no HTTP at all is answered here, with the same headers as everything else.
"""

import asyncio
import secrets
import socket
from typing import Any

import structlog
from aiohttp import web

from ari_recorder.domain.errors import WebAddressTaken
from ari_recorder.services.site import Site
from ari_recorder.services.web_certificate import web_certificate
from ari_recorder.web.app import make_app
from ari_recorder.web.asked import Route
from ari_recorder.web.door import WAITING, Connection, Door
from ari_recorder.web.headers import secure
from ari_recorder.web.house import HOUSE, SECONDS
from ari_recorder.web.routes import NAV, ROUTES
from ari_recorder.web.tls import Tls

log = structlog.get_logger(__name__)


class Talk(Connection):
    """What is said on one connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the parser refused, or what broke beyond our own net. Its words are not repeated to strangers."""
        if request.writer.output_size > 0:
            raise ConnectionError
        response = web.Response(status=status, text=f"{status}\n")
        secure(response, secrets.token_hex(8))
        response.force_close()
        log.warning("web_malformed" if status == 400 else "web_fail", status=status, error=type(exc).__name__)
        return response


class WebServer:
    """The job: `run(stop)`. `again` is set to have the certificate read again."""

    def __init__(self, site: Site, routes: tuple[Route, ...] = ROUTES) -> None:
        self._site = site
        self._routes = routes
        self.again = asyncio.Event()
        self.address = ""
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        certificate = await asyncio.to_thread(web_certificate, self._site.config, self._site.now())
        tls = Tls(certificate) if certificate is not None else None
        app = make_app(self._site, self._routes, NAV)
        # No log of aiohttp's own: it would hold addresses with what people looked for.
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            listener = self._bind()
            port = listener.getsockname()[1]
            self._named(app, port, is_tls=tls is not None)
            with listener:
                opened = asyncio.create_task(self._door(runner, listener, tls).run())
                watched = asyncio.create_task(self._watch(tls, stop))
                self.ready.set()
                log.info("web_start", address=self.address)
                try:
                    done, _ = await asyncio.wait({opened, watched}, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                finally:
                    opened.cancel()
                    watched.cancel()
                    await asyncio.wait({opened, watched})
        finally:
            self.ready.clear()
            await runner.cleanup()

    async def _watch(self, tls: Tls | None, stop: asyncio.Event) -> None:
        if tls is not None:
            await tls.watch(self.again, stop)
        else:
            await stop.wait()

    def _bind(self) -> socket.socket:
        settings = self._site.config.web
        family = socket.AF_INET6 if settings.address.version == 6 else socket.AF_INET
        try:
            listener = socket.create_server((settings.listen, settings.port), family=family, backlog=WAITING)
        except OSError as error:
            where = f"{settings.listen} port {settings.port}"
            raise WebAddressTaken(address=where, reason=error.strerror or type(error).__name__) from None
        listener.setblocking(False)
        return listener

    @staticmethod
    def _door(runner: web.AppRunner, listener: socket.socket, tls: Tls | None) -> Door:
        loop = asyncio.get_running_loop()
        http = runner.server
        if http is None:
            raise RuntimeError("the application was not set up")
        options: dict[str, Any] = {"keepalive_timeout": SECONDS, "lingering_time": 2.0, "access_log": None}
        return Door(
            listener,
            lambda: http.connections,
            lambda: Talk(http, loop=loop, **options),
            tls.context if tls is not None else None,
        )

    def _named(self, app: web.Application, port: int, *, is_tls: bool) -> None:
        """Which names are ours. Without `web.origin`: those of this host."""
        settings = self._site.config.web
        scheme = "https" if is_tls or settings.origin is not None else "http"
        usual = 443 if scheme == "https" else 80
        if settings.origin is not None:
            hosts = {settings.origin.removeprefix("https://")}
            self.address = settings.origin
        else:
            names = {"localhost", "127.0.0.1", "[::1]", socket.gethostname().lower(), socket.getfqdn().lower()}
            names.add(f"[{settings.listen}]" if ":" in settings.listen else settings.listen)
            hosts = {f"{name}:{port}" for name in names} | ({*names} if port == usual else set())
            shown = "localhost" if settings.address.is_unspecified or settings.is_loopback else settings.listen
            self.address = f"{scheme}://{shown}:{port}"
        names_of = app[HOUSE].names
        names_of.scheme, names_of.hosts = scheme, frozenset(hosts)
