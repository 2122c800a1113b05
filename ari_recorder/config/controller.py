"""The shape of `[controller]` and `[notice]`: who answers for the register, and where the privacy notice is published.

What the notice says is not here: domain/notice.py.
"""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ari_recorder.config.connections import is_this_host
from ari_recorder.config.values import Languages, Section, Told, refuse


def _place(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if value.startswith("/") or (host and parts.scheme == "https" and parts.username is None):
        return value
    if host and parts.scheme == "http" and is_this_host(host):
        return value
    raise refuse(
        f"{value!r} is neither the whole path of a file nor an https:// address",
        "Write it like https://www.example.org/privacy/call-recordings",
    )


Place = Annotated[str, AfterValidator(_place)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Destination = Literal["pbx", "database", "mail", "webhook", "syslog", "published"]


_OMBUDSMAN: Mapping[Languages, str] = {
    "fi": "Tietosuojavaltuutetun toimisto, Lintulahdenkuja 4, 00530 Helsinki, PL 800, 00531 Helsinki, "
    "tietosuoja@om.fi, 029 566 6700",
    "sv": "Dataombudsmannens byrå, Fågelviksgränden 4, 00530 Helsingfors, PB 800, 00531 Helsingfors, "
    "tietosuoja@om.fi, 029 566 6700",
    "en": "Office of the Data Protection Ombudsman, Lintulahdenkuja 4, 00530 Helsinki, PO Box 800, 00531 Helsinki, "
    "Finland, tietosuoja@om.fi, +358 29 566 6700",
}


class Controller(Section):
    """Who answers for the register, as the privacy notice says it. Each text is the same in all languages, or a table
    of `fi`, `sv` and `en`. Without them the service runs, and `ari-recorder notice check` names what is missing."""

    register_name: Told = Field(
        default_factory=dict,
        description="What the register is called.",
        examples=[
            {
                "fi": "Esimerkkilän puhelutallenteet",
                "sv": "Exempelbys samtalsinspelningar",
                "en": "Call recordings of Example City",
            }
        ],
    )
    name: Told = Field(
        default_factory=dict,
        description="Who the controller is: the organisation and its organ (GDPR, article 4(7)).",
        examples=[
            {
                "fi": "Esimerkkilän kaupunki, kaupunginhallitus",
                "sv": "Exempelby stad, stadsstyrelsen",
                "en": "Example City, city board",
            }
        ],
    )
    address: Told = Field(
        default_factory=dict,
        description="The controller's postal address.",
        examples=["Esimerkkikatu 1, 00100 Esimerkkilä"],
    )
    person_in_charge: Told = Field(
        default_factory=dict,
        description="Who is in charge of the register: an office, not a name.",
        examples=[{"fi": "Viestintäjohtaja", "sv": "Kommunikationsdirektör", "en": "Director of communications"}],
    )
    contact: Told = Field(
        default_factory=dict,
        description="Whom people ask about the register, with an address.",
        examples=["kirjaamo@example.org, Esimerkkikatu 1, 00100 Esimerkkilä"],
    )
    data_protection_officer: Told = Field(
        default_factory=dict,
        description="The data protection officer, with an address (GDPR, article 37).",
        examples=["tietosuojavastaava@example.org"],
    )
    supervisory_authority: Told = Field(
        default_factory=lambda: _OMBUDSMAN,
        description="Whom people can complain to, with an address; without it, the Data Protection Ombudsman of "
        "Finland.",
        examples=["Tietosuojavaltuutetun toimisto, PL 800, 00531 Helsinki, tietosuoja@om.fi"],
    )


class Notice(Section):
    """The privacy notice: where it is published, and in which countries the places are that the service speaks to."""

    published: Mapping[Languages, Place] = Field(
        default_factory=dict,
        description="Where the notice is published in each language: an address, or a file. It is compared with the "
        "one that is made here.",
        examples=[{"fi": "https://www.example.org/tietosuoja/puhelut.html", "sv": "/srv/www/dataskydd/samtal.html"}],
    )
    countries: Mapping[Destination, Country] = Field(
        default_factory=dict,
        description="In which country each place is that the service speaks to beyond this host, as ISO 3166 has it: "
        "pbx, database, mail, webhook, syslog, published.",
        examples=[{"mail": "FI", "syslog": "FI"}],
    )
