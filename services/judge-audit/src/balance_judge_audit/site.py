"""The pages of this service: their words (`texts/*.json`, a file a page), templates, style and shared layout."""

import json
from importlib.resources import files
from typing import Final

from balance_chain.web.pages import Language, Site

PACKAGE: Final = "balance_judge_audit"


def _texts() -> dict[str, dict[Language, str]]:
    texts: dict[str, dict[Language, str]] = {}
    for file in sorted((files(PACKAGE) / "texts").iterdir(), key=lambda each: each.name):
        texts |= json.loads(file.read_text(encoding="utf-8"))
    return texts


SITE: Final = Site(PACKAGE, _texts(), "audit.css")
