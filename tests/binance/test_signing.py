"""Signatures against the vectors of docs/protocol.md §3.3."""

import base64
import gc
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.signing import Signer, signer_of, ws_payload
from monitor.errors import KeyUnusable
from tests.signing_keys import ED25519_LINE, ED25519_PEM, PKCS8, TRADITIONAL, pem, rsa_key

KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
TIMESTAMP = 1702920680303
OPENSSL = shutil.which("openssl") or ""


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


# Ed25519 and RSA -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        pytest.param(
            f"apiKey={KEY}&timestamp={TIMESTAMP}",
            "m8NTir0CHGKArxGvzFxYFkr+gRNSJoCtugPqWC26RWmYz1/JxIBDB1kOI3x9c4+NMF9HbKzBDiH41vdcHh3ZCA==",
            id="without recvWindow",
        ),
        pytest.param(
            f"apiKey={KEY}&recvWindow=5000&timestamp={TIMESTAMP}",
            "Q/0GwU9TpTdO+QOGn8mAHUCIQddslQdD8dmb5y/qrjDq+AzYKpVks2Ab3QaniY7ur6NjRfPpsXtwcKHZF+8xAw==",
            id="with recvWindow",
        ),
    ],
)
def test_an_ed25519_key_signs_in_base64(payload: str, signature: str) -> None:
    assert signer_of(KEY, private_key=ED25519_PEM).sign(payload) == signature


def test_a_request_carries_base64_as_it_is() -> None:
    """In JSON there is nothing to percent-encode."""
    signer = signer_of(KEY, private_key=ED25519_PEM)
    assert signer.signed({}, timestamp=TIMESTAMP, recv_window=5000) == {
        "apiKey": KEY,
        "recvWindow": 5000,
        "timestamp": TIMESTAMP,
        "signature": "Q/0GwU9TpTdO+QOGn8mAHUCIQddslQdD8dmb5y/qrjDq+AzYKpVks2Ab3QaniY7ur6NjRfPpsXtw"
        "cKHZF+8xAw==",
    }


@pytest.mark.parametrize("passphrase", [None, "open-4711"])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL], ids=["PKCS#8", "older form"])
def test_an_rsa_key_signs_however_it_is_written(
    form: PrivateFormat, passphrase: str | None
) -> None:
    text = pem(rsa_key(), form, passphrase)
    signature = signer_of(KEY, private_key=text, passphrase=passphrase).sign("timestamp=1")
    rsa_key().public_key().verify(
        base64.b64decode(signature, validate=True), b"timestamp=1", PKCS1v15(), SHA256()
    )


@pytest.mark.skipif(not OPENSSL, reason="there is no openssl to compare with")
def test_openssl_makes_the_same_signatures(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("rsa", "ed25519", "payload")}
    files["rsa"].write_text(pem(rsa_key()))
    files["ed25519"].write_text(ED25519_PEM)
    files["payload"].write_text("symbol=币安人生USDT&timestamp=1")

    def theirs(*words: str | Path) -> str:
        return base64.b64encode(subprocess.check_output([OPENSSL, *words])).decode()

    def ours(name: str) -> str:
        signer = signer_of(KEY, private_key=files[name].read_text())
        return signer.sign(files["payload"].read_text())

    assert ours("rsa") == theirs("dgst", "-sha256", "-sign", files["rsa"], files["payload"])
    words = ("pkeyutl", "-sign", "-rawin", "-inkey", files["ed25519"], "-in", files["payload"])
    assert ours("ed25519") == theirs(*words)


@pytest.mark.parametrize(
    "given",
    [{}, {"api_secret": SECRET, "private_key": ED25519_PEM}],
    ids=["neither", "both"],
)
def test_a_signer_is_made_of_one_thing(given: dict[str, str]) -> None:
    with pytest.raises(KeyUnusable) as caught:
        signer_of(KEY, **given)
    assert str(caught.value) == "private_key or api_secret is needed, and not both"


