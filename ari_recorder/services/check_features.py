"""The part of `check` that judges features.conf: are the agents' codes there, can each be pressed without another
feature taking its keys, and has one-touch recording no keys.

The built-in features are as the PBX has loaded them, if it says so; the application map is known from the file only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ari_recorder.asterisk.conf import Conf, Setting, last
from ari_recorder.domain.events import Code
from ari_recorder.services.findings import Area, Finding, fail, warn
from ari_recorder.services.pbx_facts import PbxFacts

# features_config.c: the keys where features.conf says nothing, and what people call them.
DEFAULTS = {"blindxfer": "#", "atxfer": "", "disconnect": "*", "parkcall": "", "automon": "", "automixmon": ""}
CALLED = {
    "blindxfer": "the blind transfer",
    "atxfer": "the attended transfer",
    "disconnect": "hanging up",
    "parkcall": "parking",
}
# Recorded queues give the agent the transfers (option t); the others work where an option gives them.
ALWAYS = frozenset({"blindxfer", "atxfer"})
ONE_TOUCH = ("automixmon", "automon")
# What every section of features.conf is that is no group of the application map.
NO_GROUPS = frozenset({"general", "featuremap", "applicationmap"})
# Asterisk's own 1000 ms are too short for a hurried hand; what was pressed is then played to the caller.
DIGIT_TIMEOUT_LEAST, DIGIT_TIMEOUT_DEFAULT = 2000, 1000
RELOAD = "then `module reload features`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Keys of the application map, by their name there or in a group."""

    name: str
    keys: str
    where: str
    runs: str
    on_own_channel: bool

    @property
    def code(self) -> str | None:
        """Of the agents' codes, which."""
        return next((code.value for code in Code if f"ari-recorder-code,s,1({code.value})" in self.runs), None)


def judge_features(conf: Conf, facts: PbxFacts) -> Iterator[Finding]:
    builtin = dict(_builtin(conf, facts))
    features = list(features_in(conf))
    yield from _loaded(conf, facts)
    yield from _codes(features)
    yield from _clashes(features, builtin)
    for name in ONE_TOUCH:
        keys, where = builtin[name]
        if keys:
            yield warn(
                Area.FEATURES,
                f"{where}: {name} gives the keys {keys} to one-touch recording, which is a switch: where an option x, "
                "X, w or W of Queue() or Dial() lets somebody press them, they stop the recording of the call",
                f"{name} = (nothing) in [featuremap], {RELOAD}",
            )
    yield from _timeout(conf, facts)


def features_in(conf: Conf) -> Iterator[Feature]:
    """Each of the application map, and once more for each group that gives it other keys."""
    mapped: dict[str, Feature] = {}
    for setting in conf.named("applicationmap"):
        parts = [part.strip() for part in setting.value.split(",", 2)]
        if len(parts) == 3 and all(parts):
            mapped[setting.name] = Feature(
                name=setting.name,
                keys=parts[0],
                where=str(setting.place),
                runs=parts[2],
                on_own_channel=parts[1].partition("/")[0].lower() in ("self", "caller"),
            )
    yield from mapped.values()
    for section in conf.sections:
        if section.template or section.name.lower() in NO_GROUPS:
            continue
        for setting in section.settings:
            if setting.value and (of := mapped.get(setting.name)) is not None:
                yield Feature(
                    name=f"{of.name} in the group {section.name}",
                    keys=setting.value,
                    where=str(setting.place),
                    runs=of.runs,
                    on_own_channel=of.on_own_channel,
                )


def _builtin(conf: Conf, facts: PbxFacts) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name, keys, and where they are from."""
    settings = conf.named("featuremap")
    for name, default in DEFAULTS.items():
        written = last(settings, name)
        keys = default if written is None else written.value
        if facts.featuremap is not None and facts.featuremap.get(name, keys) != keys:
            yield name, (facts.featuremap[name], "features as the PBX has loaded them")
        elif written is None:
            yield name, (keys, f"{conf.name} (Asterisk's own default)")
        else:
            yield name, (keys, str(written.place))


def _loaded(conf: Conf, facts: PbxFacts) -> Iterator[Finding]:
    if facts.featuremap is None:
        return
    for name, default in DEFAULTS.items():
        written = last(conf.named("featuremap"), name)
        keys, loaded = default if written is None else written.value, facts.featuremap.get(name)
        if loaded is not None and loaded != keys:
            where = conf.name if written is None else str(written.place)
            yield fail(
                Area.FEATURES,
                f"{where}: {name} is {keys or 'nothing'} there, but {loaded or 'nothing'} on the PBX: it has not "
                "loaded this file as it is now, and may not have the agents' codes of it",
                "`module reload features`; Asterisk's log says what it does not like in the file",
            )
            return  # one reload mends all of them


def _codes(features: list[Feature]) -> Iterator[Finding]:
    for code in Code:
        of_code = [feature for feature in features if feature.code == code.value]
        if not of_code:
            yield fail(
                Area.FEATURES,
                f"features.conf has no keys for the agents' code {code.value}: nobody can give it",
                "Add `#include features_ari_recorder.conf` to features.conf, " + RELOAD,
            )
        for feature in of_code:
            if not feature.on_own_channel:
                yield fail(
                    Area.FEATURES,
                    f"{feature.where}: {feature.name} does not run on the agent's own channel (self): whose code it is "
                    "cannot be told",
                    f"{feature.name} => {feature.keys},self,{feature.runs}",
                )


def _clashes(features: list[Feature], builtin: dict[str, tuple[str, str]]) -> Iterator[Finding]:
    ours = [feature for feature in features if feature.code is not None]
    for index, code in enumerate(ours):
        for name, called in CALLED.items():
            keys, where = builtin[name]
            if clash(code.keys, keys):
                make = fail if name in ALWAYS else warn
                only = "" if name in ALWAYS else ", wherever an option of Queue() or Dial() gives it"
                yield make(
                    Area.FEATURES,
                    f"{code.where}: the keys {code.keys} of {code.name} and {keys} of {called} ({name}, {where}) begin "
                    f"alike: whichever is complete first is done{only}",
                    f"Give one of them other keys, in ari_recorder_site/features.conf, {RELOAD}",
                )
        others = [one for one in features if one.code is None] + ours[index + 1 :]
        for other in others:
            if clash(code.keys, other.keys) and other.code != code.code:
                yield warn(
                    Area.FEATURES,
                    f"{code.where}: the keys {code.keys} of {code.name} and {other.keys} of {other.name} "
                    f"({other.where}) begin alike: for who has both, whichever is complete first is done",
                    f"Give one of them other keys, {RELOAD}",
                )


def clash(one: str, two: str) -> bool:
    """Neither can be pressed to its end without the other, when one is the beginning of the other."""
    return bool(one and two) and (one.startswith(two) or two.startswith(one))


def _timeout(conf: Conf, facts: PbxFacts) -> Iterator[Finding]:
    written: Setting | None = conf.last("general", "featuredigittimeout")
    if facts.digit_timeout is not None:
        milliseconds = facts.digit_timeout
    elif written is None:
        milliseconds = DIGIT_TIMEOUT_DEFAULT
    else:
        milliseconds = int(written.value) if written.value.isascii() and written.value.isdigit() else 0
    if milliseconds < DIGIT_TIMEOUT_LEAST:
        where = conf.name if written is None else str(written.place)
        yield warn(
            Area.FEATURES,
            f"{where}: featuredigittimeout is {milliseconds} ms: who presses a code slower than that has done nothing, "
            "and the caller hears the keys",
            f"featuredigittimeout = 2500 in [general], {RELOAD}",
        )
