"""How accounts, rights and units look as tables for people. Tokens are shown here and nowhere else."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ari_recorder.output import local, write_table

if TYPE_CHECKING:
    from ari_recorder.domain.rights import Right, WantedUnit
    from ari_recorder.services.accounts import Invited, Listed
    from ari_recorder.services.rights import Held, MadeToken, OnDay, UnitSet
    from ari_recorder.storage.accounts import Account


def write_invited(invited: "Invited") -> None:
    print(f"{invited.name} sets password and authenticator with this token, once, until {local(invited.expires_at)}:")
    print(invited.token)


def write_token(made: "MadeToken") -> None:
    print(f"{made.name}: this token is shown once. It is good when right {made.right_id} has been approved:")
    print(made.token)


def write_accounts(listed: Sequence["Listed"]) -> None:
    columns = ["name", "full name", "kind", "state", "made", "last here"]
    rows = [
        [
            one.account.name,
            one.account.full_name,
            one.account.kind.value,
            one.account.state.value if one.account.owner_confirmed else _unconfirmed(one.account),
            local(one.account.created_at),
            local(one.last_seen_at),
        ]
        for one in listed
    ]
    write_table(columns, rows)


def write_rights(held: Sequence["Held"]) -> None:
    columns = ["id", "name", "role", "unit", "from", "until", "granted by", "approved by", "why"]
    rows = [
        [
            str(one.right.grant.id),
            one.account.name,
            one.right.grant.role.value,
            one.right.grant.unit,
            one.right.grant.valid_from.isoformat(),
            one.right.grant.valid_until.isoformat(),
            one.right.granted_by,
            _approved(one),
            one.right.why,
        ]
        for one in held
    ]
    write_table(columns, rows)


def _approved(one: "Held") -> str:
    if one.right.approved_by is None:
        return "waits"
    return f"{one.right.approved_by}{', owner not confirmed' if one.right.is_suspended else ''}"


def _unconfirmed(account: "Account") -> str:
    return "active, not confirmed" if account.state.value == "active" else account.state.value


def write_day(found: "OnDay") -> None:
    write_rights(found.rights)
    write_units(found.units)


def write_right(right: "Right") -> None:
    state = "ended" if right.ended_at else f"until {right.grant.valid_until}"
    print(f"right {right.grant.id}: {right.grant.role} in {right.grant.unit}, {state}")


def write_unit(done: "UnitSet") -> None:
    waits = "; what is more waits for somebody else: `user wanted-units`" if done.waits else ""
    print(f"{done.unit} is now {', '.join(sorted(done.queues)) or 'no queue'}{waits}")


def write_wanted(wanted: Sequence["WantedUnit"]) -> None:
    rows = [[str(one.id), one.unit, ", ".join(sorted(one.queues)), one.by, one.why] for one in wanted]
    write_table(["id", "unit", "queues", "asked by", "why"], rows)


def write_units(units: Mapping[str, frozenset[str]]) -> None:
    write_table(["unit", "queues"], [[name, ", ".join(sorted(queues))] for name, queues in sorted(units.items())])
