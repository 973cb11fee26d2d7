"""One way to make pages for people: the shared layout and style sheet, in Chinese and English, by address or browser.

A service brings its templates, its words and its own style; whoever knows the page of one service knows them all. A
page works without scripts, and every word of it is in both languages, or the service does not start.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from balance_chain.core.errors import BalanceError

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
SHARED: Final = "balance_chain.web"

LAYOUT_TEXTS: Final[dict[str, dict[Language, str]]] = {
    "skip": {"zh": "跳到正文", "en": "Skip to content"},
    "demo": {"zh": "演示环境，无需登录", "en": "demo, no login"},
    "other_language": {"zh": "English", "en": "中文"},
    "interface": {"zh": "接口文档", "en": "Interface"},
    "pages": {"zh": "页面", "en": "Pages"},
}
"""Words of the shared layout, by key and language."""


class Site:
    """The pages of one service: its package has `templates/` and `static/`; `texts` has its words by key and
    language.
    """

    def __init__(self, package: str, texts: Mapping[str, Mapping[Language, str]], stylesheet: str) -> None:
        for key, words in texts.items():
            if missing := [language for language in LANGUAGES if language not in words]:
                raise BalanceError(f"texts.{key}", f"has no text in {', '.join(missing)}", "write it")
        self._package = package
        self._stylesheet = f"/static/{stylesheet}"
        self.texts: Final[dict[Language, dict[str, str]]] = {
            language: {key: words[language] for key, words in {**LAYOUT_TEXTS, **texts}.items()}
            for language in LANGUAGES
        }
        self.templates: Final = Environment(
            loader=ChoiceLoader([PackageLoader(package), PrefixLoader({"shared": PackageLoader(SHARED)})]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def mount(self, app: FastAPI) -> None:
        """Serves the service's own files and the shared ones under `/static`."""
        own = Path(str(files(self._package) / "static"))
        app.mount("/static", StaticFiles(directory=own, packages=[(SHARED, "static")]), name="static")

    def render(self, request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """A page in the reader's language; the templates see its words as `t` and its language as `lang`."""
        language = language_of(request)
        other: Language = "en" if language == "zh" else "zh"
        query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
        html = self.templates.get_template(template).render(
            t=self.texts[language],
            lang=language,
            other=other,
            switch=f"{request.url.path}?{urlencode([*query, ('lang', other)])}",
            here=request.url.path,
            stylesheet=self._stylesheet,
            **values,
        )
        return HTMLResponse(html, status_code, headers={"Content-Language": language, "Vary": "Accept-Language"})


def language_of(request: Request) -> Language:
    """The reader's language: the one in the address, else the browser's."""
    return choose_language(request.query_params.get("lang"), request.headers.get("accept-language", ""))


def choose_language(asked: str | None, accepted: str) -> Language:
    """The language asked for, else the first of ours that the browser accepts, else English."""
    for language in LANGUAGES:
        if asked == language:
            return language
    for part in accepted.lower().split(","):
        tag = part.split(";")[0].strip()
        for language in LANGUAGES:
            if tag.startswith(language):
                return language
    return "en"
