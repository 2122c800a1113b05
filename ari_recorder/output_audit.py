"""How entries of the audit log look at the command line."""

from collections.abc import Sequence

from ari_recorder.output import local, write_table
from ari_recorder.services.audit_check import Verified
from ari_recorder.storage.audit import Written


def as_fields(entry: Written) -> dict[str, object]:
    """What the leaf says, its number, and what is personal in clear where it is still there."""
    known = {one.field: one.value for one in entry.personal}
    fields = entry.fields
    return {"seq": entry.seq, **fields, "personal": {name: known.get(name) for name in fields["personal"]}}


def write_entries(entries: Sequence[Written]) -> None:
    rows = []
    for entry in entries:
        fields = entry.fields
        rows.append(
            (
                str(entry.seq),
                local(entry.at),
                fields["action"],
                fields["outcome"] if fields["outcome"] != "ok" else "",
                _who(entry),
                fields["object"],
                fields["because"],
            )
        )
    write_table(
        ("id", "started", "action", "", "who", "what", "why"), rows, styles={"refused": "yellow", "failed": "bold red"}
    )


def write_entry(entry: Written) -> None:
    rows = [("seq", str(entry.seq)), ("when", local(entry.at)), ("who", _who(entry))]
    for name, value in as_fields(entry).items():
        if isinstance(value, dict):
            rows += [(f"{name}: {key}", "(erased)" if one is None else str(one)) for key, one in value.items()]
        elif name not in ("seq", "at", "format") and value:
            rows.append((name, str(value)))
    write_table(("", ""), rows)


def write_verified(verified: Verified) -> None:
    rows = [
        ("entries", f"{verified.size:,}"),
        ("signed", f"the first {verified.signed:,}, {verified.checkpoints:,} checkpoint(s)"),
        ("root", verified.root),
        *(
            (
                one.target,
                f"the first {one.size:,}, {local(one.anchored_at)}{' – ' + one.trouble if one.trouble else ''}",
            )
            for one in verified.anchors
        ),
        *(("FOUND", one) for one in verified.found),
        ("verdict", "changed" if verified.found else "as it was signed"),
    ]
    write_table(("", ""), rows, styles={"FOUND": "bold red", "changed": "bold red", "as it was signed": "green"})


def _who(entry: Written) -> str:
    actor = entry.fields["actor"]
    name = next((one.value for one in entry.personal if one.field == "actor.name"), actor["id"])
    return f"{name} ({actor.get('role', actor['kind'])})"
