"""One line per call of a client: what it did, and whether its answer was what the story holds."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

PATIENCE = 15.0
"""Seconds that one call may take."""

failed = 0


async def tries(call: str, attempt: Callable[[], Awaitable[str | None]]) -> None:
    """Try one call.

    Args:
        call: Its name, as the client spells it.
        attempt: Makes it; returns what is wrong with the answer, or None.
    """
    global failed  # noqa: PLW0603 - one script, one count
    try:
        wrong = await asyncio.wait_for(attempt(), PATIENCE)
    except Exception as exc:  # noqa: BLE001 - whatever a stranger's client raises is its verdict
        where = traceback.extract_tb(exc.__traceback__)[-1]
        wrong = f"{type(exc).__name__}: {str(exc)[:300]} ({where.name}, line {where.lineno})"
    if wrong is None:
        print(f"pass  {call}", flush=True)
    else:
        failed += 1
        print(f"FAIL  {call}: {wrong}", flush=True)


def unless(*, right: bool, got: object) -> str | None:
    """Say what came where it is not right."""
    return None if right else f"got {str(got)[:300]}"
