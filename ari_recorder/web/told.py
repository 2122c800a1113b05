"""What enums of recordings are called, and sentences about them. The words themselves are translated where they are
shown.
"""

from collections.abc import Mapping
from datetime import timedelta

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import ActorKind, Outcome
from ari_recorder.domain.calls import MarkKind
from ari_recorder.domain.corrections import Correctable
from ari_recorder.domain.deliveries import DeliveryState
from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay, ExportStage, ReceiverKind
from ari_recorder.domain.events import SoundTrouble
from ari_recorder.domain.importing import NOT_PROVED, DateSource, Doubt
from ari_recorder.domain.ledger import LedgerState, Reason
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.recordings import EndReason
from ari_recorder.domain.restriction import OpeningGround, Restriction, RestrictionGround, ToldHow
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.retention_told import Retention, Rule
from ari_recorder.services.recording_page import Integrity, RecordingPage
from ari_recorder.web.asked import Asked
from ari_recorder.web.languages import N_, Words

TROUBLES: Mapping[SoundTrouble, str] = {
    SoundTrouble.SILENT: N_("nobody is heard"),
    SoundTrouble.BROKE_OFF: N_("broke off in mid-sound"),
    SoundTrouble.OVERDRIVEN: N_("louder than the line can carry"),
}

