"""How answers about deliveries look. Everything else is in output.py."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ari_recorder.output import local, write_table

if TYPE_CHECKING:
    from ari_recorder.services.deliveries import Shown


def write_deliveries(found: "Sequence[Shown]") -> None:
    write_table(
        ("state", "case", "receiver", "made", "until", "end", "wrong", "id"),
        [
            (
                one.state.value,
                one.reference,
                one.receiver or one.receiver_kind,
                local(one.made_at),
                local(one.expires_at),
                local(one.ended_at) or "",
                str(one.tries),
                str(one.id),
            )
            for one in found
        ],
    )
