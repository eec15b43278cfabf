"""The accounts, pools and positions of a test, and their series; all that is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import METRICS, VOCABULARY
from monitor.rulefile.table import TableReader
from monitor.ruletest.hints import for_key, misspelt
from monitor.ruletest.model import Account, Subject, Track
from monitor.ruletest.names import account_fault, asset_fault, symbol_fault
from monitor.ruletest.series import Cell, cells_of
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page
from monitor.toml_positions.values import Wrong, listed, meant, shown

MAIN, USDM, USDT = "main", "binance-usdm", "USDT"


def _figures(scope: Scope) -> tuple[str, ...]:
    return tuple(
        name
        for name, metric in METRICS.items()
        if metric.scope is scope and metric.unit is not Unit.TEXT
    )


FIGURES: dict[Scope, tuple[str, ...]] = {
    Scope.POSITION: (*_figures(Scope.POSITION), "isolated_wallet", "maintenance_rate"),
    Scope.POOL: (*_figures(Scope.POOL), "cross_wallet"),
    Scope.ACCOUNT: _figures(Scope.ACCOUNT),
}
"""What may be given of each thing, in a table of its own or as a series."""

IDENTITY: dict[Scope, tuple[str, ...]] = {
    Scope.POSITION: (
        "id",
        "account",
        "venue",
        "symbol",
        "side",
        "position_side",
        "margin_type",
        "asset",
    ),
    Scope.POOL: ("id", "account", "asset"),
    Scope.ACCOUNT: ("name", "venue", "first_poll"),
}
"""What says which it is, and stays the same throughout a test."""

TABLES = {"position": Scope.POSITION, "pool": Scope.POOL, "account": Scope.ACCOUNT}
WORDS = {scope: word for word, scope in TABLES.items()}
SIDES = ("long", "short")
LEGS = ("BOTH", "LONG", "SHORT")


@dataclass
class Draft:
    """A subject while it is read."""

    scope: Scope
    id: str
    account: str
    symbol: str = ""
    position_side: str = ""
    margin_type: str = ""
    asset: str = ""
    side: str = ""
    declared: bool = True
    reader: "SubjectReader | None" = None
    tracks: dict[str, Track] = field(default_factory=dict)

    def done(self) -> Subject:
        """Make what the test keeps of it."""
        tracks = dict(self.tracks)
        if self.side == "short" and "quantity" in tracks:
            tracks["quantity"] = tuple(_negated(cell) for cell in tracks["quantity"])
        return Subject(
            self.scope,
            self.id,
            self.account,
            tracks,
            self.symbol,
            self.position_side,
            self.margin_type,
            self.asset,
            self.side,
            self.declared,
        )


def _negated(cell: Cell) -> Cell:
    figure = cell.figure
    return cell._replace(figure=-figure if isinstance(figure, Decimal) else figure)


class SubjectReader(TableReader):
    """Reads one `[[test.position]]`, `[[test.pool]]` or `[[test.account]]`."""

    def __init__(
        self, page: Page, trail: Trail, table: Mapping[str, object], label: str, scope: Scope
    ) -> None:
        super().__init__(page, trail, table, label)
        self.scope = scope
        for key in table:
            if key not in (*IDENTITY[scope], *FIGURES[scope]):
                self.key(key, what=f"there is no key called `{key}`", hint=self._meant(key))

    def _meant(self, key: str) -> str:
        for scope, names in FIGURES.items():
            if key in names:
                return f"it is for [[test.{WORDS[scope]}]]"
        if key in {*TABLES, "expect", "happening"}:
            return f"begin it with [[test.{key}]]"
        return for_key(key, (*IDENTITY[self.scope], *FIGURES[self.scope]))

    def misspelt(self, key: str) -> bool:
        """Tell whether an unknown key resembles one, so that its absence goes without saying."""
        return key in misspelt(self.table, (*IDENTITY[self.scope], *FIGURES[self.scope]))

    def text_of(self, key: str, default: str, known: Iterable[str] = ()) -> str:
        """Read a text, of a few known ones where they are given."""
        value = self.table.get(key, default)
        known = tuple(known)
        if not isinstance(value, str) or (key in self.table and not value):
            self.value(key, wrong=no_name(key, value))
        elif known and key in self.table and value not in known:
            hint = meant(value, known) or f"write {listed(shown(each) for each in known)}"
            self.value(key, wrong=Wrong(f"there is no {key} {shown(value)}", hint))
        else:
            return value
        return default

    def tracks(self) -> dict[str, Track]:
        """Read the figures that stay as they are."""
        found = {}
        for name in FIGURES[self.scope]:
            if name not in self.table:
                continue
            item = self.table[name]
            if isinstance(item, list):
                wrong = Wrong("a list of values is a series", "write it in [test.series]")
                self.value(name, wrong=wrong)
                continue
            cells = cells_of(name, item, ())
            if isinstance(cells, Wrong):
                self.value(name, wrong=cells)
            elif len(cells) > 1:
                wrong = Wrong("several values are a series", "write them in [test.series]")
                self.value(name, wrong=wrong)
            else:
                found[name] = cells
        return found


_LIKE = {"symbol": "BTCUSDT", "asset": "USDT", "account": "main", "side": "long"}


def no_name(key: str, value: object) -> Wrong:
    """Say what is wrong with what is no text, or an empty one."""
    if isinstance(value, str):
        example = f'write one like "{_LIKE[key]}"' if key in _LIKE else "leave it out, or name it"
        return Wrong(f"`{key}` is empty", example)
    return Wrong(f"{shown(value)} is not a name", "write one name in quotes")


class Cast(NamedTuple):
    """Everything that a test is about."""

    accounts: dict[str, Account]
    drafts: list[Draft]


def read_cast(readers: Mapping[Scope, list[SubjectReader]], faults: list[Fault]) -> Cast:
    """Make the accounts, pools and positions of a test from their tables."""
    accounts = _accounts(readers[Scope.ACCOUNT])
    declared = bool(accounts)
    default = next(iter(accounts)) if len(accounts) == 1 else MAIN
    drafts = [_position(reader, default) for reader in readers[Scope.POSITION]]
    drafts += [_pool(reader, default) for reader in readers[Scope.POOL]]
    for draft in drafts:
        reader = draft.reader
        assert reader is not None  # noqa: S101 - all of these come from tables
        if not declared:
            _check_account(reader, draft.account, accounts)
            accounts.setdefault(draft.account, Account(draft.account, USDM))
        elif draft.account not in accounts:
            hint = meant(draft.account, accounts) or f"there is {listed(accounts)}"
            wrong = Wrong(f"there is no [[test.account]] called {shown(draft.account)}", hint)
            if "account" in reader.table:
                reader.value("account", wrong=wrong)
            else:
                reader.header(
                    "`account` is missing", f"add account = {listed(map(shown, accounts))}"
                )
    _check_ids(drafts)
    _check_keys(drafts)
    if not accounts:
        accounts[MAIN] = Account(MAIN, USDM)
    for of_account in readers[Scope.ACCOUNT]:
        name = of_account.text_of("name", MAIN)
        tracks = of_account.tracks()
        drafts.append(Draft(Scope.ACCOUNT, name, name, reader=of_account, tracks=tracks))
    if not declared:
        drafts += [Draft(Scope.ACCOUNT, name, name, declared=False) for name in accounts]
    drafts += _implied_pools(drafts)
    for group in readers.values():
        for reader in group:
            faults.extend(reader.faults)
    return Cast(accounts, drafts)


def _check_account(reader: SubjectReader, name: str, others: Iterable[str]) -> None:
    """Refuse the name of an account that only this table speaks of, and by a slip."""
    wrong = account_fault(name, [*others, MAIN]) if "account" in reader.table else None
    if wrong is not None and name:
        reader.value("account", wrong=wrong)


def _accounts(readers: Iterable[SubjectReader]) -> dict[str, Account]:
    found: dict[str, Account] = {}
    for reader in readers:
        name = reader.text_of("name", MAIN)
        wrong = account_fault(name, ())
        if wrong is not None:
            reader.value("name", wrong=wrong)
        if name in found:
            reader.header(f"there is another account called {shown(name)}", "give it a `name`")
        venue = reader.text_of("venue", USDM, VOCABULARY["venue"].known or ())
        first: int | None = 0
        if reader.table.get("first_poll") == "never":
            first = None
        elif "first_poll" in reader.table:
            first = reader.duration("first_poll", 0)
        found[name] = Account(name, venue, first)
    return found


def _position(reader: SubjectReader, default: str) -> Draft:
    symbol = reader.text_of("symbol", "")
    if "symbol" not in reader.table and not reader.misspelt("symbol"):
        reader.header("`symbol` is missing", 'write symbol = "BTCUSDT"')
    _check_symbol(reader, symbol)
    side = reader.text_of("side", "", SIDES)
    position_side = reader.text_of("position_side", "BOTH", LEGS)
    reader.text_of("venue", USDM, VOCABULARY["venue"].known or ())
    margin_type = reader.text_of("margin_type", "cross", ("cross", "isolated"))
    draft = Draft(
        Scope.POSITION,
        reader.text_of("id", symbol),
        reader.text_of("account", default),
        symbol,
        position_side,
        margin_type,
        reader.text_of("asset", "") or margin_asset(symbol),
        side,
        reader=reader,
        tracks=reader.tracks(),
    )
    if margin_type == "cross":
        for name in ("isolated_wallet", "isolated_margin"):
            if name in draft.tracks:
                what = f"`{name}` is for isolated margin, and this position's is cross"
                reader.key(name, what=what, hint='add margin_type = "isolated"')
    wrong = wrong_leg(side, position_side)
    if wrong is not None:
        reader.value("position_side", wrong=wrong)
    return draft


def wrong_leg(side: str, leg: str) -> Wrong | None:
    """Tell what is wrong with the leg of a position, if anything is."""
    if leg not in LEGS:
        hint = meant(leg, LEGS).replace("`", '"') or f"write {listed(shown(each) for each in LEGS)}"
        return Wrong(f"there is no position_side {shown(leg)}", hint)
    if side in SIDES and {"long": "SHORT", "short": "LONG"}[side] == leg:
        return Wrong(f"a {side} is never the {leg} leg", f'did you mean "{side.upper()}"?')
    return None


def _check_symbol(reader: SubjectReader, symbol: str) -> None:
    wrong = symbol_fault(symbol) if symbol else None
    # Whoever says its margin asset knows of a symbol that we do not.
    if wrong is not None and ("asset" not in reader.table or "capitals" in wrong.problem):
        reader.value("symbol", wrong=wrong)
    asset = reader.table.get("asset")
    _check_asset(reader, asset if isinstance(asset, str) else "")


def _check_asset(reader: SubjectReader, asset: str) -> None:
    wrong = asset_fault(asset) if asset else None
    if wrong is not None:
        reader.value("asset", wrong=wrong)


def margin_asset(symbol: str) -> str:
    """Tell a symbol's margin asset, by what it ends in."""
    return next((asset for asset in ("USDC", "BUSD") if symbol.endswith(asset)), USDT)


