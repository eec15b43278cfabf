"""What the page says, and that nothing which stands in it can break it."""

from datetime import UTC
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from monitor.app.http import page, seen
from monitor.app.http.markup import Html, join, tag
from monitor.app.http.seeking import Found, step_of
from monitor.core.judging import Judge
from monitor.core.notices import Silence, Target
from monitor.core.rules import Severity
from monitor.core.standing import Standing
from monitor.core.supposing import subjects_of
from monitor.core.triggers import Answer, Trigger, triggers_of
from tests.core.worlds import World, at, level, poll, position, rule

D = Decimal
INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'"
TARGET = Target("main", "BTCUSDT", "BOTH", "long")
AT = 1_767_322_800_000


class Shape(HTMLParser):
    """The elements and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text(html: str) -> str:
    return " ".join(" ".join(Shape(html).texts).split())


def test_markup_escapes_what_is_none() -> None:
    assert tag("p", "a<b", Html("<i>"), class_='x"y', data_level=None) == (
        '<p class="x&quot;y">a&lt;b<i></p>'
    )
    assert tag("rect", x="1") == '<rect x="1"/>'
    assert join(["&", Html("&amp;")]) == "&amp;&amp;"


def test_hostile_texts_stay_texts() -> None:
    standing = Standing(
        HOSTILE, Target(HOSTILE), CRITICAL, CRITICAL, AT, (1,), {HOSTILE: INFO}, HOSTILE
    )
    shown = seen.Seen(
        title=HOSTILE,
        notes=(HOSTILE,),
        level=CRITICAL,
        headline=HOSTILE,
        doubted=False,
        numbers={HOSTILE: HOSTILE, "liquidation": HOSTILE, "mark": HOSTILE},
        bar=seen.Bar(0.5, 0.7),
        prices=(seen.Price(HOSTILE, INFO, on=False, words=HOSTILE, place=0.2),),
        unproved=1,
    )
    parts = {
        "state": page.state([HOSTILE], AT, UTC),
        "firing": page.firing([standing], AT, UTC),
        "delivery": page.delivery({HOSTILE: 2}, [HOSTILE]),
        "silences": page.silences([Silence(3, AT, AT + 1000, (HOSTILE,))], AT, UTC),
        "account-0": page.account(HOSTILE, HOSTILE, HOSTILE, [shown], [shown], 3),
    }
    frame = page.asset("page.html").decode()
    html = page.whole(frame, HOSTILE, parts, ["account-0"])
    shape = Shape(html)
    assert shape.tags.count("script") == 1, "the page's own"
    assert "img" not in shape.tags
    names = {name for name, _ in shape.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert "style" not in names, "the policy allows none"
    assert sum(HOSTILE in each for each in shape.texts) >= 12


def test_a_text_that_looks_like_a_hole_of_the_frame_is_none() -> None:
    html = page.whole("{{title}}|{{state}}", "{{state}}", {"state": Html("x")}, [])
    assert html == "{{state}}|x"


def test_the_files_of_the_page_ask_nobody_else() -> None:
    for name in ("page.html", "page.css", "page.js", "icon.svg"):
        words = page.asset(name).decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in words.replace("// ", ""), name
        assert "url(" not in words, name


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("levels", "ailments", "expected"),
    [
        ([], [], "Marginwatch"),
        ([], ["x"], "(unwell) Marginwatch"),
        ([INFO, CRITICAL, CRITICAL], [], "(2 critical) Marginwatch"),
        ([INFO, WARNING], ["x"], "(1 warning) Marginwatch"),
    ],
)
def test_the_title(levels: list[Severity], ailments: list[str], expected: str) -> None:
    standing = [Standing("r", TARGET, one, one, None, (), {}) for one in levels]
    assert page.title(standing, ailments) == expected


def test_what_fires_and_why() -> None:
    one = Standing(
        "near", TARGET, WARNING, CRITICAL, AT - 120_000, (3, 4), {"phone": CRITICAL}, "distance 3 %"
    )
    assert text(page.firing([one], AT, UTC)) == (
        "warning near main/BTCUSDT/long distance 3 % "
        "since 02:58:00, 2 min ago · told to phone (critical) · silenced by #3, #4"
    )
    untold = Standing("near", TARGET, WARNING, WARNING, None, (), {})
    assert text(page.firing([untold], AT, UTC)) == (
        "warning near main/BTCUSDT/long told to nobody so far"
    )
    assert text(page.firing([], AT, UTC)) == "Nothing fires."
    many = page.firing([untold] * (page.MOST_ALERTS + 7), AT, UTC)
    assert text(many).endswith("and 7 more: marginwatch alerts lists them")
    assert many.count("told to nobody so far") == page.MOST_ALERTS


def test_channels_and_silences() -> None:
    assert text(page.delivery({"phone": 0, "mail": 3}, ["mail"])) == (
        "phone nothing waits mail nothing gets through 3 waiting"
    )
    assert text(page.silences([Silence(3, AT, AT + 90_000, ("loss",))], AT, UTC)) == (
        "#3 --rule 'loss' until 03:01:30"
    )
    assert text(page.silences([Silence(3, AT, AT + 86_400_000)], AT, UTC)) == (
        "#3 --all until 2026-01-03 03:00"
    )


# ---------------------------------------------------------------- positions


def shown(world: World, *triggers: Trigger) -> list[seen.Seen]:
    """Show the positions of main, one second after the epoch."""
    found = Found(0, {TARGET: list(triggers)}) if triggers else None
    subjects = [each for each in subjects_of(world.account) if each.holding is not None]
    return [seen.position(each, at(1), {TARGET: WARNING}, found) for each in subjects]


def held(*rows: object, wallet: str = "1000") -> World:
    world = World()
    world.tell(1, poll(1, *rows, wallet=wallet))  # type: ignore[arg-type]  # rows
    return world


def trigger(
    severity: Severity, below: D | Answer, above: D | Answer, *, on: bool = False
) -> Trigger:
    return Trigger(TARGET, "near", severity, "BTCUSDT", D(62000), on, below, above)


def test_a_position_on_its_way_to_liquidation() -> None:
    """0.1 BTC long at 60000 with 600 behind it, liquidated at 54000; the mark is 62000."""
    never = Answer.NEVER
    (one,) = shown(
        held(position(iw="600")),
        trigger(CRITICAL, D(56000), never),
        trigger(WARNING, D(58000), never),
        trigger(INFO, never, D(64000), on=True),
        trigger(INFO, Answer.UNKNOWN, never),
    )
    assert (one.title, one.notes, one.level) == ("BTCUSDT", ("long", "isolated", "10x"), WARNING)
    assert one.headline == "12.9 % from liquidation"
    assert one.bar is not None
    assert one.bar.mark == 1.0
    assert one.bar.entry is not None
    assert 0.7 < one.bar.entry < 0.8
    assert one.prices is not None
    assert [(price.severity, price.on, price.words) for price in one.prices] == [
        (WARNING, False, "≤ 58,000 (-6.5 %)"),
        (CRITICAL, False, "≤ 56,000 (-9.7 %)"),
        (INFO, True, "≥ 64,000 (+3.2 %)"),
    ]
    places = [price.place for price in one.prices]
    assert places[0] is not None
    assert places[1] is not None
    assert 0 < places[1] < places[0] < 1
    assert places[2] is None, "beyond the mark there is no bar"
    assert one.unproved == 1


def test_a_price_that_the_mark_reached_meanwhile_says_so() -> None:
    world = held(position(iw="600"))
    world.account.holdings["BTCUSDT", "BOTH"].move(D(57999), at(1).ticks)
    (one,) = shown(world, trigger(WARNING, D(58000), Answer.NEVER))
    assert one.prices is not None
    assert [price.words for price in one.prices] == ["≤ 58,000 (reached)"]


def test_what_is_not_known_has_no_bar() -> None:
    world = held(position(iw="600"))
    world.account.holdings["BTCUSDT", "BOTH"].mark_price = None
    (one,) = shown(world)
    assert (one.headline, one.doubted, one.bar, one.prices) == (
        "distance unknown",
        True,
        None,
        None,
    )
    assert "looking for trigger prices …" in page.account("a", "", "", [], [one], 0)


def test_of_aged_numbers_it_says_how_old_they_are() -> None:
    world = held(position(iw="600"))
    (subject,) = [each for each in subjects_of(world.account) if each.holding is not None]
    one = seen.position(subject, at(100), {}, None)
    assert one.doubted
    assert one.headline.endswith("(99 s ago) from liquidation")


def test_a_position_that_nothing_liquidates_says_so() -> None:
    (one,) = shown(held(position(liq="0"), wallet="100000"))
    assert (one.headline, one.bar) == ("no liquidation price", None)


def test_a_pool_and_the_symbols_that_move_it() -> None:
    world = held(position(), position("ETHUSDT", "-2", "3000", mark="3000", liq="3500"))
    ratio = rule("ratio", level(INFO, "margin_ratio > 10%"))
    (subject,) = [each for each in subjects_of(world.account) if each.asset and not each.holding]
    found = Found(0, {subject.target: triggers_of(subject, [Judge(ratio)], at(1), {})})
    one = seen.pool(subject, at(1), {}, found)
    assert (one.title, one.bar) == ("USDT pool", None)
    assert one.headline.startswith("margin ratio ")
    assert one.prices is not None
    assert {price.words.split()[0] for price in one.prices} == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.parametrize(
    ("mark", "step"),
    [("62000", "0.1"), ("0.00001234", "1E-10"), ("1.5", "0.00001"), ("123456789", "1E+3")],
)
def test_prices_are_looked_for_to_six_digits(mark: str, step: str) -> None:
    assert step_of(D(mark)) == D(step)
