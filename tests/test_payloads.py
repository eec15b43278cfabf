"""Binance's documented messages, from decoder and translation through the engine to beliefs.

The files stand in `tests/payloads`, with where they come from and what was mended in them. An
expected state is always *all* of it: what a case does not spell out is as in an account that was
never told anything.
"""

import copy
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from monitor.binance import translate, translate_polls, wire, wire_api
from monitor.binance.signing import Signer
from monitor.binance.ws_api import Answer, Requests
from monitor.core.engine import Engine, Outcome
from monitor.core.events import (
    AccountChanged,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PollWanted,
    SettingRow,
    Totals,
    Woke,
)
from monitor.core.freshness import ALWAYS, NEVER
from monitor.core.pools import Pool
from monitor.core.portfolio import Balance, Key, KeyState, Position
from monitor.core.settings import Settings

FOLDER = Path(__file__).parent / "payloads"
D = Decimal
ZERO = D(0)

OFFSET = 250  # ms that the exchange's clock is ahead of ours
LATE = 20  # ms from the instant at which a number was true to our having it
TICKS = 100_000  # when it is told, on the face that durations use
TRUE_AT = TICKS - LATE
SENT = 1_767_322_800_000  # utc, of polls

Json = dict[str, Any]
State = dict[str, object]


def load(name: str) -> Json:
    """Read a payload; a key that stands twice in one object is a slip of ours."""

    def once(pairs: list[tuple[str, object]]) -> Json:
        assert len(dict(pairs)) == len(pairs), f"{name}: a key stands twice among {pairs}"
        return dict(pairs)

    found: Json = json.loads((FOLDER / f"{name}.json").read_text(), object_pairs_hook=once)
    return found


# ------------------------------------------------------------------ what each file is

REQUESTS = {
    "account_position_v1_request": {"symbol": "BTCUSDT"},
    "account_position_v1_request_zh": {"symbol": "BTCUSDT"},
    "account_status_v1_request_zh": {},
    "account_balance_v1_request_zh": {},
}
POSITIONS = (
    "account_position_v1_one_way",
    "account_position_v1_one_way_zh",
    "account_position_v1_hedge",
    "account_position_v1_hedge_zh",
)
STATUSES = ("account_status_v1_single_asset_zh", "account_status_v1_multi_assets_zh")
BALANCE = "account_balance_v1_zh"
ANSWERS = (*POSITIONS, *STATUSES, BALANCE)
EVENTS = tuple(
    f"account_update_{story}_{form}"
    for story in ("deposit", "close_short", "cross_to_isolated")
    for form in ("before", "after")
)


def test_every_file_of_the_folder_parses_and_is_used_and_named_in_its_readme() -> None:
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    used = {f"{name}.json" for name in (*REQUESTS, *ANSWERS, *EVENTS)}
    assert files - {"README.md"} == used
    assert [name for name in sorted(used) if not load(name.removesuffix(".json"))] == []
    told = re.findall(r"^\| `([^`]+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(used)


# ------------------------------------------------------------------ requests

KEY = "xTaDyrmvA9XT2oBHHjy39zyPzKCvMdtH3b9q4xadkAg2dNSJXQGCxzui26L823W2"  # the documents' own
SECRET = "nobody published the secret of that key"


@pytest.mark.parametrize("name", REQUESTS)
def test_our_request_is_the_documented_one_but_for_id_window_and_signature(name: str) -> None:
    documented = load(name)
    said = documented["params"]
    params = Signer(KEY, SECRET).signed(
        REQUESTS[name], timestamp=said["timestamp"], recv_window=5000
    )
    number, text = Requests().request(documented["method"], params)

    # Optional in the documents: `symbol` and `recvWindow`. `id` may be a number or a text.
    unsigned = {**said, "recvWindow": 5000}
    del unsigned["signature"]
    payload = "&".join(f"{key}={unsigned[key]}" for key in sorted(unsigned))
    signature = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    assert json.loads(text) == {
        **documented,
        "id": number,
        "params": {**unsigned, "signature": signature},
    }
    for one in (signature, said["signature"]):
        assert re.fullmatch("[0-9a-f]{64}", one)


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, "_".join(name.split("_")[:2]).replace("_", ".")) for name in ANSWERS],
)
def test_a_documented_answer_is_ours_once_it_carries_our_id(name: str, method: str) -> None:
    documented = load(name)
    requests = Requests()
    number, _ = requests.request(method, {})

    assert requests.receive(json.dumps(documented)) == []  # somebody else's id
    answers = requests.receive(json.dumps({**documented, "id": number}))
    assert answers == [Answer(number, method, result=documented["result"])]
    assert (requests.weight, requests.pending) == ((20, 2400), 0)


# ------------------------------------------------------------------ an engine, and all it believes


def begin(utc: int) -> Engine:
    """Make an engine that was told nothing; `utc` is the instant at which ticks are TICKS."""
    now = Now(0, utc - TICKS)
    return Engine((), (), [("main", "binance-usdm")], now=now, stale_after=30_000)


