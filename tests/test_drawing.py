"""Pictures as they come out: pixels at known places, words in their room, few bytes."""

import io
import subprocess
import sys
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from monitor.app.drawing import BACKGROUND, COLOURS, drawn, width_of
from monitor.core.charting import Level, Scene, chart_of
from monitor.core.plotting import ADVANCE, HEIGHT, LABEL, WIDTH, Ink, Plot, Point, Words, plot
from monitor.core.trails import Sample

D = Decimal
UTC_MS = 1_767_322_800_000


def laid_out(*, liquidation: str = "97") -> Plot:
    trail = [Sample(UTC_MS + n * 5_000, D("101") - D("0.01") * n) for n in range(101)]
    scene = Scene(D(100), D(102), D(liquidation), D("0.03"))
    levels = [Level(D(99), "critical", below=True), Level(D("100.5"), "warning", below=True)]
    chart = chart_of("BTCUSDT long (main)", scene, trail, levels, utc=trail[-1].at, zone=UTC)
    assert chart is not None
    return plot(chart)


def picture(made: Plot, theme: str) -> Any:
    return Image.open(io.BytesIO(drawn(made, theme))).convert("RGB")


def near(one: Any, two: tuple[int, ...]) -> bool:
    """Colours are few in the file, and edges are smooth."""
    return all(abs(a - b) <= 12 for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pixels_are_where_the_plot_says(theme: str) -> None:
    made = laid_out()
    image, colours = picture(made, theme), COLOURS[theme]
    assert image.size == (WIDTH, HEIGHT)
    assert near(image.getpixel((2, 2)), BACKGROUND[theme])
    ground = made.blocks[0]
    inside = ground.upper_left.x + 30, (ground.upper_left.y + ground.lower_right.y) / 2
    assert near(image.getpixel(tuple(map(round, inside))), colours[Ink.BEYOND])
    now = made.dots[-1].at
    assert near(image.getpixel((round(now.x) - 2, round(now.y))), colours[Ink.MARK])
    for ink in (Ink.LIQUIDATION, Ink.CRITICAL, Ink.WARNING, Ink.ENTRY):
        line = next(each for each in made.strokes if each.ink is ink)
        x, y = line.points[0]
        column = [image.getpixel((round(x) + 2, round(y) + off)) for off in (-2, -1, 0, 1, 2)]
        assert any(near(pixel, colours[ink]) for pixel in column), ink


def test_words_are_written_where_there_is_room_for_them() -> None:
    made = laid_out()
    image = picture(made, "light")
    for words in made.words:
        width = width_of(words)
        left = words.at.x - {"l": 0.0, "m": width / 2, "r": width}[words.anchor[0]]
        box = (left, words.at.y - 12, left + width, words.at.y + 12)
        darkest, _ = image.crop(tuple(map(round, box))).convert("L").getextrema()
        assert darkest < 150, f"nothing stands where {words.text} should"


@pytest.mark.parametrize(
    "text",
    [
        "liquidation 0.00001180",
        "critical < 61,234.5",
        "warning > 0.2014",
        "now 58,100.1",
        "entry 100,000,000",
        "1000SHIBUSDT short leg (main)",
        "mark 0.00001212 · liquidation 0.0000118, 2.6 % away",
    ],
)
def test_no_word_is_wider_than_it_was_taken_for(text: str) -> None:
    words = Words(Point(0, 0), text, LABEL)
    assert 0.4 < width_of(words) / (len(text) * LABEL * ADVANCE) <= 1


def test_a_picture_is_small_and_the_same_each_time() -> None:
    one, two = (drawn(laid_out(), "dark") for _ in range(2))
    assert one == two
    assert one.startswith(b"\x89PNG\r\n")
    assert len(one) < 100_000


def luminance(colour: tuple[int, int, int]) -> float:
    """As WCAG 2 has it."""
    parts = (channel / 255 for channel in colour)
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "least"),
    [
        (Ink.TEXT, 12),
        (Ink.FAINT, 4.5),
        (Ink.MARK, 4.5),
        (Ink.LIQUIDATION, 3.5),
        (Ink.CRITICAL, 3),
        (Ink.WARNING, 2),
        (Ink.INFO, 3),
    ],
)
def test_what_is_drawn_stands_out_from_the_ground(theme: str, ink: Ink, least: float) -> None:
    light, dark = sorted(map(luminance, (COLOURS[theme][ink], BACKGROUND[theme])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


def test_without_pillow_everything_else_can_be_imported() -> None:
    """Nobody who wants no charts needs it."""
    code = (
        "import sys; sys.modules['PIL'] = None; "
        "import monitor.cli.serving, monitor.app.charts; print('fine')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")
