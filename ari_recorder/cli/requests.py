"""`ari-recorder request`: requests of persons about what was recorded of them, from the letter to the closed case.

Arguments can be seen by every user of the host and stay in the shell's history: what names a person is in a file,
or from standard input.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ari_recorder.cli import tools
from ari_recorder.cli.request_tools import (
    BecauseOption,
    CaseArgument,
    IdsOption,
    NoteOption,
    QueueOption,
    SinceOption,
    UntilOption,
    VersionOption,
    answer,
    step,
    text_of,
    typed_of,
    wanted_of,
)
from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    OnOption,
    PassphraseOption,
    identified,
    operator,
)
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.restriction import RestrictionGround
from ari_recorder.domain.subject_requests import Channel, Decision, Handover, Kind, Method

if TYPE_CHECKING:
    from ari_recorder.services.request_list import Done
    from ari_recorder.services.subject_requests import SubjectRequests
    from ari_recorder.storage.db import Database

app = typer.Typer(
    help="Requests of persons about their recordings: access, erasure and the like.", no_args_is_help=True
)


@app.command("list")
def list_cases(
    config: ConfigOption = DEFAULT_CONFIG,
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Cases by the day they are to be answered."""
    from ari_recorder.output_requests import write_cases

    answer(config, passphrase_file, json, lambda desk, _: desk.list.cases(closed=everything), write_cases)