ROLES: Mapping[Role, str] = {
    Role.ADVISER: N_("Adviser"),
    Role.SUPERVISOR: N_("Supervisor"),
    Role.PRIVACY_OFFICER: N_("Privacy officer"),
    Role.ADMINISTRATOR: N_("Administrator"),
    Role.AUDITOR: N_("Auditor"),
}
PURPOSES: Mapping[Purpose, str] = {
    Purpose.ADVISER_SAFETY: N_("The safety of an adviser"),
    Purpose.QUALITY: N_("The quality of the service"),
    Purpose.SUBJECT_REQUEST: N_("A request of the person concerned"),
    Purpose.OTHER: N_("Another one, said in words"),
}
RECEIVERS: Mapping[ReceiverKind, str] = {
    ReceiverKind.PERSON_CONCERNED: N_("The person concerned"),
    ReceiverKind.POLICE: N_("The police"),
    ReceiverKind.COURT: N_("A court"),
    ReceiverKind.AUTHORITY: N_("Another authority"),
    ReceiverKind.OTHER: N_("Somebody else"),
}
# Why a person obtained a restriction, and on what ground it is opened all the same: GDPR, article 18(1) and (2).
RESTRICTIONS: Mapping[RestrictionGround, str] = {
    RestrictionGround.ACCURACY_CONTESTED: N_("The person contests that it is accurate"),
    RestrictionGround.UNLAWFUL: N_("Processing is unlawful, and the person opposes the destruction"),
    RestrictionGround.NEEDED_FOR_CLAIMS: N_("The person needs it for a legal claim"),
    RestrictionGround.OBJECTION: N_("The person has objected, and that is not decided yet"),
}
GROUNDS: Mapping[OpeningGround, str] = {
    OpeningGround.CONSENT: N_("The consent of the person concerned"),
    OpeningGround.LEGAL_CLAIMS: N_("Establishing, exercising or defending a legal claim"),
    OpeningGround.RIGHTS_OF_ANOTHER: N_("The rights of another person"),
    OpeningGround.PUBLIC_INTEREST: N_("An important public interest of the Union or a member state"),
}
TOLD_HOW: Mapping[ToldHow, str] = {
    ToldHow.LETTER: N_("By letter"),
    ToldHow.SECURE_MAIL: N_("By encrypted mail"),
    ToldHow.E_SERVICE: N_("In the e-service"),
    ToldHow.PHONE: N_("By phone"),
    ToldHow.IN_PERSON: N_("In person"),
}
_RESTRICTED: Mapping[RestrictionGround, str] = {
    RestrictionGround.ACCURACY_CONTESTED: N_(
        "Restricted since {day} because the person concerned contests that it is accurate (case {reference}). It is "
        "stored, and opened only on a ground of the law."
    ),
    RestrictionGround.UNLAWFUL: N_(
        "Restricted since {day} because processing it is unlawful and the person concerned opposes its destruction "
        "(case {reference}). It is stored, and opened only on a ground of the law."
    ),
    RestrictionGround.NEEDED_FOR_CLAIMS: N_(
        "Restricted since {day} because the person concerned needs it for a legal claim (case {reference}). It is "
        "stored, and opened only on a ground of the law."
    ),
    RestrictionGround.OBJECTION: N_(
        "Restricted since {day} because the person concerned has objected to the processing and that is not decided "
        "yet (case {reference}). It is stored, and opened only on a ground of the law."
    ),
}
EXPORTS: Mapping[ExportStage, str] = {
    ExportStage.ASKED: N_("Waits for a second person"),
    ExportStage.AGREED: N_("May be downloaded once"),
    ExportStage.GOING: N_("Is being sent"),
    ExportStage.OVER: N_("Is over"),
}
DISCLOSURES: Mapping[DisclosureEnd, str] = {
    DisclosureEnd.COMPLETE: N_("All of it was sent"),
    DisclosureEnd.BROKEN_OFF: N_("It broke off"),
    DisclosureEnd.RIGHT_ENDED: N_("The right to it ended meanwhile"),
    DisclosureEnd.RECORDING_GONE: N_("The recording was destroyed meanwhile"),
    DisclosureEnd.RESTRICTED: N_("The recording was restricted meanwhile"),
    DisclosureEnd.FAILED: N_("It failed"),
    DisclosureEnd.LOST: N_("The service ended meanwhile"),
}
WAYS: Mapping[DisclosureWay, str] = {
    DisclosureWay.DOWNLOAD: N_("Downloaded here"),
    DisclosureWay.LINK: N_("Fetched by a link"),
    DisclosureWay.ON_PREMISES: N_("Handed over on the premises"),
}
DELIVERIES: Mapping[DeliveryState, str] = {
    DeliveryState.WAITING: N_("Waits to be fetched"),
    DeliveryState.OPENED: N_("Opened, not all of it was sent yet"),
    DeliveryState.DELIVERED: N_("Delivered"),
    DeliveryState.BROKEN_OFF: N_("The download broke off"),
    DeliveryState.EXPIRED: N_("Expired"),
    DeliveryState.WITHDRAWN: N_("Withdrawn"),
    DeliveryState.BLOCKED: N_("Closed after wrong passphrases"),
    DeliveryState.GONE: N_("The package is gone"),
}
MOMENTS: Mapping[str, str] = {
    MarkKind.THREAT: N_("Flagged as a threat"),
    MarkKind.PAUSE: N_("Recording paused"),
    MarkKind.RESUME: N_("Recording resumed"),
    MarkKind.REFUSE: N_("The caller said no"),
    MarkKind.BLIND_TRANSFER: N_("Transferred"),
    MarkKind.ATTENDED_TRANSFER: N_("Transferred after a word with the next agent"),
    MarkKind.HOLD: N_("Caller on hold"),
    MarkKind.UNHOLD: N_("Caller off hold"),
    MarkKind.GAP: N_("Something is missing"),
    "note": N_("Note"),
}
FIELDS: Mapping[Correctable, str] = {
    Correctable.CALLER_NUMBER: N_("Caller's number"),
    Correctable.CALLER_NAME: N_("Caller's name"),
    Correctable.AGENT: N_("Agent"),
    Correctable.QUEUE_MEANING: N_("Queue"),
    Correctable.NOTE: N_("Note"),
}
INTEGRITIES: Mapping[Integrity, str] = {
    Integrity.INTACT: N_("The file is the one that was sealed (checked now)"),
    Integrity.DAMAGED: N_("The file is not the one that was sealed"),
    Integrity.UNKNOWN: N_("The file could not be checked now"),
    Integrity.GONE: N_("The audio was destroyed"),
}
LEDGER: Mapping[LedgerState, str] = {
    LedgerState.RECORDED: N_("Recorded"),
    LedgerState.NOT_RECORDED: N_("Not recorded"),
    LedgerState.QUARANTINED: N_("In quarantine"),
    LedgerState.UNEXPLAINED: N_("Unexplained"),
    LedgerState.PENDING: N_("Pending"),
}
REASONS: Mapping[Reason, str] = {
    Reason.NONE: "",
    Reason.EXPLAINED: N_("Somebody found out what happened"),
    Reason.TRUNCATED: N_("A part is missing: power or the PBX failed"),
    Reason.LATE_START: N_("The beginning may be missing"),
    Reason.ENDED_UNSEEN: N_("It ended while the service was away"),
    Reason.ADOPTED: N_("The dialplan recorded it while the service was away"),
    Reason.SILENT_SIDE: N_("One side is silent"),
    Reason.IMPORTED: N_("It was imported from an older telephone exchange"),
    Reason.CALLER_REFUSED: N_("The caller said no"),
    Reason.NO_EVIDENCE: N_("There was no evidence of the announcement"),
    Reason.ABANDONED: N_("The caller gave up"),
    Reason.UNANSWERED: N_("Nobody answered"),
    Reason.QUEUE_NOT_RECORDED: N_("The call came to a queue that is not recorded"),
    Reason.NEVER_QUEUED: N_("The caller did not get to the queue"),
    Reason.NOTHING_SAID: N_("It was too short for anything to be said"),
    Reason.CAPTURE_FAILED: N_("The recording could not be started or kept"),
    Reason.SERVICE_AWAY: N_("The service was not running, or not connected to the PBX"),
    Reason.SECOND_RECORDING: N_("Its call is kept with another recording, and this one was not known"),
    Reason.LENGTH_DIFFERS: N_("Less is recorded than was talked"),
    Reason.NO_RECORDING: N_("They talked, and there is no recording"),
    Reason.UNKNOWN_CALL: N_("The PBX had a call that the service knows nothing of"),
    Reason.NOT_FINISHED: N_("The call is over, and its recording is not finished"),
    Reason.UNDER_WAY: N_("The call goes on"),
}
# Of the audit log: the codes of its entries are shown as they are, what stands around them in words.
OUTCOMES: Mapping[Outcome, str] = {
    Outcome.OK: N_("done"),
    Outcome.REFUSED: N_("not allowed"),
    Outcome.FAILED: N_("failed"),
}
ACTORS: Mapping[ActorKind, str] = {
    ActorKind.USER: "",
    ActorKind.MACHINE: N_("a machine"),
    ActorKind.OPERATOR: N_("the command line"),
    ActorKind.SERVICE: N_("the service itself"),
}
PERSONAL: Mapping[str, str] = {
    "actor.address": N_("Address"),
    "account": N_("User name"),
    "agent": N_("Agent"),
    "note": N_("Note"),
    "text": N_("In words"),
    "why": N_("Why"),
}
# What domain/evidence.py and the call machine write down.
EVIDENCE: Mapping[str, str] = {
    "no announcement was reported": N_("No announcement was reported."),
    "the announcement could not be played": N_("It could not be played."),
    "the sound of a language is missing or empty": N_("The sound of a language is missing or empty."),
    "the announcement was not played to its end": N_("It was not played to its end."),
    NOT_PROVED: N_("It was imported, and what its caller was told is not known here."),
}
# Of what was imported: who says when it began.
DATED_BY: Mapping[DateSource, str] = {
    DateSource.NAME: N_("The name of its file"),
    DateSource.CDR: N_("The list of calls of the older exchange"),
    DateSource.FOLDER: N_("The folder in which its file lay"),
    DateSource.FILE: N_("When its file was last written"),
}
DOUBTS: Mapping[Doubt, str] = {
    Doubt.NONE: "",
    Doubt.AMBIGUOUS_HOUR: N_("The clocks told this hour twice; the later one was taken."),
    Doubt.MISSING_HOUR: N_("The clocks did not tell this hour at all; it may be of another time zone."),
    Doubt.DAY_ONLY: N_("Only the day is known."),
}
_ENDS: Mapping[EndReason, str] = {
    EndReason.HANGUP: N_("One of them hung up"),
    EndReason.TRANSFERRED: N_("The call was transferred"),
    EndReason.LEFT_ORGANISATION: N_("The call left the organisation"),
    EndReason.QUEUE_NOT_RECORDED: N_("The call came to a queue that is not recorded"),
    EndReason.STOPPED_BY_OTHERS: N_("Somebody else stopped the recording"),
    EndReason.ENDED_UNSEEN: N_("It ended while the service was away"),
    EndReason.REFUSED: N_("The caller said no"),
    EndReason.NO_EVIDENCE: N_("There was no evidence of the announcement"),
}
_RULES: Mapping[Rule, str] = {
    Rule.HOLD: N_("Kept by the hold {reference}, which is looked at again on {review_on}."),
    Rule.REQUEST: N_("Kept as long as the request {reference} is open."),
    Rule.RESTRICTION: N_("Kept as long as its processing is restricted ({reference})."),
    Rule.PERIOD: N_("Destroyed on {day}: {period} of queue {queue}."),
    Rule.LONGEST: N_("Destroyed on {day}: {period}, the longest period, for queue {queue} is not configured."),
    Rule.UNDECIDED: N_(
        "Destroyed on {day}, unless somebody decides: {period} of queue {queue}, and {grace} for the flag."
    ),
    Rule.QUARANTINE: N_("Destroyed on {day}: the end of its quarantine."),
    Rule.UNCONFIRMED: N_("Destroyed on {day}: new rules wait to be confirmed."),
    Rule.DUE: N_("Its time is up: the next sweep destroys it ({period} of queue {queue})."),
    Rule.GONE: N_("Destroyed."),
}


def destruction(words: Words, told: Retention) -> str:
    """Until when it is kept, and by which rule."""
    return words.text(
        _RULES[told.rule],
        day=words.date(told.destroyed_on) if told.destroyed_on else "",
        review_on=words.date(told.review_on) if told.review_on else "",
        period=words.period(told.period),
        grace=words.period(told.grace),
        queue=told.queue,
        reference=told.reference,
    )


def restricted(words: Words, one: Restriction) -> str:
    """Since when and why: wherever the recording is shown."""
    return words.text(_RESTRICTED[one.ground], day=words.date(local_day(one.set_at)), reference=one.case_number)


def seconds(text: str) -> timedelta:
    """A length as an address has it."""
    return timedelta(seconds=int(text))


def ending(asked: Asked, found: RecordingPage) -> str:
    return asked.text(_ENDS[found.end_reason]) if found.end_reason is not None else ""
