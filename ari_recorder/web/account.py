"""The own account: rights, where one is logged in, what happened to it, password and recovery codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import NoticeKind, Role
from ari_recorder.web.asked import Access, Asked, Page, Redirect, Route
from ari_recorder.web.enrolment import RecoveryCodesView, Typed, check_same
from ari_recorder.web.form import WHOLE, Form
from ari_recorder.web.languages import N_
from ari_recorder.web.told import ROLES

_NOTICES: Mapping[str, str] = {
    NoticeKind.NEW_DEVICE: N_(
        "Somebody logged in with a browser that was not used before. If it was not you, tell us."
    ),
    NoticeKind.CODE_WRONG: N_("Somebody knew your password, but not the code. If it was not you, change the password."),
    NoticeKind.DOOR_CLOSED: N_("There were too many wrong tries. New browsers cannot log in until somebody resets it."),
    NoticeKind.CREDENTIAL_CHANGED: N_("Your password, authenticator or recovery codes were changed."),
    NoticeKind.RECOVERY_CODE_USED: N_("A recovery code was used to log in."),
    NoticeKind.LOG_IN_RESET: N_("The log-in of {account} was reset. Whoever did not ask for it tells us at once."),
    NoticeKind.OWNER_WAITS: N_("{account} set password and authenticator, and waits to be confirmed."),
    NoticeKind.NOBODY_CONFIRMED: N_(
        "{account} becomes administrator by the command line, and nobody has to confirm it: ask who did that."
    ),
}
_ANY_NOTICE = N_("Something happened to this account.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RightView:
    role: Role
    role_name: str
    unit: str
    valid_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    id: UUID
    began_at: datetime
    last_seen_at: datetime
    address: str
    is_this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    id: UUID
    first_seen_at: datetime
    last_seen_at: datetime
    is_this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    id: int
    kind: str
    at: datetime
    text: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    name: str
    full_name: str
    is_unconfirmed: bool
    rights: tuple[RightView, ...]
    sessions: tuple[SessionView, ...]
    devices: tuple[DeviceView, ...]
    notices: tuple[NoticeView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordView:
    name: str
    least_characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewView:
    name: str


class SeenForm(Form):
    up_to: Annotated[int, Field(ge=0, le=2**62), WHOLE]


class PasswordForm(Form):
    old: Typed
    password: Typed
    again: Typed


async def show_account(asked: Asked) -> Page:
    user = asked.user
    sessions = asked.site.people.sessions
    found = () if user.is_machine else await sessions.of_user(user)
    known = () if user.is_machine else await asked.site.people.enrolment.devices(user, asked.where)
    return Page(
        view=AccountView(
            name=user.name,
            full_name=user.full_name,
            is_unconfirmed=user.is_unconfirmed,
            rights=rights(asked),
            sessions=tuple(
                SessionView(
                    id=one.id,
                    began_at=one.began_at,
                    last_seen_at=one.last_seen_at,
                    address=one.address,
                    is_this=str(one.id) == user.session_id,
                )
                for one in found
            ),
            devices=tuple(
                DeviceView(
                    id=one.id,
                    first_seen_at=one.first_seen_at,
                    last_seen_at=one.last_seen_at,
                    is_this=one.is_this,
                )
                for one in known
            ),
            notices=await notices(asked),
        )
    )


def rights(asked: Asked) -> tuple[RightView, ...]:
    return tuple(
        RightView(
            role=grant.role,
            role_name=asked.text(ROLES[grant.role]),
            unit=grant.unit,
            valid_until=grant.valid_until,
        )
        for grant in asked.user.grants
    )


async def notices(asked: Asked) -> tuple[NoticeView, ...]:
    """What happened to the account and was not said to have been seen."""
    return tuple(
        NoticeView(
            id=one.id,
            kind=one.kind,
            at=one.at,
            text=asked.text(_NOTICES.get(one.kind, _ANY_NOTICE), account=one.facts.get("account", "")),
            address=_address(one.facts),
        )
        for one in await asked.site.people.sessions.notices(asked.user)
    )


def _address(facts: Mapping[str, Any]) -> str:
    return str(facts.get("address", ""))


async def end_session(asked: Asked) -> Redirect:
    await asked.site.people.sessions.end(asked.user, asked.id("session_id"))
    return Redirect(to="account", notice=asked.text("The session has ended."))


async def forget_device(asked: Asked) -> Redirect:
    await asked.site.people.enrolment.forget_device(asked.user, asked.id("device_id"))
    return Redirect(to="account", notice=asked.text("The browser is forgotten."))


async def notices_seen(asked: Asked) -> Redirect:
    await asked.site.people.sessions.notices_seen(asked.user, asked.form_as(SeenForm).up_to)
    return Redirect(to="account")


async def show_password(asked: Asked) -> Page:
    least = asked.site.config.accounts.password_characters
    return Page(view=PasswordView(name=asked.user.name, least_characters=least))


async def change_password(asked: Asked) -> Redirect:
    form = asked.form_as(PasswordForm)
    check_same(asked, form.password, form.again)
    await asked.site.people.enrolment.change_password(asked.user, form.old, form.password)
    return Redirect(to="account", notice=asked.text("The password is changed. Your other sessions have ended."))


async def show_renew(asked: Asked) -> Page:
    return Page(view=RenewView(name=asked.user.name))


async def renew(asked: Asked) -> Page:
    codes = await asked.site.people.enrolment.renew_recovery_codes(asked.user)
    return Page(view=RecoveryCodesView(name=asked.user.name, recovery_codes=codes))


ROUTES = (
    Route(
        method="GET",
        path="/account",
        name="account",
        handler=show_account,
        permission=Access.SIGNED_IN,
        template="account/account.html",
        view=AccountView,
        summary="The own account",
    ),
    Route(
        method="POST",
        path="/account/sessions/{session_id}/end",
        name="session-end",
        handler=end_session,
        permission=Access.PERSON,
        summary="End another session of one's own",
    ),
    Route(
        method="POST",
        path="/account/devices/{device_id}/forget",
        name="device-forget",
        handler=forget_device,
        permission=Access.PERSON,
        summary="Forget a browser of one's own",
    ),
    Route(
        method="POST",
        path="/account/notices/seen",
        name="notices-seen",
        handler=notices_seen,
        permission=Access.PERSON,
        form=SeenForm,
        shown_by="account",
        summary="Say that the notices were seen",
    ),
    Route(
        method="GET",
        path="/account/password",
        name="password",
        handler=show_password,
        permission=Access.PERSON,
        step_up=True,
        template="account/password.html",
        view=PasswordView,
        summary="The form for a new password",
    ),
    Route(
        method="POST",
        path="/account/password",
        name="password-change",
        handler=change_password,
        permission=Access.PERSON,
        step_up=True,
        form=PasswordForm,
        shown_by="password",
        summary="Change the password; other sessions end",
    ),
    Route(
        method="GET",
        path="/account/recovery-codes",
        name="recovery-codes",
        handler=show_renew,
        permission=Access.PERSON,
        step_up=True,
        template="account/renew.html",
        view=RenewView,
        summary="Before new recovery codes are made",
    ),
    Route(
        method="POST",
        path="/account/recovery-codes",
        name="recovery-codes-renew",
        handler=renew,
        permission=Access.PERSON,
        step_up=True,
        template="login/recovery_codes.html",
        view=RecoveryCodesView,
        shown_by="recovery-codes",
        summary="New recovery codes, shown once; the old ones are worth nothing",
    ),
)
