"""The life of listen keys: one per account, an hour long, extended by every start and ping.

Source: docs/protocol.md §4.3.
"""

import random
import string
from dataclasses import dataclass

_LENGTH = 64
_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class ListenKey:
    """A key that is alive."""

    account: str
    text: str
    expires: int
    "Exchange ms."


class ListenKeys:
    """The keys of every account.

    Args:
        seed: The story's.
        life: Milliseconds that a start or a ping gives.
    """

    def __init__(self, seed: int, life: int) -> None:
        self._seed = seed
        self._life = life
        self._alive: dict[str, ListenKey] = {}
        self._random: dict[str, random.Random] = {}

    def start(self, account: str, now: int) -> ListenKey:
        """Give the account's key, the same one while it lives, with its time anew."""
        key = self.alive(account, now)
        if key is None:
            key = self._alive[account] = ListenKey(account, self._text(account), 0)
        key.expires = now + self._life
        return key

    def extend(self, account: str, now: int) -> ListenKey | None:
        """Give the key its time anew; None where there is none to extend."""
        key = self.alive(account, now)
        if key is not None:
            key.expires = now + self._life
        return key

    def alive(self, account: str, now: int) -> ListenKey | None:
        """The account's key, while it lives."""
        key = self._alive.get(account)
        return key if key is not None and key.expires > now else None

    def end(self, account: str) -> ListenKey | None:
        """Take the account's key out of use, at its time or before."""
        return self._alive.pop(account, None)

    def owner(self, text: str) -> str | None:
        """The account that a living key belongs to."""
        return next((key.account for key in self._alive.values() if key.text == text), None)

    def _text(self, account: str) -> str:
        """Make a key from the account's own stream of randomness."""
        letters = self._random.setdefault(account, random.Random(f"{self._seed}/key/{account}"))
        return "".join(letters.choices(_LETTERS, k=_LENGTH))
