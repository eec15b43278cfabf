"""Signatures against the vectors of docs/protocol.md §3.3."""

import pytest

from monitor.binance.signing import Signer, ws_payload

KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
TIMESTAMP = 1702920680303


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        pytest.param(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            "&recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
            id="REST, Binance's example 1 and 2",
        ),
        pytest.param(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000"
            "&recvWindow=5000&timestamp= 1591702613943",
            "f9d0ae5e813ef6ccf15c2b5a434047a0181cb5a342b903b367ca6d27a66e36f2",
            id="REST, Binance's example 3 with its stray blank",
        ),
        pytest.param(
            f"apiKey={KEY}&timestamp={TIMESTAMP}",
            "8155e68fb7db5207fae49a68e9036fec3928b9ffd580108af193e36dfb1533cc",
            id="WebSocket API without recvWindow",
        ),
    ],
)
def test_a_payload_is_signed_as_binance_signs_it(payload: str, signature: str) -> None:
    assert Signer(KEY, SECRET).sign(payload) == signature


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        pytest.param(
            {},
            "e3e4128c6c1988e6358fbdd663495f8861f42fc6e9c73586f2fe56f6d6c7ae6b",
            id="nothing of its own",
        ),
        pytest.param(
            {"symbol": "BTCUSDT"},
            "e69465086e6884e0baf2b7c7cfb7a7514da73443bd2df928f3987ec1e0063b08",
            id="a symbol",
        ),
    ],
)
def test_a_request_is_completed_and_signed(params: dict[str, str], signature: str) -> None:
    assert Signer(KEY, SECRET).signed(params, timestamp=TIMESTAMP, recv_window=5000) == {
        **params,
        "apiKey": KEY,
        "recvWindow": 5000,
        "timestamp": TIMESTAMP,
        "signature": signature,
    }


def test_an_unsigned_request_names_the_key() -> None:
    assert Signer(KEY, SECRET).named({}) == {"apiKey": KEY}


def test_the_payload_is_sorted_by_name() -> None:
    assert ws_payload({"timestamp": 3, "apiKey": "k", "symbol": "B"}) == (
        "apiKey=k&symbol=B&timestamp=3"
    )


def test_a_signer_shows_nothing() -> None:
    signer = Signer(KEY, SECRET)
    assert repr(signer) == str(signer) == "Signer(…)"
    assert not hasattr(signer, "__dict__")
    assert SECRET not in repr([getattr(signer, name) for name in Signer.__slots__])
