"""The words of the privacy notice in English. Which sentence belongs where: domain/notice.py."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """`months`, `days`: of one, of several. `sentences` have the same names in every language."""

    title: str
    headings: tuple[str, ...]
    months: tuple[str, str]
    days: tuple[str, str]
    together: str
    sentences: Mapping[str, str]


WORDS = Words(
    title="Privacy notice: call recordings",
    headings=(
        "Name of the register",
        "Controller",
        "Person in charge of the register",
        "Contact in matters of the register",
        "Data protection officer",
        "How long data are kept",
        "Purpose and legal basis of the processing",
        "Content of the register",
        "Regular sources of data",
        "Regular disclosures of data",
        "Transfers outside the European Union or the European Economic Area",
        "Principles by which the register is protected",
        "Automated decisions",
        "Right to inspect data",
        "Right to have data corrected",
        "Withdrawing consent",
        "Other rights",
        "Right to complain to the supervisory authority",
        "Other information",
        "Administration of the register",
    ),
    months=("1 month", "{count} months"),
    days=("1 day", "{count} days"),
    together=" and ",
    sentences={
        "missing": "not given yet",
        "kept": "A recording is kept for a fixed time, counted by the calendar from the day of the call:",
        "destroyed": "When that time is over, the service destroys the recording by itself: first the key it is "
        "encrypted with, then the file. An encrypted copy may remain in backups for {backups} after that.",
        "held": "A supervisor may decide that a call with a serious threat is kept longer, so that the matter can be "
        "taken further. The decision has a reason, somebody who answers for it, and a day within twelve months on "
        "which it is looked at again.",
        "undecided": "A call that an adviser marked as a threat and no supervisor has decided on is kept longer by at "
        "most {grace}.",
        "frozen": "Recordings that an open request is about are not destroyed before the request is closed.",
        "quarantine": "Sound of which nothing proves that the caller was told of the recording is locked away. Nobody "
        "can listen to it, and it is destroyed after {days}.",
        "purpose": "Calls to the customer-service lines named here are recorded for two purposes:",
        "safety": "the safety of the advisers",
        "quality": "the quality of the customer service.",
        "announced": "The caller is told of the recording in Finnish, Swedish or English before it begins. Whoever "
        "does not want to be recorded tells the adviser, who ends the recording. What was recorded of that call by "
        "then is destroyed.",
        "bases": "The legal basis of the processing is:",
        "public-task": "a task carried out in the public interest (GDPR, Article 6(1)(e))",
        "legitimate-interest": "the controller's legitimate interest in the safety of its staff and the quality of its "
        "service (GDPR, Article 6(1)(f))",
        "consent": "the caller's consent (GDPR, Article 6(1)(a))",
        "listeners": "Only people who have been given the right to do so listen to recordings, and they state the "
        "purpose each time.",
        "content": "The register holds what is said during the call.",
        "beside": "With each recording there are:",
        "caller": "the caller's telephone number and name, as the telephone exchange gives them",
        "call": "the time and length of the call, and the number that was called",
        "agents": "the advisers who answered",
        "marks": "what the adviser marked during the call, and that the announcement was heard.",
        "derived": "Nothing is made of the sound but a picture of its loudness that helps to find a place in it: no "
        "transcript, no voice print, no profile.",
        "sources": "The data come from people who call the customer service, and from the telephone exchange that "
        "connects their calls. There are no other sources.",
        "disclosures": "Data are not disclosed regularly.",
        "disclosed": "A single recording can be given out only where the law allows it. Receiver and reason are "
        "written down beforehand, and each time is in the log of disclosures.",
        "disclosed_by_two": "A single recording can be given out only where the law allows it. Receiver and reason are "
        "written down beforehand, a second person has to agree, and each time is in the log of disclosures.",
        "transfers": "Data are not transferred outside the European Union or the European Economic Area.",
        "transfers_outside": "Data are transferred outside the European Union or the European Economic Area.",
        "nowhere": "The service works on one host and sends nothing beyond it.",
        "speaks_to": "Beyond its own host the service is connected only to the following, with the country of each:",
        "to_pbx": "the telephone exchange",
        "to_database": "the database",
        "to_mail": "the mail server",
        "to_webhook": "the receiver of alarms",
        "to_syslog": "the log server",
        "to_s3": "the store of the sealed recordings",
        "to_published": "the web page on which this notice is published",
        "protection": "Data are protected like this:",
        "sealed": "Recordings, and the callers' numbers and names, are encrypted. Each day has a key of its own, which "
        "is destroyed with the recordings.",
        "rights": "Only staff who are entitled to it see data, and only those of their own unit. A right is granted "
        "and approved by two people, and lasts for at most twelve months unless it is confirmed again.",
        "two_steps": "Everybody logs in with a user name of their own, a password and a one-time code.",
        "encrypted": "The connection to the service is encrypted.",
        "logged": "Use is monitored: every search, view, listening, disclosure, correction and change of rights is "
        "written to a log that cannot be changed unnoticed.",
        "looked_at": "There is a report of use every week, and somebody else looks at {percent} per cent of the "
        "listenings again.",
        "decisions": "No automated decisions are made about people. The one thing the service does by itself is to "
        "destroy recordings when their time is over.",
        "access": "You have the right to know whether calls of yours are in the register, and to get a copy of the "
        "recordings with information on how they were used. Ask for it in writing: {contact}.",
        "identity": "You have to prove who you are. Tell the day and the time of the call and the number you called "
        "from: the recording is found by them.",
        "answer": "You are answered within one month. If the request is unusually extensive, that time can be extended "
        "by two months, and you are told so within the first.",
        "correction": "Data that are wrong, unnecessary, incomplete or out of date for the purpose are corrected, "
        "erased or completed without undue delay, by the controller's own action or when you ask for it.",
        "corrected": "What was corrected, by whom and when stays visible, and the original entry can be seen "
        "afterwards. The sound itself is not altered.",
        "withdraw": "You can withdraw your consent at any time: during the call by telling the adviser, afterwards in "
        "writing: {contact}. Withdrawing it does not make unlawful what was done before.",
        "no_consent": "Where recording is not based on consent, there is no consent to withdraw. During the call you "
        "can say no to the recording all the same, and afterwards you can object to the processing.",
        "other_rights": "You also have the right",
        "erasure": "to have data about you erased, where the law does not require them to be kept (GDPR, Article 17)",
        "restriction": "to have the processing restricted, for example while it is found out whether data are right "
        "(Article 18)",
        "objection": "to object to the processing on grounds of your own situation (Article 21)",
        "portability": "to receive what you gave yourself by consent in a form that a machine can read (Article 20)",
        "refused": "If the controller does not do what you ask for, you are given a written certificate with the "
        "reasons.",
        "complaint": "You can bring the matter before the supervisory authority: {authority}.",
        "made": "This notice is made from the settings by which the recording service works. The service checks all "
        "the time whether it does what is written here.",
        "published": "The notice is published at:",
        "administration": "The controller of the register is {name}. The person in charge ({person}) sees to it",
        "duty_content": "what the register holds and what it is used for",
        "duty_rights": "how rights of use are granted, confirmed again and ended",
        "duty_people": "how people are informed, and how they can inspect data about them",
        "duty_data": "how data are corrected and disclosed",
        "duty_notice": "that this notice is drawn up and kept up to date.",
    },
)
