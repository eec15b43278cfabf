"""What a trader reads of each shipped rule, word for word: every kind of every rule.

The texts are in shipped_messages.txt, one part a rule, made by the real engine from the stories
below. After a change that is meant, write them anew and read them as if it were three at night:

    python -m tests.test_shipped_messages
"""

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from monitor.core.events import (
    AddressBanned,
    CalledPosition,
    Event,
    ForcedOrderSeen,
    KeyWasRejected,
    LeverageChanged,
    MarginCalled,
    UserStreamFell,
    UserStreamStood,
)
from monitor.core.liquidation import Leg, flat, liquidation_price
from monitor.core.message import compose
from monitor.core.notices import Notice
from monitor.core.rules import Rule
from monitor.rulefile import find_rule_files, load_rules
from tests.core.worlds import World, at, change, filled, marks, money, poll, position

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).with_name("shipped_messages.txt")
STEP = 5
"""Seconds between two polls."""


@cache
def shipped() -> dict[str, Rule]:
    rules = load_rules(find_rule_files([str(ROOT / "rules")]))
    return {rule.name: rule for rule in rules}


def fall_and_rise(rule: Rule, leverage: int, prices: list[str], *, isolated: bool = True) -> World:
    """Hold a long of 0.1 BTC from 60,000 on; each mark for five minutes, the lowest for twenty."""
    margin = Decimal(6000) / leverage
    leg = Leg(Decimal("0.1"), Decimal(60_000), flat(Decimal("0.004")))
    liq = liquidation_price(margin, [leg], Decimal(60_000))
    world = World(rule)
    world.tell(0, UserStreamStood("main"))
    seconds = 0
    lowest = min(prices, key=Decimal)
    for mark in prices:
        row = position(mark=mark, liq=f"{liq or 0:.8f}", iw=str(margin) if isolated else "0")
        for _ in range(0, 1200 if mark == lowest else 300, STEP):
            cross = "0" if isolated else None
            answer = poll(seconds, row, wallet=str(margin), cross=cross, leverage=leverage)
            world.tell(seconds + 0.4, answer)
            seconds += STEP
    closed = change(seconds, filled(quantity="0", entry="0", iw="0"), money(str(margin)))
    world.tell(seconds, closed)
    return world


def blindness(rule: Rule) -> World:
    """Lose the marks, then the polls, then the key; see again after a quarter of an hour."""
    world = World(rule, accounts=["main"])
    rows = position(), position("ETHUSDT", quantity="-2", entry="3000", mark="3000", liq="3400")
    world.tell(0, poll(0, *rows))
    for seconds in range(1, 30):
        world.tell(seconds, marks(seconds, BTCUSDT="62000"))
    world.tell(40, poll(40, rows[0]))
    world.tell(60, KeyWasRejected("main", -2015, "Invalid API-key, IP, or permissions."))
    world.tell(600, AddressBanned(at(1200).utc, "Way too many requests."))
    world.tell(1300)
    world.tell(1300, poll(1300, *rows))
    return world


FORCED = ForcedOrderSeen(
    "main", at(10).utc, at(10).utc, 1, "liquidation", "BTCUSDT", "BOTH", 7, "SELL",
    Decimal("0.1"), Decimal("54210.06491322"),
)  # fmt: skip
CALLED = CalledPosition(
    "BTCUSDT", "BOTH", Decimal("0.1"), Decimal("54270.7"), Decimal("-572.93"), Decimal("21.708")
)
HAPPENED: dict[str, list[Event]] = {
    "forced-close": [
        FORCED,
        ForcedOrderSeen(
            "main", at(10).utc, at(10).utc, 2, "adl", "ETHUSDT", "SHORT", 8, "BUY",
            Decimal(2), Decimal("3012.35"), polled_at=at(9).utc,
        ),
    ],
    "margin-call": [MarginCalled("main", at(10).utc, at(10).utc, 1, (CALLED,))],
    "position-changed": [
        change(10, filled("ETHUSDT", quantity="-2", entry="3000"), money("1000")),
        change(10, filled("BTCUSDT", quantity="0", entry="0"), money("1000"), seq=2),
    ],
    "settings-changed": [
        LeverageChanged("main", at(10).utc, at(10).utc, 1, "BTCUSDT", 20),
        change(10, filled(mt="isolated", iw="600"), reason="MARGIN_TYPE_CHANGE", seq=2),
    ],
    "money-moved": [
        change(10, money("1100.5", bc="100.5"), reason="DEPOSIT"),
        change(10, money("900", bc="-200.5"), reason="WITHDRAW", seq=2),
    ],
    "stream-lost": [UserStreamFell("main", "the connection broke off")],
    "key-rejected": [KeyWasRejected("main", -2015, "Invalid API-key, IP, or permissions.")],
    "banned": [AddressBanned(at(610).utc, "Way too many requests; IP banned.")],
}  # fmt: skip


