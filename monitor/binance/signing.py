"""Request signatures for Binance, pure, for the three kinds of API key: HMAC, Ed25519 and RSA.

Two payloads are signed, and they differ. Over the WebSocket API: all parameters but the signature,
`apiKey` among them, sorted by name, every character as it is. Over REST: the query string as it is
sent, percent-encoded, in the order of sending and without the key. For letters, digits and dots it
is one; a symbol such as 币安人生USDT is refused with −1022 when signed in the other's form.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import quote

from monitor.config.private_key import SignBytes, read_private_key
from monitor.errors import KeyUnusable

RECV_WINDOW = 5000
"""Milliseconds that a signed request is good for, before scale; Binance's own default."""

Params = Mapping[str, str | int]

Sign = Callable[[bytes], str]
"""Makes the signature of a payload, as Binance wants it written."""


class Signer:
    """Signs with one account's key, and shows it to nobody.

    No secret text is kept, only the hash state that begins with it or the key made of it; `repr`
    shows nothing.

    Args:
        api_key: The account's API key. It is no secret by Binance's rules and one by ours.
        secret: Its HMAC secret; or what signs in the place of one.
    """

    __slots__ = ("_api_key", "_sign")

    def __init__(self, api_key: str, secret: str | Sign) -> None:
        self._api_key = api_key
        self._sign = _hmac_sha256(secret) if isinstance(secret, str) else secret

    def __repr__(self) -> str:
        return "Signer(…)"

    @property
    def api_key(self) -> str:
        """What identifies the account in a request."""
        return self._api_key

    def sign(self, payload: str) -> str:
        """Sign a payload: lower-case hex with an HMAC key, base64 with the others.

        Source:
            docs/protocol.md §3.3; its vectors are in tests/binance/test_signing.py.
        """
        return self._sign(payload.encode())

    def signed(self, params: Params, *, timestamp: int, recv_window: int) -> dict[str, str | int]:
        """Complete the parameters of a signed WebSocket API request.

        Args:
            params: The request's own parameters.
            timestamp: Unix milliseconds by the exchange's clock.
            recv_window: For how many milliseconds after it the request is good.

        Returns:
            They, with `apiKey`, `timestamp`, `recvWindow` and `signature`.
        """
        full = {
            **params,
            "apiKey": self._api_key,
            "recvWindow": recv_window,
            "timestamp": timestamp,
        }
        return {**full, "signature": self.sign(ws_payload(full))}

    def named(self, params: Params) -> dict[str, str | int]:
        """Complete the parameters of a request that names the key and is not signed."""
        return {**params, "apiKey": self._api_key}

    def rest_query(self, params: Params, *, timestamp: int, recv_window: int) -> str:
        """Write the query string of a signed REST request; the key goes into `X-MBX-APIKEY`.

        Args:
            params: The request's own parameters, in the order in which they are to be sent.
            timestamp: Unix milliseconds by the exchange's clock.
            recv_window: For how many milliseconds after it the request is good.

        Returns:
            They, then `recvWindow`, `timestamp` and, at the end, `signature`. It has to be sent as
            it is: encoded anew or put in another order it earns −1022.
        """
        query = rest_payload({**params, "recvWindow": recv_window, "timestamp": timestamp})
        return f"{query}&signature={quote(self.sign(query), safe='')}"


def signer_of(
    api_key: str,
    *,
    api_secret: str | None = None,
    private_key: str | None = None,
    passphrase: str | None = None,
) -> Signer:
    """Make the signer of an account, by its HMAC secret or by its private key.

    Args:
        api_key: The account's API key.
        api_secret: Of an HMAC key.
        private_key: Of an Ed25519 or RSA key, as PEM.
        passphrase: Of an encrypted private key.

    Raises:
        KeyUnusable: No key to sign with can be made of it.
    """
    if private_key is not None and api_secret is None:
        return Signer(api_key, _base64(read_private_key(private_key, passphrase)))
    if api_secret is not None and private_key is None:
        return Signer(api_key, api_secret)
    raise KeyUnusable("or api_secret is needed, and not both")


def ws_payload(params: Params) -> str:
    """Write parameters as the WebSocket API signs them: `name=value`, by name, joined with `&`.

    Source:
        developers.binance.com, usds-margined-futures/websocket-api-general-info, "Request
        security", read 2026-05-28. Left out, `apiKey` earns −1022. That nothing is percent-encoded
        was found with Chinese symbols: docs/protocol.md §3.3.
    """
    return "&".join(f"{name}={value}" for name, value in sorted(params.items()))


def rest_payload(params: Params) -> str:
    """Write parameters as REST signs and sends them: percent-encoded UTF-8, in the order given.

    Source:
        developers.binance.com, usds-margined-futures/general-info, "SIGNED Endpoint Examples", read
        2026-05-28; percent-encoding before the signature: docs/protocol.md §3.3.
    """
    return "&".join(f"{quote(name)}={quote(str(value), safe='')}" for name, value in params.items())


def _hmac_sha256(secret: str) -> Sign:
    begun = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(payload: bytes) -> str:
        state = begun.copy()
        state.update(payload)
        return state.hexdigest()

    return sign


def _base64(sign: SignBytes) -> Sign:
    return lambda payload: base64.b64encode(sign(payload)).decode()