def _pool(reader: SubjectReader, default: str) -> Draft:
    asset = reader.text_of("asset", USDT)
    _check_asset(reader, asset)
    return Draft(
        Scope.POOL,
        reader.text_of("id", asset),
        reader.text_of("account", default),
        asset=asset,
        reader=reader,
        tracks=reader.tracks(),
    )


def _check_ids(drafts: list[Draft]) -> None:
    """Refuse two things of one name: nobody could tell which is meant."""
    taken: dict[str, Draft] = {}
    for draft in drafts:
        first = taken.setdefault(draft.id, draft)
        if first is not draft and draft.reader is not None and draft.id:
            word = WORDS[first.scope]
            draft.reader.header(
                f"there is another {word} called {shown(draft.id)} in this test",
                'give this one an id = "…" of its own',
            )


def _check_keys(drafts: list[Draft]) -> None:
    """Refuse what an exchange would never show together."""
    seen: dict[tuple[str, ...], Draft] = {}
    for draft in drafts:
        name = (*_place(draft), draft.position_side)
        first = seen.setdefault(name, draft)
        if first is draft or draft.reader is None:
            continue
        if draft.scope is Scope.POOL:
            draft.reader.header(
                f"{draft.account} has this pool already: {first.id}", "keep one of them"
            )
        elif draft.symbol:
            what = f"{draft.account} holds {draft.symbol} {draft.position_side} already: {first.id}"
            hint = 'of two legs, one has position_side = "LONG" and the other "SHORT"'
            draft.reader.header(what, hint)


def _place(draft: Draft) -> tuple[str, ...]:
    return (WORDS[draft.scope], draft.account, draft.symbol or draft.asset)


def _implied_pools(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Make the pools that positions stand on and no table speaks of."""
    drafts = list(drafts)
    known = {(draft.account, draft.asset) for draft in drafts if draft.scope is Scope.POOL}
    ids = {draft.id for draft in drafts}
    for draft in drafts:
        key = draft.account, draft.asset
        if draft.scope is Scope.POSITION and key not in known:
            known.add(key)
            name = draft.asset if draft.asset not in ids else f"{draft.account}/{draft.asset}"
            ids.add(name)
            yield Draft(Scope.POOL, name, draft.account, asset=draft.asset, declared=False)
