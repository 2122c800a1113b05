"""The auditor's page: the log searched, the tree and its anchors, proofs and exports. Each look is an entry, too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.audit import Action, ActorKind, Outcome
from ari_recorder.domain.errors import PageUnknown
from ari_recorder.services.audit_desk import EntryRead, Sought, TreeRead
from ari_recorder.web.asked import Asked, Blob, Page, Route, Stream
from ari_recorder.web.form import WHOLE, Day, Form

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """`facts`: what else the entry says, as JSON. `personal`: names, addresses and texts that were not erased."""

    seq: int
    at: datetime
    action: str
    outcome: str
    actor: str
    actor_kind: ActorKind
    role: str
    unit: str
    object: str
    because: str
    facts: str
    personal: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """`before`: where the next page begins; None when this is the last."""

    tree: TreeRead
    entries: tuple[EntryView, ...]
    before: int | None
    sought: Mapping[str, str]
    actions: tuple[str, ...]


class AuditQuery(Form):
    since: Day | None = None
    until: Day | None = None
    action: Action | None = None
    outcome: Outcome | None = None
    actor: Annotated[str, Field(max_length=200)] = ""
    object: Annotated[str, Field(max_length=200)] = ""
    before: Annotated[int, Field(ge=0, le=2**53), WHOLE] | None = None


async def show_audit(asked: Asked) -> Page:
    query = asked.query_as(AuditQuery)
    sought = Sought(**query.model_dump())
    entries = tuple(_view(one) for one in await asked.site.audit_desk.read(asked.user, sought))
    tree = await asked.site.audit_desk.tree(asked.user)
    given = query.model_dump(mode="json", exclude_none=True, exclude={"before"})
    return Page(
        view=AuditView(
            tree=tree,
            entries=entries,
            before=entries[-1].seq if len(entries) == _PAGE else None,
            sought={name: str(value) for name, value in given.items() if value != ""},
            actions=tuple(sorted(action.value for action in Action)),
        )
    )


async def show_proof(asked: Asked) -> Blob:
    seq = str(asked.params["seq"])
    if not seq.isdecimal() or len(seq) > 15:
        raise PageUnknown
    text = await asked.site.audit_desk.proof(asked.user, int(seq))
    return Blob(body=text.encode(), content_type="text/plain")


async def export(asked: Asked) -> Stream:
    chunks = await asked.site.audit_desk.export(asked.user)
    name = f"audit-{asked.now:%Y%m%d-%H%M%S}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Stream(chunks=chunks, content_type="application/x-ndjson", headers=headers)


def _view(one: EntryRead) -> EntryView:
    actor = one.fields["actor"]
    return EntryView(
        seq=one.seq,
        at=one.at,
        action=one.fields["action"],
        outcome=one.fields["outcome"],
        actor=one.personal.get("actor.name", actor.get("id", "")),  # nobody has that name
        actor_kind=ActorKind(actor["kind"]),
        role=actor.get("role", ""),
        unit=actor.get("unit", ""),
        object=one.fields["object"],
        because=one.fields["because"],
        facts=json.dumps(one.fields["facts"], ensure_ascii=False) if one.fields["facts"] else "",
        personal={field: value for field, value in one.personal.items() if field != "actor.name"},
    )


ROUTES = (
    Route(
        method="GET",
        path="/audit",
        name="audit",
        handler=show_audit,
        permission=Permission.AUDIT_READ,
        query=AuditQuery,
        template="audit/list.html",
        view=AuditView,
        summary="The audit log: entries, tree and anchors",
    ),
    Route(
        method="GET",
        path="/audit/{seq}/proof",
        name="audit-proof",
        handler=show_proof,
        permission=Permission.AUDIT_READ,
        media=("text/plain",),
        summary="The proof that an entry is in the log",
    ),
    Route(
        method="POST",
        path="/audit/export",
        name="audit-export",
        handler=export,
        permission=Permission.AUDIT_READ,
        step_up=True,
        media=("application/x-ndjson",),
        summary="The whole log, for the stand-alone verifier",
    ),
)
