"""What takes two persons: one asks, another one approves, and then the one who asked may do it, once.

    asked ──approve──► approved ──spend──► spent
      └─────refuse───► refused      either ──a week──► expired

Rights have an approval of their own: domain/rights.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.accounts import Permission

# Who agreed last month agreed to what was there last month.
LASTS = timedelta(days=7)


class ApprovalKind(StrEnum):
    HOLD_RELEASE = "hold-release"
    EXPORT = "export"


class ApprovalState(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    SPENT = "spent"
    EXPIRED = "expired"


# Who may do a thing may also agree that another one does it.
NEEDS = {ApprovalKind.HOLD_RELEASE: Permission.HOLD_RELEASE, ApprovalKind.EXPORT: Permission.RECORDING_EXPORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """`subject`: what it is about, as in the audit log: hold:<uuid>."""

    id: UUID
    kind: ApprovalKind
    subject: str
    state: ApprovalState
    why: str
    asked_at: datetime
    asked_by: UUID
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: UUID | None = None
