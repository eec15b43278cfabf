"""Random worlds: accounts, prices, silences, events and restarts.

In half of the worlds prices are whole numbers, chosen so that metrics come to lie on thresholds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import strategies as st

from monitor.core.earlier import Edition
from monitor.core.engine import Engine, Outcome
from monitor.core.events import (
    AccountChanged,
    AssetModeChanged,
    AssetPricesRead,
    AssetRow,
    BracketsRead,
    ClockJumped,
    Event,
    LeverageChanged,
    Mark,
    MarksChanged,
    PollAnswered,
    PositionRow,
    SettingRow,
    StatusRow,
    Totals,
    UserStreamFell,
    UserStreamStood,
    Woke,
)
from monitor.core.notices import Notice, Saved, Target, WindowRecord
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Severity
from tests.core.tiers import by_steps, table
from tests.core.worlds import (
    EPOCH,
    at,
    filled,
    happening_rule,
    keep_windows,
    level,
    money,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity

CHANGES = ("position_opened", "position_closed", "leverage_changed", "deposit", "withdrawal")
RULES = (
    rule(
        "distance",
        level(INFO, "liquidation_distance < 20%", on=3, off=6, band="0.1"),
        level(WARNING, "liquidation_distance < 10%", on=3, off=6, band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", off=6, band="0.1"),
        repeat=60_000,
    ),
    rule("room", level(WARNING, "margin_room < 50%"), level(CRITICAL, "margin_room <= 20%")),
    rule("size", level(INFO, "notional >= 6000", on=5), symbols=Globs(["!C*"]), repeat=30_000),
    rule("old-mark", level(INFO, "mark_age > 20s and notional > 0"), repeat=None),
    rule("old-data", level(INFO, 'data_age >= 12s and side == "long"', off=3)),
    rule(
        "ratio",
        level(WARNING, "margin_ratio > 1%", on=2, off=2),
        level(CRITICAL, "margin_ratio > 10%"),
    ),
    rule("equity", level(WARNING, "equity < 1000 or account_leverage > 5x", on=10)),
    rule("thin", level(INFO, "position_count == 0 and wallet_balance > 0", on=20)),
    rule("blind", level(CRITICAL, "stale_for > 0s", on=10), repeat=120_000),
    rule("slow", level(INFO, "8s < data_age < 15s")),
    rule(
        "fall",
        level(INFO, "drop(equity, 20s) > 1%", band="0.5"),
        level(WARNING, "drop(equity, 20s) > 5% or change(wallet_balance, 30s) < -100", on=2),
    ),
    rule(
        "swing",
        level(INFO, "highest(mark_price, 10s) - lowest(mark_price, 10s) > 5", off=3),
        level(WARNING, "change(mark_price, 5s) <= -5 and lowest(equity, 1m) < 900"),
        symbols=Globs(["!C*"]),
    ),
    rule("mean", level(INFO, "average(margin_ratio, 10s) > 1%", band="0.1")),
    rule("before", level(INFO, "abs(mark_price - average(mark_price, 7s)) > 3", on=1)),
    happening_rule("changes", *CHANGES, severity=INFO, cooldown=15_000, symbols=Globs(["!C*"])),
    happening_rule("watch", "stream_lost", "key_rejected", severity=WARNING, cooldown=20_000),
)
CHANNELS = (
    Channel("phone"),
    Channel("desk", WARNING, send_resolved=False),
    Channel("wall", CRITICAL, rules=Globs(["!blind"])),
)
NAMES = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
TABLES = (
    table((9_000_000, "0.004")),
    table((1_000, "0.004"), (4_000, "0.05"), (9_000_000, "0.2")),
)
Key = tuple[str, str]


# ---------------------------------------------------------------- a random world


@dataclass
class Held:
    quantity: D
    entry: D
    wallet: D
    """Isolated wallet; 0 for cross."""


@dataclass
class Step:
    seconds: float
    event: Event | Edition | None
    """None: the engine stops here and a new one takes over."""


class Exchange:
    """What is true on the exchange, drawn step by step."""

    def __init__(self, draw: st.DrawFn, name: str, *, whole: bool) -> None:
        self._draw = draw
        self.name = name
        self.whole = whole
        self.seq = 0
        self.multi = draw(st.sampled_from([False, False, True]))
        self.table = draw(st.sampled_from(TABLES))
        self.wallet = D(draw(st.sampled_from([500, 1000, 1500])))
        self.held: dict[Key, Held] = {}
        for key in draw(st.lists(st.sampled_from(self.keys()), unique=True, max_size=4)):
            self.held[key] = self.opened(key)

    def keys(self) -> list[Key]:
        hedged = [("AAAUSDT", "LONG"), ("AAAUSDT", "SHORT")]
        return [*hedged, ("BBBUSDT", "BOTH"), ("CCCUSDT", "BOTH")]

    def opened(self, key: Key) -> Held:
        size = D(self._draw(st.integers(1, 60)))
        short = key[1] == "SHORT" or (key[1] == "BOTH" and self._draw(st.booleans()))
        wallet = D(0) if key[1] != "BOTH" else D(self._draw(st.sampled_from([0, 0, 300, 1000])))
        return Held(-size if short else size, D(100), D(0) if self.multi else wallet)

    def price(self, before: D) -> D:
        if self._draw(st.booleans()):
            # A little, as marks do from second to second: accounts stay calm.
            return before + D(self._draw(st.integers(-15, 15))) / 10
        if self.whole:
            return D(self._draw(st.sampled_from([80, 90, 95, 99, 100, 101, 105, 110, 120])))
        return D(self._draw(st.integers(700_000, 1_300_000))) / 10_000

    def poll(self, seconds: float, prices: dict[str, D]) -> PollAnswered:
        draw = self._draw
        kind = draw(st.sampled_from(["whole"] * 6 + ["partial", "empty", "late", "torn"]))
        held = {} if kind == "empty" else self.held
        listed = () if kind == "torn" else held
        rows = tuple(self.row(key, one, prices) for key, one in held.items())
        stamp = at(seconds - (draw(st.sampled_from([0, 0.5, 2])) if kind == "late" else 0.1)).utc
        return PollAnswered(
            self.name,
            stamp,
            max(0, self.seq - (1 if kind == "late" else 0)),
            kind != "partial",
            rows,
            tuple(SettingRow(row.symbol, draw(st.sampled_from([10, 20])), None) for row in rows),
            None
            if kind == "partial"
            else (AssetRow("USDT", self.wallet, self.cross, self.wallet),),
            tuple(StatusRow(*key, held[key].quantity) for key in listed),
            None if kind == "partial" else self.totals(rows),
            self.multi if draw(st.booleans()) else None,
        )

    def totals(self, rows: Iterable[PositionRow]) -> Totals:
        pnl = sum((row.unrealized_pnl or D(0) for row in rows), D(0))
        need = sum((row.maintenance_margin or D(0) for row in rows), D(0))
        return Totals(self.wallet, self.cross, pnl, pnl, need, self.wallet)

    def brackets(self) -> BracketsRead:
        """Mostly its own; a poll contradicts another."""
        read = self._draw(st.sampled_from([self.table, self.table, *TABLES]))
        named = self._draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
        return BracketsRead(self.name, dict.fromkeys(named, read))

    def switch(self, seconds: float) -> AssetModeChanged:
        self.multi = not self.multi
        self.seq += 1
        stamp = at(seconds).utc
        return AssetModeChanged(self.name, stamp, stamp, self.seq, self.multi)

    @property
    def cross(self) -> D:
        return self.wallet - sum((one.wallet for one in self.held.values()), D(0))

    def row(self, key: Key, one: Held, prices: dict[str, D]) -> PositionRow:
        liq = self._draw(st.sampled_from([D(0), D(80), D(90), D(95), D(105), D(120)]))
        row = position(
            key[0],
            str(one.quantity),
            str(one.entry),
            side=key[1],
            mark=str(prices[key[0]]),
            liq=str(liq),
            iw=str(one.wallet),
        )
        need = by_steps(self.table, abs(row.notional or D(0)))
        updated = at(1000).utc if self._draw(st.booleans()) else 0
        return replace(row, maintenance_margin=need, updated=updated)

    def change(self, seconds: float) -> AccountChanged:
        draw = self._draw
        key = draw(st.sampled_from(self.keys()))
        what = draw(st.sampled_from(["open", "close", "money"]))
        rows, reason = [], "ORDER"
        if what == "money":
            reason = draw(st.sampled_from(["ORDER", "DEPOSIT", "WITHDRAW", "ASSET_TRANSFER"]))
            self.wallet = D(draw(st.sampled_from([0, 100, 500, 1000, 5000])))
        elif what == "open" or key not in self.held:
            one = self.held[key] = self.opened(key)
            rows = [
                filled(
                    key[0],
                    str(one.quantity),
                    str(one.entry),
                    side=key[1],
                    mt="isolated" if one.wallet else "cross",
                    iw=str(one.wallet),
                )
            ]
        else:
            del self.held[key]
            rows = [filled(key[0], "0", "0", side=key[1])]
        self.seq += 1
        balance = money(str(self.wallet), str(self.cross))
        stamp = at(seconds - draw(st.sampled_from([0, 0.05, 3]))).utc
        return AccountChanged(self.name, stamp, stamp, self.seq, reason, (balance,), tuple(rows))


PAUSES = [0, 0, 0.5, 1, 1, 1, 2, 2, 3, 5, 5, 10, 15, 31, 61, 700]
KINDS = (
    ["marks"] * 8
    + ["poll"] * 6
    + ["change"] * 2
    + ["fell", "stood", "leverage", "jump", "woke"]
    + ["brackets", "prices", "mode"]
)


@st.composite
def worlds(draw: st.DrawFn, *, restarts: bool = False) -> list[Step]:
    whole = draw(st.booleans())
    exchanges = [Exchange(draw, name, whole=whole) for name in ("main", "sub")]
    prices = {name: D(100) for name in NAMES}
    seconds, steps = 0.0, []
    for _ in range(draw(st.integers(5, 30))):
        seconds += draw(st.sampled_from(PAUSES))
        exchange = draw(st.sampled_from(exchanges))
        kind = draw(st.sampled_from(KINDS + ["restart"] * restarts))
        event: Event | None = None
        if kind == "marks":
            moved = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
            prices |= {name: exchange.price(prices[name]) for name in moved}
            event = MarksChanged({name: Mark(prices[name], at(seconds).utc) for name in moved})
        elif kind == "poll":
            event = exchange.poll(seconds, prices)
        elif kind == "change":
            event = exchange.change(seconds)
        elif kind == "fell":
            event = UserStreamFell(exchange.name, "closed")
        elif kind == "stood":
            event = UserStreamStood(exchange.name)
        elif kind == "leverage":
            exchange.seq += 1
            stamp = at(seconds).utc
            event = LeverageChanged(exchange.name, stamp, stamp, exchange.seq, "AAAUSDT", 25)
        elif kind == "jump":
            event = ClockJumped()
        elif kind == "woke":
            event = Woke()
        elif kind == "brackets":
            event = exchange.brackets()
        elif kind == "prices":
            event = AssetPricesRead({"USDT": D(draw(st.sampled_from(["1", "0.5", "0.9998"])))})
        elif kind == "mode":
            event = exchange.switch(seconds)
        steps.append(Step(seconds, event))
    return steps


# ---------------------------------------------------------------- running one


def engine_of(seconds: float, saved: Saved | None = None, *, judge_all: bool = False) -> Engine:
    return Engine(
        RULES,
        CHANNELS,
        [("main", "binance-usdm"), ("sub", "binance-usdm")],
        now=at(seconds),
        stale_after=30_000,
        saved=saved,
        judge_all=judge_all,
    )


class Run:
    """A world run through one engine, or through one after another."""

    def __init__(
        self,
        steps: Iterable[Step],
        *,
        judge_all: bool = False,
        awake: bool = True,
        extra: Callable[[float, float], list[float]] = lambda _before, _after: [],
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._judge_all, self._awake, self._extra = judge_all, awake, extra
        self._engine = engine_of(0, judge_all=judge_all)
        self._saved: dict[str, dict[object, object]] = {"alerts": {}, "told": {}, "timers": {}}
        self._windows: dict[tuple[Target, str, int], WindowRecord] = {}
        self._number = 1
        self._now = 0.0
        self._on(0, Woke())
        for step in steps:
            self._sleep(step.seconds)
            if step.event is not None:
                self._on(step.seconds, step.event)
            else:
                self._engine = engine_of(step.seconds, self.saved(), judge_all=judge_all)
                self._on(step.seconds, Woke())
        self._sleep(self._now + 30)

    def _sleep(self, until: float) -> None:
        """Wake it when it asked for it, and at other times too."""
        extras = self._extra(self._now, until)
        while True:
            due = self.outcomes[-1].wake_at if self._awake else None
            nearest = min([*extras[:1], *([due / 1000] if due is not None else [])], default=None)
            if nearest is None or nearest >= until:
                return
            extras = [seconds for seconds in extras if seconds > nearest]
            self._on(nearest, Woke())

    def _on(self, seconds: float, event: Event | Edition) -> None:
        outcome = self._engine.on(event, at(seconds))
        self._now = max(self._now, seconds)
        assert outcome.wake_at is None or outcome.wake_at > at(seconds).ticks
        self.outcomes.append(outcome)
        self._saved["alerts"] |= outcome.alerts
        self._saved["told"] |= {entry[:3]: entry for entry in outcome.told}
        self._saved["timers"] |= outcome.timers
        keep_windows(self._windows, outcome.windows)
        self._number += len(outcome.notices)

    def saved(self) -> Saved:
        kept = self._saved
        return Saved(
            tuple(record for record in kept["alerts"].values() if not record.idle),  # type: ignore[attr-defined,misc]
            tuple(entry for entry in kept["told"].values() if entry.level),  # type: ignore[attr-defined,misc]
            tuple(record for record in kept["timers"].values() if record.body is not None),  # type: ignore[attr-defined,misc]
            self._number,
            tuple(self._windows.values()),
        )

    @property
    def notices(self) -> list[Notice]:
        return [notice for outcome in self.outcomes for notice in outcome.notices]

    @property
    def story(self) -> list[str]:
        return [
            f"#{notice.number} {(notice.at - EPOCH) / 1000:.10g}s {notice.rule} {notice.target} "
            f"{notice.kind} {notice.severity.word} {notice.reason} {notice.happening}"
            for notice in self.notices
        ]

    @property
    def requests(self) -> list[object]:
        return [request for outcome in self.outcomes for request in outcome.requests]

    @property
    def heard(self) -> list[tuple[int, str]]:
        return [
            (delivery.number, delivery.channel)
            for outcome in self.outcomes
            for delivery in outcome.deliveries
        ]
