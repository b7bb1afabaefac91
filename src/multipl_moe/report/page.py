"""What the HTML pages share: templates that escape all text, and figures inside the page."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from multipl_moe.report.colours import CSS_VARIABLES

WIDE, NARROW = 7.0, 3.7
"""Inches of a figure on a wide screen or on paper, and on a telephone."""


def page_templates() -> jinja2.Environment:
    """The templates of this package; text is escaped, and a name that is not given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("multipl_moe.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, **values: Any) -> str:
    """A page from a template of this package."""
    return page_templates().get_template(template).render(**values)


def picture(name: str, label: str, draw: Callable[[float], Figure | None]) -> Markup:
    """A figure at two widths, of which the page's stylesheet shows the one that fits; letters keep their size.

    Args:
        name: of the figure, unlike any other on the page.
        label: what it shows, for those who do not see it.
        draw: makes the figure, if there is any, for a width in inches; one that comes out wider scrolls in its box.
    """
    parts = [
        Markup('<div class="scroll {}" role="img" aria-label="{}">{}</div>').format(
            screen, label, _inline_svg(figure, f"{name} {screen}")
        )
        for screen, width in (("wide", WIDE), ("narrow", NARROW))
        if (figure := draw(width)) is not None
    ]
    return Markup('<figure id="{}">{}</figure>').format(name, Markup("").join(parts)) if parts else Markup("")


def _inline_svg(figure: Figure, salt: str) -> Markup:
    """The figure as inline SVG, the same bytes for the same data, in the colours of the page."""
    stream = StringIO()
    with rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    text = stream.getvalue()
    text = re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda match: CSS_VARIABLES.get(match[0], match[0]), text)
    return Markup(text[text.index("<svg") :])
