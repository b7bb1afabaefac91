"""Every colour of a figure is a variable of the stylesheet, in light and in dark."""

import re
from importlib.resources import files

from multipl_moe.report.colours import CSS_VARIABLES
from multipl_moe.report.page import picture
from multipl_moe.report.plots import gain_plot

_STYLE = files("multipl_moe.report").joinpath("templates/style.css").read_text(encoding="utf-8")


def test_the_stylesheet_has_each_colour_in_both_schemes():
    light, dark = (
        dict(re.findall(r"(--[a-z]+): (#\w+)", block)) for block in re.findall(r":root {(.*?)}", _STYLE, re.S)
    )
    for colour, variable in CSS_VARIABLES.items():
        if variable != "currentColor":
            name = variable.removeprefix("var(").removesuffix(")")
            assert light[name] == colour
            assert dark[name] != colour


def test_a_figure_on_a_page_has_no_colour_of_its_own_and_no_ground(metrics):
    page = picture("gain", "change", lambda width: gain_plot(metrics, width))
    assert re.findall(r"(?:fill|stroke): #\w+", page) == []
    assert "var(--better)" in page


def test_figures_of_one_page_share_no_ids(metrics):
    page = "".join(picture(name, "change", lambda width: gain_plot(metrics, width)) for name in ("one", "two"))
    clips = re.findall(r'<clipPath id="(\w+)"', page)
    assert len(clips) == len(set(clips)) > 0