def whole(engine: Engine) -> State:
    """Collect everything that is believed of the account, and what is remembered beside it."""
    account = engine.portfolio.accounts["main"]
    # Sums and figures are made when they are read: they stand here as they are read.
    made = {"_pools", "_legs", "moved", "calm"}
    state = {key: value for key, value in vars(account).items() if key not in made}
    state |= {slot: getattr(account.settings, slot) for slot in Settings.__slots__}
    del state["settings"]
    # What an account doubts stands in its class until a poll says something of it.
    doubts = ("contradiction", "unseen", "mode_doubted", "odd_totals")
    state |= {name: getattr(account, name) for name in doubts}
    figures = ("position", "opened_at", "mark_price", "mark_at", "pnl", "notional", "maintenance")
    state["holdings"] = {
        key: {name: getattr(holding, name) for name in figures}
        for key, holding in account.holdings.items()
    }
    state["pools"] = {asset: account.pool(asset) for asset in account.pool_assets()}
    return {**state, "marks": engine.portfolio.marks, "symbols": engine.portfolio.symbols}


def nothing_but(spelled: State) -> State:
    """Give the state of an account that was never told anything, but for what is spelled out."""
    engine = begin(SENT)
    engine.on(Woke(), Now(TICKS, SENT))
    fresh = whole(engine)
    assert spelled.keys() <= fresh.keys()
    return {**fresh, **spelled}


def held(
    position: Position,
    mark: Mark | None = None,
    *,
    opened: int = TRUE_AT,
    pnl: Decimal | None = None,
) -> State:
    """Give a position with the figures that move with its mark."""
    return {
        "position": position,
        "opened_at": opened,
        "mark_price": None if mark is None else mark.price,
        "mark_at": NEVER if mark is None else mark.at,
        "pnl": pnl,
        "notional": None if mark is None else abs(position.quantity) * mark.price,
        "maintenance": None,  # v1 rows say no maintenance margin, and events never do
    }


# ------------------------------------------------------------------ answers


class Read(NamedTuple):
    """What the decoder makes of an answer."""

    envelope: tuple[object, ...]
    weight: tuple[int, int] | None
    result: Any


READERS: Mapping[str, Callable[[str, object], object]] = {
    "position": wire_api.read_positions,
    "status": wire_api.read_status,
    "balance": wire_api.read_balances,
}


def read(name: str, payload: Json) -> Read:
    """Decode an answer: envelope, weight, result."""
    kind = name.split("_")[1]
    answer = wire_api.parse_answer(json.dumps(payload))
    envelope = answer.id, answer.status, answer.error, answer.event, answer.has_result
    weight = wire_api.minute_weight(answer.rate_limits)
    return Read(envelope, weight, READERS[kind](f"account.{kind}", answer.result))


@pytest.mark.parametrize("name", ANSWERS)
def test_the_envelope_of_an_answer_is_read(name: str) -> None:
    found = read(name, load(name))
    assert found.envelope == ("605a6d20-6588-4cb9-afa0-b0ab087507ba", 200, None, None, True)
    assert found.weight == (20, 2400)


def polled(**answers: Any) -> State:
    """Tell a fresh engine what a poll answered, LATE after it was sent; give all it believes."""
    engine = begin(SENT + LATE)
    poll = PollAnswered("main", SENT, 0, complete=False)
    engine.on(replace(poll, **answers), Now(TICKS, SENT + LATE))
    return whole(engine)


