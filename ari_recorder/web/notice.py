"""The privacy notice, for everybody, in the language that is asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ari_recorder.domain.notice import NoticeSection
from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.forms import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyNoticeView:
    """`since`: when it began to say this; None when that is not known."""

    language: str
    title: str
    sections: tuple[NoticeSection, ...]
    since: datetime | None


class PrivacyNoticeQuery(Form):
    language: Literal["fi", "sv", "en"] | None = None


async def show_notice(asked: Asked) -> Page:
    language = asked.query_as(PrivacyNoticeQuery).language or asked.language
    made = await asked.site.notices.notice(language)
    return Page(
        view=PrivacyNoticeView(
            language=language,
            title=made.title,
            sections=made.sections,
            since=await asked.site.notices.since() if asked.site.usable.is_set() else None,
        )
    )


ROUTES = (
    Route(
        method="GET",
        path="/privacy-notice",
        name="privacy-notice",
        handler=show_notice,
        permission=Access.PUBLIC,
        query=PrivacyNoticeQuery,
        template="notice/notice.html",
        view=PrivacyNoticeView,
        summary="The privacy notice",
    ),
)
