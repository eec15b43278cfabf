"""What a running service answers to the commands beside it.

    {"do": "alerts"}                                          what stands, silences, what waits
    {"do": "silence", "lasts": 7200000, "rules": ["loss"], …} its number, and what it covers
    {"do": "unsilence", "number": 3}                          what it was
    {"do": "why", "rule": "loss", "target": "main/BTCUSDT"}   why it stands, or does not

`cli/asking.py` answers the same without a service.
"""

from collections.abc import Mapping
from typing import Any

import trio

from monitor.app import Service
from monitor.core.addressing import Unknown, read_address
from monitor.core.events import SilenceLifted, SilenceWanted
from monitor.core.explaining import Question, explained, understood
from monitor.core.judging import Judge
from monitor.core.language.units import Scope
from monitor.core.message import instant
from monitor.core.standing import silence_facts
from monitor.core.triggers import symbols_of, triggers_of

LONGEST = 366 * 86_400_000
"""Milliseconds that a silence may last."""
LOOKS = 400
"""Marks that are looked at for one trigger price: the engine waits meanwhile."""
SEARCH = 1.0
"""Seconds after which the marks of further symbols are left out."""


class Desk:
    """Answers questions about a service.

    Args:
        service: What runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer; a question that nobody understands gets `error`."""
        match question:
            case {"do": "alerts"}:
                return self._alerts()
            case {"do": "silence"}:
                return await self._silence(question)
            case {"do": "unsilence", "number": int(number)} if not isinstance(number, bool):
                return await self._unsilence(number)
            case {"do": "why", "rule": str(rule), "target": str(target)}:
                return await self._explain(rule, target)
            case _:
                return {
                    "error": "this service does not know what is asked; are both of one version?"
                }

    def _alerts(self) -> dict[str, Any]:
        service = self._service
        return {
            "running": True,
            "alerts": [one.facts() for one in service.standing()],
            "silences": [silence_facts(one) for one in service.engine.silences],
            "waiting": service.outbox.waiting,
            "failing": sorted(service.outbox.failing),
        }

    async def _silence(self, question: Mapping[str, Any]) -> dict[str, Any]:
        wanted = read_wanted(question)
        if wanted is None:
            return {"error": "a silence needs a time it lasts, and lists of globs"}
        outcome = await self._service.tell(wanted)
        if outcome is None:
            return {"error": "the service is ending; ask again when it has"}
        silence = outcome.silences[-1]
        covered = [one for one in self._service.standing() if silence.number in one.silences]
        return {
            "silence": silence_facts(silence),
            "covers": [one.facts() for one in covered],
            "kept": not self._service.store_failing,
        }

    async def _unsilence(self, number: int) -> dict[str, Any]:
        outcome = await self._service.tell(SilenceLifted(number))
        if outcome is None:
            return {"error": "the service is ending; ask again when it has"}
        ended = [one for one in outcome.silences if one.number == number]
        if not ended:
            standing = [one.number for one in self._service.engine.silences]
            return {"none": number, "standing": standing}
        return {"silence": silence_facts(ended[0]), "kept": not self._service.store_failing}

    # ------------------------------------------------------------ why

    async def _explain(self, rule: str, target: str) -> dict[str, Any]:
        """Answer; a bug in the answer costs the answer, and not the watch."""
        try:
            return await self._why(rule, target)
        except Exception:
            self._service.log.exception("a bug keeps `why` from an answer, please report it")
            return {"error": "a bug keeps the service from an answer: see its log, and report it"}

    async def _why(self, rule: str, target: str) -> dict[str, Any]:
        address = read_address(target)
        if address is None:
            return {"error": "a target is ACCOUNT, ACCOUNT/ASSET or ACCOUNT/SYMBOL[/SIDE]"}
        service = self._service
        engine, outbox, now = service.engine, service.outbox, service.now()
        asked = understood(engine, rule, address, now)
        if isinstance(asked, Unknown):
            return {"running": True, "unknown": asked.facts()}
        facts = explained(engine, asked, now)
        waiting, quiet = outbox.waiting, outbox.quiet_until(now.utc)
        for channel in facts["channels"]:
            name = channel["name"]
            channel["waiting"] = waiting.get(name, 0)
            channel["failing"] = name in outbox.failing
            channel["quiet_until"] = instant(quiet[name]) if name in quiet else None
        facts["not_searched"] = await self._add_triggers(asked, facts["levels"])
        return {"running": True, "unknown": None} | facts

    async def _add_triggers(self, asked: Question, levels: list[dict[str, Any]]) -> list[str]:
        """Find the marks at which each level would turn; returns the symbols left out."""
        subject = asked.subject
        if subject is None or not levels:
            return []
        begun, judge, account = trio.current_time(), Judge(asked.rule), subject.account
        symbols = [] if subject.scope is Scope.ACCOUNT else symbols_of(subject)
        for place, symbol in enumerate(symbols):
            await trio.lowlevel.checkpoint()  # the engine may take a turn between two symbols
            held = account.holdings.values()
            gone = subject.holding is not None and subject.holding not in held
            if gone or trio.current_time() - begun > SEARCH:
                return symbols[place:]
            now = self._service.now()
            for found in triggers_of(subject, [judge], now, {}, only=symbol, most=LOOKS):
                for level in levels:
                    if level["severity"] == found.severity.word:
                        level["triggers"].append(found.facts())
        return []


def read_wanted(question: Mapping[str, Any]) -> SilenceWanted | None:
    """Read the silence that is wanted; None where it makes no sense."""
    lasts = question.get("lasts")
    if not isinstance(lasts, int) or isinstance(lasts, bool) or not 0 < lasts <= LONGEST:
        return None
    globs: dict[str, tuple[str, ...]] = {}
    for name in ("rules", "accounts", "symbols"):
        given = question.get(name, [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            return None
        globs[name] = tuple(given)
    return SilenceWanted(lasts, **globs)
