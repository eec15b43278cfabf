"""The exchange's own words, made fit to be shown: nothing secret, one line, not too long.

An error may quote the request that it refuses, and with it what the request was signed with. What
the exchange says passes here before it becomes part of any error, so that neither a log nor a
message nor the store ever holds more.
"""

import re

LONGEST = 300
"""Characters that are kept."""

_NAMED = re.compile(
    r"""\b(signature|listenKey|apiKey|X-MBX-APIKEY)(["']?\s*[=:]\s*["']?)[^\s"'&,;})\]]+""",
    re.IGNORECASE,
)
# API keys, listen keys, signatures of every kind: nothing that a human needs is one long word.
_LONG = re.compile(r"[A-Za-z0-9+/=%_-]{40,}")


def plain_words(said: str, *secrets: str) -> str:
    """Make words of the exchange fit to be shown.

    Args:
        said: What it said.
        secrets: What must not be seen, wherever it stands.
    """
    for secret in secrets:
        if secret:
            said = said.replace(secret, "…")
    said = _LONG.sub("…", _NAMED.sub(r"\1\2…", said))
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in said
    )
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
