"""What a seed tells: a market, what is done in it, what breaks, when the monitor dies.

Twenty minutes. The last two are quiet: whatever was broken has time to come right, so that the end
can be judged too. Nothing here is judged; `judge_of_stories` knows what each fault may excuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.house.story_rules import GROUP_WAIT

LENGTH = 1200.0
QUIET = 1080.0
"""Seconds at which the last fault, crash or deed is over."""
CHANNELS_WELL = 850.0
"""Seconds at which the last outage of a channel is over: the longest back-off is five minutes."""

SYMBOLS = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}
Where = Literal["api", "private", "market"]
CrashPoint = Literal["anywhere", "before commit", "after commit", "during send", "after send"]
POINTS: tuple[CrashPoint, ...] = (
    "anywhere", "before commit", "after commit", "during send", "after send",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """Something that breaks; `account` "" is everybody's."""

    at: float
    lasts: float
    what: str
    where: Where
    account: str = ""
    more: str = ""
    by: float = 0.0
    """Seconds: how late, how far off, how old."""

    @property
    def end(self) -> float:
        """Seconds of the story at which it is over."""
        return self.at + self.lasts

    @property
    def text(self) -> str:
        """Its table."""
        what = self.what
        lines = ["[[fault]]", f'at = "{self.at:g}s"', f'what = "{what}"', f'where = "{self.where}"']
        lines += [f'for = "{self.lasts:g}s"'] if what not in {"drop", "huge"} else []
        lines += [f'account = "{self.account}"'] if self.account else []
        return "\n".join([*lines, self.more, ""])


@dataclass(frozen=True)
class Deed:
    """Something that is done."""

    at: float
    what: str
    account: str
    more: str

    @property
    def text(self) -> str:
        """Its table."""
        head = f'at = "{self.at:g}s"\nwhat = "{self.what}"\naccount = "{self.account}"'
        return f"[[do]]\n{head}\n{self.more}\n"


@dataclass(frozen=True)
class End:
    """How one life of the monitor ends: at once, at the next such point, or by a stop."""

    at: float
    how: CrashPoint | Literal["stop"]
    down: float
    """Seconds until the next life."""


@dataclass(frozen=True)
class Outage:
    """A channel that refuses, answers nothing (and may have taken it), or is slow."""

    channel: str
    at: float
    end: float
    how: Literal["refused", "unknown", "slow"]


