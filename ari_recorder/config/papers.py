"""The section `papers`: what is given in writing to people outside, and in whose name. What stands in it: templates."""

from pydantic import Field

from ari_recorder.config.values import AbsolutePath, Section

_EXAMPLE = "Raatihuoneenkatu 9, 06100 Porvoo"


class Papers(Section):
    """What is given to people outside in writing, and in whose name."""

    controller_fi: str = Field(
        default="",
        max_length=200,
        description="The controller's name in Finnish. Without it and the Swedish one no certificate is issued.",
        examples=["Porvoon kaupunki"],
    )
    controller_sv: str = Field(
        default="", max_length=200, description="The controller's name in Swedish.", examples=["Borgå stad"]
    )
    controller_en: str = Field(
        default="",
        max_length=200,
        description="The controller's name in English; without it, the Finnish one.",
        examples=["City of Porvoo"],
    )
    contact_fi: str = Field(
        default="", max_length=1000, description="How the controller is reached, in Finnish.", examples=[_EXAMPLE]
    )
    contact_sv: str = Field(
        default="",
        max_length=1000,
        description="How the controller is reached, in Swedish.",
        examples=["Rådhusgatan 9, 06100 Borgå"],
    )
    purpose_fi: str = Field(
        default="Neuvojan turvallisuuden ja palvelun laadun varmistaminen",
        min_length=1,
        max_length=1000,
        description="Why calls are recorded, in Finnish. Packages say it.",
    )
    purpose_sv: str = Field(
        default="Att trygga rådgivarens säkerhet och tjänstens kvalitet",
        min_length=1,
        max_length=1000,
        description="The same in Swedish.",
    )
    purpose_en: str = Field(
        default="To ensure the safety of advisers and the quality of the service",
        min_length=1,
        max_length=1000,
        description="The same in English.",
    )
    legal_basis_fi: str = Field(
        default="Yleistä etua koskeva tehtävä (yleinen tietosuoja-asetus, 6 artiklan 1 kohdan e alakohta)",
        min_length=1,
        max_length=1000,
        description="The legal basis of the recording, in Finnish.",
    )
    legal_basis_sv: str = Field(
        default="Uppgift av allmänt intresse (allmänna dataskyddsförordningen, artikel 6.1 e)",
        min_length=1,
        max_length=1000,
        description="The same in Swedish.",
    )
    legal_basis_en: str = Field(
        default="A task in the public interest (General Data Protection Regulation, Article 6(1)(e))",
        min_length=1,
        max_length=1000,
        description="The same in English.",
    )
    ombudsman_fi: str = Field(
        default="Tietosuojavaltuutetun toimisto\nLintulahdenkuja 4, 00530 Helsinki\nPL 800, 00531 Helsinki\n"
        "tietosuoja@om.fi\n029 566 6700",
        min_length=1,
        max_length=1000,
        description="Where to complain, in Finnish. Papers say it.",
    )
    ombudsman_sv: str = Field(
        default="Dataombudsmannens byrå\nFågelviksgränden 4, 00530 Helsingfors\nPB 800, 00531 Helsingfors\n"
        "tietosuoja@om.fi\n029 566 6700",
        min_length=1,
        max_length=1000,
        description="Where to complain, in Swedish.",
    )
    ombudsman_en: str = Field(
        default="Office of the Data Protection Ombudsman\nLintulahdenkuja 4, 00530 Helsinki\n"
        "P.O. Box 800, 00531 Helsinki\ntietosuoja@om.fi\n+358 29 566 6700",
        min_length=1,
        max_length=1000,
        description="Where to complain, in English.",
    )
    templates: AbsolutePath | None = Field(
        default=None,
        description="A folder with your own templates, such as `refusal.fi.toml`; one that is not there is the "
        "program's own. `check` reads them.",
        examples=["/etc/ari-recorder/templates"],
    )
