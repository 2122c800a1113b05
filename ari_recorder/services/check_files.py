"""The part of `check` that reads the PBX's configuration files for what the PBX does not tell over AMI.

They are read, never changed, and nothing of what stands in them is repeated but names, keys and classes: a manager.conf
holds secrets. What could not be read is told as not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ari_recorder.asterisk import conf_files
from ari_recorder.asterisk.conf import Conf, TroubleKind
from ari_recorder.config import Config
from ari_recorder.services.check_endpoints import endpoints_in, groups_in, judge_endpoints, trunks
from ari_recorder.services.check_features import judge_features
from ari_recorder.services.check_manager import judge_manager
from ari_recorder.services.check_queue_files import judge_queues
from ari_recorder.services.check_reach import agents_of, judge_reach
from ari_recorder.services.findings import Area, Finding, fail, ok, unseen
from ari_recorder.services.pbx_facts import PbxFacts

# The files that are looked at, each with what of it may be in a database instead (extconfig.conf).
LOOKED_AT = {
    "features.conf": (),
    "manager.conf": (),
    "queues.conf": ("queues", "queue_members"),
    "pjsip.conf": ("ps_endpoints",),
}
MEND = {
    TroubleKind.UNREADABLE: "Let this service's user read it, for example by the group of Asterisk",
    TroubleKind.MISSING: "Asterisk loads no file with such a line: take it out, write #tryinclude, or bring the file "
    "back",
    TroubleKind.MALFORMED: "Asterisk reads no further in that file: mend the line, and reload",
    TroubleKind.EXEC: "See yourself that what it writes has no monitor-format, feature, AMI right or grant that it "
    "should not have",
    TroubleKind.TOO_MUCH: "Files that include each other in a circle?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The configurations there are, by their names."""

    folder: Path
    confs: dict[str, Conf]

    def there(self, name: str) -> Conf | None:
        conf = self.confs[name]
        return conf if conf.there else None


def check(config: Config, facts: PbxFacts, announced: set[str]) -> list[Finding]:
    """`announced`: the queues that ari-recorder-enter leads to."""
    folder = config.pbx.config
    if (because := conf_files.why_not(folder)) is not None:
        return [
            unseen(
                Area.FILES,
                f"{folder} cannot be read: {because}. What only the PBX's files tell was not looked at: keys of other "
                "features, recordings that queues make, event classes, grants of the codes",
                "Let this service's user read it, for example by the group of Asterisk; of a PBX on another host, copy "
                "the folder here, and name the copy in pbx.config",
            )
        ]
    names = (*LOOKED_AT, "pjsip_wizard.conf", "extconfig.conf", "asterisk.conf")
    files = Files(folder=folder, confs={name: conf_files.read(folder, name) for name in names})
    return list(judge(files, config, facts, announced))


def judge(files: Files, config: Config, facts: PbxFacts, announced: set[str]) -> Iterator[Finding]:
    other = list(_of_another_pbx(files, facts))
    if other:
        yield from other
        return
    yield from _troubles(files)
    if (features := files.there("features.conf")) is not None:
        yield from judge_features(features, facts)
    if (manager := files.there("manager.conf")) is not None:
        yield from judge_manager(manager, config.pbx.username, facts)
    queues = [queue.name for queue in config.queues]
    if (conf := files.there("queues.conf")) is not None:
        yield from judge_queues(conf, facts, queues, announced)
    yield from _endpoints(files, config, facts, queues)


def _of_another_pbx(files: Files, facts: PbxFacts) -> Iterator[Finding]:
    written = files.confs["asterisk.conf"].last("options", "systemname")
    if written is not None and facts.system_name and written.value and written.value != facts.system_name:
        yield fail(
            Area.FILES,
            f"{written.place}: these are the files of {written.value}, but the PBX is {facts.system_name}: none "
            "of them was looked at",
            "Set pbx.config to the folder of this PBX's files, or restart Asterisk if its systemname was changed",
        )


def _troubles(files: Files) -> Iterator[Finding]:
    read = 0
    for name, conf in files.confs.items():
        if name in LOOKED_AT and not conf.there:
            yield unseen(
                Area.FILES,
                f"{files.folder / name} is not there: what it would tell was not looked at",
                "Set pbx.config to the folder that Asterisk reads (astetcdir in asterisk.conf)",
            )
        read += len(conf.files)
        for trouble in conf.troubles:
            where = f"{trouble.place}: " if trouble.place is not None else ""
            make = fail if trouble.kind in (TroubleKind.MISSING, TroubleKind.MALFORMED) else unseen
            yield make(Area.FILES, f"{where}{trouble.what}", MEND[trouble.kind])
    elsewhere = files.confs["extconfig.conf"].named("settings")
    for name, families in LOOKED_AT.items():
        for setting in elsewhere:
            if setting.name in (name, *families):
                yield unseen(
                    Area.FILES,
                    f"{setting.place}: {setting.name} is kept in a database, where it was not looked at",
                    f"See there what this check would look for in {name}",
                )
    there = ", ".join(name for name in LOOKED_AT if files.confs[name].there)
    if there:
        yield ok(Area.FILES, f"{read} file(s) of {files.folder} were looked at, by {there}")


def _endpoints(files: Files, config: Config, facts: PbxFacts, queues: list[str]) -> Iterator[Finding]:
    pjsip = files.there("pjsip.conf")
    if pjsip is None:
        return
    groups = groups_in(files.confs["features.conf"])
    endpoints = endpoints_in(pjsip, files.confs["pjsip_wizard.conf"])
    yield from judge_endpoints(endpoints, config.pbx.outside, groups)
    if facts.dialplan is None or facts.members is None:
        return  # the PBX does not answer, which is told
    agents = agents_of(facts.members, queues)
    found = trunks(endpoints, config.pbx.outside, agents, groups)
    if not found:
        yield unseen(
            Area.DIALPLAN,
            "no trunk is known, neither by pbx.outside nor in pjsip.conf: where calls from outside can come to was not "
            "looked at",
            'Set pbx.outside, for example to ["PJSIP/operator-"]',
        )
        return
    entries: dict[str, str] = {}
    for trunk in found:
        entries.setdefault(trunk.context, f"the trunk {trunk.name}")
    yield from judge_reach(facts.dialplan, entries, agents)
    yield ok(
        Area.DIALPLAN,
        f"calls from outside were followed from {', '.join(f'{who} in {context}' for context, who in entries.items())}",
    )
