"""Every page in a real browser, on a telephone and a wide screen, light and dark: readable, and loading nothing.

And the script of problems.html: filters, rows that are made when they are looked at, and what a row says.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from multipl_moe.corpus.inspection.documents import Documents
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.report.comparison_page import write_comparison
from multipl_moe.report.continuations import CONTINUATIONS_FILE, Continuation
from multipl_moe.report.corpus_page import write_corpus_page
from multipl_moe.report.html import write_report
from multipl_moe.report.programs import write_problems_page
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.folder import write_json
from multipl_moe.runs.result import Moved, RunResult
from tests.eval.judged import problems
from tests.report.compared import a_run, with_runs
from tests.report.judged import judged
from tests.report.test_problems_page import answers
from tests.report.test_reading import reading

_PAGES = ("report", "problems", "inspect", "comparison")
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_LONG = "a_name_that_goes_on_and_on_and_nowhere_ends_" * 4
_MEASURE = """() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const shown = (element) => element.getClientRects().length > 0;
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((x) => x / 255);
  const light = (colour) => channels(colour).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, place) => sum + x * [0.2126, 0.7152, 0.0722][place], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = (colour) => (Math.max(light(colour), paper) + 0.05) / (Math.min(light(colour), paper) + 0.05);
  const scale = (text) => Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
  const letters = [...document.querySelectorAll("svg text")].filter(shown);
  const isCut = (text) => {
    const [own, around] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    const [left, right] = [own.left - around.left, around.right - own.right];
    return Math.min(left, right, own.top - around.top, around.bottom - own.bottom) < -1;
  };
  const words = [...document.querySelectorAll("h1, p, td, th, a, span, summary, label")].filter(shown);
  return {
    width: document.documentElement.scrollWidth,
    letters: letters.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale(text)),
    contrasts: [...letters.map((text) => contrast(getComputedStyle(text).fill)),
                ...words.map((text) => contrast(getComputedStyle(text).color))],
    cut: letters.filter(isCut).map((text) => text.textContent),
    wideFigures: [...document.querySelectorAll("figure .scroll")].filter(shown)
      .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.parentElement.id),
    hidden: [...document.querySelectorAll(".beside td:nth-child(-n+3)")]
      .filter((cell) => cell.getBoundingClientRect().right > cell.closest(".scroll").getBoundingClientRect().right + 1)
      .map((cell) => cell.textContent),
    beside: [...document.querySelectorAll(".beside")]
      .map((box) => new Set([...box.children].map((part) => part.getBoundingClientRect().top)).size === 1),
    paper,
  };
}"""


@pytest.fixture
def pages(tmp_path: Path, metrics: RunResult, records: list[dict[str, Any]], moved: Moved) -> Path:
    """A folder with all four, with long names and long lines in them."""
    answer = {"completion": "x" * 300, "outcome": "wrong_answer"}
    example = {"id": _LONG, "language": "Rust", "prompt": "fn f() {\n", "answers": [answer, answer]}
    (tmp_path / "programs_after").mkdir()
    write_json(tmp_path / "programs_after" / "examples.json", [example])
    held_out = [{"step": step, "tokens": 1000 * step, "loss": 4.0} for step in (10, 15)]
    continued = Continuation("Rust", f"fn {_LONG}", "x" * 300, "y" * 300, reading(pieces=["fn ", _LONG, "y" * 300]))
    write_json(tmp_path / CONTINUATIONS_FILE, [continued.to_json()])
    result = metrics.but(programs=judged(), moved=moved)
    reasons = [f"Reason {number}: {_LONG}." for number in range(3)]
    recipe = validate_recipe({"base": _LONG})
    write_report(tmp_path, result, records, held_out, recipe, Path("runs/demo/model"), reasons)
    asked = problems("rust", 3) + problems("go", 3, _LONG)
    models = [answers(f"runs/{name}/{_LONG}", asked, ["pass"], "wpcpww") for name in ("one", "two")]
    write_problems_page(tmp_path / "problems.html", EvalSet(asked, {}, {}), models, {}, [_LONG])
    counts = LanguageCounts(900, 8_100_000, 2_000_000, 60, 1, {"MIT": 900}, dict.fromkeys(DROP_REASONS, 7), {_LONG: 1})
    recipe = validate_recipe({"learn": ["rust"], "keep": []})
    manifest = CorpusManifest(2, 0, "tiny", "0" * 64, 0, {"rust": counts})
    lengths = {"rust": np.array([1, 20, 30, 4000])}
    inspection = Inspection(Path(_LONG), manifest, recipe, 0, Documents(), lengths, None, None, {"mbpp": "no copy"})
    write_corpus_page(tmp_path / "inspect.html", inspection)
    methods = {str(number): f"{number} dense, feed-forward blocks of the same layers" for number in range(12)}
    runs = {name: a_run(name, -0.2 + 0.01 * int(name), 0.01 * int(name)) for name in methods}
    write_comparison(tmp_path, with_runs(runs, methods=methods, answers=[]))
    return tmp_path


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    yield page
    context.close()


def test_pages_are_readable_load_nothing_and_are_white_on_paper(page: Page, pages: Path):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for name in _PAGES:
        url = (pages / f"{name}.html").as_uri()
        page.goto(url)
        for width, scheme in product((390, 820, 1400), _SCHEMES):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found, where = page.evaluate(_MEASURE), f"{name}, {width}, {scheme}"
            assert found["width"] <= width, f"{where}: scrolls sideways"
            assert min(found["letters"], default=11) >= 11, where
            assert found["cut"] == [], where
            assert min(found["contrasts"]) >= 4.5, where  # what WCAG 2.2 asks of text at level AA
            assert (found["paper"] < 0.1) == (scheme == "dark"), where
            assert set(found["wideFigures"]) <= {"token_load", "segment_load"}, where  # as wide as there are experts
            assert found["hidden"] == [], f"{where}: numbers of the headline are off to the right"
            assert found["beside"] == [width == 1400] * (name in ("report", "comparison")), where
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.set_viewport_size({"width": 718, "height": 1000})  # of A4 between its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 718, f"{name} is cut on paper"
        page.emulate_media(media="screen")
        assert [request for request in requests if not request.startswith("data:")] == [url]
        requests.clear()


def test_paper_has_what_is_folded_away(page: Page, tmp_path: Path, result: ComparisonResult):
    write_comparison(tmp_path, result)
    page.goto((tmp_path / "comparison.html").as_uri())
    is_seen = "document.querySelector('details.section td').checkVisibility()"
    assert not page.evaluate(is_seen)
    page.emulate_media(media="print")
    assert page.evaluate(is_seen)


_ASKED = problems("rust", 3) + problems("go", 3) + problems("go", 3, "mine")
_MODELS = [answers("base", _ASKED, ["pass"], "wwcpppwww"), answers("hybrid", _ASKED, ["return 1"], "pwppcpwww")]
Show = Callable[..., Page]


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Opens the page of problems and models, by default those above."""

    def open_page(asked=_ASKED, models=_MODELS) -> Page:
        file = tmp_path / "problems.html"
        write_problems_page(file, EvalSet(asked, {}, {_ASKED[0].key: "hollow"}), models, {})
        page.goto(file.as_uri())
        return page

    return open_page


def test_what_a_chat_answered_is_shown_beside_the_code_that_was_taken_out_of_it(show: Show):
    page = show(asked := problems("rust", 1), [answers("mine", asked, ["x()"], "p")])
    page.get_by_text("all that it answered").click()
    assert page.get_by_text("Here: x()", exact=True).is_visible()


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
