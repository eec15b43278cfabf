"""What is wrong with a scenario, in words that name the table, the key and the way out.

Two passes: `misshapen` words what the models refused; `contradictions` finds what each table alone
cannot know (an account that is nowhere, a symbol without a price, margin that is not there).
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from monitor.sim.amounts import ZERO
from monitor.sim.brackets import RESTING_MARKS, Listing, margin_asset
from monitor.sim.chance import DEEDS, FAULTS
from monitor.sim.story import (
    AccountTable,
    AssetTable,
    BracketTable,
    PositionTable,
    PriceTable,
    QuirksTable,
    RandomTable,
    Scenario,
)
from monitor.sim.story_deeds import (
    FOR_ALL,
    Brackets,
    Do,
    MarginTransfer,
    OpenOrder,
    Order,
    TierTable,
)
from monitor.sim.story_faults import Fault

_ARRAYS = {"account", "position", "price", "asset", "bracket", "do", "fault"}
_TABLES: dict[str, type[BaseModel]] = {
    "account": AccountTable,
    "position": PositionTable,
    "price": PriceTable,
    "asset": AssetTable,
    "bracket": BracketTable,
}
_SINGLE: dict[str, type[BaseModel]] = {"quirks": QuirksTable, "random": RandomTable}


def _kinds(union: Any) -> dict[str, type[BaseModel]]:
    """Read `what` of every model in a union."""
    return {get_args(m.model_fields["what"].annotation)[0]: m for m in get_args(union)}


_KINDS = {"do": _kinds(Do), "fault": _kinds(Fault)}


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _suggestion(word: str, known: Sequence[str], what: str) -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"{what}: {', '.join(known)}"


def misshapen(errors: Sequence[Mapping[str, Any]], tables: Mapping[str, Any]) -> list[str]:
    """Word pydantic's findings, in the order of the file's tables.

    Args:
        errors: What `ValidationError.errors()` gave.
        tables: The file as read, for the names and kinds of tables.
    """
    # A table that was refused also counts as absent; that echo says nothing new.
    told = [e for e in errors if e["type"] != "too_short" or not tables.get(str(e["loc"][0]))]
    return [_worded(error, tables) for error in told]


def _worded(error: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    path = list(error["loc"])
    if len(path) > 2 and path[0] in _KINDS and path[2] in _KINDS[path[0]]:
        del path[2]  # pydantic puts the kind into the path
    place, key, model = _place(path, tables)
    problem = _problem(error, key, model, str(path[0]) if path else "")
    if error["type"].startswith("union_tag"):
        key = "what"
    elif error["type"] == "extra_forbidden":
        key = ""
    words = ", ".join(part for part in (place, key) if part)
    return f"{words}: {problem}" if words else problem


def _place(path: list[Any], tables: Any) -> tuple[str, str, type[BaseModel]]:
    """Say where a path leads: the table's heading, the key in it, and its model."""
    heading: list[str] = []
    model: type[BaseModel] = Scenario
    rest, here, dotted = list(path), tables, ""
    while len(rest) >= 2 and rest[0] in _ARRAYS and isinstance(rest[1], int):
        array, index = rest[0], rest[1]
        rest = rest[2:]
        here = here[array][index]
        dotted = f"{dotted}.{array}" if dotted else array
        heading.append(f"[[{dotted}]] {index + 1}{_title(here)}")
        kind = here.get("what") if isinstance(here, Mapping) else None
        model = _KINDS.get(array, {}).get(str(kind)) or _TABLES.get(array, Scenario)
    if len(rest) > 1 and rest[0] in _SINGLE:
        heading.append(f"[{rest[0]}]")
        model = _SINGLE[rest.pop(0)]
    return ", ".join(heading), _key_name(rest), model


def _key_name(rest: list[Any]) -> str:
    """Spell a key and what is inside it: `points[2][1]`."""
    return "".join(
        f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if i else str(part))
        for i, part in enumerate(rest)
    )


def _title(table: Any) -> str:
    if not isinstance(table, Mapping):
        return ""
    word = table.get("name") or table.get("what") or table.get("symbol")
    return f" ({word})" if isinstance(word, str) else ""


