"""What brings a position farther from liquidation: enough in the real engine, and no more."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events import BracketsRead, PollAnswered, PositionRow, Totals
from monitor.core.remedies import Remedy, remedy
from monitor.core.supposing import Subject, subjects_of
from tests.core.tiers import Exchange, exchanges, table
from tests.core.worlds import World, at, change, filled, money, poll, position

D = Decimal
TENTH = D("0.1")
STEP = D("0.001")
NOTHING = D(0)


def of(world: World, symbol: str = "BTCUSDT", side: str = "BOTH") -> Subject:
    """Choose a position of main."""
    return next(
        each
        for each in subjects_of(world.account)
        if (each.target.symbol, each.target.position_side) == (symbol, side)
    )


def held(*rows: PositionRow, wallet: str = "1000", cross: str | None = None) -> World:
    world = World()
    world.tell(1, poll(1, *rows, wallet=wallet, cross=cross))
    return world


def found(world: World, target: str = "0.1", **which: str) -> Remedy | None:
    return remedy(of(world, **which), D(target), at(1), STEP)


# ---------------------------------------------------------------- by hand


def test_margin_for_an_isolated_long() -> None:
    world = held(position(liq="58000", iw="600"))
    # The price has to fall from 58000 to 55800, each unit of it 0.1 − 0.0004 of margin.
    assert found(world) == Remedy(
        margin=D("219.12"),
        asset="USDT",
        to_pool=False,
        margin_distance=TENTH,
        size=None,
        size_distance=None,
    )
    assert world.account.holdings["BTCUSDT", "BOTH"].position.isolated_wallet == 600


def test_margin_for_a_short_is_rounded_up() -> None:
    world = held(position(quantity="-0.1", entry="62000", mark="62000", liq="64000", iw="600"))
    answer = found(world, "0.11111")
    assert answer is not None
    # From 64000 to 68888.82, each unit 0.1004: 490.837528.
    assert answer.margin == D("490.84")
    assert answer.margin_distance is not None
    assert D("0.11111") <= answer.margin_distance < D("0.111115")


def test_margin_or_size_for_a_cross_long() -> None:
    world = held(position(liq="58000"))
    answer = found(world)
    assert answer is not None
    assert (answer.margin, answer.asset, answer.to_pool) == (D("219.12"), "USDT", True)
    # At 55800 it lacks 219.12, and each unit of size costs 62000 − 55800 + 223.2 there.
    assert answer.size == D("0.035"), "0.0341…, in steps of 0.001"
    assert answer.size_distance is not None
    assert answer.size_distance > TENTH
    assert world.account.balances["USDT"].cross_wallet == 1000


def test_most_of_a_position_to_be_closed() -> None:
    answer = found(held(position(liq="58000")), "0.3")
    assert answer is not None
    # It lacks 14600 · 0.0996 at 43400, where each unit of size costs 18600 + 173.6.
    assert (answer.margin, answer.size) == (D("1454.16"), D("0.078"))


def test_a_cut_of_an_isolated_position_helps_where_it_leaves_a_bracket() -> None:
    """Up to 5000 of notional 1 %, beyond it 10 %: what is closed first is what is dear."""
    world = World()
    tiers = table((5_000, "0.01"), (9_000_000, "0.1"))
    world.tell(0.5, BracketsRead("main", {"BTCUSDT": tiers}))
    row = replace(position(liq="55000", iw="600"), maintenance_margin=D("170"))
    world.tell(1, poll(1, row, cross="400"))
    answer = found(world, "0.12")
    assert answer is not None
    # 60000 − 500 / q while it is dear, 54545.45 once it is cheap; 12 % is 54560.
    assert answer.size == D("0.009")
    assert answer.margin is not None


def test_far_enough_or_unknown_is_left_alone() -> None:
    assert found(held(position(liq="54000", iw="600"))) is None
    assert found(held(position(liq="0", iw="60000"))) is None
    world = held(position(liq="58000", iw="600"))
    world.account.holdings["BTCUSDT", "BOTH"].mark_price = None
    assert found(world) is None


def test_a_leg_that_hedges_is_not_to_be_cut() -> None:
    """Net long 0.2: closing the short makes it longer."""
    legs = (
        position(quantity="0.3", side="LONG", liq="58000"),
        position(quantity="-0.1", side="SHORT", liq="58000"),
    )
    long, short = (found(held(*legs), side=side) for side in ("LONG", "SHORT"))
    assert long is not None
    assert short is not None
    assert long.margin == short.margin
    assert long.size is not None
    assert short.size is None


def test_multi_assets_mode() -> None:
    world = World()
    totals = Totals(D(700), D(700), D(200), D(200), D("24.8"))
    told = poll(1, position(liq="58000"), wallet="700")
    fields = {name: getattr(told, name) for name in PollAnswered.__slots__}
    world.tell(1, PollAnswered(**fields | {"totals": totals, "multi_assets": True}))
    answer = found(world)
    assert answer is not None
    assert (answer.margin, answer.asset, answer.to_pool) == (D("219.12"), "USD", True)
    assert answer.size == D("0.035")
    assert world.account.totals == totals


# ---------------------------------------------------------------- in the real engine


def told(exchange: Exchange) -> World:
    world = World()
    isolated = sum((one.wallet for one in exchange.held), D(0))
    world.tell(0.5, BracketsRead("main", exchange.tables))
    rows = [exchange.row(one) for one in exchange.held]
    whole = str(exchange.wallet + isolated)
    world.tell(1, poll(1, *rows, wallet=whole, cross=str(exchange.wallet)))
    return world


def distance(world: World, subject: Subject) -> D | None:
    value = world.read(
        "liquidation_distance", subject.target.symbol, subject.target.position_side
    ).value
    return value if isinstance(value, Decimal) else None


def after(
    exchange: Exchange, subject: Subject, *, margin: D = NOTHING, size: D = NOTHING
) -> tuple[D | None, bool]:
    """Do it: tell the events that the exchange would; whether the position is still there."""
    assert subject.holding is not None
    before = subject.holding.position
    assert before.entry_price is not None
    mark = exchange.marks[before.symbol]
    closed = size if before.quantity > 0 else -size
    rest = before.quantity - closed
    cross, wallet = exchange.wallet, before.isolated_wallet
    if before.cross:
        cross += margin + closed * (mark - before.entry_price)
    else:
        wallet = wallet * rest / before.quantity + margin
    world = told(exchange)
    row = filled(
        before.symbol,
        f"{rest:f}",
        f"{before.entry_price:f}",
        side=before.position_side,
        mt=before.margin_type,
        iw=f"{wallet:f}",
    )
    world.tell(2, change(2, row, money(f"{cross + wallet:f}", f"{cross:f}")))
    if not rest:
        return None, False
    return distance(world, subject), True


@settings(deadline=None, max_examples=60)
@given(exchanges(), st.sampled_from(["0.05", "0.1", "0.3"]), st.data())
def test_it_is_enough_and_no_more(exchange: Exchange, target: str, data: st.DataObject) -> None:
    world = told(exchange)
    held_now = [each for each in subjects_of(world.account) if each.holding is not None]
    subject = data.draw(st.sampled_from(held_now))
    answer = remedy(subject, D(target), at(1), STEP)
    now = distance(world, subject)
    if answer is None:
        assert now is None or now >= D(target)
        return
    assert now is not None
    assert now < D(target)
    if answer.margin is not None:
        reached, _ = after(exchange, subject, margin=answer.margin)
        assert reached == answer.margin_distance
        assert reached is not None
        assert reached >= D(target)
        short, _ = after(exchange, subject, margin=answer.margin - D("0.02"))
        assert short is None or short < D(target)
    if answer.size is None:
        steps = int(abs(subject.holding.position.quantity) / STEP) if subject.holding else 0
        size = data.draw(st.integers(1, max(1, steps - 1))) * STEP
        reached, there = after(exchange, subject, size=size)
        assert not there or reached is None or reached < D(target)
    else:
        reached, there = after(exchange, subject, size=answer.size)
        assert there
        assert reached == answer.size_distance
        assert reached is not None
        assert reached >= D(target)
        short, _ = after(exchange, subject, size=answer.size - STEP)
        assert short is None or short < D(target)
