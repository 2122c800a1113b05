"""Every role, every permission, own and other units, own and other calls: each cell is asserted."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain import accounts
from ari_recorder.domain.accounts import (
    EVERYTHING,
    HOUSE_ROLES,
    LONE_ROLES,
    PERMISSIONS,
    Grant,
    Permission,
    Principal,
    Role,
    Scope,
    authorise,
)
from ari_recorder.domain.audit import ActorKind
from ari_recorder.domain.errors import (
    GrantPeriodRefused,
    LoginNameRefused,
    OwnCallsRefused,
    PermissionMissing,
    PersonTextRefused,
    StepUpNeeded,
    UnitNameRefused,
    UnitRefused,
)

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
OWN_UNIT, OTHER_UNIT = "advice", "dental"
UNITS = {OWN_UNIT: frozenset({"advice-fi", "advice-sv"}), OTHER_UNIT: frozenset({"dental"})}
OWN_CALL, OTHER_CALL = frozenset({"PJSIP/1001"}), frozenset({"PJSIP/1002"})

# The table once more, as a person reads it: adviser, supervisor, privacy officer, administrator, auditor.
# o: of own calls, u: of the own unit, a: of everything, -: not at all.
MATRIX = """
    recording:list      o u a - -
    recording:view      o u a - -
    recording:play      o u a - -
    recording:export    - - a - -
    recording:correct   - - a - -
    recording:restrict  - - a - -
    request:answer      - - a - -
    hold:place          - u - - -
    hold:release        - u - - -
    flag:decide         - u - - -
    ledger:view         - u a - -
    ledger:explain      - u a - -
    audit:read          - - a - a
    use:report          - u a - -
    use:sign            - u a - -
    account:manage      - - - a -
    right:grant         - - - a -
    right:approve       - - a a -
    key:manage          - - - a -
    token:manage        - - - a -
