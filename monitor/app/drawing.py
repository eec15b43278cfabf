"""A plot → a PNG, light or dark. The only module that imports Pillow, and it does so late.

Drawn twice as large and made smaller, so that lines and letters are smooth.
"""

import io
from collections.abc import Iterator
from itertools import pairwise
from math import hypot
from typing import Any

from monitor.core.plotting import HEIGHT, WIDTH, Ink, Plot, Point, Stroke, Words

_FINE = 2

Colour = tuple[int, int, int]

BACKGROUND: dict[str, Colour] = {"light": (255, 255, 255), "dark": (22, 26, 32)}

COLOURS: dict[str, dict[Ink, Colour]] = {
    # After Okabe and Ito: told apart also by who does not see red, green or blue.
    "light": {
        Ink.TEXT: (24, 28, 34),
        Ink.FAINT: (92, 100, 112),
        Ink.GRID: (228, 231, 236),
        Ink.MARK: (0, 114, 178),
        Ink.ENTRY: (92, 100, 112),
        Ink.LIQUIDATION: (213, 94, 0),
        Ink.CRITICAL: (204, 121, 167),
        Ink.WARNING: (230, 159, 0),
        Ink.INFO: (0, 158, 115),
        Ink.BEYOND: (250, 229, 214),
    },
    "dark": {
        Ink.TEXT: (236, 239, 244),
        Ink.FAINT: (160, 169, 182),
        Ink.GRID: (44, 50, 60),
        Ink.MARK: (86, 180, 233),
        Ink.ENTRY: (160, 169, 182),
        Ink.LIQUIDATION: (240, 120, 32),
        Ink.CRITICAL: (222, 146, 190),
        Ink.WARNING: (240, 190, 60),
        Ink.INFO: (40, 190, 145),
        Ink.BEYOND: (62, 38, 24),
    },
}


def drawn(plot: Plot, theme: str) -> bytes:
    """Draw a plot as a PNG.

    Args:
        plot: What to draw.
        theme: light or dark.
    """
    # Late: nobody who wants no charts needs the library.
    from PIL import Image, ImageDraw

    size = WIDTH * _FINE, HEIGHT * _FINE
    image = Image.new("RGB", size, BACKGROUND[theme])
    draw, colours = ImageDraw.Draw(image), COLOURS[theme]
    for block in plot.blocks:
        corners = [_fine(block.upper_left), _fine(block.lower_right)]
        draw.rectangle(corners, fill=colours[block.ink])
    for stroke in plot.strokes:
        for points in _dashes(stroke):
            width = round(stroke.width * _FINE)
            draw.line([_fine(each) for each in points], colours[stroke.ink], width, "curve")
    for dot in plot.dots:
        x, y = dot.at
        corners = [_fine(Point(x + way, y + way)) for way in (-dot.radius, dot.radius)]
        draw.ellipse(corners, fill=colours[dot.ink])
    for words in plot.words:
        font = font_of(words.size * _FINE)
        draw.text(_fine(words.at), words.text, colours[words.ink], font, words.anchor)
    found = io.BytesIO()
    small = image.reduce(_FINE)
    # A few hundred colours are enough for lines on a plain ground, at a third of the bytes.
    small.quantize(256, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()


def font_of(size: int) -> Any:
    """Give the font that comes with Pillow, in a size."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def width_of(words: Words) -> float:
    """Measure how wide words are, pixels."""
    return float(font_of(words.size * _FINE).getlength(words.text)) / _FINE


def _fine(point: Point) -> tuple[float, float]:
    return point.x * _FINE, point.y * _FINE


def _dashes(stroke: Stroke) -> Iterator[tuple[Point, ...]]:
    """Cut a stroke into its dashes."""
    if stroke.dash is None:
        yield stroke.points
        return
    on, off = stroke.dash
    for begin, end in pairwise(stroke.points):
        length = hypot(end.x - begin.x, end.y - begin.y)
        at = 0.0
        while at < length:
            yield tuple(
                Point(begin.x + (end.x - begin.x) * part, begin.y + (end.y - begin.y) * part)
                for part in (at / length, min(at + on, length) / length)
            )
            at += on + off
