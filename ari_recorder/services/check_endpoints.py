"""The part of `check` that judges the endpoints of pjsip.conf and pjsip_wizard.conf: who is granted the agents' codes,
and whose phone has a key for one-touch recording. It also tells where calls of the trunks come in."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ari_recorder.asterisk.conf import Conf, Setting, last
from ari_recorder.domain.events import Code
from ari_recorder.services.findings import Area, Finding, fail, warn

# The group of the codes in features_ari_recorder.conf, and its parts.
OURS = ("ari-recorder", *(f"ari-recorder-{code.value}" for code in Code))
RELOAD = "then `module reload res_pjsip.so`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    name: str
    context: str
    settings: tuple[Setting, ...]
    identified: bool  # by its address, as trunks are

    def is_outside(self, outside: Sequence[str]) -> bool:
        """Do names of its channels begin as pbx.outside says?"""
        return f"PJSIP/{self.name}-00000000".startswith(tuple(outside)) if outside else False


def endpoints_in(pjsip: Conf, wizard: Conf | None = None) -> list[Endpoint]:
    identified = {
        one.value
        for section in pjsip.sections
        if not section.template and _type(section.settings) == "identify"
        for one in section.settings
        if one.name.lower() == "endpoint"
    }
    found: dict[str, list[Setting]] = {}
    for section in pjsip.sections:
        if not section.template and _type(section.settings) == "endpoint":
            found.setdefault(section.name, []).extend(section.settings)
    for section in wizard.sections if wizard is not None else ():
        if not section.template and _type(section.settings) == "wizard":
            prefix = "endpoint/"
            found.setdefault(section.name, []).extend(
                Setting(name=one.name[len(prefix) :], value=one.value, place=one.place)
                for one in section.settings
                if one.name.lower().startswith(prefix)
            )
            accepts = last(section.settings, "accepts_registrations")
            if accepts is None or accepts.value.lower() not in ("yes", "true", "1", "on"):
                identified.add(section.name)
    return [
        Endpoint(
            name=name,
            context=context.value if (context := last(settings, "context")) is not None else "default",
            settings=tuple(settings),
            identified=name in identified,
        )
        for name, settings in found.items()
    ]


def _type(settings: Sequence[Setting]) -> str:
    kind = last(settings, "type")
    return "" if kind is None else kind.value.lower()


def groups_in(features: Conf) -> set[str]:
    """The names that grant our codes when DYNAMIC_FEATURES has them: ours, and each group of the site with one."""
    return {
        *OURS,
        *(
            section.name
            for section in features.sections
            if not section.template and any(setting.name in OURS for setting in section.settings)
        ),
    } - {"applicationmap"}


def trunks(
    endpoints: Sequence[Endpoint], outside: Sequence[str], agents: Collection[str], groups: Collection[str]
) -> list[Endpoint]:
    """Those of pbx.outside; when that names none, those known by their address that are no agent's phone."""
    named = [endpoint for endpoint in endpoints if endpoint.is_outside(outside)]
    if named or outside:
        return named
    return [
        one
        for one in endpoints
        if one.identified and f"PJSIP/{one.name}" not in agents and not any(_granted(one.settings, groups))
    ]


def judge_endpoints(
    endpoints: Sequence[Endpoint], outside: Sequence[str], groups: Collection[str]
) -> Iterator[Finding]:
    """`groups`: the names that grant our codes."""
    for endpoint in endpoints:
        is_outside = endpoint.is_outside(outside)
        for setting, name in _granted(endpoint.settings, groups):
            if is_outside:
                make = fail if name.startswith("_") else warn
                yield make(
                    Area.ENDPOINTS,
                    f"{setting.place}: {name} grants the agents' codes to the trunk {endpoint.name}: whoever is called "
                    "through it, or calls past ari-recorder-enter, can mark, pause or refuse a recording",
                    f"Take that set_var out of [{endpoint.name}], {RELOAD}",
                )
            elif name.startswith("_"):
                yield warn(
                    Area.ENDPOINTS,
                    f"{setting.place}: {name} of the endpoint {endpoint.name} is inherited: whoever that phone calls "
                    "has the agents' codes, too",
                    f"set_var = DYNAMIC_FEATURES=… without _ before it, in [{endpoint.name}], {RELOAD}",
                )
        touch = last(endpoint.settings, "one_touch_recording")
        if touch is not None and touch.value.lower() in ("yes", "true", "y", "t", "1", "on"):
            yield warn(
                Area.ENDPOINTS,
                f"{touch.place}: one_touch_recording lets the record key of the phone {endpoint.name} stop the "
                "recording of a call, of which it is a switch",
                f"one_touch_recording = no in [{endpoint.name}], {RELOAD}",
            )


def _granted(settings: Sequence[Setting], groups: Collection[str]) -> Iterator[tuple[Setting, str]]:
    """Each set_var that grants our codes. The last of a variable counts, with how many _ it may be."""
    of_name: dict[str, tuple[Setting, str, str]] = {}
    for setting in settings:
        if setting.name.lower() == "set_var":
            name, _, value = setting.value.partition("=")
            of_name[name.strip().lstrip("_")] = (setting, name.strip(), value)
    if "DYNAMIC_FEATURES" in of_name:
        setting, name, value = of_name["DYNAMIC_FEATURES"]
        if any(one.strip() in groups for one in value.split("#")):
            yield setting, name
