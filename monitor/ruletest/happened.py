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
from monitor.core.slips import slip
from monitor.rulefile.table import TableReader
from monitor.ruletest.details import DETAILS, contradiction, detail
from monitor.ruletest.hints import for_key, misspelt
from monitor.ruletest.model import Told
from monitor.ruletest.names import asset_fault, symbol_fault
from monitor.ruletest.subjects import SIDES, USDT, Cast, Draft, no_name, wrong_leg
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Page
from monitor.toml_positions.values import Wrong, listed, meant, shown

_SETTINGS = ("leverage_changed", "margin_type_changed")
_OF_HELD = ("liquidation", "adl", "margin_call", "position_closed")
"""What happens to a position that is held; the others may be of any symbol."""
_WHICH = ("account", "symbol", "side", "position_side", "asset")


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
    return ("at", "kind", *which, *DETAILS[kind])


class _Which(NamedTuple):
    """The position or pool that it happens to, as far as the table names one."""

    draft: Draft | None
    account: str
    several: bool = False
    """Whether its other keys leave more than one."""


class HappeningReader(TableReader):
    """Reads one `[[test.happening]]`."""

    def __init__(
        self, page: Page, trail: Trail, table: Mapping[str, object], label: str, cast: Cast
    ) -> None:
        super().__init__(page, trail, table, label)
        self._cast = cast
        self._kind = ""

    def read(self) -> Told | None:
        """Read all of it; None where `faults` says why not."""
        kind = self.table.get("kind")
        at = self.duration("at", 0)
        if "at" not in self.table and "at" not in misspelt(self.table, ("at", "kind")):
            self.header("`at` is missing", 'write at = "10s"')
        if kind is None:
            self.header("`kind` is missing", f"write one of {', '.join(HAPPENINGS)}")
            return None
        if not isinstance(kind, str) or kind not in HAPPENINGS:
            hint = meant(str(kind), HAPPENINGS) or f"there are {', '.join(HAPPENINGS)}"
            self.value("kind", wrong=Wrong(f"nothing is called {shown(kind)}", hint))
            return None
        self._kind = kind
        known = keys_of(kind)
        for key in self.table:
            if key not in known:
                what = f"there is no key called `{key}` for {kind}"
                self.key(key, what=what, hint=for_key(key, known))
        details = self._details()
        target = self._target()
        return None if self.faults else Told(at, Happening(kind, target, details))

    def _details(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in DETAILS[self._kind]:
            if name not in self.table:
                continue
            text = detail(self._kind, name, self.table[name])
            if isinstance(text, Wrong):
                self.value(name, wrong=text)
            else:
                found[name] = text
        wrong = contradiction(self._kind, found)
        if wrong is not None:
            self.value("before", wrong=wrong._replace(hint="write what it was before"))
        return found

    def _text(self, key: str, default: str = "") -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or (key in self.table and not value):
            self.value(key, wrong=no_name(key, value))
            return default
        return value

    # To what ---------------------------------------------------------------------------------

    def _target(self) -> Target:
        scope = HAPPENINGS[self._kind]
        if scope is Scope.ANY:
            return Target("")
        which = self._which(scope)
        draft = which.draft
        if scope is Scope.ACCOUNT:
            return Target(which.account)
        if scope is Scope.POOL:
            return Target(which.account, asset=draft.asset if draft else self._asset())
        symbol = draft.symbol if draft else self._symbol(several=which.several)
        if not symbol and not self.faults:
            self.header("nothing says to which position", 'add id = "…", or symbol and side')
        if self._kind in _SETTINGS:
            return Target(which.account, symbol)
        side = self._side(draft)
        leg = draft.position_side if draft else self._leg(side)
        return Target(which.account, symbol, leg, side)

    def _asset(self) -> str:
        asset = self._text("asset", USDT)
        pools = [each.asset for each in self._cast.drafts if each.scope is Scope.POOL]
        wrong = asset_fault(asset, pools) if asset else None
        if wrong is not None:
            self.value("asset", wrong=wrong)
        return asset

    def _symbol(self, *, several: bool) -> str:
        """Read the symbol of something that no position of the test is meant by."""
        symbol = self._text("symbol")
        held = [each for each in self._cast.drafts if each.scope is Scope.POSITION]
        symbols = list(dict.fromkeys(each.symbol for each in held))
        wrong = symbol_fault(symbol) if symbol else None
        if wrong is None and symbol and held and self._kind in _OF_HELD and not several:
            hint = _did_you_mean(slip(symbol, symbols)) or f"there is {listed(_named(held))}"
            side = self.table.get("side") if symbol in symbols else None
            whose = f"{symbol} {side}" if isinstance(side, str) else symbol
            wrong = Wrong(f"this test has no position in {whose}", hint)
        if wrong is not None:
            self.value("symbol", wrong=wrong)
        return symbol

    def _side(self, draft: Draft | None) -> str:
        side = self._text("side", draft.side if draft else "")
        if not side and draft is not None and "quantity" in draft.tracks:
            figures = (cell.figure for cell in draft.tracks["quantity"])
            first = next((figure for figure in figures if figure), None)
            side = "short" if str(first).startswith("-") else "long"
        if not side and not self.faults:
            self.header("`side` is missing", 'write side = "long" or "short"')
        elif side and side not in SIDES:
            hint = meant(side, SIDES).replace("`", '"') or 'write "long" or "short"'
            self.value("side", wrong=Wrong(f"there is no side {shown(side)}", hint))
        return side

    def _leg(self, side: str) -> str:
        leg = self._text("position_side", "BOTH")
        wrong = wrong_leg(side, leg)
        if wrong is not None:
            self.value("position_side", wrong=wrong)
        return leg

    def _which(self, scope: Scope) -> _Which:
        """Find what it happens to: by `id`, else the one that its other keys leave."""
        accounts = self._cast.accounts
        drafts = [draft for draft in self._cast.drafts if draft.scope is scope]
        stated = {
            name: self.table[name] for name in _WHICH if isinstance(self.table.get(name), str)
        }
        if self._kind == "funding":
            stated.pop("symbol", None)  # what it was paid for
        if "account" in self.table and "account" not in stated:
            self._text("account")
        if "account" in stated and stated["account"] not in accounts:
            name = str(stated["account"])
            hint = meant(name, accounts).replace("`", '"') or f"there is {listed(accounts)}"
            wrong = Wrong(f"no account of this test is called {shown(name)}", hint)
            self.value("account", wrong=wrong)
        if "id" in self.table:
            return self._by_id(drafts, stated)
        fits = [
            draft
            for draft in drafts
            if all(getattr(draft, name) in {value, ""} for name, value in stated.items())
        ]
        if scope is not Scope.ACCOUNT and len(fits) == 1:
            return _Which(fits[0], fits[0].account)
        if len(accounts) > 1 and "account" not in stated:
            self.header("`account` is missing", f"add account = {listed(map(shown, accounts))}")
        elif len(fits) > 1 and "symbol" not in stated and "asset" not in stated:
            ids = listed(shown(draft.id) for draft in fits)
            self.header("`id` is missing", f"add id = {ids}")
        account = str(stated.get("account", next(iter(accounts))))
        return _Which(None, account, several=len(fits) > 1)

    def _by_id(self, drafts: list[Draft], stated: Mapping[str, object]) -> _Which:
        name = self._text("id")
        draft = next((draft for draft in drafts if draft.id == name), None)
        if draft is None:
            if name:
                ids = [each.id for each in drafts]
                hint = meant(name, ids) or (f"there is {listed(ids)}" if ids else _NO_ID)
                wrong = Wrong(f"nothing of this test is called {shown(name)}", hint)
                self.value("id", wrong=wrong)
            return _Which(None, next(iter(self._cast.accounts)))
        for key, value in stated.items():
            own = getattr(draft, key)
            if own and own != value and not self.faults:
                problem = f"`id` names one whose {key} is {shown(own)}"
                wrong = Wrong(problem, "leave it out beside `id`")
                self.value(key, wrong=wrong)
        return _Which(draft, draft.account)


_NO_ID = "name it by its other keys, or give it a table"


def _did_you_mean(name: str) -> str:
    return f'did you mean "{name}"?' if name else ""


def _named(drafts: list[Draft]) -> list[str]:
    return [f"{draft.symbol} {draft.side}".strip() for draft in drafts]
