"""The watch over one account, which a bug in its part must not end."""

import logging
from typing import NoReturn

import trio

from monitor.binance.usdm import UsdmAccount

LONGEST_PAUSE = 300.0
"""Seconds, at most, before a watch that a bug has ended begins anew."""


async def watch(account: UsdmAccount, log: logging.Logger) -> NoReturn:
    """Watch an account until cancelled; its bugs end neither the others nor the process."""
    crashes = 0
    while True:
        begun = trio.current_time()
        try:
            await account.run()
        except Exception:
            if trio.current_time() - begun > LONGEST_PAUSE:
                crashes = 0  # it watched for a while: another bug, or a rare one
            pause = min(LONGEST_PAUSE, 2.0**crashes)
            crashes += 1
            log.exception(
                "%s: a bug has ended its watch, please report it; beginning anew in %.0f s",
                account.name,
                pause,
            )
        await trio.sleep(pause)
