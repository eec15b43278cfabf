"""`history`: every notice, and what became of it in each channel."""

import json
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from monitor.app.clock import real_now
from monitor.cli.asking import Beside
from monitor.core.digest import line_of
from monitor.core.formats import clock
from monitor.core.message import Message, as_json, instant
from monitor.core.notices import Notice
from monitor.core.wording import count
from monitor.errors import OperatorError
from monitor.store.history import Delivery, Told
from monitor.toml_positions.values import Wrong, milliseconds


def history(path: Path | None, *, since: str, channel: str | None, lines: bool) -> None:
    """Print what was told."""
    ago = milliseconds(since)
    if isinstance(ago, Wrong):
        raise OperatorError(f"--since {since}: {ago.problem}. Write one like 24h or 7d.")
    beside = Beside.of(path)
    now = real_now().utc
    told = beside.told(now - ago, channel)
    if lines:
        for one in told:
            click.echo(json.dumps(facts_of(one), ensure_ascii=False))
        return
    if not told:
        whose = f" for channel {channel}" if channel else ""
        click.echo(f"nothing was told{whose} in the last {since}")
    for one in told:
        click.echo("\n".join(lines_of(one, now, beside.config.timezone)))


def facts_of(told: Told) -> dict[str, Any]:
    """Write a notice as `run --dry-run --json` does, with its deliveries in place of its text."""
    facts = as_json(told.notice, Message("", ""), 1)
    for of_one_message in ("attempt", "title", "body"):
        del facts[of_one_message]
    return facts | {"deliveries": [_delivery(each) for each in told.deliveries]}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel,
        "state": delivery.state,
        "done": _instant(delivery.done),
        "error": delivery.error,
        "attempts": [
            {
                "attempt": each.attempt,
                "at": instant(each.at),
                "status": each.status,
                "answer": each.answer or None,
                "answered": _instant(each.answered),
            }
            for each in delivery.attempts
        ],
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else instant(at)


def lines_of(told: Told, now: int, zone: tzinfo) -> Iterator[str]:
    """Write a notice in a line, and below it each channel's part.

    Args:
        told: What was told.
        now: Unix milliseconds.
        zone: Of the times.
    """
    yield line_of(told.notice, now, zone)
    if not told.deliveries:
        yield "    told to nobody"
    for delivery in told.deliveries:
        yield f"    {delivery.channel}: {_state(told.notice, delivery, zone)}"


def _state(notice: Notice, delivery: Delivery, zone: tzinfo) -> str:
    tries = len(delivery.attempts)
    attempts = count(tries, "attempt")
    answers = [each.answer for each in delivery.attempts if each.answer]
    last = f"; last answer: {answers[-1]}" if answers else ""
    if delivery.state == "sent":
        at = clock(delivery.done if delivery.done is not None else notice.at, zone)
        return f"sent {at}" + (f" after {attempts}{last}" if tries > 1 else "")
    if delivery.state == "dead":
        return f"given up after {attempts}: {delivery.error}"
    return f"waits, {attempts}{last}" if tries else "waits, never attempted"