def _problem(error: Mapping[str, Any], key: str, model: type[BaseModel], array: str) -> str:
    """Say what is wrong, and what to do."""
    given, context = error.get("input"), error.get("ctx", {})
    match error["type"]:
        case "missing" if "[" in key:
            return 'is missing; every entry needs all its parts, like ["5m", "60000"]'
        case "missing":
            return "is missing; add it"
        case "too_short":
            return "is missing; there has to be at least one"
        case "extra_forbidden":
            return f"unknown key `{key}`; {_suggestion(key, _keys(model), 'keys here')}"
        case "union_tag_not_found":
            return f"is missing; kinds: {', '.join(_KINDS[array])}"
        case "union_tag_invalid":
            kinds = list(_KINDS[array])
            close = get_close_matches(str(context["tag"]), kinds, n=1)
            hint = f"did you mean `{close[0]}`? " if close else ""
            return f"`{context['tag']}` is no kind of {array}; {hint}kinds: {', '.join(kinds)}"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"`{given}` is not possible; write {context['expected']}"
        case "string_pattern_mismatch":
            return f'`{given}` is no symbol; write it like "BTCUSDT"'
        case "greater_than" | "greater_than_equal":
            least = context.get("gt", context.get("ge"))
            word = "more than" if "gt" in context else "at least"
            return f"`{given}` is too small; it has to be {word} {least}"
        case kind if kind.startswith("decimal"):
            return f'`{given}` is not a number; write it like "0.1"'
        case kind if kind.startswith("int_"):
            return f"`{given}` is not a whole number; write it like 10"
        case _:
            return f"{error['msg']}; see `simulate` in the documentation for an example"


def contradictions(scenario: Scenario) -> list[str]:
    """Find what the tables contradict each other in."""
    return [
        *_about_prices(scenario),
        *_about_assets(scenario),
        *_about_random(scenario),
        *_about_accounts(scenario),
        *_about_deeds(scenario),
    ]


