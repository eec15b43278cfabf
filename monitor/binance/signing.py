"""Request signatures for Binance, pure.

Two payloads are signed, and they differ: over the WebSocket API all parameters but the signature,
`apiKey` among them, sorted by name; over REST the query string and body as they are sent.
"""

import hashlib
import hmac
from collections.abc import Mapping

Params = Mapping[str, str | int]


class Signer:
    """Signs with one account's HMAC secret, and shows it to nobody.

    The secret itself is not kept, only the hash state that begins with it; `repr` shows nothing.

    Args:
        api_key: The account's API key. It is no secret by Binance's rules and one by ours.
        api_secret: Its HMAC secret.
    """

    __slots__ = ("_api_key", "_state")

    def __init__(self, api_key: str, api_secret: str) -> None:
        self._api_key = api_key
        self._state = hmac.new(api_secret.encode(), digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return "Signer(…)"

    @property
    def api_key(self) -> str:
        """What identifies the account in a request."""
        return self._api_key

    def sign(self, payload: str) -> str:
        """Compute the HMAC-SHA256 of a payload, lower-case hex.

        Source:
            developers.binance.com, usds-margined-futures/general-info, "SIGNED Endpoint
            Examples", read 2026-05-28; its vectors are in tests/binance/test_signing.py.
        """
        state = self._state.copy()
        state.update(payload.encode())
        return state.hexdigest()

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


def ws_payload(params: Params) -> str:
    """Write parameters as the WebSocket API signs them: `name=value`, by name, joined with `&`.

    Source:
        developers.binance.com, usds-margined-futures/websocket-api-general-info, "Request
        security", read 2026-05-28. Left out, `apiKey` earns −1022.
    """
    return "&".join(f"{name}={value}" for name, value in sorted(params.items()))
