"""What the HTML pages share: templates that escape all text, and plots inside the page."""

from io import StringIO

import jinja2
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure


def page_templates() -> jinja2.Environment:
    """The templates of this package; text is escaped, and a name that is not given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("multipl_moe.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )


def inline_svg(figure: Figure) -> Markup:
    """The figure as inline SVG, the same bytes for the same data."""
    stream = StringIO()
    with rc_context({"svg.hashsalt": "multipl-moe", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])
