"""A text that was read by a hybrid, as a part of a page: coloured by gate or expert, with the bits that it takes."""

import math
from itertools import accumulate, groupby

from markupsafe import Markup

from multipl_judge.languages.table import language_title
from multipl_moe.generate.reading import Reading
from multipl_moe.generate.routing import GATE_COLOUR, expert_colour, strongest_of
from multipl_moe.model.expert_use import ExpertUse

GATE = "gate"
_MOST_BITS = 3.0  # of a difference; more is drawn alike
_CELL, _ROW, _LABEL = 9, 14, 34  # pixels of the map


def coloured_text(reading: Reading, view: str, layer: int | None = None, prompt_characters: int = 0) -> Markup:
    """The text, each token on the colour of what it went through, over a line that says where the hybrid is better.

    Args:
        reading: what is shown.
        view: `gate`, or the kind of expert, "token" or "segment", whose strongest one colours a token.
        layer: one of the reading's, for experts.
        prompt_characters: so many are a prompt, and grey.
    """
    begins = accumulate(map(len, reading.pieces), initial=0)
    colours = _colours(reading, view, layer)
    spans = [
        Markup('<span{} style="--c:{};--w:{:.0f}%;--h:{};--d:{:.0f}%" title="{}">{}</span>').format(
            Markup(' class="prompt"') if begin < prompt_characters else "",
            colour,
            (40 if begin < prompt_characters else 100) * weight,  # grey on it must be legible
            *_heat(reading, place),
            _hover(reading, place, layer),
            piece,
        )
        for place, (begin, piece, (colour, weight)) in enumerate(zip(begins, reading.pieces, colours, strict=False))
        if piece
    ]
    return Markup('<pre class="reading">{}</pre>').format(Markup("").join(spans))


def legend(reading: Reading, view: str, layer: int | None, use: ExpertUse | None) -> Markup:
    """What the colours mean, and how many bits the text takes, where a token has something before it."""
    hybrid, base = reading.bits_per_byte
    said = Markup("") if math.isnan(hybrid) else Markup("{:.3f} bits per byte").format(hybrid)
    if said and base:
        line = '<b class="good">fewer</b> or <b class="bad">more</b> than the base needs.'
        said += Markup(", the base {:.3f} ({:+.1f}%). Line: bits of a token, " + line).format(
            base, 100 * (hybrid / base - 1)
        )
    return Markup('<p class="legend">{} {}</p>').format(chips(reading, view, layer, use), said)


def chips(reading: Reading, view: str, layer: int | None, use: ExpertUse | None) -> Markup:
    """What the colours mean."""
    chip = Markup('<span class="chip" style="--c:{}">{}</span>')
    if view == GATE:
        return chip.format(GATE_COLOUR, "gate open: experts work")
    assert layer is not None
    chosen, first = _strongest(reading, view, layer), _places(reading, view).start
    served = use.languages_served(layer) if use is not None else None
    shown = []
    for number, name in enumerate(_names(reading, view)):
        text = f"{name}: {chosen.count(number) / len(chosen):.0%} of the text"
        if served is not None and (shares := served[first + number]):
            language, share = next(iter(shares.items()))
            text += f", mainly {language_title(language)} ({share:.0%})"
        shown.append(chip.format(expert_colour(number), text))
    return Markup(" ").join(shown)


def layer_map(reading: Reading, kind: str) -> Markup:
    """All layers of the reading, one a row, the last on top: the strongest expert of each token."""
    layers = sorted(reading.weights, reverse=True)
    width, height = _LABEL + _CELL * len(reading.pieces), _ROW * len(layers)
    parts = []
    for row, layer in enumerate(layers):
        y, place = row * _ROW, 0
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(y + _ROW - 3, layer))
        for expert, run in groupby(_strongest(reading, kind, layer)):
            count = len(list(run))
            if expert is not None:
                parts.append(
                    Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(
                        _LABEL + _CELL * place, y, _CELL * count, _ROW - 1, expert_colour(expert)
                    )
                )
            place += count
    return Markup(
        '<div class="scroll"><svg class="map" role="img" aria-label="{} expert of each token, by layer" width="{}" '
        'height="{}">{}</svg></div>'
    ).format(kind, width, height, Markup("").join(parts))


def views_of(reading: Reading) -> list[str]:
    """What a reading can be coloured by: the gate, if there is one, and kinds of experts that differ."""
    gate = [] if reading.gate is None else [GATE]
    return [*gate, *(kind for kind in ("token", "segment") if len(_names(reading, kind)) > len(gate))]


def first_view(reading: Reading) -> tuple[str, int | None]:
    """The first of `views_of`, and the last layer that was read, for experts."""
    return views_of(reading)[0], max(reading.weights, default=None)


def _colours(reading: Reading, view: str, layer: int | None) -> list[tuple[str, float]]:
    """Of each token, the colour of the gate or of its strongest expert, and how much of it is to be seen."""
    if view == GATE:
        assert reading.gate is not None
        return [(GATE_COLOUR, 0.6 * p) for p in reading.gate]
    assert layer is not None
    first, strongest = _places(reading, view).start, _strongest(reading, view, layer)
    return [
        (GATE_COLOUR, 0.0) if expert is None else (expert_colour(expert), 0.2 + 0.6 * weights[first + expert])
        for expert, weights in zip(strongest, reading.weights[layer], strict=True)
    ]


def _heat(reading: Reading, place: int) -> tuple[str, float]:
    bits = reading.bits[place]
    base = None if reading.base_bits is None else reading.base_bits[place]
    if bits is None or base is None:
        return "transparent", 0.0
    return ("var(--better)" if bits < base else "var(--worse)"), 100 * min(abs(bits - base) / _MOST_BITS, 1.0)


def _hover(reading: Reading, place: int, layer: int | None) -> str:
    said = []
    if reading.gate is not None:
        said.append(f"gate {reading.gate[place]:.2f}")
    if layer is not None and len(reading.experts) > 1:
        weights = sorted(zip(reading.weights[layer][place], reading.experts, strict=True), reverse=True)
        said += [f"{name} {weight:.2f}" for weight, name in weights if weight > 0]
    if (bits := reading.bits[place]) is not None:
        base = reading.base_bits[place] if reading.base_bits is not None else None
        said.append(f"{bits:.1f} bits" + ("" if base is None else f" (base {base:.1f})"))
    return ", ".join(said)


def _strongest(reading: Reading, kind: str, layer: int) -> list[int | None]:
    places = _places(reading, kind)
    return [strongest_of(weights[places]) for weights in reading.weights[layer]]


def _places(reading: Reading, kind: str) -> slice:
    found = [place for place, name in enumerate(reading.experts) if name.startswith(kind)]
    return slice(found[0], found[-1] + 1) if found else slice(0, 0)


def _names(reading: Reading, kind: str) -> list[str]:
    return reading.experts[_places(reading, kind)]