LONG_OF_HEDGE = Position(
    symbol="BTCUSDT",
    position_side="LONG",
    quantity=D("0.001"),
    entry_price=D("22185.2"),
    margin_type="cross",
    isolated_wallet=ZERO,
    margin_asset="USDT",
    data_at=TRUE_AT,
    break_even_price=None,  # "0.0" is no price
    exchange_pnl=D("-1.06214947"),
    adl=None,
    rate=None,
    polled_at=TRUE_AT,
    doubted=False,
)
MARK_OF_HEDGE = Mark(D("21123.05052574"), TRUE_AT)
ONE_WAY: State = {
    "leverages": {"BTCUSDT": 10},
    "leverage_at": {"BTCUSDT": TRUE_AT},
    "margin_types": {"BTCUSDT": "isolated"},
}
HEDGE: State = {
    "leverages": {"BTCUSDT": 4},
    "leverage_at": {"BTCUSDT": TRUE_AT},
    "margin_types": {"BTCUSDT": "cross"},
    "holdings": {
        ("BTCUSDT", "LONG"): held(
            LONG_OF_HEDGE,
            MARK_OF_HEDGE,
            # 0.001 x (21123.05052574 - 22185.2); the exchange's own is cut to 8 decimals
            pnl=D("-1.06214947426"),
        )
    },
    "keys": {("BTCUSDT", "LONG"): KeyState(changed_at=1655217461579)},
    "marks": {"BTCUSDT": MARK_OF_HEDGE},
    "symbols": frozenset({"BTCUSDT"}),
    # v1 rows have no maintenance margin: the exchange's price stands as it is
    "standing": {("BTCUSDT", ""): (D("19731.45529116"), D("-0.001"))},
    "unsaid": {("BTCUSDT", "")},
    "pools": {
        "USDT": Pool(
            "USDT",
            wallet=None,  # no answer told a wallet
            cross_wallet=None,
            available=None,
            cross_pnl=D("-1.06214947426"),
            cross_maintenance=None,
            total_pnl=D("-1.06214947426"),
            total_notional=D("21.12305052574"),
            count=1,
            data_at=NEVER,
            polled_at=NEVER,
            rates_at=TRUE_AT,
            cross_marks_at=TRUE_AT,
            all_marks_at=TRUE_AT,
            doubted=False,
            symbols={"BTCUSDT": None},
            cross_correction=ZERO,
        )
    },
}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        (POSITIONS[0], SettingRow("BTCUSDT", 10, "isolated"), ONE_WAY),
        (POSITIONS[1], SettingRow("BTCUSDT", 10, "isolated"), ONE_WAY),
        (POSITIONS[2], SettingRow("BTCUSDT", 4, "cross"), HEDGE),
        (POSITIONS[3], SettingRow("BTCUSDT", 4, "cross"), HEDGE),
    ],
)
def test_a_position_answer_gives_what_is_held_and_what_is_set(
    name: str, settings: SettingRow, expected: State
) -> None:
    rows = read(name, load(name)).result
    assert translate_polls.setting_rows(rows) == (settings,)
    state = polled(
        positions=translate_polls.position_rows_v1(rows, None),
        settings=translate_polls.setting_rows(rows),
    )
    assert state == nothing_but(expected)


def money(asset: str, wallet: str, available: str | None, *, cross: str | None = None) -> Balance:
    """Give a balance as a poll leaves it."""
    return Balance(
        asset,
        wallet=D(wallet),
        cross_wallet=D(wallet if cross is None else cross),
        data_at=TRUE_AT,
        available=None if available is None else D(available),
        polled_at=TRUE_AT,
    )


def empty_pool(balance: Balance) -> Pool:
    """Give the pool of an asset without positions: its balance, and sums of nothing."""
    return Pool(
        balance.asset,
        wallet=balance.wallet,
        cross_wallet=balance.cross_wallet,
        available=balance.available,
        data_at=balance.data_at,
        polled_at=balance.polled_at,
    )


# Each asset says as available what the other example's would: as documented (see the README).
SINGLE_BALANCES = {
    "USDT": money("USDT", "23.72469206", "126.72469206"),
    "BUSD": money("BUSD", "103.12345678", "126.72469206"),
}
STATUS_KEYS = {"USDT": KeyState(changed_at=1625474304765), "BUSD": KeyState()}
SINGLE: State = {
    "multi_assets": False,
    "balances": SINGLE_BALANCES,
    "asset_keys": STATUS_KEYS,
    "pools": {asset: empty_pool(balance) for asset, balance in SINGLE_BALANCES.items()},
}
MULTI: State = {
    "multi_assets": True,
    "balances": {
        "USDT": money("USDT", "23.72469206", "23.72469206"),
        "BUSD": money("BUSD", "103.12345678", "103.12345678"),
    },
    "asset_keys": STATUS_KEYS,
    "totals": Totals(
        wallet=D("126.72469206"),
        cross_wallet=D("126.72469206"),
        cross_unrealized_pnl=ZERO,
        unrealized_pnl=ZERO,
        maintenance_margin=ZERO,
        available=D("126.72469206"),
    ),
    "totals_at": TRUE_AT,
    "totals_wallets": {
        "USDT": (D("23.72469206"), D("23.72469206")),
        "BUSD": (D("103.12345678"), D("103.12345678")),
    },
    "pools": {
        "USD": Pool(
            "USD",
            wallet=D("126.72469206"),
            cross_wallet=D("126.72469206"),
            available=D("126.72469206"),
            data_at=TRUE_AT,
            polled_at=TRUE_AT,
        )
    },
}


@pytest.mark.parametrize(("name", "expected"), [(STATUSES[0], SINGLE), (STATUSES[1], MULTI)])
def test_a_status_answer_gives_balances_pools_and_the_asset_mode(
    name: str, expected: State
) -> None:
    status = read(name, load(name)).result
    assert translate_polls.listed_rows(status) == ()  # its one row is flat
    state = polled(
        assets=translate_polls.asset_rows(status),
        listed=translate_polls.listed_rows(status),
        totals=translate_polls.totals(status),
        multi_assets=status.multi_assets,
    )
    assert state == nothing_but(expected)


