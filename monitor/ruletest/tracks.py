"""`[test.series]`: figures that move, put to the positions, pools and accounts they are of."""

from collections.abc import Mapping
from decimal import Decimal

from monitor.core.language.units import Scope
from monitor.rulefile.table import TableReader
from monitor.ruletest.model import Track
from monitor.ruletest.series import LONGEST, Cell, cells_of, example
from monitor.ruletest.subjects import FIGURES, IDENTITY, USDT, WORDS, Cast, Draft
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page
from monitor.toml_positions.values import Wrong, listed, meant, shown


class SeriesReader(TableReader):
    """Reads `[test.series]` into the tracks of what it is about."""

    def __init__(
        self, page: Page, trail: Trail, table: Mapping[str, object], label: str, cast: Cast
    ) -> None:
        super().__init__(page, trail, table, label)
        self._cast = cast

    def read(self) -> None:
        """Read all of it."""
        for key, value in self.table.items():
            if isinstance(value, dict):  # BTCUSDT.mark_price without quotes
                for name, items in value.items():
                    self._series((key, name), key, name, items)
            else:
                owner, dot, name = key.rpartition(".")
                self._series((key,), owner if dot else None, name, value)

    def _series(self, keys: tuple[str, ...], owner: str | None, name: str, items: object) -> None:
        scope = next((each for each, names in FIGURES.items() if name in names), None)
        if scope is None:
            self._unknown(keys, name)
            return
        draft = self._owner(keys, owner, name, scope)
        cells = self._cells(keys, name, items)
        if draft is None or not cells:
            return
        if name in draft.tracks:
            in_table = draft.reader is not None and name in draft.reader.table
            where = f"in its [[test.{WORDS[draft.scope]}]] too" if in_table else "here twice"
            what = f"`{name}` of {draft.id} stands {where}"
            self.key(*keys, what=what, hint="keep one of them")
            return
        draft.tracks[name] = cells
        if name in {"isolated_margin", "isolated_wallet"} and draft.margin_type == "cross":
            what = f"`{name}` is for isolated margin, and {draft.id}'s is cross"
            self.key(*keys, what=what, hint='give the position margin_type = "isolated"')

    def _unknown(self, keys: tuple[str, ...], name: str) -> None:
        identity = {each for names in IDENTITY.values() for each in names}
        if name in identity:
            what = f"`{name}` stays the same throughout a test"
            self.key(*keys, what=what, hint="write it in the table of what it is about")
            return
        known = [each for names in FIGURES.values() for each in names]
        hint = meant(name, known) or "docs/reference/metrics.md lists them all"
        self.key(*keys, what=f"no metric is called `{name}`", hint=hint)

    def _owner(
        self, keys: tuple[str, ...], owner: str | None, name: str, scope: Scope
    ) -> Draft | None:
        """Find what a series is about."""
        word = WORDS[scope]
        drafts = [draft for draft in self._cast.drafts if draft.scope is scope]
        if owner is not None and not (owner == USDT and scope is Scope.POOL and not drafts):
            named = [draft for draft in drafts if draft.id == owner]
            if named:
                return named[0]
            ids = [draft.id for draft in drafts if draft.id]
            others = [each for each in self._cast.drafts if each.id == owner]
            if others:
                what = f"`{name}` is of a {word}, and {owner} is a {WORDS[others[0].scope]}"
                hint = f"write {listed(shown(f'{each}.{name}') for each in ids)}" if ids else ""
            else:
                what = f"no {word} of this test is called {shown(owner)}"
                hint = meant(owner, ids) or (f"there is {listed(ids)}" if ids else "")
            self.key(*keys, what=what, hint=hint or f"add a [[test.{word}]]")
            return None
        if len(drafts) > 1:
            declared = [draft for draft in drafts if draft.declared]
            if len(declared) == 1:
                return declared[0]
            ids = [f'"{draft.id}.{name}"' for draft in drafts]
            what = f"there are several {word}s, so whose `{name}` is it?"
            self.key(*keys, what=what, hint=f"write {listed(ids)}")
            return None
        if drafts:
            return drafts[0]
        if scope is Scope.POOL:
            draft = Draft(Scope.POOL, USDT, next(iter(self._cast.accounts)), asset=USDT)
            self._cast.drafts.append(draft)
            return draft
        what = f"`{name}` is of a position, and this test has none"
        self.key(*keys, what=what, hint="add a [[test.position]]")
        return None

    def _cells(self, keys: tuple[str, ...], name: str, items: object) -> Track:
        if not isinstance(items, list) or not items:
            what = "an empty series" if items == [] else f"{shown(items)} is not a list"
            self.value(*keys, wrong=Wrong(what, f"write one like [{example(name)}]"))
            return ()
        cells: list[Cell] = []
        good = True
        for number, item in enumerate(items):
            found = cells_of(name, item, cells)
            if isinstance(found, Wrong):
                self.value(*keys, number, wrong=found)
                good = False
                cells.append(Cell(Decimal(1)))  # so that what follows may be aged
            else:
                cells.extend(found)
        if len(cells) > LONGEST:
            wrong = Wrong(f"a series of more than {LONGEST:,} values", "write fewer")
            self.value(*keys, wrong=wrong)
            good = False
        return tuple(cells) if good else ()


def check_quantities(cast: Cast) -> list[Fault]:
    """Find positions of which nobody can tell which way they go, or how large they are."""
    faults = []
    for draft in cast.drafts:
        reader = draft.reader
        if draft.scope is not Scope.POSITION or reader is None:
            continue
        cells = draft.tracks.get("quantity")
        if cells is None:
            if not draft.side and "side" not in reader.table:
                hint = 'add side = "long", or a signed quantity'
                faults.append(reader.at_header("nothing says which way it goes", hint))
            continue
        wrong = _wrong_quantity(draft, cells)
        if wrong is not None and "quantity" in reader.table:
            faults.append(reader.at_value("quantity", wrong=wrong))
        elif wrong is not None:
            faults.append(reader.at_header(f"quantity: {wrong.problem}", wrong.hint))
    return faults


def _wrong_quantity(draft: Draft, cells: Track) -> Wrong | None:
    figures = [cell.figure for cell in cells]
    if None in figures:
        problem = "a position whose quantity comes and goes is none"
        return Wrong(problem, "leave it out, and it is unknown throughout")
    if not any(figures):
        return Wrong("a position of 0 is none", "give it a quantity other than 0")
    if draft.side and any(isinstance(figure, Decimal) and figure < 0 for figure in figures):
        return Wrong("with a `side`, a quantity has no sign", "leave out its sign, or the side")
    return None


def check_marks(cast: Cast) -> list[Fault]:
    """Find symbols that are given two marks."""
    faults: list[Fault] = []
    first: dict[str, Draft] = {}
    for draft in cast.drafts:
        if "mark_price" not in draft.tracks or draft.reader is None:
            continue
        other = first.setdefault(draft.symbol, draft)
        if other.tracks["mark_price"] != draft.tracks["mark_price"]:
            what = f"{draft.symbol} has another mark_price at {other.id}, and can have only one"
            faults.append(draft.reader.at_header(what, "give it to one of them"))
    return faults
