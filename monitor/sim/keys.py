"""API keys: who may ask, and whether a request is signed and timed as it should be.

Source: docs/protocol.md §3.3 (signature) and §3.5 (time).
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

from monitor.sim.account import Account
from monitor.sim.weight import RefusedRequestError

_DEFAULT_WINDOW_MS = 5000
_AHEAD_MS = 1000
_SHAPE = re.compile(r"[A-Za-z0-9_-]+")
_NOT_THIS_KEY = "Invalid API-key, IP, or permissions for action."


def hmac_signature(payload: str, secret: str) -> str:
    """Sign a payload: HMAC-SHA256, lower-case hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_payload(params: Mapping[str, Any]) -> str:
    """Spell what a WebSocket API signature covers: every parameter but itself, sorted by name."""
    return "&".join(f"{k}={_spelled(v)}" for k, v in sorted(params.items()) if k != "signature")


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class KeyRing:
    """The API keys of every account.

    Args:
        accounts: Theirs.
    """

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = {account.api_key: account for account in accounts}
        self._revoked: set[str] = set()

    def revoke(self, account: str) -> None:
        """Take an account's key back."""
        self._revoked |= {key for key, owner in self._accounts.items() if owner.name == account}

    def restore(self, account: str) -> None:
        """Make an account's key good again."""
        self._revoked -= {key for key, owner in self._accounts.items() if owner.name == account}

    def account_of(self, api_key: str) -> Account | None:
        """Find whose key this is, good or revoked; None: nobody's."""
        return self._accounts.get(api_key)

    def owner(self, api_key: object, told: set[str] | None = None) -> Account:
        """Find whose key this is.

        Args:
            api_key: As it came.
            told: Keys that this session was told are revoked. The first request after that is
                answered with `id: null` (§3.1), if the session had used the key before.

        Raises:
            RefusedRequestError: It is missing, malformed, unknown or revoked.
        """
        if not isinstance(api_key, str) or not api_key:
            raise missing("apiKey")
        if not _SHAPE.fullmatch(api_key):
            raise RefusedRequestError(401, -2014, "API-key format invalid.")
        account = self._accounts.get(api_key)
        if account is None:
            raise RefusedRequestError(401, -2015, _NOT_THIS_KEY)
        if api_key in self._revoked:
            anonymous = told is not None and api_key not in told
            if told is not None:
                told.add(api_key)
            raise RefusedRequestError(401, -2015, _NOT_THIS_KEY, anonymous=anonymous)
        return account


def check_time(timestamp: object, window: object, now: int) -> None:
    """Hold a request's time against the exchange's.

    Accepted if `timestamp < now + 1000 and now - timestamp <= recvWindow`; recvWindow is taken as
    sent, 5000 ms by default, without a maximum.

    Raises:
        RefusedRequestError: −1021 with one of its two texts, or −1102.
    """
    sent, patience = _integer(timestamp, "timestamp"), _DEFAULT_WINDOW_MS
    if window is not None:
        patience = _integer(window, "recvWindow")
    if sent >= now + _AHEAD_MS:
        raise RefusedRequestError(
            400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."
        )
    if now - sent > patience:
        raise RefusedRequestError(
            400, -1021, "Timestamp for this request is outside of the recvWindow."
        )


def _integer(value: object, name: str) -> int:
    """Read an INT parameter: a JSON integer, or its digits as REST sends them."""
    if isinstance(value, bool):
        raise missing(name)
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{1,16}", value):
        return int(value)
    raise missing(name)


def check_signature(payload: str, signature: object, account: Account) -> None:
    """Hold a signature against the account's secret, or against its public key.

    Raises:
        RefusedRequestError: −1022, or −1102 where there is none.
    """
    if not isinstance(signature, str) or not signature:
        raise missing("signature")
    if account.public_key:
        from monitor.sim import public_keys

        good = public_keys.is_signed(payload.encode(), signature, account.public_key)
    else:
        expected = hmac_signature(payload, account.api_secret)
        good = hmac.compare_digest(expected.encode(), signature.encode())
    if not good:
        raise RefusedRequestError(400, -1022, "Signature for this request is not valid.")


def can_log_on(account: Account) -> bool:
    """Tell whether an account's key may open a session: Ed25519 alone (§3.4)."""
    if not account.public_key:
        return False
    from monitor.sim import public_keys

    return public_keys.is_ed25519(account.public_key)


def missing(name: str) -> RefusedRequestError:
    """Word −1102."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return RefusedRequestError(400, -1102, text)