def test_a_balance_answer_gives_the_assets_that_no_status_lists() -> None:
    payload = load(STATUSES[0])
    payload["result"]["assets"] = [
        row for row in payload["result"]["assets"] if row["asset"] != "USDT"
    ]
    status = read(STATUSES[0], payload).result
    balances = read(BALANCE, load(BALANCE)).result
    usdt = money("USDT", "122607.35137903", "23.72469206", cross="23.72469206")
    busd = SINGLE_BALANCES["BUSD"]

    assert polled(assets=translate_polls.asset_rows(status, balances)) == nothing_but(
        {
            "balances": {"BUSD": busd, "USDT": usdt},
            "asset_keys": {"BUSD": KeyState(), "USDT": KeyState(changed_at=1617939110373)},
            "pools": {"BUSD": empty_pool(busd), "USDT": empty_pool(usdt)},
        }
    )


@pytest.mark.parametrize("position", POSITIONS[:2])
@pytest.mark.parametrize(("name", "expected"), [(STATUSES[0], SINGLE), (STATUSES[1], MULTI)])
def test_the_three_answers_of_an_account_without_positions_make_one_complete_poll(
    position: str, name: str, expected: State
) -> None:
    rows = read(position, load(position)).result
    status = read(name, load(name)).result
    balances = read(BALANCE, load(BALANCE)).result
    state = polled(
        complete=True,
        positions=translate_polls.position_rows_v1(rows, status),
        settings=translate_polls.setting_rows(rows),
        assets=translate_polls.asset_rows(
            status, balances
        ),  # the status lists USDT: its row counts
        listed=translate_polls.listed_rows(status),
        totals=translate_polls.totals(status),
        multi_assets=status.multi_assets,
    )
    assert state == nothing_but(
        {
            **expected,
            **ONE_WAY,
            "first_poll_done": True,
            "polled_at": TRUE_AT,
            "named_at": TRUE_AT,
            "stale_since": None,
        }
    )


# ------------------------------------------------------------------ events, each to a fresh account


def tell(engine: Engine, payload: Json, *, ticks: int = TICKS, seq: int = 1) -> Outcome:
    """Hand a user data event to an engine, LATE after it was true by the exchange's `E`."""
    message = wire.parse_user(json.dumps(payload))
    (event,) = translate.user_events(message, account="main", offset=OFFSET, seq=seq)
    assert getattr(event, "at", None) == payload["E"] - OFFSET
    return engine.on(event, Now(ticks, payload["E"] - OFFSET + LATE))


def told(payload: Json) -> State:
    """Tell a fresh engine one event; give all it believes."""
    engine = begin(payload["E"] - OFFSET + LATE)
    tell(engine, payload)
    return whole(engine)


def stamped(time: int, *keys: Any) -> dict[Any, KeyState]:
    """Give what is remembered of keys that an event has told: the exchange's T, and our count."""
    return {key: KeyState(changed_at=time, seq=1) for key in keys}


def from_event(**more: Any) -> Position:
    """Give a position that only an event has told of: nothing that polls alone bring."""
    return Position(
        **more,
        margin_asset="USDT",  # by the symbol's end: `ma` did not exist in 2020
        data_at=TRUE_AT,
        break_even_price=None,  # nor did `bep`
        adl=None,
        rate=None,
        polled_at=NEVER,
        doubted=False,
    )


def btc_long(*, pnl: str, wallet: str) -> Position:
    """Give the BTCUSDT long that all three stories hold, in isolated margin."""
    return from_event(
        symbol="BTCUSDT",
        position_side="LONG",
        quantity=D("0.010"),
        entry_price=D("11445.71000"),
        margin_type="isolated",
        isolated_wallet=D(wallet),
        exchange_pnl=D(pnl),
    )


ETH_SHORT = from_event(
    symbol="ETHUSDT",
    position_side="SHORT",
    quantity=D("-0.010"),
    entry_price=D("375.74000"),
    margin_type="cross",
    isolated_wallet=ZERO,
    exchange_pnl=D("0.00149"),
)
BTC_LONG_KEY, ETH_SHORT_KEY = ("BTCUSDT", "LONG"), ("ETHUSDT", "SHORT")
ALL_KEYS: tuple[Key, ...] = tuple(
    (symbol, side) for symbol in ("BTCUSDT", "ETHUSDT") for side in ("BOTH", "LONG", "SHORT")
)


def cash(asset: str, wallet: str, cross: str) -> Balance:
    """Give a balance that only an event has told of."""
    return Balance(asset, D(wallet), D(cross), data_at=TRUE_AT, available=None, polled_at=NEVER)


Marks = Mapping[str, Mark]
NO_MARKS: Marks = {}


