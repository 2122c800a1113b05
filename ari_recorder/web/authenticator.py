"""Another authenticator in the place of the own one: picture, and a first code of it. The first one: enrolment.py."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ari_recorder.web.asked import Access, Asked, Blob, Page, Redirect, Route
from ari_recorder.web.enrolment import grouped, qr_code
from ari_recorder.web.forms import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorView:
    """`secret` is for whoever cannot take the picture."""

    name: str
    secret: str


class CodeForm(Form):
    code: Annotated[str, Field(min_length=1, max_length=64)]


async def show_authenticator(asked: Asked) -> Page:
    found = await asked.site.people.enrolment.begin_authenticator(asked.user)
    return Page(view=AuthenticatorView(name=found.name, secret=grouped(found.secret)))


async def show_picture(asked: Asked) -> Blob:
    found = await asked.site.people.enrolment.begin_authenticator(asked.user)
    return qr_code(found.uri)


async def change(asked: Asked) -> Redirect:
    await asked.site.people.enrolment.change_authenticator(asked.user, asked.form_as(CodeForm).code.strip())
    return Redirect(
        to="account", notice=asked.text("The new authenticator counts from now on. Your other sessions have ended.")
    )


ROUTES = (
    Route(
        method="GET",
        path="/account/authenticator",
        name="authenticator",
        handler=show_authenticator,
        permission=Access.PERSON,
        step_up=True,
        template="account/authenticator.html",
        view=AuthenticatorView,
        summary="A new authenticator, before it counts",
    ),
    Route(
        method="GET",
        path="/account/authenticator/picture.svg",
        name="authenticator-picture",
        handler=show_picture,
        permission=Access.PERSON,
        step_up=True,
        media=("image/svg+xml",),
        summary="The new authenticator's secret as a QR code",
    ),
    Route(
        method="POST",
        path="/account/authenticator",
        name="authenticator-change",
        handler=change,
        permission=Access.PERSON,
        step_up=True,
        form=CodeForm,
        shown_by="authenticator",
        summary="Confirm the new authenticator; the old one is worth nothing",
    ),
)
