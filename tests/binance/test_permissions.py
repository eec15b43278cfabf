"""What an API key may do, in sentences."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.permissions import PATH, TIME_PATH, Permissions, read_permissions
from monitor.binance.rest import Rest
from monitor.binance.signing import Signer
from monitor.binance.wire_rest import read_restrictions
from monitor.errors import FrameGarbled
from tests.binance.harness import KEY, SECRET, START, now
from tests.binance.webhosts import WebHost, reply

READING = {"ipRestrict": True, "enableReading": True}
DOCUMENTED = {
    "ipRestrict": False,
    "createTime": 1623840271000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": True,
    "enableSpotAndMarginTrading": False,
    "enablePortfolioMarginTrading": False,
}
ANYWHERE = (
    "this key works from any address: restrict it to this machine's, a stolen one is then of no "
    "use, and it does not expire by itself"
)


async def read(*answers: bytes) -> tuple[Permissions, WebHost]:
    async with trio.open_nursery() as nursery:
        web = WebHost(nursery, *answers)
        rest = Rest(
            "https://api.test",
            name="main permissions",
            signer=Signer(KEY, SECRET),
            dial=web.dial,
            now=now,
            budget=None,
            time_path=TIME_PATH,
        )
        try:
            found = await read_permissions(rest)
        finally:
            nursery.cancel_scope.cancel()
    return found, web


TABLE = [
    pytest.param(READING, (), id="reading alone"),
    pytest.param(DOCUMENTED, (ANYWHERE,), id="the documented answer"),
    pytest.param(
        READING | {"enableWithdrawals": True},
        ("this key can withdraw: reading is all it needs",),
        id="withdraw",
    ),
    pytest.param(
        READING | {"enableInternalTransfer": True},
        ("this key can transfer funds to other accounts: reading is all it needs",),
        id="internal transfer",
    ),
    pytest.param(
        READING | {"enableInternalTransfer": True, "permitsUniversalTransfer": True},
        ("this key can transfer funds to other accounts: reading is all it needs",),
        id="both kinds of transfer, said once",
    ),
    pytest.param(
        READING | {"enableFutures": True},
        ("this key can trade futures: reading is all it needs",),
        id="futures",
    ),
    pytest.param(
        READING | {"enableMargin": True},
        ("this key can trade spot or margin: reading is all it needs",),
        id="margin",
    ),
    pytest.param(
        READING | {"enableSpotAndMarginTrading": True},
        ("this key can trade spot or margin: reading is all it needs",),
        id="spot",
    ),
    pytest.param(
        READING | {"enableVanillaOptions": True},
        ("this key can trade options: reading is all it needs",),
        id="options",
    ),
    pytest.param(
        READING | {"enableFixApiTrade": True},
        ("this key can trade by FIX: reading is all it needs",),
        id="FIX",
    ),
    pytest.param(
        READING | {"enableReading": False},
        ("this key has no permission to read: enable reading",),
        id="no reading",
    ),
]


@pytest.mark.parametrize(("flags", "warnings"), TABLE)
async def test_each_permission_beyond_reading_is_a_warning(
    flags: dict[str, Any], warnings: tuple[str, ...], autojump_clock: MockClock
) -> None:
    found, web = await read(reply(flags))
    assert found == Permissions(warnings, portfolio_margin=False)
    assert [one.target.partition("?")[0] for one in web.asked] == [PATH]
    assert web.asked[0].header("x-mbx-apikey") == KEY


async def test_portfolio_margin_is_told_apart(autojump_clock: MockClock) -> None:
    found, _ = await read(reply(READING | {"enablePortfolioMarginTrading": True}))
    assert found == Permissions((), portfolio_margin=True)


@pytest.mark.parametrize("missing", READING)
def test_an_answer_without_what_matters_is_no_answer(missing: str) -> None:
    flags = {key: value for key, value in DOCUMENTED.items() if key != missing}
    with pytest.raises(FrameGarbled) as caught:
        read_restrictions(flags)
    assert str(caught.value) == f"apiRestrictions: `{missing}` is missing"


async def test_the_clock_is_asked_of_the_host_that_has_them(autojump_clock: MockClock) -> None:
    """The futures' host is another one, and this one knows nothing of /fapi."""
    late = reply({"code": -1021, "msg": "Timestamp outside of recvWindow."}, 400)
    found, web = await read(late, reply({"serverTime": START + 90_000}), reply(READING))
    assert found == Permissions((), portfolio_margin=False)
    assert [one.target.partition("?")[0] for one in web.asked] == [PATH, TIME_PATH, PATH]
