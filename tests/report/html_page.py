"""A page as a browser takes it apart, and what every page of the project promises."""

import re
from html.parser import HTMLParser

_LOADING_ATTRIBUTES = {"src", "href", "xlink:href", "srcset", "data", "poster", "background", "action"}
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes that load something, tables by id as rows of cells, and scripts with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._rows: list[list[str]] = []
        self._attributes: dict[str, str | None] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._attributes = dict(attrs)
        self.loaded += [value or "" for name, value in attrs if name in _LOADING_ATTRIBUTES]
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(self._attributes.get("id") or "", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self._rows[-1][-1] += data
        elif self.open and self.open[-1] == "script":
            self.scripts.append((self._attributes, data))


def assert_loads_nothing(text: str) -> Page:
    """A well-formed page that runs no script but its own and loads nothing."""
    page = Page(text)
    assert page.open == []
    assert {"link", "iframe", "img"}.isdisjoint(page.tags)
    assert [value for value in page.loaded if not value.startswith(("#", "data:", "programs_after/"))] == []
    assert re.findall(r"url\((?!#)[^)]*\)|@import|@font-face", text) == []
    return page