def pool_of(balance: Balance, positions: tuple[Position, ...], marks: Marks) -> Pool:
    """Give a pool with positions; without marks its sums are unknown, without rates always some."""
    if not positions:
        return empty_pool(balance)
    crossed = [position for position in positions if position.margin_type == "cross"]
    pnl = {one.key: one.exchange_pnl or ZERO for one in positions}
    sizes = [abs(one.quantity) * marks[one.symbol].price for one in positions if marks]
    seen = min((marks[one.symbol].at for one in positions if marks), default=NEVER)
    seen_cross = min((marks[one.symbol].at for one in crossed if marks), default=NEVER)
    return replace(
        empty_pool(balance),
        total_pnl=sum(pnl.values(), ZERO) if marks else None,
        total_notional=sum(sizes, ZERO) if marks else None,
        cross_pnl=sum((pnl[one.key] for one in crossed), ZERO) if marks or not crossed else None,
        cross_maintenance=None if crossed else ZERO,
        count=len(positions),
        all_marks_at=seen,
        cross_marks_at=seen_cross if crossed else ALWAYS,
        rates_at=NEVER if crossed else ALWAYS,
        symbols={position.symbol: None for position in crossed},
    )


def book(
    balances: tuple[Balance, ...],
    positions: tuple[Position, ...] = (),
    marks: Marks = NO_MARKS,
) -> State:
    """Spell out balances, positions and the pools that follow from them; USDT stands first.

    The uPnL that our engine computes has to be the one that the exchange's own event says: the
    marks of these tests are chosen so.
    """
    pools = {balance.asset: empty_pool(balance) for balance in balances}
    if positions:
        pools["USDT"] = pool_of(balances[0], positions, marks)
    return {
        "balances": {balance.asset: balance for balance in balances},
        "holdings": {
            one.key: held(
                one, marks.get(one.symbol), pnl=one.exchange_pnl if one.symbol in marks else None
            )
            for one in positions
        },
        "symbols": frozenset(position.symbol for position in positions),
        "pools": pools,
        "marks": marks,
    }


def margins(time: int, **types: str) -> State:
    """Spell out the margin types that an event told of, also of symbols that are not held."""
    return {"margin_types": types, "margin_keys": stamped(time, *types)}


T_DEPOSIT, T_CLOSE, T_ISOLATED = 1603093193280, 1603093588546, 1603094890011
BNB_IN = cash("BNB", "0.02575839", "0")
BNB_LEFT = cash("BNB", "0.02571331", "0")
USDT_CLOSED = cash("USDT", "94.91428561", "93.71241461")
USDT_ISOLATED = cash("USDT", "94.90282656", "93.71241461")

