"""The keyring: locked or not, and unlocked or locked with a fresh code."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.forms import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysView:
    locked: bool
    wants_passphrase: bool


class UnlockForm(Form):
    passphrase: Annotated[str, Field(max_length=4096, repr=False)] = ""


async def show_keys(asked: Asked) -> Page:
    desk = asked.site.key_desk
    return Page(view=KeysView(locked=desk.locked, wants_passphrase=desk.wants_passphrase))


async def unlock(asked: Asked) -> Redirect:
    await asked.site.key_desk.unlock(asked.user, asked.form_as(UnlockForm).passphrase)
    return Redirect(to="keys", notice=asked.text("The keyring is unlocked."))


async def lock(asked: Asked) -> Redirect:
    await asked.site.key_desk.lock(asked.user)
    return Redirect(to="keys", notice=asked.text("The keyring is locked: nobody can listen. Recording goes on."))


ROUTES = (
    Route(
        method="GET",
        path="/keys",
        name="keys",
        handler=show_keys,
        permission=Permission.KEY_MANAGE,
        step_up=True,
        template="keys/keys.html",
        view=KeysView,
        summary="Whether the keyring is locked",
    ),
    Route(
        method="POST",
        path="/keys/unlock",
        name="keys-unlock",
        handler=unlock,
        permission=Permission.KEY_MANAGE,
        step_up=True,
        form=UnlockForm,
        shown_by="keys",
        summary="Unlock the keyring",
    ),
    Route(
        method="POST",
        path="/keys/lock",
        name="keys-lock",
        handler=lock,
        permission=Permission.KEY_MANAGE,
        step_up=True,
        shown_by="keys",
        summary="Lock the keyring",
    ),
)
