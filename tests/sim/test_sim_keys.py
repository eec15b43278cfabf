"""Signatures and times: the vectors and the rule of docs/protocol.md §3.3 and §3.5."""

from typing import Any

import pytest

from monitor.sim.keys import check_time, hmac_signature, signed_payload
from monitor.sim.weight import RefusedRequestError

# Signatures: the vectors of §3.3

KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        pytest.param(
            {"timestamp": 1702920680303, "apiKey": KEY},
            "8155e68fb7db5207fae49a68e9036fec3928b9ffd580108af193e36dfb1533cc",
            id="no recvWindow",
        ),
        pytest.param(
            {"timestamp": 1702920680303, "recvWindow": 5000, "apiKey": KEY},
            "e3e4128c6c1988e6358fbdd663495f8861f42fc6e9c73586f2fe56f6d6c7ae6b",
            id="recvWindow",
        ),
        pytest.param(
            {
                "timestamp": 1702920680303,
                "symbol": "BTCUSDT",
                "signature": "is not signed",
                "recvWindow": 5000,
                "apiKey": KEY,
            },
            "e69465086e6884e0baf2b7c7cfb7a7514da73443bd2df928f3987ec1e0063b08",
            id="symbol",
        ),
    ],
)
def test_signature_vectors(params: dict[str, Any], signature: str) -> None:
    assert hmac_signature(signed_payload(params), SECRET) == signature


def test_the_rest_vector() -> None:
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
        "&recvWindow=5000&timestamp=1591702613943"
    )
    assert hmac_signature(payload, SECRET) == (
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


@pytest.mark.parametrize(
    ("timestamp", "window"),
    [(10_999, None), (5_000, None), (10_000, 0), (0, 10_000), ("9000", "5000")],
)
def test_times_that_are_accepted(timestamp: object, window: object) -> None:
    check_time(timestamp, window, 10_000)


AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
OUTSIDE = "Timestamp for this request is outside of the recvWindow."
NO_TIME = "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."


@pytest.mark.parametrize(
    ("timestamp", "window", "code", "message"),
    [
        (11_000, None, -1021, AHEAD),
        (4_999, None, -1021, OUTSIDE),
        (9_999, 0, -1021, OUTSIDE),
        (None, None, -1102, NO_TIME),
        (True, None, -1102, NO_TIME),
        ("1e4", None, -1102, NO_TIME),
    ],
)
def test_times_that_are_refused(timestamp: object, window: object, code: int, message: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_time(timestamp, window, 10_000)
    assert (caught.value.status, caught.value.code, str(caught.value)) == (400, code, message)