EVENT_STATES: dict[str, State] = {
    "account_update_deposit_before": {
        **book(
            (cash("USDT", "94.91018561", "93.70831461"), BNB_IN),
            (btc_long(pnl="0.17770", wallet="1.20187100"), ETH_SHORT),
        ),
        "asset_keys": stamped(T_DEPOSIT, "USDT", "BNB"),
        "keys": stamped(T_DEPOSIT, *ALL_KEYS),
        **margins(T_DEPOSIT, BTCUSDT="isolated", ETHUSDT="cross"),
    },
    "account_update_deposit_after": {
        **book((BNB_IN,)),
        "asset_keys": stamped(T_DEPOSIT, "BNB"),
    },
    "account_update_close_short_before": {
        **book((USDT_CLOSED, BNB_LEFT), (btc_long(pnl="0.13910", wallet="1.20187100"),)),
        "asset_keys": stamped(T_CLOSE, "USDT", "BNB"),
        "keys": stamped(T_CLOSE, *ALL_KEYS),
        **margins(T_CLOSE, BTCUSDT="isolated", ETHUSDT="cross"),
    },
    "account_update_close_short_after": {
        **book((USDT_CLOSED, BNB_LEFT)),
        "asset_keys": stamped(T_CLOSE, "USDT", "BNB"),
        "keys": stamped(T_CLOSE, ("ETHUSDT", "BOTH"), ETH_SHORT_KEY),
        **margins(T_CLOSE, ETHUSDT="cross"),
    },
    "account_update_cross_to_isolated_before": {
        **book((USDT_ISOLATED, BNB_LEFT), (btc_long(pnl="0.03240", wallet="1.19041195"),)),
        "asset_keys": stamped(T_ISOLATED, "USDT", "BNB"),
        "keys": stamped(T_ISOLATED, *ALL_KEYS),
        **margins(T_ISOLATED, BTCUSDT="isolated", ETHUSDT="isolated"),
    },
    "account_update_cross_to_isolated_after": {
        **book((USDT_ISOLATED,)),
        "asset_keys": stamped(T_ISOLATED, "USDT"),
        "keys": stamped(T_ISOLATED, ("ETHUSDT", "BOTH"), ETH_SHORT_KEY),
        **margins(T_ISOLATED, ETHUSDT="isolated"),
    },
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_told_to_a_fresh_account_gives_its_rows_and_nothing_else(name: str) -> None:
    assert told(load(name)) == nothing_but(EVENT_STATES[name])


@pytest.mark.parametrize("name", EVENTS)
def test_what_an_account_holds_apart_is_what_its_isolated_positions_stand_on(name: str) -> None:
    # wb - cw = the isolated wallets of that asset: the documents' own numbers agree.
    payload = load(name)["a"]
    apart = {row["a"]: D(row["wb"]) - D(row["cw"]) for row in payload["B"]}
    alone = sum((D(row["iw"]) for row in payload["P"]), ZERO)
    if alone and "USDT" in apart:
        assert apart["USDT"] == alone


# ------------------------------------------------------------------ three stories, in both forms
#
# Until 2020-11 an ACCOUNT_UPDATE repeated every row of the account; since then it brings what
# changed. Each story begins in one state: that of its own "before" form with the change undone.


def rows_of(payload: Json, letter: str) -> dict[Any, Json]:
    """Give the rows of an event by what they are about."""
    if letter == "B":
        return {row["a"]: row for row in payload["a"]["B"]}
    return {(row["s"], row["ps"]): row for row in payload["a"]["P"]}


def undo_deposit(payload: Json) -> None:
    """Undone: the 0.01 BNB that came in. Nothing else changed."""
    bnb = rows_of(payload, "B")["BNB"]
    bnb["wb"] = str(D(bnb["wb"]) - D("0.01"))


def undo_close(payload: Json) -> None:
    """Undone: the close of the ETHUSDT short, its realized 0.0041 USDT, its fee of 0.00004508 BNB.

    The short comes back as the first story shows it, with quantity, entry price, uPnL and `cr`;
    the 0.0041 is the difference between the two `cr` (-0.19160000 and -0.18750000).
    """
    short = rows_of(payload, "P")[ETH_SHORT_KEY]
    realized = D(short["cr"]) - D("-0.19160000")
    assert realized == D("0.0041")
    short.update(pa="-0.010", ep="375.74000", cr="-0.19160000", up="0.00149")
    balances = rows_of(payload, "B")
    for field in ("wb", "cw"):  # it was cross: both wallets took it
        balances["USDT"][field] = str(D(balances["USDT"][field]) - realized)
    balances["BNB"]["wb"] = str(D(balances["BNB"]["wb"]) + D("0.00004508"))


def undo_isolated(payload: Json) -> None:
    """Undone: the margin type of ETHUSDT, on all of its three sides, which are flat.

    The wallets stay: a flat symbol takes none of them along. The funding fee that the BTCUSDT long
    paid since the second story (README) is before this story, in both of its forms.
    """
    for (symbol, _), row in rows_of(payload, "P").items():
        if symbol == "ETHUSDT":
            row["mt"] = "cross"


EARLIER = 10_000  # ms from the state in which a story begins to its event


def marks_at(btc: str) -> Marks:
    """Give marks, told before a story: those at which our uPnL is the payload's `up`."""
    at = TRUE_AT - EARLIER
    # ETHUSDT: -0.010 x (375.591 - 375.74) = 0.00149
    return {"BTCUSDT": Mark(D(btc), at), "ETHUSDT": Mark(D("375.591"), at)}


class Story(NamedTuple):
    """One change, told in two forms; all that is believed before and after it."""

    undo: Callable[[Json], None]
    time: int
    marks: Marks
    begins: tuple[tuple[Balance, ...], tuple[Position, ...]]
    ends: tuple[tuple[Balance, ...], tuple[Position, ...]]
    news: tuple[Any, ...]
    """The keys that the form after the upgrade repeats: assets and (symbol, side)."""
    full: bool
    """Whether a poll of the settings is asked for too."""


BNB_BEFORE = cash("BNB", "0.01575839", "0")
USDT_OPEN = cash("USDT", "94.91018561", "93.70831461")
STORIES = {
    "deposit": Story(
        undo_deposit,
        T_DEPOSIT,
        marks_at("11463.48"),
        ((USDT_OPEN, BNB_BEFORE), (btc_long(pnl="0.17770", wallet="1.20187100"), ETH_SHORT)),
        ((USDT_OPEN, BNB_IN), (btc_long(pnl="0.17770", wallet="1.20187100"), ETH_SHORT)),
        ("BNB",),
        full=False,
    ),
    "close_short": Story(
        undo_close,
        T_CLOSE,
        marks_at("11459.62"),
        ((USDT_OPEN, BNB_IN), (btc_long(pnl="0.13910", wallet="1.20187100"), ETH_SHORT)),
        ((USDT_CLOSED, BNB_LEFT), (btc_long(pnl="0.13910", wallet="1.20187100"),)),
        ("USDT", "BNB", ("ETHUSDT", "BOTH"), ETH_SHORT_KEY),
        full=False,
    ),
    # A margin type can only be changed while the symbol is flat: what is held stays as it is.
    "cross_to_isolated": Story(
        undo_isolated,
        T_ISOLATED,
        marks_at("11448.95"),
        ((USDT_ISOLATED, BNB_LEFT), (btc_long(pnl="0.03240", wallet="1.19041195"),)),
        ((USDT_ISOLATED, BNB_LEFT), (btc_long(pnl="0.03240", wallet="1.19041195"),)),
        ("USDT", ("ETHUSDT", "BOTH"), ETH_SHORT_KEY),
        full=True,
    ),
}


def begun(name: str) -> Engine:
    """Make an engine in the state in which a story begins."""
    payload = load(f"account_update_{name}_before")
    STORIES[name].undo(payload)
    payload["E"] -= EARLIER
    payload["T"] -= EARLIER
    true_at = payload["E"] - OFFSET
    engine = begin(true_at + LATE + EARLIER)
    tell(engine, payload, ticks=TICKS - EARLIER)
    marks = {symbol: mark._replace(at=true_at) for symbol, mark in STORIES[name].marks.items()}
    engine.on(MarksChanged(marks), Now(TICKS - EARLIER, true_at + LATE))
    return engine


STAMPS = (
    "keys",
    "asset_keys",
    "margin_keys",
)  # per key: the exchange's time and our count of its last event


def timeless(state: State) -> State:
    """Leave out *when* each thing was told: the forms differ in how much they repeat."""

    def strip(value: object) -> object:
        match value:
            case Position() | Balance() | Pool():
                return replace(value, data_at=0)
            case dict():
                return {
                    key: 0 if key == "opened_at" else strip(inner) for key, inner in value.items()
                }
            case _:
                return value

    return {key: strip(value) for key, value in state.items() if key not in STAMPS}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_begins_in_the_state_of_its_before_form_with_the_change_undone(name: str) -> None:
    expected = book(*STORIES[name].begins, STORIES[name].marks)
    expected |= margins(0, BTCUSDT="isolated", ETHUSDT="cross")
    assert timeless(whole(begun(name))) == timeless(nothing_but(expected))


@pytest.mark.parametrize("name", STORIES)
def test_both_forms_of_an_event_end_in_the_same_state_and_ask_for_the_same(name: str) -> None:
    start, ends = begun(name), []
    for form in ("before", "after"):
        engine = copy.deepcopy(start)
        outcome = tell(engine, load(f"account_update_{name}_{form}"), seq=2)
        ends.append(timeless(whole(engine)))

        assert outcome.requests == [PollWanted("main", TICKS, full=STORIES[name].full)]
        assert (outcome.notices, outcome.deliveries, outcome.remarks) == ([], [], [])
        closes = name == "close_short"
        assert outcome.symbols == (frozenset({"BTCUSDT"}) if closes else None)

    before, after = ends
    assert before == after
    expected = book(*STORIES[name].ends, STORIES[name].marks)
    ethusdt = "isolated" if name == "cross_to_isolated" else "cross"
    expected |= margins(0, BTCUSDT="isolated", ETHUSDT=ethusdt)
    assert after == timeless(nothing_but(expected))


def test_both_forms_say_to_which_margin_type_a_flat_symbol_went() -> None:
    said = []
    for form in ("before", "after"):
        message = wire.parse_user(json.dumps(load(f"account_update_cross_to_isolated_{form}")))
        (event,) = translate.user_events(message, account="main", offset=OFFSET, seq=1)
        assert isinstance(event, AccountChanged)
        rows = [row for row in event.positions if row.symbol == "ETHUSDT"]
        said.append([(row.position_side, row.quantity, row.margin_type) for row in rows])
    assert said == [
        [("BOTH", ZERO, "isolated"), ("LONG", ZERO, "isolated"), ("SHORT", ZERO, "isolated")],
        [("BOTH", ZERO, "isolated"), ("SHORT", ZERO, "isolated")],
    ]


@pytest.mark.parametrize("form", ["before", "after"])
@pytest.mark.parametrize("name", STORIES)
def test_rows_that_an_event_repeats_are_as_young_as_it_and_the_others_as_they_were(
    name: str, form: str
) -> None:
    story = STORIES[name]
    engine = begun(name)
    tell(engine, load(f"account_update_{name}_{form}"), seq=2)
    state = whole(engine)

    old, new = KeyState(story.time - EARLIER, seq=1), KeyState(story.time, seq=2)
    repeated = ("USDT", "BNB", *ALL_KEYS) if form == "before" else story.news
    assert state["asset_keys"] == {
        asset: new if asset in repeated else old for asset in ("USDT", "BNB")
    }
    assert state["keys"] == {key: new if key in repeated else old for key in ALL_KEYS}

    account = engine.portfolio.accounts["main"]
    for asset, balance in account.balances.items():
        assert balance.data_at == TRUE_AT - (0 if asset in repeated else EARLIER)
    for key, holding in account.holdings.items():
        assert holding.position.data_at == TRUE_AT - (0 if key in repeated else EARLIER)
        assert holding.opened_at == TRUE_AT - EARLIER


# ------------------------------------------------------------------ leniency


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the paths of all objects in a payload, itself first."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from objects(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, (*path, index))


def inside(payload: Json, path: tuple[str | int, ...]) -> Json:
    """Give the object at a path."""
    found: Any = payload
    for step in path:
        found = found[step]
    assert isinstance(found, dict)
    return found


def decode(name: str, payload: Json) -> object:
    """Decode an answer or an event; no decoder of ours reads requests, we only write them."""
    return wire.parse_user(json.dumps(payload)) if name in EVENTS else read(name, payload)


@pytest.mark.parametrize("name", [*ANSWERS, *EVENTS])
def test_an_unknown_field_at_any_object_changes_nothing(name: str) -> None:
    known = decode(name, load(name))
    everywhere = load(name)
    paths = list(objects(everywhere))
    assert len(paths) > 2
    for path in paths:
        for unknown in ("zz", "Z", "added in 2027"):
            payload = load(name)
            inside(payload, path)[unknown] = {"deep": [None, {"s": 1}]}
            assert decode(name, payload) == known, path
        inside(everywhere, path)["zz"] = "NaN"
    assert decode(name, everywhere) == known


# What may be missing from ACCOUNT_UPDATE (docs/protocol.md §5.1): where it stands, a value to
# stand there first where the payload of 2020 has none, and our name for it ("": it is not read).
MAY_BE_MISSING = {
    "bep": ("P", "11450.5", "break_even_price"),
    "ma": ("P", "USDT", "margin_asset"),
    "cr": ("P", "1", ""),
    "bc": ("B", "1", "change"),
}


@pytest.mark.parametrize("field", MAY_BE_MISSING)
@pytest.mark.parametrize("name", EVENTS)
def test_an_event_without_an_optional_field_of_its_rows_is_the_event_without_it(
    name: str, field: str
) -> None:
    letter, value, ours = MAY_BE_MISSING[field]
    given, missing = load(name), load(name)
    for row in given["a"][letter]:
        row.setdefault(field, value)
    for row in missing["a"][letter]:
        row.pop(field, None)

    whole_event, rest = (wire.parse_user(json.dumps(one)) for one in (given, missing))
    assert isinstance(whole_event, wire.AccountUpdate)
    if ours:
        rows = "positions" if letter == "P" else "balances"
        told = getattr(whole_event.change, rows)
        assert all(getattr(row, ours) is not None for row in told)
        spared = [row.model_copy(update={ours: None}) for row in told]
        change = whole_event.change.model_copy(update={rows: spared})
        whole_event = whole_event.model_copy(update={"change": change})
    assert rest == whole_event


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_without_position_rows_changes_balances_alone(name: str) -> None:
    payload = load(name)
    del payload["a"]["P"]
    message = wire.parse_user(json.dumps(payload))
    assert isinstance(message, wire.AccountUpdate)
    assert message.change.positions is None

    spelled = EVENT_STATES[name]
    balances = spelled["balances"]
    assert isinstance(balances, dict)
    only = book(tuple(balances.values()))
    assert told(payload) == nothing_but({**only, "asset_keys": spelled["asset_keys"]})


# What v1 answers have and v2 answers (or an address without rate limits) have not: docs/protocol.md
# §3.2, §6.3, §6.4. Where it stands in `result`, the fields, and our names for those that are read.
V1_ALONE: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "position": (
        "",
        {
            "leverage": "leverage",
            "marginType": "margin_type",
            "maxNotionalValue": "",
            "isAutoAddMargin": "",
        },
    ),
    "status": (
        "positions",
        {
            "leverage": "leverage",
            "isolated": "isolated",
            "positionInitialMargin": "initial_margin",
            "openOrderInitialMargin": "",
            "entryPrice": "",
            "breakEvenPrice": "",
            "maxNotional": "",
            "bidNotional": "",
            "askNotional": "",
        },
    ),
    "balance": ("", {"marginAvailable": ""}),
}


