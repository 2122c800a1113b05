"""The section `papers`: what is given in writing to people outside. In whose name: `controller`."""

from pydantic import Field

from ari_recorder.config.values import AbsolutePath, Section


class Papers(Section):
    """What is given to people outside in writing. In whose name, and where they can complain: `controller`."""

    templates: AbsolutePath | None = Field(
        default=None,
        description="A folder with your own templates, such as `refusal.fi.toml`; one that is not there is the "
        "program's own. `check` reads them.",
        examples=["/etc/ari-recorder/templates"],
    )
