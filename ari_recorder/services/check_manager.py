"""The part of `check` that judges our user in manager.conf: what it hears and may do, no more than it needs and no
less.

What it may do, the PBX tells (check_pbx.py); what it hears, only the file does.
"""

import re
from collections.abc import Iterator, Sequence

from ari_recorder.asterisk.conf import Conf, Setting, last
from ari_recorder.asterisk.dialplan import split
from ari_recorder.asterisk.messages import WANTED
from ari_recorder.services.findings import Area, Finding, fail, unseen, warn
from ari_recorder.services.pbx_facts import PbxFacts

HEARS = frozenset({"system", "call", "agent", "user"})
MAY = frozenset({"system", "call", "reporting"})
# What some classes would tell, where that is worse than too much.
TELLS = {
    "dtmf": "every key that callers press, card numbers among them",
    "dialplan": "the dialplan's secret, when it is loaded",
    "all": "every key that callers press, and the dialplan's secret",
}
RELOAD = "then `manager reload`"


def judge_manager(conf: Conf, user: str, facts: PbxFacts) -> Iterator[Finding]:
    if not conf.has(user):
        yield unseen(
            Area.RIGHTS,
            f"{conf.name} has no section [{user}]: which events the AMI user hears was not looked at",
            "See that pbx.config is the folder of this PBX, and manager.conf includes manager_ari_recorder.conf",
        )
        return
    settings = conf.named(user)
    yield from _hears(conf, user, last(settings, "read"))
    yield from _may(user, last(settings, "write"), facts)
    yield from _filters(conf, user, [one for one in settings if one.name.lower().startswith("eventfilter")])
    once = last(settings, "allowmultiplelogin") or conf.last("general", "allowmultiplelogin")
    if once is not None and once.value.lower() in ("no", "false", "n", "f", "0", "off"):
        yield warn(
            Area.RIGHTS,
            f"{once.place}: allowmultiplelogin = {once.value} keeps {user} out while the PBX holds a lost connection "
            "for living, for minutes",
            f"allowmultiplelogin = yes in [{user}], {RELOAD}",
        )


def _classes(setting: Setting | None) -> set[str]:
    return {one.strip().lower() for one in setting.value.split(",")} - {""} if setting is not None else set()


def _hears(conf: Conf, user: str, setting: Setting | None) -> Iterator[Finding]:
    classes = _classes(setting)
    where = f"{conf.name} [{user}]" if setting is None else str(setting.place)
    wanted = f"read = {','.join(_ordered(HEARS))} in [{user}], {RELOAD}"
    if "all" not in classes and (missing := HEARS - classes):
        yield fail(
            Area.RIGHTS,
            f"{where}: {user} does not hear the event classes {', '.join(_ordered(missing))}: calls would be missed",
            wanted,
        )
    if more := classes - HEARS:
        tells = [TELLS[name] for name in _ordered(more) if name in TELLS]
        yield warn(
            Area.RIGHTS,
            f"{where}: {user} hears the event classes {', '.join(_ordered(more))}, which this service does not need"
            + (f": they tell {', and '.join(tells)}" if tells else ""),
            wanted,
        )


def _may(user: str, setting: Setting | None, facts: PbxFacts) -> Iterator[Finding]:
    if setting is not None and (more := _classes(setting) - MAY - facts.told_rights):
        yield warn(
            Area.RIGHTS,
            f"{setting.place}: {user} has the rights {', '.join(_ordered(more))}, which this service does not need",
            f"Take them out of write in [{user}], {RELOAD}",
        )


def _ordered(classes: set[str] | frozenset[str]) -> list[str]:
    order = ["system", "call", "agent", "user", "reporting"]
    return sorted(classes, key=lambda name: (order.index(name) if name in order else len(order), name))


def _filters(conf: Conf, user: str, settings: Sequence[Setting]) -> Iterator[Finding]:
    if not settings:
        yield warn(
            Area.RIGHTS,
            f"{conf.name} [{user}]: without an eventfilter {user} hears every event of its classes, with what callers "
            "put into them",
            f"The lines eventfilter(name(…)) of manager_ari_recorder.conf, {RELOAD}",
        )
        return
    through: dict[str, Setting] = {}
    kept_out: dict[str, Setting] = {}
    includes = False
    for setting in settings:
        inside = re.fullmatch(r"eventfilter\((.*)\)", setting.name.strip(), re.IGNORECASE)
        if inside is None:
            yield warn(
                Area.RIGHTS,
                f"{setting.place}: this form of eventfilter looks into the text of events, into which callers can put "
                "what they like",
                f"Write it as eventfilter(name(<event>)) =, {RELOAD}",
            )
            continue
        criteria = dict(_criteria(inside[1]))
        name = criteria.get("name", "")
        excludes = criteria.get("action", "include").strip().lower() == "exclude"
        includes |= not excludes
        partial = bool(setting.value) or "header" in criteria
        if excludes or (partial and name not in through):
            kept_out[name] = setting
        else:
            through[name] = setting
            kept_out.pop(name, None)
    advanced = [one for one in settings if "(" in one.name]
    if not advanced:
        return  # what the old form lets through cannot be told
    yield from _narrow(user, through, kept_out, includes, advanced[-1])
    more = sorted(name for name in through if name not in WANTED)
    if more or not includes:
        every = ", ".join(name or "of any name" for name in more)
        place = through[more[0]].place if more else advanced[0].place
        yield warn(
            Area.RIGHTS,
            f"{place}: {user} hears events this service does not need: {every or 'all that are not kept out'}",
            f"Let through only what manager_ari_recorder.conf names, {RELOAD}",
        )


def _narrow(
    user: str, through: dict[str, Setting], kept_out: dict[str, Setting], includes: bool, at: Setting
) -> Iterator[Finding]:
    lets_all = "" in through or not includes
    missing = sorted(name for name in WANTED if name in kept_out or (name not in through and not lets_all))
    if missing:
        place = kept_out[missing[0]].place if missing[0] in kept_out else at.place
        yield fail(
            Area.RIGHTS,
            f"{place}: the eventfilters keep from {user}, always or sometimes, what it has to hear: "
            f"{', '.join(missing)}",
            f"eventfilter(name({missing[0]})) = in [{user}], as in manager_ari_recorder.conf, {RELOAD}",
        )


def _criteria(text: str) -> Iterator[tuple[str, str]]:
    for part in split(text, ","):
        found = re.fullmatch(r"\s*([A-Za-z]+)\((.*)\)\s*", part)
        if found is not None:
            yield found[1].lower(), found[2].strip()
