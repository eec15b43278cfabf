"""What happens to the address and to the program itself, and accounts that cannot be judged."""

from dataclasses import replace
from datetime import UTC
from decimal import Decimal

import pytest

from monitor.core.events import (
    AccountRefused,
    AddressBanned,
    AssetRow,
    PollAnswered,
    PollsPaced,
    Totals,
)
from monitor.core.message import as_json, compose
from monitor.core.notices import Target
from monitor.core.refusing import PORTFOLIO_MARGIN, looks_like_portfolio_margin
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Severity
from tests.core.worlds import (
    CLOSE,
    FAR,
    World,
    at,
    change,
    filled,
    happening_rule,
    level,
    near,
    poll,
    position,
    rule,
)

D = Decimal

BLIND = rule("blind", level(Severity.CRITICAL, "stale_for > 0s", on=10))
CHANNELS = (
    Channel("phone", Severity.CRITICAL, accounts=Globs(["nobody"]), rules=Globs(["blind"])),
    Channel("desk", accounts=Globs(["main"])),
)


def told(world: World) -> list[tuple[float, str | None, dict[str, str]]]:
    begin = at(0).utc
    return [((n.at - begin) / 1000, n.happening, dict(n.details)) for n in world.notices]


# ---------------------------------------------------------------- bans


def test_one_ban_is_told_once_and_no_filter_of_accounts_holds_it_back() -> None:
    banned = happening_rule("banned", "banned", accounts=Globs(["main"]), cooldown=0)
    world = World(banned, channels=CHANNELS, accounts=("main", "sub"))
    first = AddressBanned(at(120).utc, "IP banned")
    world.tell(1, first, first, AddressBanned(at(121).utc, "IP banned"))
    # One that begins as the last one ends goes on with it; until somebody was served for minutes.
    world.tell(122, AddressBanned(at(240).utc, "IP banned"))
    world.tell(539, AddressBanned(at(600).utc, "IP banned"))
    world.tell(900, AddressBanned(at(1500).utc, "IP banned again"))
    assert told(world) == [
        (1, "banned", {"until": str(at(120).utc), "message": "IP banned"}),
        (900, "banned", {"until": str(at(1500).utc), "message": "IP banned again"}),
    ]
    assert {notice.target for notice in world.notices} == {Target("")}
    assert world.heard == {"desk": [1, 2]}, "the phone does not take this rule"


def test_a_ban_is_known_across_a_restart() -> None:
    banned = happening_rule("banned", "banned", cooldown=0)
    world = World(banned)
    world.tell(1, AddressBanned(at(120).utc, "IP banned"))
    again = World(banned, saved=world.saved(), start=60)
    again.tell(61, AddressBanned(at(120).utc, "IP banned"))
    again.tell(130, AddressBanned(at(300).utc, "IP banned"))
    again.tell(600, AddressBanned(at(900).utc, "IP banned"))
    assert [notice.at for notice in again.notices] == [at(600).utc]


def test_what_is_of_no_account_in_words_and_json() -> None:
    world = World(happening_rule("banned", "banned"))
    world.tell(1, AddressBanned(at(120).utc, "IP banned"))
    (notice,) = world.notices
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == "CRITICAL: marginwatch: banned"
    assert message.body.splitlines()[:2] == [
        "the exchange bans this machine's address; until then no account can be polled",
        "until 2026-01-02 03:02:00 UTC, IP banned",
    ]
    line = as_json(notice, message, 1)
    assert (line["account"], line["symbol"], line["asset"]) == (None, None, None)


# ---------------------------------------------------------------- own faults


def paced(world: World, seconds: float, account: str, every: float) -> list[str]:
    """Say how far apart polls come; returns what the log says."""
    outcome = world.tell(seconds, PollsPaced(account, round(every * 1000)))
    return [remark.text for remark in outcome.remarks]


def test_stretched_polls_are_told_once_until_all_are_back_to_normal() -> None:
    world = World(channels=CHANNELS, accounts=("main", "sub"), poll_interval=10)
    paced(world, 1, "main", 20)
    paced(world, 2, "sub", 40)
    paced(world, 3, "main", 30)
    assert paced(world, 4, "main", 10) == []
    assert paced(world, 5, "sub", 10) == [
        "polls of every account come as often as they should again"
    ]
    paced(world, 2000, "sub", 40)
    world.sleep(9000)
    assert told(world) == [
        (1, "polls_stretched", {"every": "20", "accounts": "1"}),
        (2000, "polls_stretched", {"every": "40", "accounts": "1"}),
    ]
    notice = world.notices[0]
    assert (notice.rule, notice.severity, notice.target) == (
        "marginwatch",
        Severity.WARNING,
        Target(""),
    )
    assert world.heard == {"phone": [1, 2], "desk": [1, 2]}, "whatever their filters"


