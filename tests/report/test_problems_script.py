"""The script of problems.html in a browser: filters, lazy rows, and what a row says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from multipl_moe.report.problems_page import write_problems_page
from tests.eval.judged import problems
from tests.report.test_problems_page import answers

_ASKED = problems("rust", 3) + problems("go", 3) + problems("go", 3, "mine")
_MODELS = [answers("base", _ASKED, ["pass"], "wwcpppwww"), answers("hybrid", _ASKED, ["return 1"], "pwppcpwww")]
Show = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of problems and models, by default those above."""
    context = browser.new_context(offline=True)

    def open_page(asked=_ASKED, models=_MODELS) -> Page:
        file = tmp_path / "problems.html"
        write_problems_page(file, asked, models, flags={_ASKED[0].key: "hollow"})
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_page
    context.close()


def _rows(page: Page) -> list[str]:
    return page.locator("#rows > details").all_text_contents()


def test_filters_narrow_the_rows_together(show: Show):
    page = show()
    shown = [page.locator("#shown").text_content()]
    for label, value in (("language", "go"), ("benchmark", "mine"), ("benchmark", ""), ("outcome of base", "passed")):
        page.get_by_label(label).select_option(value)
        shown.append(page.locator("#shown").text_content())
    assert page.url.endswith("problems.html#language=go&outcome1=passed")
    page.get_by_label("find").fill("f1(")
    shown.append(page.locator("#shown").text_content())
    assert shown == [f"{count} of 9 problems" for count in (9, 6, 3, 6, 3, 1)]
    assert _rows(page)[0].startswith("1Gostarterpassedcompile error")


def test_a_row_is_filled_when_it_is_opened(show: Show):
    page = show()
    first = page.locator("#rows > details").first
    assert first.text_content() == "0Ruststarterwrong answerpassed"
    first.locator("summary").first.click()
    first.locator(".body").wait_for()
    text = first.text_content() or ""
    assert "These tests prove nothing: hollow" in text
    assert "basewrong answerwhile running def f0():\npass" in text
    assert "hybridpasseddef f0():\nreturn 1" in text
    assert text.endswith("the testscheck(0)")


def test_rows_are_built_200_at_a_time(show: Show):
    asked = problems("rust", 450)
    page = show(asked, [answers("mine", asked, ["pass"], "p" * 450)])
    more = page.locator("#more")
    assert (len(_rows(page)), more.text_content()) == (200, "show 200 more of 250")
    more.click()
    assert (len(_rows(page)), more.text_content()) == (400, "show 50 more of 50")
    more.click()
    assert len(_rows(page)) == 450
    assert not more.is_visible()
    page.get_by_label("find").fill("f44")
    assert len(_rows(page)) == 11
