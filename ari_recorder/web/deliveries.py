"""Packages that wait to be fetched by a link: what became of them, for officers; and the page of the link, for whoever
has it. Nobody logs in there: link and passphrase are all that is asked.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.deliveries import AGAIN_FOR, LIVE
from ari_recorder.services.deliveries import Shown
from ari_recorder.services.delivery_sending import Waiting
from ari_recorder.services.refusal_templates import offices
from ari_recorder.web import cookies
from ari_recorder.web.asked import Access, Asked, Cookie, Page, Redirect, Route, Stream
from ari_recorder.web.form import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesView:
    """`locked`: who gets them, and why, cannot be opened. What waits comes first, then the newest."""

    locked: bool
    deliveries: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """`sender`, `contact`: of the controller, empty where the settings name none. `token` is the link's own.
    `is_open`: it can be fetched."""

    token: str
    sender: str
    contact: str
    delivery: Waiting
    megabytes: float
    is_open: bool


class PassphraseForm(Form):
    """One has 29 signs; people add blanks, and the sentence around it."""

    passphrase: Annotated[str, Field(min_length=1, max_length=200)]


async def show_deliveries(asked: Asked) -> Page:
    found = await asked.site.deliveries.listed(asked.user)
    return Page(view=DeliveriesView(locked=asked.site.keyring.locked, deliveries=found))


async def withdraw(asked: Asked) -> Redirect:
    await asked.site.deliveries.withdraw(asked.user, asked.id("delivery_id"))
    return Redirect(to="deliveries", notice=asked.text("The link is withdrawn, and its package removed."))


async def show_delivery(asked: Asked) -> Page:
    """Changes nothing: programs that look at the links of a mail use none up."""
    token = str(asked.params["token"])
    found = await asked.site.delivery_sending.look(token)
    office = offices(asked.site.config.controller)[asked.language]
    view = DeliveryView(
        token=token,
        sender=office.controller,
        contact=office.contact,
        delivery=found,
        megabytes=max(round(found.size_bytes / 1_000_000, 1), 0.1),
        is_open=found.state in LIVE,
    )
    return Page(view=view)


async def fetch(asked: Asked) -> Stream:
    """All of it, once. The cookie knows this browser again when it breaks off; a link in a mail would not bring that of
    the visit along, and so this one is set here and not by the page."""
    secret = asked.request.cookies.get(cookies.DELIVERY) or cookies.new_secret()
    token, form = str(asked.params["token"]), asked.form_as(PassphraseForm)
    sending = await asked.site.delivery_sending.begin(token, form.passphrase, secret, asked.where)
    # The name is ours, and needs no quoting (RFC 6266): domain/packages.py.
    headers = {"Content-Disposition": f'attachment; filename="{sending.name}"', "Accept-Ranges": "none"}
    kept = Cookie(name=cookies.DELIVERY, value=secret, age_seconds=int(AGAIN_FOR.total_seconds()))
    return Stream(
        chunks=sending.chunks,
        content_type="application/zip",
        size_bytes=sending.size,
        headers=headers,
        cookies=(kept,),
    )


ROUTES = (
    Route(
        method="GET",
        path="/deliveries",
        name="deliveries",
        handler=show_deliveries,
        permission=Permission.RECORDING_EXPORT,
        template="deliveries/list.html",
        view=DeliveriesView,
        summary="Packages that wait to be fetched, and what became of others",
    ),
    Route(
        method="POST",
        path="/deliveries/{delivery_id}/withdraw",
        name="delivery-withdraw",
        handler=withdraw,
        permission=Permission.RECORDING_EXPORT,
        shown_by="deliveries",
        summary="Withdraw a link; its package is removed",
    ),
    Route(
        method="GET",
        path="/delivery/{token}",
        name="delivery",
        handler=show_delivery,
        permission=Access.PUBLIC,
        template="deliveries/delivery.html",
        view=DeliveryView,
        summary="The page of a link: what can be fetched with it, and until when",
    ),
    Route(
        method="POST",
        path="/delivery/{token}",
        name="delivery-fetch",
        handler=fetch,
        permission=Access.PUBLIC,
        form=PassphraseForm,
        shown_by="delivery",
        media=("application/zip",),
        summary="Fetch the package, once, with its passphrase",
    ),
)
