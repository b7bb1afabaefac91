"""Names of points to the right of a plot, each with a line to its point, none over another."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from multipl_moe.report.plots import FONT_SIZE, plain_label

NAME_COLUMNS = 34
"""Letters of a line of a name, on a wide plot; on a narrow one half of them."""
_LINE, _GAP = FONT_SIZE * 1.25 / 72, 0.12  # inches of a line of a name, and between names


def height_of_names(names: Sequence[Sequence[str]]) -> float:
    """Inches that names, each of some lines, need below each other."""
    return sum(len(lines) * _LINE + _GAP for lines in names)


def write_names(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[Sequence[str]],
    colours: Sequence[str],
    height: float,
) -> None:
    """Write the name of each point, in lines, beside axes of a height in inches; its line has the point's colour."""
    order = sorted(range(len(points)), key=lambda place: -points[place][1])
    halves = [height_of_names([names[place]]) / 2 / height for place in order]
    wanted = [axes.transAxes.inverted().transform(axes.transData.transform(points[place]))[1] for place in order]
    line: dict[str, Any] = {
        "arrowstyle": "-",
        "linewidth": 0.7,
        "relpos": (0, 0.5),
        "shrinkA": 1,
        "shrinkB": 5,
    }
    for place, y in zip(order, _apart(wanted, halves), strict=True):
        axes.annotate(
            plain_label("\n".join(names[place])),
            points[place],
            xytext=(1.05, y),
            textcoords="axes fraction",
            va="center",
            fontsize=FONT_SIZE,
            arrowprops=line | {"color": colours[place]},
        )


def _apart(wanted: Sequence[float], halves: Sequence[float]) -> list[float]:
    """Places between 1 and 0, from the top, as near to those wanted as they can be `halves` apart on either side."""
    places: list[float] = []
    ceiling = 1.0
    for want, half in zip(wanted, halves, strict=True):
        places.append(min(want, ceiling - half))
        ceiling = places[-1] - half
    floor = 0.0
    for index in reversed(range(len(places))):
        places[index] = max(places[index], floor + halves[index])
        floor = places[index] + halves[index]
    return places
