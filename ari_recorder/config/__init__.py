"""The configuration: one TOML file, read into frozen models, refused with words that help.

What a setting means for calls and recordings is not here.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ari_recorder.config.controller import Controller, Notice
from ari_recorder.config.documented import Setting, example, settings
from ari_recorder.config.host import Host
from ari_recorder.config.mail import Mail
from ari_recorder.config.messages import problem
from ari_recorder.config.models import Config, Database, Log, Queue, Retention
from ari_recorder.config.monitor import Alarms, Monitor
from ari_recorder.config.pbx import Capture, Pbx
from ari_recorder.config.problems import ConfigError, Problem
from ari_recorder.config.roles import EVERY_ROLE, Role
from ari_recorder.config.storage import Storage
from ari_recorder.config.use import Use
from ari_recorder.config.web import Web

__all__ = [
    "EVERY_ROLE",
    "Alarms",
    "Capture",
    "Config",
    "ConfigError",
    "Controller",
    "Database",
    "Host",
    "Log",
    "Mail",
    "Monitor",
    "Notice",
    "Pbx",
    "Problem",
    "Queue",
    "Retention",
    "Role",
    "Setting",
    "Storage",
    "Use",
    "Web",
    "example",
    "load",
    "settings",
]


def load(path: Path) -> Config:
    """The configuration in `path`. ConfigError tells everything that is wrong with it at once."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        mend = "Write one: `ari-recorder example-config` prints a beginning"
        raise ConfigError(path, Problem(key="file", what="there is no such file", mend=mend)) from None
    except OSError as error:
        mend = "Let the user of this service read it"
        raise ConfigError(path, Problem(key="file", what=f"it cannot be read: {error.strerror}", mend=mend)) from None
    except UnicodeDecodeError as error:
        mend = "Save the file as UTF-8"
        raise ConfigError(path, Problem(key=f"byte {error.start}", what="it is not UTF-8 text", mend=mend)) from None
    except tomllib.TOMLDecodeError as error:
        mend = "Text values want quotes, sections look like [pbx]; see toml.io"
        raise ConfigError(path, Problem(key="file", what=f"it is not TOML: {error}", mend=mend)) from None
    try:
        config = Config.model_validate(data)
    except ValidationError as refusal:
        raise ConfigError(path, *(problem(error, data) for error in _causes(refusal))) from None
    config._source = path
    if problems := tuple(config.contradictions()):
        raise ConfigError(path, *problems)
    return config


def _causes(refusal: ValidationError) -> Iterator[ErrorDetails]:
    """The errors without those that only follow from another: pydantic also says that a list is too short when what is
    in it is wrong, and that a default could not be made."""
    errors = refusal.errors()
    for error in errors:
        depth = len(error["loc"])
        inner = any(len(other["loc"]) > depth and other["loc"][:depth] == error["loc"] for other in errors)
        if error["type"] != "default_factory_not_called" and not (error["type"] == "too_short" and inner):
            yield error