def test_what_is_usual_is_not_stretched_however_long_it_is() -> None:
    world = World(channels=CHANNELS, poll_interval=20, stale_after=40)
    paced(world, 1, "main", 30)
    assert world.account.limit == 90_000
    paced(world, 2, "main", 20)
    assert world.account.limit == 40_000
    assert [entry[1] for entry in told(world)] == ["polls_stretched"]


def test_faults_of_its_own_are_not_told_where_nobody_would_hear() -> None:
    """As in tests of rules."""
    world = World(channels=())
    paced(world, 1, "main", 20)
    assert told(world) == []


def test_stretched_polls_in_words() -> None:
    world = World(channels=CHANNELS)
    paced(world, 1, "main", 20)
    message = compose(world.notices[0], None, now_utc=at(1).utc, zone=UTC)
    assert message.title == "WARNING: marginwatch: polls stretched"
    assert message.body == (
        "the request limit of this address does not suffice to poll as often as configured; "
        "changes that no event tells are seen later; they come every 20 s now\n"
        "accounts 1\n"
        "#1 · 2026-01-02 03:00:01 UTC"
    )


# ---------------------------------------------------------------- accounts that are refused


def in_portfolio_margin(seconds: float, **more: object) -> PollAnswered:
    """Positions that stand on money nobody shows."""
    totals = Totals(D(10), D(10), D(-100), D(-100), D(25), D(0))
    answer = poll(seconds, position(mark="59000", liq="0"), wallet="10")
    return replace(answer, **({"totals": totals} | more))  # type: ignore[arg-type]  # fields


def test_portfolio_margin_is_refused_after_ten_seconds_and_the_account_is_blind() -> None:
    world = World(near("margin_ratio > 50%"), BLIND)
    for seconds in (1, 5, 10.9):
        world.tell(seconds, in_portfolio_margin(seconds))
        assert errors(world) == []
    world.tell(11, in_portfolio_margin(11))
    assert errors(world) == [f"main: {PORTFOLIO_MARGIN}"]
    world.tell(20, in_portfolio_margin(20))
    world.tell(30, poll(30, CLOSE))
    assert errors(world) == [f"main: {PORTFOLIO_MARGIN}"], "said once"
    assert world.story == ["10.001s fired critical"]
    assert world.notices[0].rule == "blind"


def test_an_account_that_was_judged_is_judged_no_more_once_it_is_refused() -> None:
    world = World(near(), BLIND)
    world.tell(1, poll(1, FAR))
    why = "this account is in portfolio margin; it is not watched"
    world.tell(5, AccountRefused("main", why), AccountRefused("main", why))
    world.tell(6, poll(6, CLOSE))
    world.tell(7, change(7, filled(quantity="0.2")))
    world.sleep(60)
    assert world.story == ["15.001s fired critical"]
    assert errors(world) == [f"main: {why}"], "said once"


def errors(world: World) -> list[str]:
    return [remark.text for remark in world.remarks if remark.level == "error"]


@pytest.mark.parametrize(
    ("answer", "like"),
    [
        pytest.param(in_portfolio_margin(1), True, id="totals"),
        pytest.param(in_portfolio_margin(1, totals=None), True, id="rows and assets"),
        pytest.param(in_portfolio_margin(1, complete=False), False, id="part of an answer"),
        pytest.param(in_portfolio_margin(1, positions=()), False, id="nothing held"),
        pytest.param(
            in_portfolio_margin(1, positions=(position(mark="59000"),)), False, id="a price"
        ),
        pytest.param(
            in_portfolio_margin(1, positions=(position(liq="0", iw="5"),)), False, id="isolated"
        ),
        pytest.param(
            in_portfolio_margin(1, totals=None, assets=(AssetRow("USDT", D(900), D(900)),)),
            False,
            id="enough money: no price is near",
        ),
    ],
)
def test_what_portfolio_margin_looks_like(answer: PollAnswered, *, like: bool) -> None:
    assert looks_like_portfolio_margin(answer) is like


def test_a_poll_between_that_looks_otherwise_begins_the_ten_seconds_anew() -> None:
    world = World(near())
    world.tell(1, in_portfolio_margin(1))
    world.tell(9, poll(9, FAR))
    world.tell(12, in_portfolio_margin(12))
    world.tell(21.9, in_portfolio_margin(21.9))
    assert not world.account.refused
