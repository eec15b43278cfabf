"""What an account signs with: one secret or one private key, and what people put there instead.

Each check gives the key of `[[account]]` that is wrong, and what is wrong with it, without a word
of any secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.config.private_key import is_pem, read_private_key
from monitor.errors import KeyUnusable
from monitor.toml_positions.values import Wrong

Found = tuple[str, Wrong]

_SENDABLE = re.compile(r"[!-~]*")  # in an HTTP header: no space, no line break, ASCII alone

_EITHER = 'write api_secret = "${BINANCE_API_SECRET}", or private_key = "${file:key.pem}"'


def misplaced_keys(account: Mapping[str, Any]) -> Iterator[Found]:
    """Find keys that are missing or stand beside one that excludes them; no value is looked at."""
    given = {"api_secret", "private_key"} & account.keys()
    if not given:
        yield "api_secret", Wrong("`api_secret` or `private_key` is missing", _EITHER)
    if len(given) > 1:
        hint = "keep the one that belongs to this api_key"
        yield "private_key", Wrong("there is an api_secret too", hint)
    if "private_key_passphrase" in account and "private_key" not in account:
        wrong = Wrong("there is no private_key for it to open", "it belongs beside one")
        yield "private_key_passphrase", wrong


def unusable_keys(account: Mapping[str, Any]) -> Iterator[Found]:
    """Find values that are not what their key asks for; texts have been filled."""
    for key in ("api_key", "api_secret"):
        text = account.get(key)
        if isinstance(text, str) and is_pem(text):
            yield key, _pem_at(key, text)
        elif key == "api_key" and isinstance(text, str) and not _SENDABLE.fullmatch(text):
            yield key, Wrong("holds what no API key does", "copy the key anew, and nothing else")
    text, passphrase = account.get("private_key"), account.get("private_key_passphrase")
    if not isinstance(text, str) or not text.strip():
        return  # told as what it is
    try:
        read_private_key(text, passphrase if isinstance(passphrase, str) else None)
    except KeyUnusable as exc:
        yield exc.entry, Wrong(exc.problem, exc.hint)


def _pem_at(key: str, text: str) -> Wrong:
    if key == "api_key":
        hint = "write the API key that Binance shows once it has your public key"
        return Wrong("is a PEM text, not an API key", hint)
    if "PRIVATE KEY-----" in text:
        return Wrong("is a private key, not an HMAC secret", "write private_key in its place")
    return Wrong("is a PEM text, not an HMAC secret", "Binance showed the secret with the API key")