@dataclass(frozen=True)
class SlowDisk:
    """A disk that takes its time for each commit, or fails it."""

    at: float
    end: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A whole story, of which the exchange is told only its own part."""

    seed: int
    scenario: str
    accounts: tuple[str, ...]
    faults: tuple[Fault, ...]
    deeds: tuple[Deed, ...]
    ends: tuple[End, ...]
    outages: tuple[Outage, ...]
    disks: tuple[SlowDisk, ...]


def plan_of(seed: int) -> Plan:
    """Draw the story of a seed."""
    return _Maker(seed).plan()


class _Maker:
    """Draws; the order of the draws is the story."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = Random(f"story/{seed}")
        self._hedge = self._rng.random() < 0.25
        self._accounts = ("main", "sub")[: self._rng.choice((1, 1, 2))]

    def plan(self) -> Plan:
        """Draw everything."""
        rng = self._rng
        head = self._head()
        deeds = tuple(sorted(self._deeds(), key=lambda deed: deed.at))
        faults = tuple(sorted(self._faults(), key=lambda fault: fault.at))
        tables = "\n".join([head, *(deed.text for deed in deeds), *(f.text for f in faults)])
        ends = self._ends()
        outages = tuple(self._outage() for _ in range(rng.choice((0, 0, 1, 2, 3))))
        disks = tuple(self._disk() for _ in range(rng.choice((0, 0, 0, 1, 2))))
        return Plan(self._seed, tables, self._accounts, faults, deeds, ends, outages, disks)

    # The market

    def _head(self) -> str:
        rng = self._rng
        lines = [
            f"seed = {self._seed}",
            'start = "2026-01-02T03:00:00Z"',
            'length = "30m"',
            f'mark_interval = "{rng.choice((2, 3, 5))}s"',
        ]
        for name in self._accounts:
            lines += self._account(name)
        for symbol, price in SYMBOLS.items():
            lines += self._path(symbol, price)
        return "\n".join(lines) + "\n"

    def _account(self, name: str) -> list[str]:
        rng = self._rng
        lines = [
            "[[account]]",
            f'name = "{name}"',
            f'api_key = "{name}-key"',
            f'api_secret = "{name}-secret"',
            f'balances = {{ USDT = "{rng.choice((1500, 2500, 6000))}" }}',
        ]
        lines += ["hedge = true"] if self._hedge else []
        for symbol, price in SYMBOLS.items():
            if rng.random() < 0.65:
                lines += self._position(symbol, price)
        return lines

    def _position(self, symbol: str, price: float) -> list[str]:
        rng = self._rng
        leverage = rng.choice((5, 10, 20, 50))
        money = rng.uniform(150, 450)
        quantity = max(0.001, round(money * leverage / price, 3))
        return [
            "[[account.position]]",
            f'symbol = "{symbol}"',
            f'side = "{rng.choice(("long", "long", "short"))}"',
            f'quantity = "{quantity:g}"',
            f'entry_price = "{price:g}"',
            f"leverage = {leverage}",
            f'margin_type = "{rng.choice(("cross", "isolated"))}"',
        ]

    def _path(self, symbol: str, price: float) -> list[str]:
        rng = self._rng
        wild = rng.choice((0.004, 0.01, 0.03, 0.06))
        at, points = 0.0, [(0.0, price)]
        while at < QUIET:
            at += rng.uniform(20, 150)
            price *= 1 + rng.uniform(-wild, wild) - wild * rng.choice((0, 0, 0, 0.5))
            points.append((at, price))
        rows = ", ".join(f'["{when:.1f}s", "{value:.4f}"]' for when, value in points)
        noise = rng.choice(("0%", "0.02%", "0.1%"))
        return ["[[price]]", f'symbol = "{symbol}"', f"points = [{rows}]", f'noise = "{noise}"']

    # What is done

    def _deeds(self) -> list[Deed]:
        rng = self._rng
        return [self._deed() for _ in range(rng.randint(2, 14))]

    def _deed(self) -> Deed:
        rng = self._rng
        what = rng.choice(
            ("order", "order", "order", "order", "deposit", "withdrawal", "leverage", "funding",
             "margin_type", "margin_transfer", "expire_key", "adl", "margin_call",
             "server_shutdown"),
        )  # fmt: skip
        symbol = rng.choice(tuple(SYMBOLS))
        at = round(rng.uniform(5, QUIET - 30), 1)
        more = {
            "deposit": f'amount = "{rng.randint(50, 900)}"',
            "withdrawal": f'amount = "{rng.randint(50, 900)}"',
            "leverage": f'symbol = "{symbol}"\nleverage = {rng.choice((3, 10, 25, 50))}',
            "funding": f'symbol = "{symbol}"\nrate = "{rng.uniform(-0.3, 0.3):.3f}%"',
            "margin_type": f'symbol = "{symbol}"\n'
            f'margin_type = "{rng.choice(("cross", "isolated"))}"',
            "margin_transfer": self._sided(symbol, f'amount = "{rng.randint(-100, 200)}"'),
            "order": self._order(symbol),
        }.get(what, "")
        return Deed(at, what, rng.choice(self._accounts), more)

    def _order(self, symbol: str) -> str:
        rng = self._rng
        side = rng.choice(("buy", "sell"))
        money = rng.choice((300, 1500, 3000, 8000))
        quantity = max(0.001, round(rng.uniform(0.3, 1) * money / SYMBOLS[symbol], 3))
        return self._sided(symbol, f'side = "{side}"\nquantity = "{quantity:g}"')

    def _sided(self, symbol: str, more: str) -> str:
        side = self._rng.choice(("LONG", "SHORT")) if self._hedge else "BOTH"
        return f'symbol = "{symbol}"\nposition_side = "{side}"\n{more}'

    # What breaks

    def _faults(self) -> list[Fault]:
        rng = self._rng
        found: list[Fault] = []
        for _ in range(rng.choice((0, 1, 2, 2, 3, 4, 6))):
            found += self._fault()
        return found

    def _fault(self) -> Sequence[Fault]:
        rng = self._rng
        at = round(rng.uniform(3, QUIET - 100), 1)
        lasts = round(min(rng.choice((3, 8, 20, 60, 150)) * rng.uniform(0.5, 1.5), QUIET - at), 1)
        what = rng.choice((*_PLACES, "stall", "stall"))
        places = _PLACES[what]
        chosen = tuple(p for p in places if rng.random() < 0.4) or (rng.choice(places),)
        if rng.random() < (0.4 if what == "stall" else 0.15):
            chosen = places
        account = rng.choice(("", "", self._accounts[-1]))
        by = {
            "delay": round(rng.uniform(0.2, 12), 1),
            "late": round(rng.uniform(0.2, 12), 1),
            "skew": rng.choice((-9.0, -2.0, 2.0, 4.0, 9.0)),
            "revert_stale": float(rng.choice((3, 8, 20))),
        }.get(what, 0.0)
        more = f'by = "{by:g}s"' if by else ""
        if what == "lose":
            more = f'event = "{rng.choice(("*", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"))}"'
        if what == "error":
            code, status = rng.choice(((-1001, 500), (-1003, 429), (-1000, 400), (-1008, 503)))
            more = f"code = {code}\nstatus = {status}"
        if what in {"skew", "ban"}:
            account = ""
        if what in {"drop", "huge"}:
            lasts = 0.0
        faults = [Fault(at, lasts, what, where, account, more, by) for where in chosen]
        if what == "refuse":
            # Only who has lost a connection meets a refusal.
            faults += [Fault(at + 0.1, 0.0, "drop", where, account) for where in chosen]
        return faults

    # What dies

    def _ends(self) -> tuple[End, ...]:
        rng = self._rng
        at, found = 0.0, []
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            at += rng.uniform(15, 420)
            down = round(rng.choice((0.0, 0.5, 5.0, 45.0)) * rng.uniform(0.5, 1.5), 1)
            if at + down < QUIET - 150:
                found.append(End(round(at, 1), rng.choice((*POINTS, "stop")), down))
                at += down + 20
        return tuple(found)

    def _outage(self) -> Outage:
        rng = self._rng
        at = round(rng.uniform(0, CHANNELS_WELL - 10), 1)
        end = min(CHANNELS_WELL, at + rng.choice((5, 30, 200)) * rng.uniform(0.5, 1.5))
        channel = rng.choice(tuple(GROUP_WAIT))
        return Outage(channel, at, round(end, 1), rng.choice(("refused", "unknown", "slow")))

    def _disk(self) -> SlowDisk:
        rng = self._rng
        at = round(rng.uniform(0, QUIET - 100), 1)
        return SlowDisk(at, at + rng.choice((2, 15, 60)), rng.choice((0.3, 1.5, 4.0)))


_ANY: tuple[Where, ...] = ("api", "private", "market")
_PLACES: dict[str, tuple[Where, ...]] = {
    "drop": _ANY,
    "stall": _ANY,
    "refuse": _ANY,
    "garble": _ANY,
    "mute": _ANY,
    "huge": _ANY,
    "lose": ("private",),
    "strange": ("private",),
    "duplicate": ("private",),
    "reorder": ("private",),
    "delay": ("private",),
    "empty": ("api",),
    "error": ("api",),
    "ban": ("api",),
    "skew": ("api",),
    "late": ("api",),
    "revert_stale": ("api",),
}
