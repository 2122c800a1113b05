"""`certificates`: proofs of what was destroyed. tools/verify_certificate.py checks one without this program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ari_recorder.cli.tools import DEFAULT_CONFIG, ConfigOption, JsonOption, load, operator, troubles_told, wait_for

if TYPE_CHECKING:
    from ari_recorder.services.certify import Listed
    from ari_recorder.storage.certificates import Certificate

certificates = typer.Typer(help="Certificates of destruction.", no_args_is_help=True)

SubjectArgument = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="A recording's id, or its beginning, or a key's name: day-2026-11-24.")
]


@certificates.command("list")
def list_certificates(
    config: ConfigOption = DEFAULT_CONFIG,
    days: Annotated[bool, typer.Option("--days", help="Only those of whole days.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    json: JsonOption = False,
) -> None:
    """Certificates, the newest first, and how much waits for one: signing wants the keyring unlocked."""
    from ari_recorder.output import write_json
    from ari_recorder.output_retention import write_certificates

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.certificates import CertificateKind
        from ari_recorder.services import certify, connect

        async def ask() -> "Listed":
            async with connect.ready_database(settings) as database:
                return await certify.find(database, CertificateKind.DAY if days else None, limit, operator())

        listed = wait_for(ask())
        if json:
            rows = [
                {"subject": one.subject, "kind": one.kind, "issued_at": one.issued_at} for one in listed.certificates
            ]
            write_json({"certificates": rows, "waiting": listed.waiting})
        else:
            write_certificates(listed)


@certificates.command("show")
def show_certificate(subject: SubjectArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """What one certificate says."""
    import json as codec

    from ari_recorder.output import write_json
    from ari_recorder.output_retention import write_certificate

    with troubles_told(json=json):
        certificate = _get(config, subject)
        fields = codec.loads(certificate.body)
        write_json(fields) if json else write_certificate(fields, certificate)


@certificates.command("export")
def export_certificate(
    subject: SubjectArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; it must not exist yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Write one with its signature, to be given away and verified anywhere."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        from ari_recorder.domain.errors import ExportTargetRefused
        from ari_recorder.services import certify

        certificate = _get(config, subject)
        try:
            with target.open("xb") as file:
                file.write(certify.as_file(certificate))
        except OSError as error:
            raise ExportTargetRefused(path=target, reason=error.strerror) from None
        write_json({"subject": certificate.subject, "target": target}) if json else print(target)


def _get(config: Path, subject: str) -> "Certificate":
    settings = load(config)
    from ari_recorder.services import certify, connect

    async def ask() -> "Certificate":
        async with connect.ready_database(settings) as database:
            return await certify.get(database, subject, operator())

    return wait_for(ask())
