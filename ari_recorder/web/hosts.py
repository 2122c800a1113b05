"""The hosts of the installation: what each does, how it is, and when it was heard of last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ari_recorder.config import Role
from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.hosts import HostState
from ari_recorder.web.asked import Asked, Page, Route
from ari_recorder.web.languages import N_

_STATES: Mapping[HostState, str] = {
    HostState.LIVING: N_("there"),
    HostState.SILENT: N_("not heard of"),
    HostState.STOPPED: N_("stopped"),
}
_ROLES: Mapping[Role, str] = {
    Role.CAPTURE: N_("records"),
    Role.WEB: N_("serves this page"),
    Role.SWEEP: N_("destroys what is due"),
}
_HEALTH: Mapping[str, str] = {
    "well": N_("well"),
    "degraded": N_("something does not work"),
    "failed": N_("calls are not recorded"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """`health` counts while the host is there."""

    name: str
    state: HostState
    state_name: str
    health: str
    health_name: str
    roles: tuple[Role, ...]
    role_names: tuple[str, ...]
    pbx: str
    version: str
    started_at: datetime
    last_seen: datetime
    waiting_calls: int
    waiting_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsView:
    hosts: tuple[HostView, ...]


async def show_hosts(asked: Asked) -> Page:
    found = await asked.site.hosts.all(asked.user)
    shown = tuple(
        HostView(
            name=one.name,
            state=one.state,
            state_name=asked.text(_STATES[one.state]),
            health=one.health,
            health_name=asked.text(_HEALTH.get(one.health, _HEALTH["degraded"])),
            roles=one.roles,
            role_names=tuple(asked.text(_ROLES[role]) for role in one.roles),
            pbx=one.system_name or "",
            version=one.version,
            started_at=one.started_at,
            last_seen=one.last_seen,
            waiting_calls=one.waiting_calls,
            waiting_for=one.waiting_for,
        )
        for one in found
    )
    return Page(view=HostsView(hosts=shown))


ROUTES = (
    Route(
        method="GET",
        path="/hosts",
        name="hosts",
        handler=show_hosts,
        permission=Permission.KEY_MANAGE,
        template="hosts/hosts.html",
        view=HostsView,
        summary="The hosts of the installation",
    ),
)
