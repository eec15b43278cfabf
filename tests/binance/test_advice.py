"""Each way for the link to fail has a way out; the full texts are in tests/test_check_online.py."""

import pytest

from monitor.binance import codes
from monitor.binance.advice import advice
from monitor.binance.ends import Cause, LinkLost, UpgradeRefused
from monitor.binance.rest import HttpRefused
from monitor.errors import (
    CommitFailed,
    ExchangeRefused,
    FrameGarbled,
    KeyRejected,
    MonitorError,
)


def upgrade(status: int, *, page: bool = False) -> UpgradeRefused:
    return UpgradeRefused("x", status=status, seconds=0, retry_at=None, page=page)


def refusal(code: int, status: int = 400, message: str = "m") -> ExchangeRefused:
    return ExchangeRefused("method", status, code, message)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_of_a_lost_link_has_an_advice(cause: Cause) -> None:
    said = advice(LinkLost("x", cause))
    assert said[0].isupper()
    assert said.endswith(".")


SAME = [
    pytest.param(upgrade(403), HttpRefused("x", 403), id="403 of a socket and of REST"),
    pytest.param(upgrade(500), HttpRefused("x", 502), id="any fault of theirs"),
    pytest.param(upgrade(200, page=True), HttpRefused("x", 302), id="a page, and a redirect"),
    pytest.param(upgrade(418), refusal(-1003, 418), id="a ban at the upgrade and later"),
    pytest.param(
        refusal(-1003, 400, "Way too many requests; IP banned until 1615183669840."),
        refusal(0, 429),
        id="too many requests, by code and by status",
    ),
    pytest.param(refusal(-1109), refusal(-4109), id="no account"),
    pytest.param(
        refusal(codes.NOT_ALLOWED),
        KeyRejected("m", 401, codes.NOT_ALLOWED, "m"),
        id="a code, whatever its type",
    ),
    pytest.param(refusal(-1008, 503), upgrade(503), id="overload"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_cause_has_one_advice_wherever_it_shows(one: MonitorError, other: MonitorError) -> None:
    assert advice(one) == advice(other) != ""


def test_different_causes_have_different_advice() -> None:
    faults: list[MonitorError] = [
        *(LinkLost("x", cause) for cause in Cause),
        *(upgrade(status) for status in (403, 404, 418, 451, 400, 500)),
        upgrade(200, page=True),
        *(
            refusal(code)
            for code in (
                codes.CLOCK,
                codes.SIGNATURE,
                codes.BAD_FORMAT,
                codes.NOT_ALLOWED,
                codes.LOCKED,
                -1109,
            )
        ),
        FrameGarbled("x"),
    ]
    said = [advice(fault) for fault in faults]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("fault", [refusal(-1121), CommitFailed("x")], ids=["code", "kind"])
def test_what_needs_no_advice_has_none(fault: MonitorError) -> None:
    assert advice(fault) == ""