def test_a_signer_cannot_be_made_of_a_public_key() -> None:
    public = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"
    with pytest.raises(KeyUnusable) as caught:
        signer_of(KEY, private_key=public)
    assert str(caught.value) == (
        "private_key is a public key (write the private key that it was made from; the public one "
        "is for Binance to hold)"
    )


# REST, and symbols in Chinese ----------------------------------------------------------------


def test_a_rest_query_is_the_one_of_the_documentation() -> None:
    params: dict[str, str | int] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": 1,
        "price": 9000,
        "timeInForce": "GTC",
    }
    query = Signer(KEY, SECRET).rest_query(params, timestamp=1591702613943, recv_window=5000)
    assert query == (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
        "&signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


def test_a_chinese_symbol_is_signed_raw_on_a_socket_and_percent_encoded_over_rest() -> None:
    signed: list[str] = []

    def sign(payload: bytes) -> str:
        signed.append(payload.decode())
        return "a+/="

    signer = Signer("k", sign)
    sent = signer.signed({"symbol": "币安人生USDT"}, timestamp=1, recv_window=5000)
    query = signer.rest_query({"symbol": "币安人生USDT"}, timestamp=1, recv_window=5000)
    encoded = "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&recvWindow=5000&timestamp=1"
    assert signed == ["apiKey=k&recvWindow=5000&symbol=币安人生USDT&timestamp=1", encoded]
    assert (sent["symbol"], sent["signature"]) == ("币安人生USDT", "a+/=")
    assert query == f"{encoded}&signature=a%2B%2F%3D"


@given(st.dictionaries(st.text("abcXYZ", min_size=1), st.text(st.characters(codec="utf-8"))))
def test_a_rest_query_says_what_it_was_given_and_signs_what_it_says(params: dict[str, str]) -> None:
    signer = Signer(KEY, SECRET)
    query = signer.rest_query(params, timestamp=1, recv_window=5000)
    payload, _, signature = query.rpartition("&signature=")
    assert signature == signer.sign(payload)
    assert parse_qsl(payload, keep_blank_values=True, strict_parsing=True) == [
        *params.items(),
        ("recvWindow", "5000"),
        ("timestamp", "1"),
    ]


# Secrecy and weight --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signer",
    [Signer(KEY, SECRET), signer_of(KEY, private_key=ED25519_PEM)],
    ids=["HMAC", "Ed25519"],
)
def test_a_signer_shows_nothing(signer: Signer) -> None:
    assert repr(signer) == str(signer) == "Signer(…)"
    assert not hasattr(signer, "__dict__")
    held = repr([getattr(signer, name) for name in Signer.__slots__])
    assert SECRET not in held
    assert ED25519_LINE not in held


def test_no_secret_text_is_kept() -> None:
    """Whatever can be reached from a signer: a hash state, a key object, no text."""
    for signer in (Signer(KEY, SECRET), signer_of(KEY, private_key=ED25519_PEM)):
        seen: dict[int, object] = {}
        ahead: list[object] = [signer]
        while ahead:
            each = ahead.pop()
            if id(each) in seen or isinstance(each, ModuleType | type | dict):
                continue
            seen[id(each)] = each
            ahead.extend(gc.get_referents(each))
        texts = [each for each in seen.values() if isinstance(each, str | bytes)]
        assert KEY in texts
        assert not [text for text in texts if SECRET in str(text) or ED25519_LINE in str(text)]


@pytest.mark.parametrize(
    ("made", "imported"),
    [
        ("Signer('k', 's').sign('x')", "False"),
        ("signer_of('k', api_secret='s').sign('x')", "False"),
        (f"signer_of('k', private_key={ED25519_PEM!r}).sign('x')", "True"),
    ],
)
def test_cryptography_is_imported_for_private_keys_alone(made: str, imported: str) -> None:
    code = (
        "import sys; from monitor.binance.signing import Signer, signer_of; "
        f"{made}; print('cryptography' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == f"{imported}\n"
