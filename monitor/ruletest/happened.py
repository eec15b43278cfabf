"""`[[test.happening]]`: something that happens at an instant, without a figure that moves.

It is told to the rules as if the exchange had said so. It changes no figure: a position that opens
or closes by its `quantity` does both, and needs no table.
"""

from collections.abc import Mapping
from typing import NamedTuple

from monitor.core.happenings import Happening
from monitor.core.language.units import Scope
from monitor.core.notices import Target
from monitor.core.rules import HAPPENINGS
from monitor.rulefile.table import TableReader
from monitor.ruletest.model import Told
from monitor.ruletest.subjects import USDT, Cast, Draft
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Page
from monitor.toml_positions.values import Wrong, listed, meant, shown

_DETAILS: dict[str, tuple[str, ...]] = {
    "liquidation": ("quantity", "price", "order_id"),
    "adl": ("quantity", "price", "order_id"),
    "margin_call": ("quantity", "mark_price", "unrealized_pnl", "maintenance_margin"),
    "position_opened": ("quantity", "entry_price"),
    "position_closed": ("quantity", "entry_price"),
    "leverage_changed": ("leverage", "before"),
    "margin_type_changed": ("margin_type", "before"),
    "deposit": ("amount", "wallet"),
    "withdrawal": ("amount", "wallet"),
    "funding": ("amount", "wallet", "symbol"),
    "stream_lost": ("why",),
    "key_rejected": ("code", "message"),
    "banned": ("until", "message"),
}
"""What else may be said of each kind; it stands in the message."""

_SETTINGS = ("leverage_changed", "margin_type_changed")


def keys_of(kind: str) -> tuple[str, ...]:
    """List the keys of a happening."""
    scope = HAPPENINGS[kind]
    if kind in _SETTINGS:
        which: tuple[str, ...] = ("id", "account", "symbol")
    elif scope is Scope.POSITION:
        which = ("id", "account", "symbol", "side", "position_side")
    elif scope is Scope.POOL:
        which = ("id", "account", "asset")
    else:
        which = ("account",) if scope is Scope.ACCOUNT else ()
    return ("at", "kind", *which, *_DETAILS[kind])


class _Which(NamedTuple):
    """The position or pool that it happens to, as far as the table names one."""

    draft: Draft | None
    account: str


class HappeningReader(TableReader):
    """Reads one `[[test.happening]]`."""

    def __init__(
        self, page: Page, trail: Trail, table: Mapping[str, object], label: str, cast: Cast
    ) -> None:
        super().__init__(page, trail, table, label)
        self._cast = cast

    def read(self) -> Told | None:
        """Read all of it; None where `faults` says why not."""
        kind = self.table.get("kind")
        if kind is None:
            self.header("`kind` is missing", "say what happens")
            return None
        if not isinstance(kind, str) or kind not in HAPPENINGS:
            hint = meant(str(kind), HAPPENINGS) or f"there are {', '.join(HAPPENINGS)}"
            self.value("kind", wrong=Wrong(f"nothing is called {shown(kind)}", hint))
            return None
        for key in self.table:
            if key not in keys_of(kind):
                what = f"there is no key called `{key}` for {kind}"
                self.key(key, what=what, hint=meant(key, keys_of(kind)))
        if "at" not in self.table:
            self.header("`at` is missing", 'write at = "10s"')
        at = self.duration("at", 0)
        details = {key: self._said(key) for key in _DETAILS[kind] if key in self.table}
        target = self._target(kind)
        return None if self.faults else Told(at, Happening(kind, target, details))

    def _said(self, key: str) -> str:
        value = self.table[key]
        if isinstance(value, bool | list | dict):
            self.value(key, wrong=Wrong(f"{shown(value)} is no text or number"))
        return str(value)

    def _text(self, key: str, default: str = "") -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or (key in self.table and not value):
            self.value(key, wrong=Wrong(f"{shown(value)} is not a name", "write it in quotes"))
            return default
        return value

    def _target(self, kind: str) -> Target:
        scope = HAPPENINGS[kind]
        if scope is Scope.ANY:
            return Target("")
        which = self._which(scope)
        draft = which.draft
        if scope is Scope.ACCOUNT:
            return Target(which.account)
        if scope is Scope.POOL:
            return Target(which.account, asset=draft.asset if draft else self._text("asset", USDT))
        symbol = draft.symbol if draft else self._text("symbol")
        if not symbol and not self.faults:
            self.header("nothing says to which position", 'add id = "…", or symbol and side')
        if kind in _SETTINGS:
            return Target(which.account, symbol)
        side = self._side(draft)
        position_side = draft.position_side if draft else self._text("position_side", "BOTH")
        return Target(which.account, symbol, position_side, side)

    def _side(self, draft: Draft | None) -> str:
        side = self._text("side", draft.side if draft else "")
        if not side and draft is not None and "quantity" in draft.tracks:
            figures = (cell.figure for cell in draft.tracks["quantity"])
            first = next((figure for figure in figures if figure), None)
            side = "short" if str(first).startswith("-") else "long"
        if not side and not self.faults:
            self.header("`side` is missing", 'write side = "long" or "short"')
        elif side and side not in {"long", "short"}:
            self.value("side", wrong=Wrong(f"there is no side {shown(side)}", "long or short"))
        return side

    def _which(self, scope: Scope) -> _Which:
        """Find what it happens to: by `id`, else the one that its other keys leave."""
        accounts = self._cast.accounts
        drafts = [draft for draft in self._cast.drafts if draft.scope is scope]
        if "id" in self.table:
            name = self._text("id")
            draft = next((draft for draft in drafts if draft.id == name), None)
            if draft is None:
                ids = [each.id for each in drafts]
                hint = meant(name, ids) or (f"there are {listed(ids)}" if ids else "")
                wrong = Wrong(f"nothing of this test is called {shown(name)}", hint)
                self.value("id", wrong=wrong)
                return _Which(None, next(iter(accounts)))
            return _Which(draft, draft.account)
        names = ("account", "symbol", "side", "position_side", "asset")
        stated = {name: self.table[name] for name in names if isinstance(self.table.get(name), str)}
        if "account" in self.table and "account" not in stated:
            self._text("account")
        if "account" in stated and stated["account"] not in accounts:
            name = str(stated["account"])
            hint = meant(name, accounts) or f"there are {listed(accounts)}"
            wrong = Wrong(f"there is no account called {shown(name)}", hint)
            self.value("account", wrong=wrong)
        fits = [
            draft
            for draft in drafts
            if all(getattr(draft, name) == value for name, value in stated.items())
        ]
        if scope is not Scope.ACCOUNT and len(fits) == 1:
            return _Which(fits[0], fits[0].account)
        if len(accounts) > 1 and "account" not in stated:
            self.header("`account` is missing", f"the accounts are {listed(accounts)}")
        elif len(fits) > 1 and "symbol" not in stated and "asset" not in stated:
            self.header("`id` is missing", f"there are {listed(draft.id for draft in fits)}")
        return _Which(None, str(stated.get("account", next(iter(accounts)))))
