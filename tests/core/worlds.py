"""A small world for tests of the core: rules from text, polls and marks from numbers."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from monitor.core.earlier import Edition
from monitor.core.engine import Engine, Outcome
from monitor.core.events import (
    AccountChanged,
    AssetRow,
    BalanceRow,
    Event,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PositionRow,
    Remark,
    Request,
    SettingRow,
    StatusRow,
    Woke,
)
from monitor.core.judging import look, reading
from monitor.core.language.compile import compile_condition
from monitor.core.lookback import metric_named
from monitor.core.metrics import VOCABULARY, View
from monitor.core.notices import (
    AlertRecord,
    Notice,
    Reading,
    Saved,
    Target,
    TimerRecord,
    Told,
    WindowRecord,
)
from monitor.core.portfolio import Account
from monitor.core.routing import Channel
from monitor.core.rules import HAPPENINGS, Level, Rule, Severity

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


def near(text: str = "liquidation_distance < 10%", **more: object) -> Rule:
    """Make a rule of one level, at once unless told otherwise."""
    delays = {name: more.pop(name) for name in ("on", "off", "band") if name in more}
    return rule("near", level(Severity.WARNING, text, **delays), **more)  # type: ignore[arg-type]  # delays


def happening_rule(name: str, *kinds: str, **more: object) -> Rule:
    """Make a rule of happenings."""
    scope = max(HAPPENINGS[kind] for kind in kinds)
    fields = {"on": kinds, "severity": Severity.CRITICAL} | more
    return Rule(name, scope, **fields)  # type: ignore[arg-type]  # keywords of Rule


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


FAR, CLOSE = position(mark="62000"), position(mark="55000")
"""12.9 % and 1.8 % from liquidation at 54000."""


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
        assets=(AssetRow("USDT", Decimal(wallet), Decimal(cross or wallet), Decimal(wallet)),),
        listed=tuple(StatusRow(row.symbol, row.position_side, row.quantity) for row in rows),
        multi_assets=False,
    )


def filled(
    symbol: str = "BTCUSDT",
    quantity: str = "0.1",
    entry: str = "60000",
    *,
    side: str = "BOTH",
    mt: str | None = "cross",
    iw: str = "0",
    bep: str | None = None,
    pnl: str = "0",
    asset: str | None = "USDT",
) -> PositionRow:
    """Make a position's row of an ACCOUNT_UPDATE."""
    return PositionRow(
        symbol,
        side,
        Decimal(quantity),
        Decimal(entry),
        None if bep is None else Decimal(bep),
        mt,
        Decimal(iw),
        Decimal(pnl),
        asset,
    )


def money(
    wallet: str, cross: str | None = None, asset: str = "USDT", *, bc: str | None = None
) -> BalanceRow:
    """Make a balance's row of an ACCOUNT_UPDATE."""
    change = None if bc is None else Decimal(bc)
    return BalanceRow(asset, Decimal(wallet), Decimal(cross or wallet), change)


def change(
    seconds: float,
    *rows: PositionRow | BalanceRow,
    seq: int = 1,
    time: int | None = None,
    reason: str = "ORDER",
    account: str = "main",
    symbol: str = "",
) -> AccountChanged:
    """Make an ACCOUNT_UPDATE that was true so many seconds after the epoch."""
    return AccountChanged(
        account,
        at(seconds).utc,
        at(seconds).utc if time is None else time,
        seq,
        reason,
        tuple(row for row in rows if isinstance(row, BalanceRow)),
        tuple(row for row in rows if isinstance(row, PositionRow)),
        symbol,
    )


def marks(seconds: float, **prices: str) -> MarksChanged:
    """Make new mark prices, true so many seconds after the epoch."""
    return MarksChanged(
        {symbol: Mark(Decimal(price), at(seconds).utc) for symbol, price in prices.items()}
    )


