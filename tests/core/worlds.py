"""A small world for tests of the core: rules from text, polls and marks from numbers."""

from collections.abc import Sequence
from decimal import Decimal

from monitor.core.engine import Engine, Outcome
from monitor.core.events import (
    AssetRow,
    Event,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PositionRow,
    SettingRow,
    StatusRow,
    Woke,
)
from monitor.core.language.compile import compile_condition
from monitor.core.metrics import VOCABULARY
from monitor.core.notices import Notice, Saved
from monitor.core.routing import Channel
from monitor.core.rules import Level, Rule, Severity

EPOCH = 1_767_322_800_000  # 2026-01-02T03:00:00Z
"""The utc instant at which ticks are 0 in these tests."""


def at(seconds: float) -> Now:
    """Make the instant so many seconds after the epoch."""
    ticks = round(seconds * 1000)
    return Now(ticks, EPOCH + ticks)


def level(
    severity: Severity, text: str, *, on: float = 0, off: float = 0, band: str = "0"
) -> Level:
    """Compile one level; delays in seconds."""
    return Level(
        severity,
        compile_condition(text, VOCABULARY),
        compile_condition(text, VOCABULARY, hysteresis=Decimal(band)),
        round(on * 1000),
        round(off * 1000),
    )


def rule(name: str, *levels: Level, **more: object) -> Rule:
    """Make a rule of conditions."""
    scope = max(one.condition.scope for one in levels)
    return Rule(name, scope, levels, **more)  # type: ignore[arg-type]  # keywords of Rule


def position(
    symbol: str = "BTCUSDT",
    quantity: str = "0.1",
    entry: str = "60000",
    *,
    mark: str = "62000",
    liq: str = "54000",
    side: str = "BOTH",
    iw: str = "0",
    rate: str = "0.004",
    updated: int = 0,
) -> PositionRow:
    """Make a row of `v2/account.position`."""
    amount, price = Decimal(quantity), Decimal(mark)
    return PositionRow(
        symbol=symbol,
        position_side=side,
        quantity=amount,
        entry_price=Decimal(entry),
        break_even_price=Decimal(entry),
        isolated_wallet=Decimal(iw),
        unrealized_pnl=amount * (price - Decimal(entry)),
        margin_asset="USDT",
        mark_price=price,
        liquidation_price=Decimal(liq),
        maintenance_margin=abs(amount) * price * Decimal(rate),
        notional=amount * price,
        adl=1,
        updated=updated,
    )


def poll(
    sent: float,
    *rows: PositionRow,
    wallet: str = "1000",
    cross: str | None = None,
    after: int = 0,
    complete: bool = True,
    leverage: int | None = 10,
    account: str = "main",
) -> PollAnswered:
    """Make a poll that was sent so many seconds after the epoch."""
    symbols = dict.fromkeys(row.symbol for row in rows)
    return PollAnswered(
        account=account,
        at=at(sent).utc,
        after=after,
        complete=complete,
        positions=rows,
        settings=tuple(SettingRow(symbol, leverage, None) for symbol in symbols),
        assets=(
            AssetRow("USDT", Decimal(wallet), Decimal(cross or wallet), Decimal(wallet)),
        ),
        listed=tuple(StatusRow(row.symbol, row.position_side, row.quantity) for row in rows),
        multi_assets=False,
    )


def marks(seconds: float, **prices: str) -> MarksChanged:
    """Make new mark prices, true so many seconds after the epoch."""
    return MarksChanged(
        {symbol: Mark(Decimal(price), at(seconds).utc) for symbol, price in prices.items()}
    )


class World:
    """An engine, and everything it told."""

    def __init__(
        self,
        *rules: Rule,
        channels: Sequence[Channel] = (Channel("phone"),),
        accounts: Sequence[str] = ("main",),
        saved: Saved | None = None,
        start: float = 0,
        judge_all: bool = False,
    ) -> None:
        self.engine = Engine(
            rules,
            channels,
            [(name, "binance-usdm") for name in accounts],
            now=at(start),
            stale_after=30_000,
            saved=saved,
            judge_all=judge_all,
        )
        self.outcomes: list[tuple[float, Outcome]] = []
        self.tell(start, Woke())

    def tell(self, seconds: float, event: Event) -> Outcome:
        """Tell the engine an event, after the wake-ups that it asked for until then."""
        now = at(seconds)
        while self.outcomes and (due := self.outcomes[-1][1].wake_at) is not None:
            if due >= now.ticks:
                break
            self._on(due / 1000, Woke())
        return self._on(seconds, event)

    def _on(self, seconds: float, event: Event) -> Outcome:
        outcome = self.engine.on(event, at(seconds))
        self.outcomes.append((seconds, outcome))
        return outcome

    @property
    def notices(self) -> list[Notice]:
        """Everything it told, in order."""
        return [notice for _, outcome in self.outcomes for notice in outcome.notices]

    @property
    def story(self) -> list[str]:
        """Everything it told, each as "15s fired info"."""
        return [
            f"{(notice.at - EPOCH) / 1000:g}s {notice.kind} {notice.severity.word}"
            + (f" {notice.reason}" if notice.reason else "")
            + (f" {notice.happening}" if notice.happening else "")
            for notice in self.notices
        ]
