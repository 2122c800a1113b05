"""What is written in a mail, in each language. How it is sent: services/mail.py.

A mail tells what is to be done, until when and where: an id, days and a link. Whoever reads it on its way learns
nothing about a caller, an adviser or what was said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class LetterKind(StrEnum):
    FLAG_UNDECIDED = "flag-undecided"
    HOLD_REVIEW = "hold-review"
    QUARANTINE = "quarantine"
    REQUEST_DUE = "request-due"
    FLAG_ASKED = "flag-asked"
    USE_REPORT = "use-report"
    SIGN_OVERDUE = "sign-overdue"
    DELIVERY_BLOCKED = "delivery-blocked"
    ACCOUNT_NOTICE = "account-notice"
    AUDIT_HEAD = "audit-head"
    BREACH_DUE = "breach-due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`once` names the occasion: of one occasion nobody is written to twice. `facts` are for the text, `path` is where
    on the page something is to be done."""

    kind: LetterKind
    once: str
    path: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`subject_of_one`: when what the subject counts is one."""

    subject: str
    body: str
    subject_of_one: str = ""


_END = {
    "fi": "Tämän viestin lähetti puhelujen tallennuspalvelu. Älä vastaa siihen.",
    "sv": "Meddelandet skickades av tjänsten för inspelning av samtal. Svara inte på det.",
    "en": "This was sent by the call recording service. Please do not answer it.",
}

_TEXTS: Mapping[LetterKind, Mapping[str, Text]] = {
    LetterKind.FLAG_UNDECIDED: {
        "fi": Text(
            subject="Merkitty puhelu odottaa päätöstä, {days} päivää jäljellä",
            subject_of_one="Merkitty puhelu odottaa päätöstä, viimeinen päivä",
            body="Neuvoja on merkinnyt puhelun uhkaavaksi, eikä kukaan ole päättänyt siitä.\n"
            "Ilman päätöstä tallenne tuhotaan {destroyed_on}.",
        ),
        "sv": Text(
            subject="Ett flaggat samtal väntar på beslut, {days} dagar kvar",
            subject_of_one="Ett flaggat samtal väntar på beslut, sista dagen",
            body="En rådgivare har flaggat ett samtal som hotfullt, och ingen har fattat beslut om det.\n"
            "Utan beslut förstörs inspelningen {destroyed_on}.",
        ),
        "en": Text(
            subject="A flagged call waits for a decision, {days} days left",
            subject_of_one="A flagged call waits for a decision, the last day",
            body="An adviser flagged a call as a threat, and nobody has decided on it.\n"
            "Without a decision the recording is destroyed on {destroyed_on}.",
        ),
    },
    LetterKind.HOLD_REVIEW: {
        "fi": Text(
            subject="Säilytyspäätös tarkistettava {review_on} mennessä",
            body="Tallenteita säilytetään määräaikaa pidempään. "
            "Tarkista, onko siihen yhä peruste: päivä on {review_on}.",
        ),
        "sv": Text(
            subject="Beslut om bevarande ska granskas senast {review_on}",
            body="Inspelningar bevaras längre än den ordinarie tiden. Granska om det ännu finns skäl: dagen är "
            "{review_on}.",
        ),
        "en": Text(
            subject="A hold is to be reviewed by {review_on}",
            body="Recordings are kept beyond their period. "
            "Look whether there still is a reason: the day is {review_on}.",
        ),
    },
    LetterKind.QUARANTINE: {
        "fi": Text(
            subject="Ääntä eristyksessä, tuhotaan {destroyed_on}",
            body="Palvelu löysi ääntä, jonka soittajalle kerrotusta tallennuksesta ei ole näyttöä. Se on suljettu, "
            "eikä kukaan voi kuunnella sitä.\n"
            "Selvitä, mistä se tuli. Se tuhotaan {destroyed_on}.",
        ),
        "sv": Text(
            subject="Ljud i karantän, förstörs {destroyed_on}",
            body="Tjänsten hittade ljud för vilket det inte finns bevis på att den som ringde fick veta om "
            "inspelningen. Det är förseglat, och ingen kan lyssna på det.\n"
            "Ta reda på varifrån det kom. Det förstörs {destroyed_on}.",
        ),
        "en": Text(
            subject="Audio in quarantine, destroyed on {destroyed_on}",
            body="The service found audio of which nothing proves that the caller was told of the recording. It is "
            "sealed, and nobody can listen to it.\n"
            "Find out where it came from. It is destroyed on {destroyed_on}.",
        ),
    },
    LetterKind.REQUEST_DUE: {
        "fi": Text(
            subject="Pyyntöön {case} on vastattava {answer_by} mennessä",
            body="Rekisteröidyn pyyntö odottaa vastausta. Oma määräaika on {answer_by}, lain määräaika {law_by}.",
        ),
        "sv": Text(
            subject="Begäran {case} ska besvaras senast {answer_by}",
            body="En registrerads begäran väntar på svar. Den egna tidsfristen är {answer_by}, lagens {law_by}.",
        ),
        "en": Text(
            subject="Request {case} is to be answered by {answer_by}",
            body="The request of a person waits for an answer. The house's day is {answer_by}, the law's {law_by}.",
        ),
    },
    LetterKind.FLAG_ASKED: {
        "fi": Text(
            subject="Sinulta kysytään merkitystä puhelusta",
            body="Esihenkilö pyytää sinua katsomaan puhelua, jonka neuvoja on merkinnyt uhkaavaksi.",
        ),
        "sv": Text(
            subject="Du tillfrågas om ett flaggat samtal",
            body="En chef ber dig se på ett samtal som en rådgivare har flaggat som hotfullt.",
        ),
        "en": Text(
            subject="You are asked about a flagged call",
            body="A supervisor asks you to look at a call that an adviser flagged as a threat.",
        ),
    },
    LetterKind.USE_REPORT: {
        "fi": Text(
            subject="Käyttöraportti viikolta {week}",
            body="Viikon käyttöraportti on valmis. Huomioita: {findings}. Kuitattavia kuunteluja: {samples}, "
            "viimeistään {due_on}.",
        ),
        "sv": Text(
            subject="Användningsrapport för vecka {week}",
            body="Veckans användningsrapport är klar. Iakttagelser: {findings}. Lyssningar att kvittera: {samples}, "
            "senast {due_on}.",
        ),
        "en": Text(
            subject="Report of use for week {week}",
            body="The report of the week is ready. Findings: {findings}. Listenings to be signed off: {samples}, "
            "by {due_on}.",
        ),
    },
    LetterKind.SIGN_OVERDUE: {
        "fi": Text(
            subject="Kuittaamatta määräajassa: {count} kuuntelua",
            subject_of_one="Kuittaamatta määräajassa: yksi kuuntelu",
            body="Kuunteluja, jotka esihenkilön piti kuitata, on kuittaamatta: {count}. "
            "Vanhimman määräaika oli {due_on}.",
        ),
        "sv": Text(
            subject="Inte kvitterade i tid: {count} lyssningar",
            subject_of_one="Inte kvitterad i tid: en lyssning",
            body="Lyssningar som en chef skulle ha kvitterat är okvitterade: {count}. Den äldstas sista dag var "
            "{due_on}.",
        ),
        "en": Text(
            subject="Not signed off in time: {count} listenings",
            subject_of_one="Not signed off in time: one listening",
            body="Listenings that a supervisor should have signed off are not: {count}. "
            "The oldest was due on {due_on}.",
        ),
    },
    LetterKind.DELIVERY_BLOCKED: {
        "fi": Text(
            subject="Toimituslinkki on suljettu",
            body="Toimituslinkin tunnuslause syötettiin väärin {tries} kertaa. Linkki on suljettu ja paketti "
            "poistettu; mitään ei luovutettu.\n"
            "Ota selvää vastaanottajalta, mitä tapahtui, ja tee tarvittaessa uusi paketti.",
        ),
        "sv": Text(
            subject="En leveranslänk har stängts",
            body="Fel lösenfras angavs {tries} gånger för en leveranslänk. Länken är stängd och paketet borttaget; "
            "ingenting lämnades ut.\n"
            "Fråga mottagaren vad som hände och gör vid behov ett nytt paket.",
        ),
        "en": Text(
            subject="A link of a delivery was closed",
            body="Wrong passphrases were tried {tries} times at a link of a delivery. The link is closed and its "
            "package removed; nothing was given out.\n"
            "Ask the receiver what happened, and make a new package if one is needed.",
        ),
    },
    LetterKind.ACCOUNT_NOTICE: {
        "fi": Text(
            subject="Ilmoitus käyttäjätilistäsi",
            body="Käyttäjätilisi tunnuksissa tai kirjautumisissa tapahtui jotain, josta sinun tulee tietää.\n"
            "Kirjaudu sisään ja lue ilmoitus. Jos et tehnyt sitä itse, ota heti yhteys pääkäyttäjään.",
        ),
        "sv": Text(
            subject="Meddelande om ditt användarkonto",
            body="Något hände med uppgifterna eller inloggningarna för ditt konto som du bör känna till.\n"
            "Logga in och läs meddelandet. Kontakta genast administratören om det inte var du.",
        ),
        "en": Text(
            subject="A notice about your account",
            body="Something happened to the credentials or log-ins of your account that you should know of.\n"
            "Log in and read the notice. If it was not you, tell an administrator at once.",
        ),
    },
    LetterKind.BREACH_DUE: {
        "fi": Text(
            subject="Tietoturvaloukkauksesta ilmoitettava viimeistään {due_on} klo {due_at}",
            body="Henkilötietojen tietoturvaloukkauksesta ei ole vielä ilmoitettu valvontaviranomaiselle.\n"
            "Määräaika on {due_on} klo {due_at}. Täysiä tunteja jäljellä: {hours}.",
        ),
        "sv": Text(
            subject="Personuppgiftsincident ska anmälas senast {due_on} kl. {due_at}",
            body="En personuppgiftsincident har ännu inte anmälts till tillsynsmyndigheten.\n"
            "Tiden går ut {due_on} kl. {due_at}. Hela timmar kvar: {hours}.",
        ),
        "en": Text(
            subject="A breach is to be notified by {due_on}, {due_at}",
            body="The supervisory authority has not been told yet of a personal data breach.\n"
            "It is to be told by {due_on}, {due_at}. Whole hours left: {hours}.",
        ),
    },
    # What stands between the blank lines is the anchor: it is verified as it was sent.
    LetterKind.AUDIT_HEAD: {
        "fi": Text(
            subject="Lokikirjan allekirjoitettu tila {day}: {size} merkintää",
            body="Säilytä tämä viesti. Sillä voi myöhemmin osoittaa, ettei lokikirjan {size} ensimmäistä merkintää ole "
            "muutettu tai poistettu:\nanna viesti tiedostona tarkistusohjelmalle (tools/verify_audit.py --anchors)."
            "\n\n{note}",
        ),
        "sv": Text(
            subject="Granskningsloggens signerade tillstånd {day}: {size} poster",
            body="Spara detta meddelande. Med det kan man senare visa att loggens {size} första poster inte har "
            "ändrats "
            "eller tagits bort:\nge meddelandet som fil till kontrollprogrammet (tools/verify_audit.py --anchors)."
            "\n\n{note}",
        ),
        "en": Text(
            subject="Signed head of the audit log, {day}: {size} entries",
            body="Please keep this message. It shows later that the first {size} entries of the log were neither "
            "changed nor removed:\ngive it as a file to the verifier (tools/verify_audit.py --anchors)."
            "\n\n{note}",
        ),
    },
}


# Not strftime's: those are of the language the process was started in.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def written(kind: LetterKind, facts: Mapping[str, str | int], language: str, link: str) -> Text:
    """The mail, in one of the three languages."""
    text = _TEXTS[kind][language]
    told = {name: _told(value, language) for name, value in facts.items()}
    of_one = text.subject_of_one and 1 in (facts.get("days"), facts.get("count"))
    subject = (text.subject_of_one if of_one else text.subject).format_map(told)
    body = "\n\n".join((text.body.format_map(told), link, _END[language]))
    return Text(subject=subject, body=f"{body}\n")


def _told(value: str | int, language: str) -> str:
    """Days are kept as ISO 8601 and written as people write them; thousands stand apart."""
    if isinstance(value, int):
        return f"{value:,}" if language == "en" else f"{value:,}".replace(",", "\u00a0")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{day.day}.{day.month}.{day.year}" if language != "en" else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