"""
CELLS = {
    (role, Permission(line.split()[0])): reach
    for line in MATRIX.strip().splitlines()
    for role, reach in zip(Role, line.split()[1:], strict=True)
}


def grant(role: Role, unit: str | None = None, interfaces: frozenset[str] | None = None) -> Grant:
    if unit is None:
        unit = EVERYTHING if role in HOUSE_ROLES else OWN_UNIT
    if interfaces is None:
        interfaces = OWN_CALL if role is Role.ADVISER else frozenset()
    return Grant(
        id=uuid4(), role=role, unit=unit, valid_from=TODAY, valid_until=date(2027, 11, 24), interfaces=interfaces
    )


def principal(*grants: Grant, stepped_up_at: datetime | None = None) -> Principal:
    return Principal(
        user_id=uuid4(),
        name="aino",
        full_name="Aino Example",
        grants=grants,
        units=UNITS,
        session_id="session",
        address="192.0.2.1",
        request_id="request",
        stepped_up_at=stepped_up_at,
    )


def test_every_permission_stands_in_the_matrix_and_there_are_at_most_twenty() -> None:
    assert {permission for _, permission in CELLS} == set(Permission)
    assert len(Permission) <= 20
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize(("role", "permission"), list(product(Role, Permission)))
def test_a_role_reaches_what_the_matrix_says(role: Role, permission: Permission) -> None:
    somebody = principal(grant(role))
    reach = CELLS[role, permission]
    assert somebody.may(permission) == (reach != "-")
    if reach == "-":
        assert somebody.scope(permission) is None
        with pytest.raises(PermissionMissing):
            authorise(somebody, permission, now=NOW)
        return
    scope = authorise(somebody, permission, now=NOW)
    for (unit, queues), interfaces in product(UNITS.items(), (OWN_CALL, OTHER_CALL)):
        wanted = reach == "a" or (unit == OWN_UNIT and (reach == "u" or interfaces == OWN_CALL))
        assert all(scope.reaches(queue, interfaces) == wanted for queue in queues), (unit, interfaces)
    assert not scope.reaches("unheard-of", OWN_CALL) or reach == "a"


@pytest.mark.parametrize("permission", Permission)
def test_nobody_without_a_right_reaches_anything(permission: Permission) -> None:
    with pytest.raises(PermissionMissing):
        authorise(principal(), permission, now=NOW)


@pytest.mark.parametrize("permission", Permission)
def test_administrators_hear_nothing_and_auditors_read_the_log_only(permission: Permission) -> None:
    assert not (principal(grant(Role.ADMINISTRATOR)).may(permission) and permission.value.startswith("recording:"))
    assert principal(grant(Role.AUDITOR)).may(permission) == (permission is Permission.AUDIT_READ)


@given(st.lists(st.tuples(st.sampled_from(Role), st.sampled_from([OWN_UNIT, OTHER_UNIT])), max_size=4))
def test_a_scope_is_never_wider_than_the_rights_behind_it(held: list[tuple[Role, str]]) -> None:
    grants = tuple(grant(role, EVERYTHING if role in HOUSE_ROLES else unit) for role, unit in held)
    everything = [(queue, phones) for queues in UNITS.values() for queue in queues for phones in (OWN_CALL, OTHER_CALL)]
    for permission in Permission:
        together = principal(*grants).scope(permission)
        alone = [scope for one in grants if (scope := principal(one).scope(permission)) is not None]
        assert (together is None) == (not alone)
        for call in everything:
            reached = together is not None and together.reaches(*call)
            assert not reached or any(scope.reaches(*call) for scope in alone)


def test_a_unit_that_is_gone_reaches_nothing() -> None:
    scope = principal(grant(Role.SUPERVISOR, "removed")).scope(Permission.RECORDING_LIST)
    assert scope == Scope(queues=frozenset(), interfaces=None)


def test_a_step_up_counts_for_five_minutes() -> None:
    for age, fresh in ((0, True), (300, True), (301, False), (-1, False)):
        somebody = principal(grant(Role.PRIVACY_OFFICER), stepped_up_at=NOW - timedelta(seconds=age))
        if fresh:
            authorise(somebody, Permission.RECORDING_EXPORT, now=NOW, step_up=True)
        else:
            with pytest.raises(StepUpNeeded):
                authorise(somebody, Permission.RECORDING_EXPORT, now=NOW, step_up=True)
    with pytest.raises(StepUpNeeded):
        authorise(principal(grant(Role.PRIVACY_OFFICER)), Permission.RECORDING_EXPORT, now=NOW, step_up=True)


def test_the_log_hears_by_which_right() -> None:
    somebody = principal(grant(Role.SUPERVISOR), grant(Role.ADVISER, OTHER_UNIT))
    actor = somebody.actor(Permission.RECORDING_PLAY)
    assert (actor.kind, actor.id, actor.name) == (ActorKind.USER, str(somebody.user_id), "aino")
    assert (actor.role, actor.unit, actor.session) == ("supervisor", OWN_UNIT, "session")
    assert somebody.actor(Permission.KEY_MANAGE).role == ""


@pytest.mark.parametrize(("held", "wanted"), list(product(Role, Role)))
def test_administrators_and_auditors_have_no_other_role(held: Role, wanted: Role) -> None:
    assert accounts.apart(frozenset({held}), wanted) == (held is wanted or not {held, wanted} & LONE_ROLES)


def test_a_right_lasts_twelve_months_at_most() -> None:
    accounts.check_period(TODAY, date(2027, 11, 24), TODAY)
    accounts.check_period(TODAY - timedelta(days=5), TODAY, TODAY)
    assert accounts.latest_end(date(2028, 2, 29)) == date(2029, 2, 28)
    for begins, ends in ((TODAY, date(2027, 11, 25)), (TODAY, date(2026, 11, 23)), (date(2027, 1, 2), TODAY)):
        with pytest.raises(GrantPeriodRefused):
            accounts.check_period(begins, ends, TODAY)


def test_what_is_no_name_is_refused() -> None:
    assert accounts.check_name(" Aino.Example@porvoo.fi ") == "aino.example@porvoo.fi"
    for name in ("", "-", "a b", "ä", "a" * 65, "aino.", "../x"):
        with pytest.raises(LoginNameRefused):
            accounts.check_name(name)
    for unit in ("Neuvonta / Rådgivning 1", EVERYTHING):
        assert accounts.check_unit(unit) == unit
    for unit in ("", "**", " a", "a\n", "x" * 66):
        with pytest.raises(UnitNameRefused):
            accounts.check_unit(unit)
    assert accounts.check_person("name", " Aino  Example ") == "Aino Example"
    for text in ("", " ", "a" * 201, "a\x1bb"):
        with pytest.raises(PersonTextRefused):
            accounts.check_person("name", text)


def test_own_calls_are_for_advisers_and_whole_house_roles_have_no_unit() -> None:
    accounts.check_grant(Role.ADVISER, OWN_UNIT, OWN_CALL)
    for role, interfaces in ((Role.ADVISER, frozenset[str]()), (Role.SUPERVISOR, OWN_CALL)):
        with pytest.raises(OwnCallsRefused):
            accounts.check_grant(role, OWN_UNIT, interfaces)
    for role in HOUSE_ROLES:
        with pytest.raises(UnitRefused):
            accounts.check_grant(role, OWN_UNIT, frozenset())
