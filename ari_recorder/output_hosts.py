"""How answers about hosts look. Everything else is in output.py."""

from typing import TYPE_CHECKING

from ari_recorder.output import local, write_table

if TYPE_CHECKING:
    from ari_recorder.services.hosts import Hosts


def write_hosts(found: "Hosts") -> None:
    write_table(
        ("host", "state", "health", "roles", "PBX", "version", "last heard of", "waiting", "does alone", "troubles"),
        [
            (
                one.name,
                one.state.value,
                one.health,
                ", ".join(one.roles),
                one.system_name or "",
                one.version,
                local(one.last_seen) or "",
                f"{one.waiting_calls} for {int(one.waiting_for.total_seconds())} s" if one.waiting_calls else "",
                ", ".join(name for name, host in found.doing.items() if host == one.name),
                one.troubles,
            )
            for one in found.hosts
        ],
    )
