"""The page of `multipl-moe explore`, on Gradio."""

import logging
import os
from collections.abc import Iterator
from functools import partial
from importlib import resources
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: nothing is told to its makers

import gradio as gr
import gradio.themes
from fastapi import FastAPI, Request, Response
from markupsafe import Markup

from multipl_judge.languages.table import language_title
from multipl_moe.explore.explorer import MOST_TOKENS, Explorer, Sample
from multipl_moe.generate.reading import Reading
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.report.page import picture
from multipl_moe.report.plots import expert_heat_map
from multipl_moe.report.reading import GATE, coloured_text, layer_map, legend, views_of

# The browser refuses what Gradio's own page would fetch from elsewhere: fonts, and a script for frames.
_CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:"
)
_GATES = {"the text": None, "open": 1.0, "shut": 0.0}
_VIEWS = {GATE: "domain gate", "token": "token experts", "segment": "segment experts"}
_ALL_LAYERS = "all, as a map"
_LAST: dict[str, Any] = {"trigger_mode": "always_last", "api_visibility": "private"}


def build_app(explorer: Explorer, samples: dict[str, Sample], name: str) -> FastAPI:
    """The server's app: the page at /, and nothing that is fetched from elsewhere.

    It begins with the first of the samples, which are one at least.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def stay_here(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _CONTENT_POLICY
        return response

    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    css = resources.files("multipl_moe.report").joinpath("templates/reading.css").read_text()
    return gr.mount_gradio_app(
        app,
        _build_page(explorer, samples, name),
        path="",
        theme=theme,
        css=_COLOURS + css,
        footer_links=[],
        ssr_mode=False,
    )


_COLOURS = """
:root { --better: #1f7a5c; --worse: #b3261e; } .dark { --better: #54c79d; --worse: #ff8f85; }
.scroll { overflow-x: auto; } .narrow { display: none; }
@media (max-width: 44rem) { .wide { display: none; } .narrow { display: block; } }
.code textarea { font-family: ui-monospace, monospace; font-size: .9rem; }
"""


def _build_page(explorer: Explorer, samples: dict[str, Sample], name: str) -> gr.Blocks:
    moe = explorer.model.config.moe_config
    begin = next(iter(samples))
    first = explorer.read(samples[begin].text)
    views = views_of(first)
    layers = [(str(layer), layer) for layer in explorer.layers] + [(_ALL_LAYERS, -1)]
    last = layers[-2:][0][1]
    with gr.Blocks(title=f"{name}: what it does with a text", analytics_enabled=False) as page:
        gr.Markdown(f"# {name}\nWhere experts read a text, and where the hybrid predicts it better than its base.")
        sample = gr.Radio(list(samples), value=begin, label="Begin with a text in")
        with gr.Tab("Read"):
            with gr.Row():
                titled = [(_VIEWS[view], view) for view in views]
                view = gr.Radio(titled, value=views[0], label="Colour by", visible=len(views) > 1)
                layer = gr.Dropdown(layers, value=last, label="Layer", visible=views != [GATE])
                gate = gr.Radio(
                    list(_GATES), value="the text", label="The gate follows", visible=bool(moe.gate.languages)
                )
            with gr.Row():
                text = gr.Textbox(
                    samples[begin].text,
                    lines=14,
                    max_lines=30,
                    label=f"Text (the first {MOST_TOKENS} tokens)",
                    elem_id="text",
                    elem_classes="code",
                )
                with gr.Column():
                    shown = gr.HTML(_shown(explorer, first, views[0], last), elem_id="shown", min_height=120)
            controls = [text, view, layer, gate]

            def show(text: str, view: str, layer: int, gate: str) -> str:
                return _shown(explorer, explorer.read(text, _GATES[gate]), view, layer) if text.strip() else ""

            for control in controls:
                control.change(show, controls, shown, **_LAST)
        with gr.Tab("Complete"):
            prompt = gr.Textbox(samples[begin].prompt, lines=5, label="Prompt", elem_id="prompt", elem_classes="code")
            with gr.Row():
                length = gr.Slider(8, 256, value=64, step=8, label="New tokens, at most")
                write = gr.Button("Complete", variant="primary")
            with gr.Row():
                boxes = [
                    gr.Textbox(label=who, lines=12, elem_id=who, elem_classes="code", interactive=False)
                    for who in ("base", "hybrid")
                ]
            write.click(partial(_completions, explorer), [prompt, length], boxes, api_visibility="private")
        sample.change(lambda title: samples[title], sample, [text, prompt], show_progress="hidden", **_LAST)
        if moe.is_routed:
            with gr.Tab("Experts"):
                gr.HTML(_escaped(_use_maps(explorer.use, moe)), elem_id="use")
    return page


def _shown(explorer: Explorer, reading: Reading, view: str, layer: int) -> str:
    if view != GATE and layer < 0:
        return _escaped(layer_map(reading, view) + legend(reading, view, explorer.layers[-1], None))
    chosen = None if view == GATE else max(layer, explorer.layers[0])
    return _escaped(legend(reading, view, chosen, explorer.use) + coloured_text(reading, view, chosen))


def _completions(explorer: Explorer, prompt: str, length: int) -> Iterator[tuple[str, str]]:
    if not prompt:
        yield "", ""
        return
    base = hybrid = ""
    for base in explorer.complete(prompt, base=True, max_new_tokens=length):
        yield prompt + base, ""
    for hybrid in explorer.complete(prompt, base=False, max_new_tokens=length):
        yield prompt + base, prompt + hybrid
    yield prompt + base, prompt + hybrid


def _use_maps(use: ExpertUse | None, moe: MoeConfig) -> Markup:
    if use is None:
        return Markup("<p>What the experts are used for was not measured: this model was not trained by `train`.</p>")
    num_token = 0 if moe.routing is None else moe.routing.num_routed_experts
    titles = {language: language_title(language) for language in use.languages}
    maps = []
    for key, title, places in (
        ("token_load", "Token experts", slice(0, num_token)),
        ("segment_load", "Segment experts", slice(num_token, -1)),
    ):
        # `token_load` is that of all experts, the shared one last
        rest = [0.0] if key == "token_load" else []
        routing = {
            language: {layer: {key: [*weights[places], *rest]} for layer, weights in layers.items()}
            for language, layers in use.languages.items()
        }
        if drawn := picture(key, title, partial(expert_heat_map, routing, key, titles, label="mean weight")):
            maps.append(Markup("<h3>{}</h3>{}").format(title, drawn))
    return Markup("").join(maps)


def _escaped(html: Markup) -> str:
    """HTML in which Gradio finds no template of its own."""
    return str(html).replace("$", "&#36;").replace("{{", "&#123;&#123;")