def without(models: list[BaseModel], field: str) -> list[BaseModel]:
    """Give decoded rows as they are when the message does not say a field."""
    return [model.model_copy(update={field: None}) if field else model for model in models]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_without_what_only_v1_says_decodes_to_the_rest(name: str) -> None:
    where, fields = V1_ALONE[name.split("_")[1]]
    known = read(name, load(name)).result
    for field, ours in fields.items():
        payload = load(name)
        result = payload["result"]
        for row in result[where] if where else result:
            row.pop(field, None)
        found = read(name, payload).result
        if where:
            expected = known.model_copy(update={where: without(getattr(known, where), ours)})
        else:
            expected = without(known, ours)
        assert found == expected, field


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_without_the_settings_of_the_account_says_no_asset_mode(name: str) -> None:
    payload = load(name)
    for field in (
        "feeTier", "canTrade", "canDeposit", "canWithdraw", "updateTime", "multiAssetsMargin",
        "tradeGroupId",
    ):  # fmt: skip
        del payload["result"][field]
    for row in payload["result"]["assets"]:
        del row["marginAvailable"]
    known = read(name, load(name)).result
    assert read(name, payload).result == known.model_copy(update={"multi_assets": None})


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_without_rate_limits_only_says_no_weight(name: str) -> None:
    payload = load(name)
    del payload["rateLimits"]
    assert read(name, payload) == read(name, load(name))._replace(weight=None)
