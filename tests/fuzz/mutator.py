"""Frames tampered with: what a broken proxy, a new server or a hostile one might send.

Half of the mutations keep the text JSON and change its meaning (types, numbers, keys, nesting),
since those reach furthest; the others break the text itself. Seeded: a batch can be replayed.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

_ODD: tuple[Any, ...] = (
    *(None,) * 4,
    True,
    False,
    0,
    -1,
    "",
    "0",
    "-0",
    "-0.00000000",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1E-400",
    "1_000",
    " 1",
    "٣",
    "0x10",
    "9" * 19,
    "9" * 400,
    "0." + "0" * 30 + "1",
    "-5",
    "123456789.123456789",
    10**13,
    10**14,
    2**63,
    -(2**63) - 1,
    10**400,
    1.5,
    1e308,
    [],
    {},
    [[]],
    "\ud800",
    "\u0000",
    "币安人生USDT",
    "🚀",
    "BOTH",
    "LONG",
    "cross",
    "ISOLATED",
    "ACCOUNT_UPDATE",
    "listenKeyExpired",
)
_BARE = ("NaN", "Infinity", "-Infinity", "1e999", "-0", "00", ".5", "nul", "'x'")


class Mutator:
    """Tampers with frames.

    Args:
        rng: Decides.
        corpus: Good frames, to take pieces from.
    """

    def __init__(self, rng: Random, corpus: Sequence[str]) -> None:
        self._rng = rng
        self._corpus = corpus

    def frame(self) -> str:
        """Give a frame of the corpus, tampered with."""
        return self.tamper(self._rng.choice(self._corpus))

    def tamper(self, text: str) -> str:
        """Change a frame once, or a few times over."""
        rng = self._rng
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            text = self._shaped(text) if rng.random() < 0.7 else self._torn(text)
        return text.encode(errors="replace").decode()  # a socket carries no lone surrogate as such

    # The text

    def _torn(self, text: str) -> str:
        rng = self._rng
        at = rng.randrange(len(text) + 1)
        ways: tuple[Callable[[], str], ...] = (
            lambda: text[:at],
            lambda: text[at:],
            lambda: (
                text[:at] + chr(rng.choice((0, 9, 34, 44, 58, 91, 123, 125, 0x2028))) + text[at:]
            ),
            lambda: (
                text[:at] + chr(ord(text[at]) ^ 1 << rng.randrange(7)) + text[at + 1 :]
                if at < len(text)
                else text
            ),
            lambda: text[:at] + rng.choice(_BARE) + text[at:],
            lambda: text + rng.choice(self._corpus),
            lambda: "[" * rng.choice((2, 300, 20_000)) + text,
            lambda: '{"data":' * rng.choice((1, 150)) + text + "}" * rng.choice((0, 1, 150)),
            text.swapcase,
            lambda: text.replace('"', "'"),
            str,
        )
        return rng.choice(ways)()

    # The meaning

    def _shaped(self, text: str) -> str:
        rng = self._rng
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError):
            return self._torn(text)
        nodes = list(_nodes(tree))
        if not nodes:
            return self._torn(text)
        parent, key = rng.choice(nodes)
        how = rng.randrange(9)
        if how <= 3:
            parent[key] = rng.choice(_ODD)
        elif how == 4:
            del parent[key]
        elif how == 5:
            self._nudge(parent, key)
        elif how == 6:
            self._graft(parent, key)
        elif how == 7:
            return self._doubled(text, key)
        elif isinstance(parent, dict) and isinstance(key, str):
            parent[key.swapcase()] = parent.pop(key)
        else:
            rng.shuffle(parent)
        try:
            return json.dumps(tree, ensure_ascii=rng.random() < 0.5)
        except (ValueError, RecursionError):
            return text

    def _nudge(self, parent: Any, key: Any) -> None:
        """Make a number a little, or very, wrong; it still looks like one."""
        value, rng = parent[key], self._rng
        if isinstance(value, bool) or not isinstance(value, int | str):
            parent[key] = [value]
        elif isinstance(value, int):
            parent[key] = value + rng.choice((-1, 1, -60_000, 60_000, 10**9, -value, -2 * value))
        elif value.replace(".", "").replace("-", "").isdigit():
            parent[key] = rng.choice((f"-{value}", f"{value}0", f"9{value}", value[:-1], "0"))
        else:
            parent[key] = value + rng.choice((" ", "X", "\n", "é"))

    def _graft(self, parent: Any, key: Any) -> None:
        """Put a piece of another frame in."""
        try:
            other = json.loads(self._rng.choice(self._corpus))
        except ValueError:
            return
        pieces = [holder[name] for holder, name in _nodes(other)]
        parent[key] = self._rng.choice(pieces) if pieces else other

    def _doubled(self, text: str, key: Any) -> str:
        """Let a key stand twice in an object, with two meanings."""
        if not isinstance(key, str):
            return text + text
        odd = json.dumps(self._rng.choice(_ODD))
        return text.replace(f'"{key}":', f'"{key}":{odd},"{key}":', 1)


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    """List every place of a tree: (what holds it, under which key)."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            found += [(node, key) for key in keys]
            waiting += [node[key] for key in keys]
    return found
