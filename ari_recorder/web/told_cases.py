"""What is told of cases of data subjects: what their enums are called, and a sentence for each step. The words
themselves are translated where they are shown.
"""

from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from ari_recorder.domain.audit import JSON
from ari_recorder.domain.due_dates import Standing
from ari_recorder.domain.refusal_templates import Extent, Ground
from ari_recorder.domain.subject_requests import Channel, Decision, Handover, Kind, Method, State, Step
from ari_recorder.web.languages import N_, Words

_Enum = TypeVar("_Enum", bound=StrEnum)

KINDS: Mapping[Kind, str] = {
    Kind.ACCESS: N_("Access to the own data"),
    Kind.CORRECTION: N_("Correction of data"),
    Kind.ERASURE: N_("Erasure of data"),
    Kind.RESTRICTION: N_("Restriction of processing"),
    Kind.OBJECTION: N_("Objection to processing"),
    Kind.WITHDRAWAL: N_("Withdrawal of consent"),
    Kind.DOCUMENT: N_("Document request"),
}
CHANNELS: Mapping[Channel, str] = {
    Channel.PAPER: N_("On paper"),
    Channel.E_SERVICE: N_("In the e-service"),
    Channel.IN_PERSON: N_("In person"),
}
METHODS: Mapping[Method, str] = {
    Method.IN_PERSON: N_("A document of identity was shown"),
    Method.SUOMI_FI: N_("Strong authentication (Suomi.fi)"),
    Method.CALL_BACK: N_("Called back on the number of the request"),
    Method.OTHER: N_("Another way, said in words"),
}
STATES: Mapping[State, str] = {
    State.RECEIVED: N_("Received: who asks is not proved"),
    State.IDENTIFIED: N_("Who asks is proved: calls wait to be confirmed"),
    State.MATCHED: N_("Calls are confirmed: waits for a decision"),
    State.DECIDED: N_("Decided: waits to be carried out"),
    State.ANSWERED: N_("The person has the answer"),
    State.CLOSED: N_("Case closed"),
}
DECISIONS: Mapping[Decision, str] = {
    Decision.GRANTED: N_("Granted"),
    Decision.PARTLY: N_("Granted in part"),
    Decision.NOTHING_FOUND: N_("Nothing was found"),
    Decision.REFUSED: N_("Request refused"),
    Decision.TAKEN_BACK: N_("Taken back by the person"),
}
HANDOVERS: Mapping[Handover, str] = {
    Handover.ON_PREMISES: N_("On the premises"),
    Handover.LINK: N_("By a link that is good once"),
    Handover.LETTER: N_("By letter"),
    Handover.MESSAGE: N_("By a message in the e-service"),
}
STANDINGS: Mapping[Standing, str] = {
    Standing.CALM: N_("In time"),
    Standing.WARNED: N_("Due soon"),
    Standing.LATE: N_("Late: the house's own day is over"),
    Standing.OVERDUE: N_("Overdue: the law's day is over"),
}
# As a certificate has them in full: services/templates.
GROUNDS: Mapping[Ground, str] = {
    Ground.NOT_IDENTIFIED: N_("Who asks cannot be identified"),
    Ground.UNFOUNDED: N_("It is manifestly unfounded or excessive"),
    Ground.RIGHTS_OF_OTHERS: N_("The rights and freedoms of others"),
    Ground.SECURITY_OR_CRIME: N_("Security, or the prevention and investigation of crime"),
    Ground.SERIOUS_DANGER: N_("Serious danger to health or to the rights of somebody"),
    Ground.SUPERVISION: N_("Supervision and inspection"),
    Ground.ACCURATE: N_("What is stored is accurate"),
    Ground.PUBLIC_TASK: N_("A legal obligation or a task in the public interest"),
    Ground.LEGAL_CLAIMS: N_("Establishing, exercising or defending a legal claim"),
    Ground.COMPELLING: N_("Compelling legitimate grounds"),
    Ground.NO_CONSENT: N_("Processing does not stand on consent"),
    Ground.NO_RESTRICTION: N_("The conditions for a restriction are not met"),
    Ground.NOT_PORTABLE: N_("It does not have to be portable"),
}
_EXTENTS: Mapping[Extent, str] = {
    Extent.WHOLE: N_("Refused as a whole"),
    Extent.PART: N_("The rest is refused"),
}
_STEPS: Mapping[Step, str] = {
    Step.OPEN: N_("Case opened"),
    Step.IDENTITY: N_("Who asks was looked at"),
    Step.MATCH: N_("Calls were found and frozen"),
    Step.CONFIRM: N_("Whose calls these are"),
    Step.DECIDE: N_("Decision made"),
    Step.EXTEND: N_("Time to answer extended"),
    Step.REFUSE: N_("Refusal given in writing"),
    Step.HAND_OVER: N_("Carried out and handed over"),
    Step.CLOSE: N_("Case closed"),
    Step.RELEASE: N_("Recordings let go"),
}


