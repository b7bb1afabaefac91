"""The page in a real browser: typed text is coloured, both models write, and nothing is fetched from elsewhere."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from transformers import AutoTokenizer

from multipl_moe.explore.explorer import Explorer, samples_of
from multipl_moe.model.expert_use import ExpertUse
from tests.codegen.problems import tiny_model
from tests.conftest import changed_moe, randomise_gate
from tests.fixtures import save_tokenizer
from tests.serve.conftest import listening

TYPED = "let a = 1; // ${1 + 1} {{value}} <script>window.bad = 1</script>"


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Of a page of a gated hybrid with token and segment experts."""
    from multipl_moe.explore.page import build_app  # and Gradio, for which processes with other tests need not wait

    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    model = tiny_model("gated", max_position_embeddings=1024)
    randomise_gate(model)
    use = ExpertUse({name: {1: [0.1] * 7, 2: [0.1] * 7} for name in ("rust", "go")})
    explorer = Explorer(model, AutoTokenizer.from_pretrained(folder), None, use)
    samples = samples_of(folder, changed_moe(model.config.moe_config, languages=["rust"]), use)
    with listening(build_app(explorer, samples, "tiny")) as url:
        yield url.removesuffix("/v1")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened; what it asks of others fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    sent: list[str] = []
    opened.on("requestfinished", lambda request: sent.append(request.url))
    opened.on("requestfailed", lambda request: sent.append(request.url) if request.failure != "csp" else None)
    opened.goto(address)
    expect(opened.locator("#shown .reading span").first).to_be_visible(timeout=30_000)
    yield opened
    context.close()
    assert [url for url in sent if not url.startswith((address, "data:", "blob:"))] == []


def test_typed_text_is_coloured_and_is_no_markup(page: Page, monkeypatch: pytest.MonkeyPatch):
    read = Explorer.read
    with monkeypatch.context() as patch:
        patch.setattr(Explorer, "read", lambda *args: time.sleep(2) or read(*args))
        page.locator("#text textarea").fill(TYPED)
        expect(page.locator("#shown .eta-bar, #shown .progress-text").first).to_be_visible(timeout=10_000)
    expect(page.locator("#shown .reading")).to_have_text(TYPED, timeout=10_000)
    assert page.evaluate("window.bad") is None
    backgrounds = page.locator("#shown .reading span").evaluate_all(
        "spans => spans.map(span => getComputedStyle(span).backgroundColor)"
    )
    assert len(set(backgrounds)) > 1
    assert "bits (base" in (page.locator("#shown .reading span").last.get_attribute("title") or "")


def test_a_text_of_another_language_can_be_chosen(page: Page):
    expect(page.locator("#text textarea")).to_have_value(re.compile("fn top_words"))
    page.get_by_label("Go", exact=True).check()
    expect(page.locator("#text textarea")).to_have_value(re.compile("func topWords"), timeout=10_000)
    expect(page.locator("#shown .reading")).to_contain_text("package main", timeout=10_000)
    page.get_by_role("tab", name="Complete").click()
    expect(page.locator("#prompt textarea")).to_have_value(re.compile("func topWords.*[{]\\s*$"))


def test_experts_and_their_map_can_be_chosen(page: Page):
    expect(page.locator("#shown")).to_contain_text("gate open")
    page.get_by_label("segment experts").check()
    expect(page.locator("#shown .legend")).to_contain_text("segment expert 2", timeout=10_000)
    page.get_by_label("Layer").click()
    page.get_by_role("option", name="all, as a map").click()
    expect(page.locator("#shown svg.map text")).to_have_text(["2", "1"], timeout=10_000)


def test_base_and_hybrid_write_side_by_side(page: Page):
    page.get_by_role("tab", name="Complete").click()
    page.locator("#prompt textarea").fill("fn main")
    page.get_by_role("button", name="Complete").click()
    for who in ("base", "hybrid"):
        expect(page.locator(f"#{who} textarea")).to_have_value(re.compile(r"fn main[\s\S]*"), timeout=20_000)


def test_the_use_of_experts_is_drawn_and_nothing_is_wider_than_a_telephone(page: Page):
    page.set_viewport_size({"width": 390, "height": 800})
    for tab in ("Read", "Complete", "Experts"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    expect(page.locator("#use svg").last).to_be_visible()
