"""What a running service answers to the commands beside it.

    {"do": "alerts"}                                          what stands, silences, what waits
    {"do": "silence", "lasts": 7200000, "rules": ["loss"], …} its number, and what it covers
    {"do": "unsilence", "number": 3}                          what it was

`cli/asking.py` answers the same without a service.
"""

from collections.abc import Mapping
from typing import Any

from monitor.app import Service
from monitor.core.events import SilenceLifted, SilenceWanted
from monitor.core.standing import silence_facts

LONGEST = 366 * 86_400_000
"""Milliseconds that a silence may last."""


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
            case {"do": "unsilence", "number": int(number)}:
                return await self._unsilence(number)
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
