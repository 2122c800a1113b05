"""The configuration documented: every setting, and an example file that can be used."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ari_recorder.config.models import fields_of, sections


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as the documents show it. `default` is TOML text; None when the setting must be given."""

    key: str
    default: str | None
    sample: str
    description: str


def settings() -> Iterator[Setting]:
    """Every setting there is."""
    for name, model in sections().items():
        for key, field in fields_of(model).items():
            yield Setting(
                key=f"{name}.{key}",
                default=_default(field),
                sample=toml(sample(field)),
                description=field.description or "",
            )


def example() -> str:
    """A configuration file with every setting: those with a default are commented out."""
    lines = ["# ari-recorder. Lines that begin with # show the default, or an example where there is none.", ""]
    for name, model in sections().items():
        fields = fields_of(model)
        optional = not any(field.is_required() for field in fields.values())
        lines += [f"# {line}" for line in (model.__doc__ or "").splitlines() if line.strip()]
        header = f"[[{name}]]" if name == "queues" else f"[{name}]"
        lines += [f"#{header}" if optional else header]
        for key, field in fields.items():
            comment = "" if field.is_required() else "#"
            lines += [f"# {field.description}", f"{comment}{key} = {toml(sample(field))}"]
        lines += [""]
    return "\n".join(lines)


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    if field.default_factory is not None or field.default is None:
        return ""
    return toml(field.default)


def sample(field: FieldInfo) -> object:
    if field.examples:
        return field.examples[0]
    return "" if field.default is PydanticUndefined else field.default


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:g}"
        case list() | tuple():
            return f"[{', '.join(toml(one) for one in value)}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {toml(one)}' for key, one in value.items())} }}"
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            return f'"{text}"'
