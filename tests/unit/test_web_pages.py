"""The shared layout of pages: every word in both languages, the reader's language, and files of both packages."""

import httpx
import pytest
from balance_chain.core.errors import BalanceError
from balance_chain.web.pages import LANGUAGES, Site, choose_language
from balance_judge_audit.site import SITE
from balance_verifier.texts import TEXTS
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse


def test_a_word_in_one_language_alone_is_refused_with_its_key() -> None:
    with pytest.raises(BalanceError, match="greeting"):
        Site("balance_verifier", {"greeting": {"en": "hello"}}, "verifier.css")


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("zh", "en", "zh"),
        ("en", "zh-CN", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr, en-GB;q=0.5", "en"),
        ("fr", "", "en"),
        (None, "", "en"),
    ],
)
def test_the_language_of_the_address_goes_before_that_of_the_browser(
    asked: str | None, accepted: str, chosen: str
) -> None:
    assert choose_language(asked, accepted) == chosen


@pytest.mark.parametrize(
    ("site", "own"), [(SITE, "audit.css"), (Site("balance_verifier", TEXTS, "verifier.css"), "verifier.css")]
)
async def test_both_services_have_the_same_layout_and_style_and_their_own_beside(site: Site, own: str) -> None:
    app = FastAPI()
    site.mount(app)

    async def home(request: Request) -> HTMLResponse:
        return site.render(request, "message.html", message="title")

    app.get("/", response_class=HTMLResponse)(home)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        for language in LANGUAGES:
            text = (await client.get("/", params={"lang": language, "x": "1"})).text
            assert site.texts[language]["title"] in text
            assert site.texts[language]["skip"] in text
            assert f"/?x=1&amp;lang={'en' if language == 'zh' else 'zh'}" in text
        for name in ("base.css", own):
            assert f'href="/static/{name}"' in text
            assert (await client.get(f"/static/{name}")).status_code == 200
