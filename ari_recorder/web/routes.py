"""The whole table of what is served. A page that is not here is not there; one without permission stops the start.

How to add a page:

1. A module here (web/holds.py) with a view, a handler and a table of its own::

       @dataclass(frozen=True, slots=True, kw_only=True)
       class HoldsView:                      # what the page shows; as JSON it has these names
           holds: tuple[Hold, ...]

       class PlaceForm(Form):                # web/forms.py: pydantic, with words for each mistake
           reason: Annotated[str, Field(min_length=10, max_length=2000)]

       async def show_holds(asked: Asked) -> Page:
           return Page(view=HoldsView(holds=await asked.site.holds.of(asked.id("recording_id"), asked.reach)))

       async def place_hold(asked: Asked) -> Redirect:
           form = asked.form_as(PlaceForm)
           await asked.site.holds.place(asked.id("recording_id"), form.reason, asked.user.actor(...))
           return Redirect(to="holds", params=asked.params, notice=asked.text("The recording is held."))

       ROUTES = (
           Route(method="GET", path="/recordings/{recording_id}/holds", name="holds", handler=show_holds,
                 permission=Permission.RECORDING_VIEW, template="recordings/holds.html", view=HoldsView),
           Route(method="POST", path="/recordings/{recording_id}/holds", name="hold-place", handler=place_hold,
                 permission=Permission.HOLD_PLACE, form=PlaceForm, shown_by="holds"),
       )

2. Its ROUTES in the table below, and in NAV when it is a place people begin at.
3. A template: `{% extends "frame.html" %}`, `{% import "parts.html" as parts with context %}`, blocks title and main.
   Forms by `{% call parts.form("hold-place", recording_id=view.id) %} … {% endcall %}`; sentences by `{{ _("…") }}`.
4. `make catalogues`, then the Finnish and the Swedish of every new sentence in locale/*/LC_MESSAGES/messages.po.

What comes by itself: HTML and JSON of the same view, OpenAPI, who may (403), forged forms (403), wrong methods (405),
parameters that end with `_id` as UUIDs (404 when they are none), the form again with words beside each field (422),
errors of the domain in the user's language, headers, limits, and tests of all that for every role
(tests/web/test_every_route.py).
What lies outside `asked.reach` must be NotFound: give the scope to the query. A permission that wants a fresh code has
`step_up=True`; on the page that shows the form too, or what was typed is lost.
"""

from ari_recorder.web import (
    account,
    accounts,
    audit,
    authenticator,
    case_answers,
    cases,
    deliveries,
    enrolment,
    exports,
    finding,
    holds,
    home,
    hosts,
    keys,
    ledger,
    listening,
    login,
    notice,
    public,
    recordings,
    records,
    restrictions,
    review,
    rights,
    use,
)
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.languages import N_
from ari_recorder.web.render import Place

__all__ = ["NAV", "ROUTES", "Access", "Place", "Route"]

ROUTES: tuple[Route, ...] = (
    *public.ROUTES,
    *notice.ROUTES,
    *home.ROUTES,
    *login.ROUTES,
    *enrolment.ROUTES,
    *account.ROUTES,
    *authenticator.ROUTES,
    *finding.ROUTES,
    *recordings.ROUTES,
    *listening.ROUTES,
    *review.ROUTES,
    *holds.ROUTES,
    *exports.ROUTES,
    *cases.ROUTES,
    *case_answers.ROUTES,
    *restrictions.ROUTES,
    *deliveries.ROUTES,
    *ledger.ROUTES,
    *use.ROUTES,
    *accounts.ROUTES,
    *rights.ROUTES,
    *keys.ROUTES,
    *hosts.ROUTES,
    *audit.ROUTES,
    *records.ROUTES,
)

# In the order they are shown. Who may not go there does not see it.
NAV: tuple[Place, ...] = (
    Place(
        route="recordings",
        label=N_("Recordings"),
        about=N_("Find recordings, listen to them, hold what has to be kept."),
    ),
    Place(route="review", label=N_("Review list"), about=N_("Decide on calls that advisers flagged as threats.")),
    Place(route="holds", label=N_("Holds"), about=N_("See what is kept longer, extend it or end it.")),
    Place(
        route="cases",
        label=N_("Cases"),
        about=N_("Answer persons who ask about their recordings, by the day the law sets."),
    ),
    Place(
        route="exports",
        label=N_("Exports"),
        about=N_("Agree to recordings being given out of the house, and see which were."),
        within="cases",
    ),
    Place(
        route="restrictions",
        label=N_("Restrictions"),
        about=N_("See what is stored and not used, and lift it when the person concerned was told."),
        within="cases",
    ),
    Place(
        route="deliveries",
        label=N_("Deliveries"),
        about=N_("See which packages wait to be fetched by a link, and withdraw one."),
        within="cases",
    ),
    Place(route="ledger", label=N_("Ledger"), about=N_("See for each day whether every call is accounted for.")),
    Place(route="accounts", label=N_("Users"), about=N_("Make accounts, help who is locked out, disable who leaves.")),
    Place(
        route="rights", label=N_("Rights"), about=N_("Grant, approve, attest and end rights; see who had which when.")
    ),
    Place(route="keys", label=N_("Keys"), about=N_("Unlock and lock the keyring.")),
    Place(
        route="hosts",
        label=N_("Hosts"),
        about=N_("See which hosts there are, and when each was heard of last."),
        within="keys",
    ),
    Place(route="audit", label=N_("Audit log"), about=N_("Search what was done by whom, and prove it.")),
    Place(
        route="promises", label=N_("Promises"), about=N_("See whether the service does what the privacy notice says.")
    ),
    Place(
        route="records",
        label=N_("Papers"),
        about=N_("Read what the controller has to keep in writing, and see what is left to be filled in."),
        within="promises",
    ),
    Place(route="use", label=N_("Use"), about=N_("See how recordings are used, and sign off listenings of others.")),
)