def _twice(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for number, word in enumerate(words, 1):
        if word in seen:
            yield number, word
        seen.add(word)


def _about_prices(scenario: Scenario) -> Iterator[str]:
    for number, symbol in _twice([table.symbol for table in scenario.price]):
        yield f"[[price]] {number} ({symbol}): has a path already; keep one"
    for number, price in enumerate(scenario.price, 1):
        times = [point.at for point in price.points]
        if times != sorted(set(times)):
            yield f"[[price]] {number} ({price.symbol}), points: times have to rise; sort them"
    for number, symbol in _twice([table.symbol for table in scenario.bracket]):
        yield f"[[bracket]] {number} ({symbol}): has tiers already; keep one"
    for number, bracket in enumerate(scenario.bracket, 1):
        if not _rise(bracket.tiers):
            yield f"[[bracket]] {number} ({bracket.symbol}), tiers: caps have to rise; sort them"


def _rise(tiers: Sequence[TierTable]) -> bool:
    caps = [tier.cap for tier in tiers]
    return caps == sorted(set(caps))


def _about_assets(scenario: Scenario) -> Iterator[str]:
    for number, name in _twice([table.name for table in scenario.asset]):
        yield f"[[asset]] {number} ({name}): has a path already; keep one"
    for number, asset in enumerate(scenario.asset, 1):
        times = [point.at for point in asset.points]
        if times != sorted(set(times)):
            yield f"[[asset]] {number} ({asset.name}), points: times have to rise; sort them"


def _about_random(scenario: Scenario) -> Iterator[str]:
    for key, kinds, known in (
        ("fault_kinds", scenario.random.fault_kinds, FAULTS),
        ("deed_kinds", scenario.random.deed_kinds, DEEDS),
    ):
        for kind in kinds:
            if kind not in known:
                hint = _suggestion(kind, list(known), "kinds")
                yield f"[random], {key}: `{kind}` cannot be drawn; {hint}"


def _about_accounts(scenario: Scenario) -> Iterator[str]:
    for number, name in _twice([account.name for account in scenario.account]):
        yield f"[[account]] {number} ({name}), name: is taken; choose another"
    for number, _ in _twice([account.api_key for account in scenario.account]):
        name = scenario.account[number - 1].name
        yield f"[[account]] {number} ({name}), api_key: is another account's too; choose another"
    named = {table.symbol: table.margin_asset for table in scenario.price}
    assets = {symbol: asset for symbol, asset in named.items() if asset}
    listing = Listing(scenario.bracket, assets)
    for number, account in enumerate(scenario.account, 1):
        place = f"[[account]] {number} ({account.name})"
        for text in (*_about_key(account), *_about_positions(account, listing, set(assets))):
            yield f"{place}, {text}"
        for asset, short in _margin_missing(account, listing):
            yield (
                f"{place}, balances: isolated positions need {short} {asset} more than there is;"
                " raise the balance or the leverage"
            )


def _about_key(account: AccountTable) -> Iterator[str]:
    if not account.api_secret and not account.public_key:
        yield "api_secret: is missing; add it, or a `public_key`"
    if account.api_secret and account.public_key:
        yield "api_secret: is there beside a public_key; keep one of them"
    if account.public_key:
        from monitor.sim import public_keys

        if not public_keys.is_public_key(account.public_key):
            yield "public_key: is no PEM of an Ed25519 or RSA public key; paste one whole"


def _about_positions(
    account: AccountTable, listing: Listing, named: Container[str]
) -> Iterator[str]:
    seen: dict[str, PositionTable] = {}
    for number, position in enumerate(account.position, 1):
        symbol = position.symbol
        place = f"[[account.position]] {number} ({symbol})"
        if symbol not in named and margin_asset(symbol) is None:
            yield (
                f"{place}, symbol: no margin asset is known for it; it should end in USDT or USDC,"
                " or have a [[price]] with a margin_asset"
            )
        if position.leverage > listing.max_leverage(symbol):
            most = listing.max_leverage(symbol)
            yield f"{place}, leverage: {position.leverage} is too much; {symbol} allows {most}"
        if account.multi_assets and position.margin_type == "isolated":
            yield f"{place}, margin_type: a multi_assets account cannot be isolated; write cross"
        other = seen.setdefault(symbol, position)
        if other is position:
            continue
        if not account.hedge:
            yield f"{place}: is held already; write `hedge = true`, or make it one position"
        elif other.side == position.side:
            yield f"{place}, side: is {position.side} already; make it one position"
        if (other.leverage, other.margin_type) != (position.leverage, position.margin_type):
            yield f"{place}: leverage and margin_type are one per symbol; make them equal"


def _margin_missing(account: AccountTable, listing: Listing) -> Iterator[tuple[str, object]]:
    needed = dict.fromkeys(account.balances, ZERO)
    for position in account.position:
        if position.margin_type == "isolated":
            asset = listing.asset(position.symbol)
            notional = position.quantity * position.entry_price
            wallet = position.isolated_wallet or notional / position.leverage
            needed[asset] = needed.get(asset, ZERO) + wallet
    for asset, amount in needed.items():
        short = amount - account.balances.get(asset, ZERO)
        if short > 0:
            yield asset, round(short, 2)


def _about_deeds(scenario: Scenario) -> Iterator[str]:
    names = {account.name: account for account in scenario.account}
    priced = _priced(scenario)
    deeds: list[tuple[str, Do | Fault]] = [
        *((f"[[do]] {n} ({do.what})", do) for n, do in enumerate(scenario.do, 1)),
        *((f"[[fault]] {n} ({fault.what})", fault) for n, fault in enumerate(scenario.fault, 1)),
    ]
    for place, deed in deeds:
        if deed.account is not None and deed.account not in names:
            hint = _suggestion(deed.account, list(names), "accounts")
            yield f"{place}, account: `{deed.account}` is not in this file; {hint}"
        elif deed.account is None and len(names) > 1 and _needs_account(deed):
            yield f"{place}, account: is missing; there are several: {', '.join(names)}"
        symbol = getattr(deed, "symbol", None)
        if isinstance(symbol, str) and symbol not in priced:
            yield f"{place}, symbol: {symbol} has no price; add a [[price]] table for it"
        if isinstance(deed, Brackets) and not _rise(deed.tiers):
            yield f"{place}, tiers: caps have to rise; sort them"
        account = names.get(deed.account or scenario.account[0].name)
        if isinstance(deed, Order | OpenOrder | MarginTransfer) and account is not None:
            if account.hedge and deed.position_side == "BOTH":
                yield f"{place}, position_side: the account is in hedge mode; write LONG or SHORT"
            if not account.hedge and deed.position_side != "BOTH":
                yield f"{place}, position_side: the account is not in hedge mode; leave it out"


def _needs_account(deed: Do | Fault) -> bool:
    if isinstance(deed, get_args(Do)):
        return not isinstance(deed, FOR_ALL)
    return bool(deed.at.after_subscribe)


def _priced(scenario: Scenario) -> set[str]:
    held = {p.symbol for account in scenario.account for p in account.position}
    return held | {price.symbol for price in scenario.price} | set(RESTING_MARKS)
