"""What only one host may do at a time: it has a lease while it does it.

    waiting ──take──► held ──the job ended, or the service stops──► waiting      (the lease is given back)
       ▲               │
       └──job stopped──┴──nobody heard this host for 20 s, or another has the lease──► lost

A lease is a row in PostgreSQL: who has it, in which of its runs, and a number that grows with each holder. It is free
when it was given back, or when its holder has been silent for 30 s by PostgreSQL's clock (hosts.py). The holder stops
by itself after 20 s by its own monotonic clock, so the two rarely meet.

What makes it safe is neither of the two times but the fence: each transaction of such a job begins by locking the row
of its lease, shared, and by reading that the number is still the own one. Who was paused for a minute, or cut off with
an open connection, finds another number, and its transaction is undone. And nobody takes a lease over while a
transaction of its holder goes on. What is done outside the database (a file is removed, a head is signed) can be
repeated, and is done for rows that such a transaction has named.
"""

from enum import StrEnum


class LeaseState(StrEnum):
    WAITING = "waiting"
    HELD = "held"
    LOST = "lost"


class LeaseEvent(StrEnum):
    TAKEN = "taken"
    NOT_HEARD = "not heard"
    FENCED = "fenced"
    JOB_STOPPED = "job stopped"


_NEXT = {
    (LeaseState.WAITING, LeaseEvent.TAKEN): LeaseState.HELD,
    (LeaseState.HELD, LeaseEvent.NOT_HEARD): LeaseState.LOST,
    (LeaseState.HELD, LeaseEvent.FENCED): LeaseState.LOST,
    (LeaseState.HELD, LeaseEvent.JOB_STOPPED): LeaseState.WAITING,
    (LeaseState.LOST, LeaseEvent.JOB_STOPPED): LeaseState.WAITING,
}


def after(state: LeaseState, event: LeaseEvent) -> LeaseState:
    """What has no arrow changes nothing."""
    return _NEXT.get((state, event), state)