def options(words: Words, of: Mapping[_Enum, str], only: Collection[_Enum] | None = None) -> list[tuple[str, str]]:
    """For a field of a form: nothing first, so that nobody chooses by oversight. `only`: these alone."""
    known = [(one.value, words.text(label)) for one, label in of.items() if only is None or one in only]
    return [("", ""), *known]


def step(words: Words, what: Step, facts: Mapping[str, JSON]) -> str:
    """What was done, and what is to be known of it; facts as the casebook writes them."""
    told = [words.text(_STEPS[what]), *_facts(words, what, facts)]
    return ". ".join(told) + "."


def _facts(words: Words, what: Step, facts: Mapping[str, JSON]) -> list[str]:
    match what:
        case Step.OPEN:
            return [words.text(CHANNELS[Channel(_text(facts, "channel"))])]
        case Step.IDENTITY:
            proved = N_("It is proved who asks") if facts["proved"] else N_("It is not proved who asks")
            more = [words.text(N_("The authorisation was seen"))] if facts["authorised"] else []
            return [words.text(METHODS[Method(_text(facts, "method"))]), words.text(proved), *more]
        case Step.MATCH:
            return [_calls(words, facts["calls"])]
        case Step.CONFIRM:
            theirs, others = len(_many(facts, "theirs")), len(_many(facts, "not_theirs"))
            told = words.text(N_("The person's: {theirs}, somebody else's: {others}"), theirs=theirs, others=others)
            return [told]
        case Step.DECIDE:
            return [words.text(DECISIONS[Decision(_text(facts, "decision"))]), *_effects(words, facts)]
        case Step.EXTEND:
            until, told_on = (words.date(date.fromisoformat(_text(facts, name))) for name in ("until", "told_on"))
            return [words.text(N_("Until {until}; the person was told on {day}"), until=until, day=told_on)]
        case Step.REFUSE:
            ground = facts["ground"]
            more = [words.text(GROUNDS[Ground(str(ground))])] if ground else []
            return [words.text(_EXTENTS[Extent(_text(facts, "extent"))]), *more]
        case Step.HAND_OVER:
            return [words.text(HANDOVERS[Handover(_text(facts, "way"))])]
        case Step.CLOSE:
            until = words.date(date.fromisoformat(_text(facts, "appeal_until")))
            return [words.text(N_("Its recordings stay frozen until {day}"), day=until)]
        case Step.RELEASE:
            return []


def _effects(words: Words, facts: Mapping[str, JSON]) -> list[str]:
    told = []
    if erased := len(_many(facts, "erased")):
        told.append(words.plural("{count} recording is destroyed", "{count} recordings are destroyed", erased))
    if restricted := len(_many(facts, "restricted")):
        told.append(words.plural("{count} recording is restricted", "{count} recordings are restricted", restricted))
    return told


def _calls(words: Words, count: JSON) -> str:
    assert isinstance(count, int)  # noqa: S101 -- written by the casebook
    return words.plural("{count} call", "{count} calls", count)


def _text(facts: Mapping[str, JSON], name: str) -> str:
    return str(facts[name])


def _many(facts: Mapping[str, JSON], name: str) -> list[JSON]:
    found = facts.get(name, [])
    return list(found) if isinstance(found, list | tuple) else []