@app.command()
def show(
    case: CaseArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    on: OnOption = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """One case: what was asked, every step, the calls that were found. Reading it is on record."""
    if on is not None:
        from ari_recorder.output_past import write_past
        from ari_recorder.services import connect_subjects

        build = connect_subjects.past
        tools.answer(
            config, passphrase_file, json, build, lambda desk, _: desk.of_case(case, on, operator()), write_past
        )
        return
    from ari_recorder.output_requests import write_case

    answer(config, passphrase_file, json, lambda desk, _: desk.list.show(case, operator()), write_case)


@app.command("open")
def open_case(
    kind: Annotated[Kind, typer.Option("--kind", help="The right that is used.")],
    channel: Annotated[Channel, typer.Option("--channel", help="How it came.")],
    received_on: Annotated[
        datetime,
        typer.Option("--received-on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The day it came."),
    ],
    file: Annotated[
        Path,
        typer.Option(
            "--file",
            metavar="FILE",
            help="A TOML file: name, contact, asked, and if there are proxy, number. - reads it.",
        ),
    ],
    language: Annotated[str, typer.Option("--language", help="In which the person is answered: fi, sv or en.")] = "fi",
    queue: QueueOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """A request came: freeze at once what it may be about, by number, queue and time."""

    async def opened(desk: "SubjectRequests", _: "Database") -> "Done":
        from ari_recorder.domain.subject_requests import Received

        typed = typed_of(file)
        request = Received(
            kind=kind,
            channel=channel,
            received_on=received_on.date(),
            language=language,
            name=typed.get("name", ""),
            contact=typed.get("contact", ""),
            asked=typed.get("asked", ""),
            proxy=typed.get("proxy", ""),
        )
        wanted = wanted_of(typed.get("number", ""), queue, since, until)
        return await desk.open(request, [wanted] if wanted is not None else [], operator())

    step(config, passphrase_file, json, opened)


@app.command()
def identity(
    case: CaseArgument,
    version: VersionOption,
    method: Annotated[Method, typer.Option("--method", help="How it was looked at who asks.")],
    proved: Annotated[bool, typer.Option("--proved/--not-proved", help="With what outcome.")],
    authorised: Annotated[bool, typer.Option("--authorised", help="Of a proxy: the authorisation was seen.")] = False,
    note_file: NoteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Who asks was looked at. Keep no copy of a document, and no number of one."""
    from ari_recorder.domain.subject_requests import IdentityCheck

    async def looked(desk: "SubjectRequests", _: "Database") -> "Done":
        check = IdentityCheck(method=method, proved=proved, authorised=authorised, note=text_of(note_file))
        return await desk.identity(case, version, check, operator())

    step(config, passphrase_file, json, looked)


@app.command()
def match(
    case: CaseArgument,
    version: VersionOption,
    number_file: Annotated[
        Path | None, typer.Option("--number-file", metavar="FILE", help="A file with a number. - reads it.")
    ] = None,
    queue: QueueOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Search for more that it may be about, and freeze it. Without a number, in a window of time."""
    from ari_recorder.services.subject_requests import Wanted

    async def searched(desk: "SubjectRequests", _: "Database") -> "Done":
        wanted = wanted_of(text_of(number_file), queue, since, until) or Wanted()
        return await desk.search(case, version, wanted, operator())

    step(config, passphrase_file, json, searched)


@app.command()
def confirm(
    case: CaseArgument,
    version: VersionOption,
    theirs: Annotated[
        IdsOption, typer.Option("--theirs", metavar="ID", help="A recording of a call of the person; may be repeated.")
    ] = None,
    not_theirs: Annotated[
        IdsOption, typer.Option("--not-theirs", metavar="ID", help="One of somebody else; may be repeated.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Say of each call that was found whose it is."""

    async def confirmed(desk: "SubjectRequests", database: "Database") -> "Done":
        yes, no = await identified(database, theirs), await identified(database, not_theirs)
        return await desk.confirm(case, version, yes, no, operator())

    step(config, passphrase_file, json, confirmed)


@app.command()
def decide(
    case: CaseArgument,
    decision: Annotated[Decision, typer.Argument(metavar="DECISION", help="granted, partly, or nothing-found.")],
    version: VersionOption,
    because: BecauseOption,
    only: Annotated[
        IdsOption, typer.Option("--only", metavar="ID", help="Granted for the call of this recording; may be repeated.")
    ] = None,
    restricted_on: Annotated[
        RestrictionGround | None, typer.Option("--restricted-on", help="Of a restriction: the ground of article 18(1).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Even if it destroys recordings for good.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Grant a request, all of it or in part. Erasure destroys within the hour; so does consent that is withdrawn."""

    async def decided(desk: "SubjectRequests", database: "Database") -> "Done":
        ids = await identified(database, only) if only else None
        because_of = text_of(because)
        return await desk.decide(
            case, version, decision, because_of, operator(), only=ids, restricted_on=restricted_on, yes=yes
        )

    step(config, passphrase_file, json, decided)


@app.command()
def extend(
    case: CaseArgument,
    version: VersionOption,
    told_on: Annotated[
        datetime,
        typer.Option(
            "--told-on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="When the person was told, and why."
        ),
    ],
    because: BecauseOption,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Take longer: once, two months more, and only before the first month is over."""

    async def extended(desk: "SubjectRequests", _: "Database") -> "Done":
        return await desk.extend(case, version, told_on.date(), text_of(because), operator())

    step(config, passphrase_file, json, extended)


@app.command()
def refuse(
    case: CaseArgument,
    version: VersionOption,
    ground: Annotated[Ground | None, typer.Option("--ground", help="On what it is refused.")] = None,
    because: Annotated[
        Path | None, typer.Option("--because-file", metavar="FILE", help="A text file with the reasons. - reads it.")
    ] = None,
    signatory: Annotated[str, typer.Option("--signatory", metavar="NAME", help="Who signs the certificate.")] = "",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="As what.")] = "",
    paper_reference: Annotated[
        str, typer.Option("--paper-reference", metavar="NUMBER", help="Of a document: your decision's number instead.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Refuse it, or the rest of what was granted in part: with a certificate that tells the reasons."""

    async def refused(desk: "SubjectRequests", _: "Database") -> "Done":
        from ari_recorder.services.request_answers import RefusalTerms

        terms = RefusalTerms(
            ground=ground,
            reasons=text_of(because),
            signatory=signatory,
            signatory_title=title,
            paper_reference=paper_reference,
        )
        return await desk.refuse(case, version, terms, operator())

    step(config, passphrase_file, json, refused)


@app.command("hand-over")
def hand_over(
    case: CaseArgument,
    version: VersionOption,
    way: Annotated[Handover, typer.Option("--way", help="How the answer reached the person.")],
    note_file: NoteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """The person has the answer, and what was granted is done. A copy: `recordings package --case`."""

    async def handed(desk: "SubjectRequests", _: "Database") -> "Done":
        return await desk.hand_over(case, version, way, text_of(note_file), operator())

    step(config, passphrase_file, json, handed)


@app.command()
def close(
    case: CaseArgument,
    version: VersionOption,
    taken_back: Annotated[
        Path | None,
        typer.Option(
            "--taken-back-file", metavar="FILE", help="The person wants it no more: a text file with how. - reads it."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Close it. Its recordings stay frozen until the time to appeal is over."""

    async def closed(desk: "SubjectRequests", _: "Database") -> "Done":
        words = text_of(taken_back) if taken_back is not None else None
        return await desk.close(case, version, operator(), taken_back=words)

    step(config, passphrase_file, json, closed)


@app.command()
def certificate(
    case: CaseArgument,
    into: Annotated[Path, typer.Option("--into", metavar="FOLDER", help="Where its files are written.")],
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Write the certificate of refusal as it was given out: HTML and PDF in each language, readable for you alone."""

    async def written(desk: "SubjectRequests", _: "Database") -> list[Path]:
        from ari_recorder.services.new_files import write_new

        issued = await desk.certificate(case, operator())
        stem = f"certificate-{issued.number.replace('/', '-')}"
        paths = []
        for one in issued.documents:
            for ending, content in (("html", one.html.encode()), ("pdf", one.pdf)):
                paths.append(write_new(into / f"{stem}.{one.language}.{ending}", content))
        return paths

    answer(config, passphrase_file, json, written, lambda paths: print(*paths, sep="\n"))
