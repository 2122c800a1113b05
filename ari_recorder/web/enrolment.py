"""The page of an invitation: a password, an authenticator, and the recovery codes that are shown once."""

import io
from dataclasses import dataclass
from typing import Annotated

import segno
from pydantic import Field

from ari_recorder.web.asked import Access, Asked, Blob, Page, Problems, Route
from ari_recorder.web.forms import Form, FormProblems

# Each as wide as an eye takes in at once.
_GROUP = 4
Typed = Annotated[str, Field(min_length=1, max_length=4096)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationView:
    """`secret` is for whoever cannot take the picture. `token` is the link's own."""

    token: str
    name: str
    full_name: str
    secret: str
    least_characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesView:
    name: str
    recovery_codes: tuple[str, ...]


class EnrolForm(Form):
    password: Typed
    again: Typed
    code: Annotated[str, Field(min_length=1, max_length=64)]


async def show_invitation(asked: Asked) -> Page:
    token = str(asked.params["token"])
    found = await asked.site.people.enrolment.set_up(token)
    return Page(
        view=InvitationView(
            token=token,
            name=found.name,
            full_name=found.full_name,
            secret=grouped(found.secret),
            least_characters=asked.site.config.accounts.password_characters,
        )
    )


async def show_picture(asked: Asked) -> Blob:
    found = await asked.site.people.enrolment.set_up(str(asked.params["token"]))
    return qr_code(found.uri)


async def enrol(asked: Asked) -> Page:
    form = asked.form_as(EnrolForm)
    check_same(asked, form.password, form.again)
    done = await asked.site.people.enrolment.enrol(
        str(asked.params["token"]), form.password, form.code.strip(), asked.where
    )
    return Page(view=RecoveryCodesView(name=done.name, recovery_codes=done.recovery_codes))


def check_same(asked: Asked, password: str, again: str) -> None:
    if password != again:
        raise FormProblems(Problems(errors={"again": asked.text("This is not the same password.")}))


def grouped(secret: str) -> str:
    return " ".join(secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP))


def qr_code(text: str) -> Blob:
    """Black on white whatever the colours of the page: phones read it so. No style in it, our policy allows none."""
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="svg", scale=5, border=4, light="#fff", xmldecl=False)
    return Blob(body=picture.getvalue(), content_type="image/svg+xml")


ROUTES = (
    Route(
        method="GET",
        path="/invitation/{token}",
        name="invitation",
        handler=show_invitation,
        permission=Access.PUBLIC,
        template="login/invitation.html",
        view=InvitationView,
        summary="What is needed to begin: for whoever was given the link",
    ),
    Route(
        method="GET",
        path="/invitation/{token}/picture.svg",
        name="invitation-picture",
        handler=show_picture,
        permission=Access.PUBLIC,
        media=("image/svg+xml",),
        summary="The authenticator's secret as a QR code",
    ),
    Route(
        method="POST",
        path="/invitation/{token}",
        name="enrol",
        handler=enrol,
        permission=Access.PUBLIC,
        form=EnrolForm,
        template="login/recovery_codes.html",
        view=RecoveryCodesView,
        shown_by="invitation",
        summary="Set the password and confirm the authenticator",
    ),
)
