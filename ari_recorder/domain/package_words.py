"""The words of a package's pages, in Finnish, Swedish and English. Where they stand: domain/package_pages.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from ari_recorder.domain.disclosures import ReceiverKind
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.muting import MutedSide
from ari_recorder.domain.packages import CustodyStep, PackageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    titles: Mapping[PackageKind, str]
    intros: Mapping[PackageKind, str]
    case: str
    made: str
    controller: str
    about: str
    purpose: str
    legal_basis: str
    kept: str
    recording: str
    began: str
    lasted: str
    number: str
    queue: str
    announced: str
    not_announced: str
    destroyed_on: str
    held: str
    truncated: str
    files: str
    listened: str
    nobody_listened: str
    given: str
    nobody_given: str
    time: str
    why: str
    receiver: str
    muted: str
    muted_intro: str
    begin: str
    end: str
    side: str
    reason: str
    custody: str
    step: str
    who: str
    hold: str
    intact: str
    sealed: str
    rights: str
    rights_list: tuple[str, ...]
    check: str
    check_text: str
    at: str
    languages: Mapping[str, str]
    purposes: Mapping[Purpose, str]
    receivers: Mapping[ReceiverKind, str]
    sides: Mapping[MutedSide, str]
    steps: Mapping[CustodyStep, str]


_FI = Words(
    titles={
        PackageKind.CITIZEN: "Puhelusi tallenteet",
        PackageKind.POLICE: "Puhelutallenteet poliisille",
    },
    intros={
        PackageKind.CITIZEN: "Tässä paketissa ovat jäljennökset puheluistasi tehdyistä tallenteista ja tiedot siitä, "
        "miten niitä on käsitelty (yleinen tietosuoja-asetus, 15 artikla).",
        PackageKind.POLICE: "Tässä paketissa ovat jäljennökset tallenteista, jotka on päätetty säilyttää "
        "määräaikaa pidempään, ja tiedot siitä, kenen hallussa ne ovat olleet.",
    },
    case="Asian numero",
    made="Paketti koottiin",
    controller="Rekisterinpitäjä",
    about="Mihin puheluja tallennetaan",
    purpose="Käsittelyn tarkoitus",
    legal_basis="Käsittelyn oikeusperuste",
    kept="Säilytysaika",
    recording="Tallenne {number}",
    began="Alkoi",
    lasted="Kesto",
    number="Numero, johon soitettiin",
    queue="Palvelu",
    announced="Tallennuksesta kerrottiin",
    not_announced="siitä, että tallennuksesta kerrottiin, ei ole tietoa",
    destroyed_on="Tuhotaan automaattisesti",
    held="säilytetään toistaiseksi",
    truncated="Tallenteesta puuttuu osa.",
    files="Tiedostot",
    listened="Kuka on kuunnellut",
    nobody_listened="Kukaan ei ole kuunnellut tallennetta ennen tämän paketin kokoamista.",
    given="Kenelle tallenne on annettu",
    nobody_given="Tallennetta ei ole annettu kenellekään.",
    time="Aika",
    why="Tarkoitus",
    receiver="Vastaanottaja",
    muted="Hiljennetyt kohdat",
    muted_intro="Näissä kohdissa jäljennös on hiljainen. Alkuperäinen tallenne on ennallaan.",
    begin="Alku",
    end="Loppu",
    side="Kenen ääni",
    reason="Syy",
    custody="Kenen hallussa tallenne on ollut",
    step="Tapahtuma",
    who="Kuka",
    hold="Säilytyspäätöksen viite",
    intact="Tallenne luettiin kokonaan ja todettiin muuttumattomaksi",
    sealed="Salatun alkuperäisen SHA-256",
    rights="Oikeutesi",
    rights_list=(
        "Voit pyytää virheellisen tai puutteellisen tiedon oikaisemista. Ääntä ei muuteta, mutta korjaus näkyy sen "
        "vieressä.",
        "Voit pyytää tallenteen poistamista, käsittelyn rajoittamista tai vastustaa käsittelyä.",
        "Jos käsittely perustuu suostumukseesi, voit peruuttaa sen milloin tahansa.",
        "Jos pyyntöäsi ei hyväksytä, saat siitä kirjallisen todistuksen, jossa on syyt.",
        "Voit saattaa asian tietosuojavaltuutetun käsiteltäväksi:",
    ),
    check="Miten paketin voi tarkistaa",
    check_text="Tiedosto verify_package.py kertoo, onko paketti muuttumaton ja kuka sen allekirjoitti. Se tarvitsee "
    "Pythonin ja sen kirjaston cryptography. Rekisterinpitäjän julkisen avaimen saat rekisterinpitäjältä muuta tietä.",
    at="{day} klo {time}",
    languages={"fi": "suomeksi", "sv": "ruotsiksi", "en": "englanniksi"},
    purposes={
        Purpose.ADVISER_SAFETY: "neuvojan turvallisuus",
        Purpose.QUALITY: "palvelun laatu",
        Purpose.SUBJECT_REQUEST: "rekisteröidyn pyyntö",
        Purpose.OTHER: "muu tarkoitus",
    },
    receivers={
        ReceiverKind.PERSON_CONCERNED: "rekisteröity itse",
        ReceiverKind.POLICE: "poliisi",
        ReceiverKind.COURT: "tuomioistuin",
        ReceiverKind.AUTHORITY: "muu viranomainen",
        ReceiverKind.OTHER: "muu vastaanottaja",
    },
    sides={MutedSide.BOTH: "molemmat", MutedSide.CALLER: "soittaja", MutedSide.AGENT: "neuvoja"},
    steps={
        CustodyStep.RECORDED: "tallennus alkoi",
        CustodyStep.ENDED: "tallennus päättyi, ja tallenne salattiin",
        CustodyStep.HELD: "päätettiin säilyttää",
        CustodyStep.RELEASED: "säilytyspäätös kumottiin",
        CustodyStep.LISTENED: "kuunneltiin",
        CustodyStep.GIVEN: "annettiin ulos",
        CustodyStep.VERIFIED: "todettiin muuttumattomaksi",
        CustodyStep.PACKAGED: "koottiin tähän pakettiin",
    },
)

_SV = Words(
    titles={
        PackageKind.CITIZEN: "Inspelningarna av dina samtal",
        PackageKind.POLICE: "Samtalsinspelningar till polisen",
    },
    intros={
        PackageKind.CITIZEN: "I det här paketet finns kopior av inspelningarna av dina samtal och uppgifter om hur de "
        "har behandlats (allmänna dataskyddsförordningen, artikel 15).",
        PackageKind.POLICE: "I det här paketet finns kopior av inspelningar som enligt beslut bevaras längre än den "
        "ordinarie tiden, och uppgifter om vem som har haft hand om dem.",
    },
    case="Ärendets nummer",
    made="Paketet sammanställdes",
    controller="Personuppgiftsansvarig",
    about="Varför samtal spelas in",
    purpose="Ändamålet med behandlingen",
    legal_basis="Rättslig grund för behandlingen",
    kept="Lagringstid",
    recording="Inspelning {number}",
    began="Började",
    lasted="Längd",
    number="Nummer som man ringde till",
    queue="Tjänst",
    announced="Inspelningen meddelades",
    not_announced="det finns ingen uppgift om att inspelningen meddelades",
    destroyed_on="Förstörs automatiskt",
    held="bevaras tills vidare",
    truncated="En del av inspelningen saknas.",
    files="Filer",
    listened="Vem som har lyssnat",
    nobody_listened="Ingen har lyssnat på inspelningen innan det här paketet sammanställdes.",
    given="Till vem inspelningen har lämnats",
    nobody_given="Inspelningen har inte lämnats till någon.",
    time="Tid",
    why="Ändamål",
    receiver="Mottagare",
    muted="Tystade ställen",
    muted_intro="På de här ställena är kopian tyst. Den ursprungliga inspelningen är oförändrad.",
    begin="Början",
    end="Slut",
    side="Vems röst",
    reason="Skäl",
    custody="Vem som har haft hand om inspelningen",
    step="Händelse",
    who="Vem",
    hold="Referens till beslutet om bevarande",
    intact="Inspelningen lästes i sin helhet och konstaterades oförändrad",
    sealed="SHA-256 för det krypterade originalet",
    rights="Dina rättigheter",
    rights_list=(
        "Du kan begära att en felaktig eller ofullständig uppgift rättas. Ljudet ändras inte, men rättelsen syns "
        "bredvid det.",
        "Du kan begära att inspelningen raderas eller att behandlingen begränsas, eller invända mot behandlingen.",
        "Om behandlingen grundar sig på ditt samtycke kan du återkalla det när som helst.",
        "Om din begäran inte godkänns får du ett skriftligt intyg med skälen.",
        "Du kan föra ärendet till dataombudsmannen:",
    ),
    check="Hur paketet kan kontrolleras",
    check_text="Filen verify_package.py berättar om paketet är oförändrat och vem som har undertecknat det. "
    "Den behöver Python och dess bibliotek cryptography. Den personuppgiftsansvariges publika nyckel får du av den "
    "personuppgiftsansvarige på annat sätt.",
    at="{day} kl. {time}",
    languages={"fi": "på finska", "sv": "på svenska", "en": "på engelska"},
    purposes={
        Purpose.ADVISER_SAFETY: "rådgivarens säkerhet",
        Purpose.QUALITY: "tjänstens kvalitet",
        Purpose.SUBJECT_REQUEST: "den registrerades begäran",
        Purpose.OTHER: "annat ändamål",
    },
    receivers={
        ReceiverKind.PERSON_CONCERNED: "den registrerade själv",
        ReceiverKind.POLICE: "polisen",
        ReceiverKind.COURT: "domstol",
        ReceiverKind.AUTHORITY: "annan myndighet",
        ReceiverKind.OTHER: "annan mottagare",
    },
    sides={MutedSide.BOTH: "båda", MutedSide.CALLER: "den som ringde", MutedSide.AGENT: "rådgivaren"},
    steps={
        CustodyStep.RECORDED: "inspelningen började",
        CustodyStep.ENDED: "inspelningen slutade och krypterades",
        CustodyStep.HELD: "beslut om bevarande",
        CustodyStep.RELEASED: "beslutet om bevarande upphävdes",
        CustodyStep.LISTENED: "avlyssnades",
        CustodyStep.GIVEN: "lämnades ut",
        CustodyStep.VERIFIED: "konstaterades oförändrad",
        CustodyStep.PACKAGED: "sammanställdes i det här paketet",
    },
)

_EN = Words(
    titles={
        PackageKind.CITIZEN: "The recordings of your calls",
        PackageKind.POLICE: "Recordings of calls for the police",
    },
    intros={
        PackageKind.CITIZEN: "This package holds copies of the recordings of your calls, and tells how they were "
        "processed (General Data Protection Regulation, Article 15).",
        PackageKind.POLICE: "This package holds copies of recordings that are kept beyond their period by decision, "
        "and tells who had them when.",
    },
    case="Number of the case",
    made="The package was made",
    controller="Controller",
    about="Why calls are recorded",
    purpose="Purpose of the processing",
    legal_basis="Legal basis of the processing",
    kept="How long recordings are kept",
    recording="Recording {number}",
    began="Began",
    lasted="Length",
    number="Number that was called",
    queue="Service",
    announced="The recording was announced",
    not_announced="nothing shows that the recording was announced",
    destroyed_on="Destroyed automatically",
    held="kept until further notice",
    truncated="A part of the recording is missing.",
    files="Files",
    listened="Who has listened",
    nobody_listened="Nobody has listened to the recording before this package was made.",
    given="To whom the recording was given",
    nobody_given="The recording was given to nobody.",
    time="Time",
    why="Purpose",
    receiver="Receiver",
    muted="Parts made silent",
    muted_intro="In these places the copy is silent. The original recording is as it was.",
    begin="Begin",
    end="End",
    side="Whose voice",
    reason="Reason",
    custody="Who had the recording",
    step="Event",
    who="Who",
    hold="Reference of the decision to keep it",
    intact="The recording was read whole and found to be unchanged",
    sealed="SHA-256 of the encrypted original",
    rights="Your rights",
    rights_list=(
        "You can ask that wrong or incomplete data are corrected. The sound is not changed, but the correction is "
        "shown beside it.",
        "You can ask that the recording is erased or its processing restricted, or object to the processing.",
        "If the processing is based on your consent, you can withdraw it at any time.",
        "If your request is not granted, you get a written certificate with the reasons.",
        "You can take the matter to the Data Protection Ombudsman:",
    ),
    check="How to check the package",
    check_text="The file verify_package.py tells whether the package is unchanged and who signed it. It needs Python "
    "and its library cryptography. The controller gives you its public key by another way.",
    at="{day} at {time}",
    languages={"fi": "in Finnish", "sv": "in Swedish", "en": "in English"},
    purposes={
        Purpose.ADVISER_SAFETY: "safety of the adviser",
        Purpose.QUALITY: "quality of the service",
        Purpose.SUBJECT_REQUEST: "request of the person concerned",
        Purpose.OTHER: "another purpose",
    },
    receivers={
        ReceiverKind.PERSON_CONCERNED: "the person concerned",
        ReceiverKind.POLICE: "the police",
        ReceiverKind.COURT: "a court",
        ReceiverKind.AUTHORITY: "another authority",
        ReceiverKind.OTHER: "another receiver",
    },
    sides={MutedSide.BOTH: "both", MutedSide.CALLER: "the caller", MutedSide.AGENT: "the adviser"},
    steps={
        CustodyStep.RECORDED: "recording began",
        CustodyStep.ENDED: "recording ended, and it was encrypted",
        CustodyStep.HELD: "decided to be kept",
        CustodyStep.RELEASED: "decision to keep it ended",
        CustodyStep.LISTENED: "listened to",
        CustodyStep.GIVEN: "given out",
        CustodyStep.VERIFIED: "found to be unchanged",
        CustodyStep.PACKAGED: "put into this package",
    },
)

WORDS: Mapping[str, Words] = {"fi": _FI, "sv": _SV, "en": _EN}
