"""Papers as HTML, in a real browser: everybody can read them, in light and dark, narrow and large."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from playwright.async_api import Page

from ari_recorder.domain.disclosures import ReceiverKind
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.muting import Mute
from ari_recorder.domain.package_pages import page as page_of
from ari_recorder.domain.packages import (
    Contents,
    Custody,
    CustodyStep,
    Given,
    HoldTold,
    Listened,
    PackageKind,
    Register,
    Told,
)
from ari_recorder.services.papers import as_html
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.domain.test_refusal_certificates import REFUSAL, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
REGISTER = Register(
    controller="Esimerkkilän kaupunki",
    contact="Torikatu 1, 00100 Esimerkkilä",
    purpose="Neuvojan turvallisuuden ja palvelun laadun varmistaminen",
    legal_basis="Yleistä etua koskeva tehtävä",
    kept="3 kuukautta",
    ombudsman="Tietosuojavaltuutetun toimisto\nLintulahdenkuja 4, 00530 Helsinki",
)


def contents(kind: PackageKind) -> Contents:
    one = Told(
        id=UUID(int=5),
        started_at=NOW,
        duration=timedelta(minutes=4),
        queue="advice",
        number="0800123456",
        announced=("fi", "sv"),
        announced_at=NOW,
        destroyed_on=None,
        held=kind is PackageKind.POLICE,
        truncated=True,
        sealed_sha256="ab" * 32,
        sealed_bytes=1000,
        mutes=(Mute(since=timedelta(seconds=1), until=timedelta(seconds=2), reason="Toisen henkilön asia"),),
        listened=(Listened(at=NOW, purpose=Purpose.QUALITY),),
        given=(Given(at=NOW, receiver=ReceiverKind.COURT),),
        custody=tuple(Custody(at=NOW, step=step, who="Sari Virkanen") for step in CustodyStep),
        hold=HoldTold(reference="5530/R/1/26", verified_at=NOW),
    )
    return Contents(
        id=UUID(int=7),
        kind=kind,
        installation=UUID(int=9),
        case_number="PRV/5/2026",
        made_at=NOW,
        registers=dict.fromkeys(("fi", "sv", "en"), REGISTER),
        recordings=(one,),
    )


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize("kind", PackageKind)
async def test_everybody_can_read_the_page_of_a_package(page: Page, kind: PackageKind, language: str) -> None:
    await page.set_content(as_html(page_of(contents(kind), language, ("flac",))))
    assert await page.get_attribute("html", "lang") == language
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
async def test_everybody_can_read_a_certificate(page: Page, language: str) -> None:
    await page.set_content(as_html(told(REFUSAL, language)))
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
