"""What every page must be: whole, closed to the outside, its charts' ids apart."""

import datetime as dt
import re
from html.parser import HTMLParser

from deciface.cases import RESEARCH_USE_ONLY
from deciface.reports.page import Head

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
HEAD = Head(
    "A <title>",
    (("gallery", "site <1>"),),
    ("The gallery holds simulated people.",),
    (("gallery digest", "d" * 64), ("seed", "7")),
)
_VOID = {"meta", "img", "br"}


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.images = [], [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "img":
            self.images.append(named)
        if "id" in named:
            self.ids.append(named["id"])
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]


def check_page(page):
    """Refuse what no page may have; returns what is read, with tags as spaces."""
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in tags.images)
    assert "http" not in page
    assert "<script" not in page
    assert "A <title>" not in page
    text = " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    for said in (
        RESEARCH_USE_ONLY,
        "A &lt;title&gt;",
        "site &lt;1&gt;",
        "The gallery holds simulated people.",
        "d" * 64,
    ):
        assert said in text
    assert "made 2026-01-02 03:04 UTC" in text
    return text