def keep_windows(
    kept: dict[tuple[Target, str, int], WindowRecord], records: Iterable[WindowRecord]
) -> None:
    """Keep windows as the store does."""
    for record in records:
        key = record[:3]
        rows = {row.number: row for row in kept[key].rows} if key in kept else {}
        rows |= {row.number: row for row in record.rows}
        left = tuple(rows[number] for number in sorted(rows) if number >= record.first)
        if record.rows:
            kept[key] = record._replace(rows=left)
        else:
            kept.pop(key, None)


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
        stale_after: float = 30,
        poll_interval: float = 0,
    ) -> None:
        self.engine = Engine(
            rules,
            channels,
            [(name, "binance-usdm") for name in accounts],
            now=at(start),
            stale_after=round(stale_after * 1000),
            poll_interval=round(poll_interval * 1000),
            saved=saved,
            judge_all=judge_all,
        )
        self.start = start
        self.before = saved or Saved()
        self.outcomes: list[tuple[float, Outcome]] = []
        self.tell(start, Woke())

    def tell(self, seconds: float, *events: Event) -> Outcome:
        """Tell the engine events, after the wake-ups that it asked for until then."""
        self.sleep(seconds)
        for event in events or (Woke(),):
            self._on(seconds, event)
        return self.outcomes[-1][1]

    def reload(
        self, seconds: float, *rules: Rule, channels: Sequence[Channel] = (Channel("phone"),)
    ) -> Outcome:
        """Put other rules and channels in the place of those before."""
        self.sleep(seconds)
        return self._on(seconds, Edition(rules, channels))

    def sleep(self, seconds: float) -> None:
        """Wake the engine whenever it asked for it before an instant."""
        now = at(seconds)
        while self.outcomes and (due := self.outcomes[-1][1].wake_at) is not None:
            if due >= now.ticks:
                break
            self._on(due / 1000, Woke())

    def _on(self, seconds: float, event: Event | Edition) -> Outcome:
        outcome = self.engine.on(event, at(seconds))
        self.outcomes.append((seconds, outcome))
        return outcome

    # ---------------------------------------------------------------- what it told

    @property
    def notices(self) -> list[Notice]:
        """Everything it told, in order."""
        return [notice for _, outcome in self.outcomes for notice in outcome.notices]

    @property
    def story(self) -> list[str]:
        """Everything it told, each as "15s fired info"."""
        return [
            f"{(notice.at - EPOCH) / 1000:.10g}s {notice.kind} {notice.severity.word}"
            + (f" {notice.reason}" if notice.reason else "")
            + (f" {notice.happening}" if notice.happening else "")
            for notice in self.notices
        ]

    @property
    def requests(self) -> list[Request]:
        """Everything it asked for, in order."""
        return [request for _, outcome in self.outcomes for request in outcome.requests]

    @property
    def remarks(self) -> list[Remark]:
        """Everything it remarked, in order."""
        return [remark for _, outcome in self.outcomes for remark in outcome.remarks]

    @property
    def heard(self) -> dict[str, list[int]]:
        """Per channel the numbers of the notices it was handed."""
        found: dict[str, list[int]] = {}
        for _, outcome in self.outcomes:
            for delivery in outcome.deliveries:
                found.setdefault(delivery.channel, []).append(delivery.number)
        return found

    # ---------------------------------------------------------------- what it kept

    def saved(self) -> Saved:
        """Collect what the store would hold now."""
        alerts: dict[tuple[str, Target], AlertRecord] = {
            (record.rule, record.target): record for record in self.before.alerts
        }
        told: dict[tuple[str, Target, str], Told] = {
            tuple_[:3]: tuple_ for tuple_ in self.before.told
        }
        timers: dict[tuple[str, str], TimerRecord] = {
            (record.kind, record.key): record for record in self.before.timers
        }
        windows = {record[:3]: record for record in self.before.windows}
        number = self.before.next_number
        silences = {silence.number: silence for silence in self.before.silences}
        next_silence = self.before.next_silence
        for _, outcome in self.outcomes:
            keep_windows(windows, outcome.windows)
            alerts |= outcome.alerts
            told |= {entry[:3]: entry for entry in outcome.told}
            timers |= outcome.timers
            number = max([number, *(notice.number + 1 for notice in outcome.notices)])
            silences |= {silence.number: silence for silence in outcome.silences}
            next_silence = max([next_silence, *(number + 1 for number in silences)])
        return Saved(
            tuple(record for record in alerts.values() if not record.idle),
            tuple(entry for entry in told.values() if entry.level is not Severity.NONE),
            tuple(record for record in timers.values() if record.body is not None),
            number,
            tuple(windows.values()),
            tuple(silence for silence in silences.values() if not silence.over),
            next_silence,
        )

    # ---------------------------------------------------------------- what it believes

    @property
    def account(self) -> Account:
        """The account called main."""
        return self.engine.portfolio.accounts["main"]

    def read(
        self, name: str, symbol: str = "", side: str = "BOTH", *, asset: str = "USDT"
    ) -> Reading:
        """Read a metric of main: of a position, or of a pool."""
        now = at(self.outcomes[-1][0])
        holding = self.account.holdings[symbol, side] if symbol else None
        view = View(self.account, now, holding=holding, asset="" if symbol else asset)
        return reading(look(view, 600_000), metric_named(name))
