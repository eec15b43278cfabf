"""Whether a user stream may be trusted."""

from monitor.core.trust import Change, Trust, Verdict

QUIET = Verdict(None, ())


def standing() -> Trust:
    """A stream that stands since 0, and was polled since."""
    trust = Trust()
    trust.stood(0)
    poll(trust, 0)
    return trust


def poll(
    trust: Trust,
    ticks: int,
    moved: dict[str, str] | None = None,
    drifted: dict[str, str] | None = None,
    *,
    sent: int | None = None,
    complete: bool = True,
) -> None:
    trust.polled(
        moved or {},
        drifted or {},
        sent=ticks if sent is None else sent,
        ticks=ticks,
        complete=complete,
    )


def test_a_change_that_an_event_explains_within_five_seconds_is_no_suspicion() -> None:
    trust = standing()
    poll(trust, 1000, {"BTCUSDT/BOTH": "quantity 1 → 2"})
    assert trust.due() == 6000
    trust.explained(["ETHUSDT/BOTH", "BTCUSDT/BOTH"])
    assert trust.due() is None
    assert trust.suspect(6000) == QUIET


def test_a_change_that_nobody_explains_makes_it_suspect() -> None:
    trust = standing()
    poll(trust, 1000, {"BTCUSDT/BOTH": "quantity 1 → 2"}, {"USDT": "wallet 5 → 6"})
    assert trust.suspect(5999) == QUIET
    assert trust.suspect(6000) == Verdict("quantity 1 → 2", ("wallet 5 → 6",))
    assert trust.due() is None


def test_a_poll_repeats_nothing_that_waits() -> None:
    trust = standing()
    poll(trust, 1000, {"k": "first"})
    poll(trust, 3000, {"k": "second"})
    assert trust.waiting == {"k": Change(6000, "first", drift=False)}


def test_a_moved_position_outweighs_a_drifted_wallet_of_it() -> None:
    trust = standing()
    poll(trust, 1000, drifted={"k": "isolated wallet"})
    poll(trust, 2000, {"k": "quantity"})
    poll(trust, 3000, drifted={"k": "isolated wallet"})
    assert trust.waiting == {"k": Change(7000, "quantity", drift=False)}


def test_nothing_is_proved_before_the_first_poll_after_it_stood() -> None:
    trust = Trust()
    poll(trust, 0, {"k": "never stood"})
    trust.stood(1000)
    poll(trust, 1500, {"k": "sent before it stood"}, sent=900)
    poll(trust, 2000, {"k": "part of an answer"}, complete=False)
    poll(trust, 3000, {"k": "the first"}, sent=1000)
    assert trust.due() is None
    poll(trust, 4000, {"k": "the second"})
    assert trust.suspect(9000).why == "the second"


def test_nothing_is_proved_while_it_does_not_stand() -> None:
    trust = standing()
    poll(trust, 1000, {"k": "waits"})
    trust.fell(2000)
    assert trust.due() is None
    poll(trust, 3000, {"k": "while it is down"})
    assert trust.due() is None


def test_at_most_one_rebuild_a_minute_and_none_is_forgotten() -> None:
    trust = standing()
    poll(trust, 0, {"a": "first"})
    assert trust.suspect(5000).why == "first"
    poll(trust, 10_000)
    poll(trust, 20_000, {"b": "second"})
    assert trust.suspect(25_000) == QUIET
    assert trust.due() == 65_000
    assert trust.suspect(65_000).why == "second"


def test_an_explanation_may_come_while_a_rebuild_waits() -> None:
    trust = standing()
    poll(trust, 0, {"a": "first"})
    trust.suspect(5000)
    poll(trust, 10_000)
    poll(trust, 20_000, {"b": "second"})
    trust.suspect(25_000)
    trust.explained(["b"])
    assert trust.due() is None


def test_after_a_suspicion_the_next_poll_proves_nothing() -> None:
    """The renewed stream may miss what came between."""
    trust = standing()
    poll(trust, 0, {"a": "first"})
    trust.suspect(5000)
    poll(trust, 6000, {"a": "between"}, sent=4000)
    poll(trust, 7000, {"a": "between"}, sent=6500)
    assert trust.due() is None
    poll(trust, 70_000, {"a": "after"})
    assert trust.suspect(75_000).why == "after"


def test_an_unexplained_balance_makes_it_suspect_at_most_once_in_ten_minutes() -> None:
    trust = standing()
    said = []
    for minute in range(12):
        now = minute * 60_000
        poll(trust, now, drifted={"USDT": f"wallet at {minute}"})
        said.append(trust.suspect(now + 5000))
        poll(trust, now + 10_000)
    assert [minute for minute, verdict in enumerate(said) if verdict.why] == [0, 10]
    assert all(verdict.drifts for verdict in said), "each is counted"


def test_a_balance_alone_does_not_rebuild_within_a_minute_of_a_rebuild() -> None:
    trust = standing()
    poll(trust, 0, {"a": "moved"})
    trust.suspect(5000)
    poll(trust, 10_000)
    poll(trust, 20_000, drifted={"USDT": "wallet"})
    assert trust.suspect(25_000) == Verdict(None, ("wallet",))
