"""Keys of every kind, and sessions of the WebSocket API, in virtual time."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from trio.testing import MockClock

from monitor.errors import ScenarioError
from monitor.sim.exchange import account_table
from monitor.sim.keys import signed_payload
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import Visitor, fetch, open_exchange, signed

START = 1_767_225_600_000
API = "/ws-fapi/v1?returnRateLimits=false"
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def by_ed25519(text: str) -> str:
    return base64.b64encode(ED25519.sign(text.encode())).decode()


def by_rsa(text: str) -> str:
    raw = RSA.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(raw).decode()


Sign = Callable[[str], str]
SIGNERS: dict[str, tuple[ed25519.Ed25519PublicKey | rsa.RSAPublicKey, Sign]] = {
    "Ed25519": (ED25519.public_key(), by_ed25519),
    "RSA": (RSA.public_key(), by_rsa),
}


def story(kind: str) -> tuple[Scenario, Sign]:
    key, sign = SIGNERS[kind]
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = (
        'length = "10m"\n[[account]]\nname = "main"\napi_key = "demo-key"\n'
        f'public_key = """\n{pem.decode()}"""\nbalances = {{ USDT = "1000" }}\n'
    )
    return parse_scenario(text, "test"), sign


def signed_by(sign: Sign, now: int, **params: Any) -> dict[str, Any]:
    whole = {"apiKey": "demo-key", "timestamp": now} | params
    return whole | {"signature": sign(signed_payload(whole))}


@pytest.mark.parametrize("kind", SIGNERS)
async def test_asymmetric_keys_on_both_ways(autojump_clock: MockClock, kind: str) -> None:
    scenario, sign = story(kind)
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        good = signed_by(sign, START, symbol="BTCUSDT")
        assert (await api.ask("v2/account.position", **good))["status"] == 200
        spoilt = good | {"symbol": "ETHUSDT"}
        assert (await api.ask("v2/account.position", **spoilt))["error"]["code"] == -1022
        unreadable = good | {"signature": "not base64!"}
        assert (await api.ask("v2/account.position", **unreadable))["error"]["code"] == -1022
        text = urlencode({"symbol": "BTCUSDT", "timestamp": START})
        query = f"{text}&{urlencode({'signature': sign(text)})}"
        status, _, _ = await fetch(exchange, "GET", f"/fapi/v3/positionRisk?{query}", "demo-key")
        assert status == 200


async def test_the_ed25519_vector(autojump_clock: MockClock) -> None:
    """The vector of docs/protocol.md §3.3, checked by the exchange's side."""
    scenario, _ = story("Ed25519")
    key = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
    account = scenario.account[0].model_copy(update={"api_key": key})
    then = 1_702_920_680_303
    signature = (
        "m8NTir0CHGKArxGvzFxYFkr+gRNSJoCtugPqWC26RWmYz1/JxIBDB1kOI3x9c4+NMF9HbKzBDiH41vdcHh3ZCA=="
    )
    scenario = scenario.model_copy(update={"account": (account,)})
    async with open_exchange(scenario, start_ms=then) as exchange:
        api = await Visitor.visit(exchange, API)
        answer = await api.ask("session.logon", apiKey=key, timestamp=then, signature=signature)
        assert answer["status"] == 200


async def test_a_session(autojump_clock: MockClock) -> None:
    """Logged on, a request needs a time alone; logged out, it needs everything again."""
    scenario, sign = story("Ed25519")
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(1)
        now = START + 1000
        within = {
            "apiKey": "demo-key",
            "authorizedSince": now,
            "connectedSince": START,
            "returnRateLimits": False,
            "serverTime": now,
        }
        without = within | {"apiKey": None, "authorizedSince": None}
        assert (await api.ask("session.status"))["result"] == without
        assert (await api.ask("session.logon", **signed_by(sign, now)))["result"] == within
        assert (await api.ask("v2/account.balance", timestamp=now))["status"] == 200
        assert (await api.ask("userDataStream.start"))["status"] == 200
        other = {"apiKey": "nobody", "timestamp": now, "signature": "x"}
        assert (await api.ask("v2/account.balance", **other))["error"]["code"] == -2015
        assert (await api.ask("session.status"))["result"] == within
        assert (await api.ask("session.logout"))["result"] == without
        refused = await api.ask("v2/account.balance", timestamp=now)
        assert (refused["status"], refused["error"]["code"]) == (400, -1102)


async def test_other_keys_cannot_log_on(autojump_clock: MockClock) -> None:
    """HMAC, in Spot's words; RSA likewise."""
    text = 'length = "10m"\n[[account]]\nname = "main"\napi_key = "k"\napi_secret = "s"\n'
    scenario = parse_scenario(text, "test")
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        answer = await api.ask("session.logon", **signed(scenario.account[0], START))
        message = "HMAC-SHA-256 API key is not supported."
        assert answer["error"] == {"code": -2028, "msg": message}
    scenario, sign = story("RSA")
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        answer = await api.ask("session.logon", **signed_by(sign, START))
        assert answer["error"]["code"] == -2028


async def test_a_session_ends_with_its_key(autojump_clock: MockClock) -> None:
    """Without an id first, as for any key that is taken back; and good again when restored."""
    scenario, sign = story("Ed25519")
    deeds = '[[do]]\nat = "10s"\nwhat = "revoke_key"\n[[do]]\nat = "20s"\nwhat = "restore_key"\n'
    more = parse_scenario(
        f'length = "1m"\n[[account]]\nname = "x"\napi_key = "k"\napi_secret = "s"\n{deeds}', "deeds"
    )
    async with open_exchange(scenario.model_copy(update={"do": more.do})) as exchange:
        api = await Visitor.visit(exchange, API)
        await api.ask("session.logon", **signed_by(sign, START))
        await trio.sleep(11)
        answers = [await api.ask("v2/account.balance", timestamp=START + 11_000) for _ in "ab"]
        assert [(a["id"], a["status"], a["error"]["code"]) for a in answers] == [
            (None, 401, -2015),
            (3, 401, -2015),
        ]
        await trio.sleep(10)
        assert (await api.ask("v2/account.balance", timestamp=START + 21_000))["status"] == 200


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("", "api_secret: is missing; add it, or a `public_key`"),
        (
            'public_key = "abc"',
            "public_key: is no PEM of an Ed25519 or RSA public key; paste one whole",
        ),
    ],
)
def test_wrong_keys_in_a_scenario(lines: str, fault: str) -> None:
    text = f'length = "1m"\n[[account]]\nname = "main"\napi_key = "k"\n{lines}\n'
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "x")
    assert str(caught.value) == f"x: [[account]] 1 (main), {fault}"


def test_the_table_for_an_account_with_a_public_key() -> None:
    table = account_table(story("Ed25519")[0].account[0], "127.0.0.1", 9000)
    assert 'private_key = "${file:key.pem}"' in table
    assert "api_secret" not in table
