"""Error codes of Binance that this program acts upon.

Source: docs/protocol.md §7.4.
"""

CLOCK = -1021
"""Our timestamp is too far from the exchange's clock."""
SIGNATURE = -1022
"""The signature does not fit."""
BAD_FORMAT = -2014
"""What was sent as an API key cannot be one."""
NOT_ALLOWED = -2015
"""Unknown key, or not from this address, or not for this."""
LOCKED = -2017
"""The account's keys are locked."""
NO_LISTEN_KEY = -1125
"""There is no such listen key (any more)."""
NO_ACCOUNT = frozenset({-1109, -4109})
"""There is no account behind the key, or one that is not active."""

KEY_CODES = frozenset({BAD_FORMAT, NOT_ALLOWED, LOCKED})
"""Those that say: not with this key."""