def happened(rule: Rule, events: list[Event]) -> World:
    """Hold a long of 0.1 BTC, and let something happen to it or around it; some of it again."""
    world = World(rule)
    row = position()
    world.tell(0, UserStreamStood("main"), poll(0, row))
    world.tell(10, *events)
    if rule.name == "forced-close":
        world.tell(20, *(event_again(20 + number) for number in range(3)))
    world.tell(2000)
    return world


def event_again(order: int) -> ForcedOrderSeen:
    """Make another part of one liquidation."""
    return ForcedOrderSeen(
        "main", at(20).utc, at(20).utc, order, "liquidation", "BTCUSDT", "BOTH", order, "SELL",
        Decimal("0.05"), Decimal(54100),
    )  # fmt: skip


def world_of(name: str) -> World:
    """Play the story of a shipped rule."""
    rule = shipped()[name]
    match name:
        case "margin-room":
            prices = ["60000", "57700", "56500", "55400", "56300", "57700", "59000"]
            return fall_and_rise(rule, 10, [*prices, "57700"])
        case "liquidation-distance":
            prices = ["60000", "46500", "44000", "42000", "43500", "45500", "50000"]
            return fall_and_rise(rule, 3, prices)
        case "effective-leverage":
            return fall_and_rise(rule, 10, ["60000", "55900", "55000", "55900", "58000"])
        case "loss":
            return fall_and_rise(rule, 10, ["60000", "56900", "55700", "56900", "59000"])
        case "margin-ratio":
            prices = ["60000", "56000", "55000", "54600", "55000", "56000", "59000", "54000"]
            return fall_and_rise(rule, 10, prices, isolated=False)
        case "blind":
            return blindness(rule)
        case _:
            return happened(rule, HAPPENED[name])


def told(name: str) -> Iterator[str]:
    """Write the messages of a rule's story, all but reminders after the first two."""
    rule, reminders = shipped()[name], 0
    for notice in world_of(name).notices:
        reminders += notice.kind == "reminder"
        if notice.rule == name and (notice.kind != "reminder" or reminders <= 2):
            yield spoken(notice, rule)


def spoken(notice: Notice, rule: Rule) -> str:
    message = compose(notice, rule, now_utc=notice.at, zone=UTC)
    return "\n".join([message.title, *(f"  {line}" for line in message.body.splitlines())])


def golden() -> dict[str, str]:
    """Read the texts by rule."""
    _, *parts = ("\n" + GOLDEN.read_text(encoding="utf-8")).split("\n== ")
    return {name: text.rstrip("\n") for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("name", shipped())
def test_every_message_of_a_shipped_rule(name: str) -> None:
    assert "\n".join(told(name)) == golden()[name]


def test_every_kind_is_among_them() -> None:
    kinds = {notice.kind for name in shipped() for notice in world_of(name).notices}
    assert kinds == {"fired", "escalated", "eased", "resolved", "reminder", "happened"}


def test_each_shipped_rule_names_a_page_that_is_there() -> None:
    for name, rule in shipped().items():
        assert rule.runbook == f"docs/rules/{name}.md"
        assert (ROOT / rule.runbook).read_text(encoding="utf-8").startswith(f"# {name}\n")


@pytest.mark.parametrize("name", shipped())
def test_the_page_of_a_rule_shows_one_of_its_messages(name: str) -> None:
    """Long lines end there with an ellipsis."""
    page = (ROOT / "docs" / "rules" / f"{name}.md").read_text(encoding="utf-8")
    shown = page.split("```text\n")[1].split("\n```")[0].splitlines()
    starts = [line.removesuffix(" …") for line in shown]
    joined = golden()[name].replace("\n  ", "\0  ").split("\n")
    messages = [message.split("\0") for message in joined]
    assert any(
        len(message) == len(shown)
        and all(line.startswith(start) for line, start in zip(message, starts, strict=True))
        for message in messages
    )


if __name__ == "__main__":
    parts = ["\n".join([f"== {name}", *told(name)]) for name in shipped()]
    GOLDEN.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
