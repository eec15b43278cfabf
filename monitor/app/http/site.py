"""What is asked of the service over HTTP, and what it answers.

    /           the status page           /live      its parts as they change (server-sent events)
    /metrics    for Prometheus            /healthz   200 ok, or 503 and what ails it

Everything else is 404. An answer says nothing of secrets: what others said is redacted.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from platform import python_version
from typing import Any

import trio

from monitor.app import Service
from monitor.app.http import page
from monitor.app.http.board import Board
from monitor.app.http.door import Answer, Request, refusal
from monitor.app.http.exposition import KIND, exposition
from monitor.app.http.gauges import families

MOST_WATCHERS = 16
"""Browsers that get the page live at a time, so that room is left for scrapes."""

KEEP_ALIVE = 5.0
"""Seconds, before scale, after which an empty line is sent where nothing changed."""

_FILES = {
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
Send = Callable[[bytes], Awaitable[None]]


class Site:
    """Answers requests about a service.

    Args:
        service: What runs.
        redact: Takes secrets out of what others said.
    """

    def __init__(self, service: Service, redact: Callable[[str], str]) -> None:
        self._service = service
        self._redact = redact
        self._scale = service.doors.scale
        self._files = {path: page.asset(path[1:]) for path in _FILES}
        self._frame = page.asset("page.html").decode()
        self._build = {"version": version("marginwatch"), "python": python_version()}
        self._watchers = 0
        self.board = Board(service, redact)

    async def answer(self, request: Request) -> Answer:
        """Answer a request."""
        match request.path:
            case "/":
                return await self._page()
            case "/live":
                return self._live()
            case "/metrics":
                text = exposition(families(self._service, self._build))
                return Answer(body=text.encode(), kind=KIND)
            case "/healthz":
                return self._health(request)
            case path if path in _FILES:
                return Answer(body=self._files[path], kind=_FILES[path], cache="no-cache")
            case _:
                return refusal(404, "there is /, /healthz and /metrics")

    def _health(self, request: Request) -> Answer:
        """Say whether all is well; as JSON where that is asked for."""
        ailments = [self._redact(each) for each in self._service.vitals.ailments()]
        status = 503 if ailments else 200
        if "application/json" in request.headers.get("accept", ""):
            document: dict[str, Any] = {"ok": not ailments, "ailments": ailments}
            body = json.dumps(document, ensure_ascii=False).encode() + b"\n"
            return Answer(status, body, "application/json")
        return Answer(status, "".join(f"{line}\n" for line in ailments or ["ok"]).encode())

    async def _page(self) -> Answer:
        parts = await self.board.glimpse()
        html = page.whole(
            self._frame,
            self.board.title,
            {name: part.html for name, part in parts.items()},
            self.board.accounts,
        )
        return Answer(body=html.encode(), kind="text/html; charset=utf-8", policy=page.POLICY)

    # ------------------------------------------------------------ live

    def _live(self) -> Answer:
        if self._watchers >= MOST_WATCHERS:
            return refusal(503, "too many watch already", ("Retry-After", "10"))
        return Answer(kind="text/event-stream", live=self._tell_parts)

    async def _tell_parts(self, send: Send) -> None:
        """Send the parts, then those that change; until the client takes no more."""
        if self._watchers >= MOST_WATCHERS:
            return
        self._watchers += 1
        try:
            with self.board.watched():
                await send(b"retry: 2000\n\n")
                seen = 0
                while True:
                    made, changed = self.board.made, self._changed(seen)
                    seen = self.board.round
                    await send(self._event(changed) if changed else b":\n\n")
                    with trio.move_on_after(KEEP_ALIVE * self._scale):
                        await made.wait()
        finally:
            self._watchers -= 1

    def _changed(self, seen: int) -> dict[str, str]:
        parts = self.board.parts.items()
        return {name: part.html for name, part in parts if part.round > seen}

    def _event(self, parts: Mapping[str, str]) -> bytes:
        boot = f"{self._service.started} {self._build['version']}"
        told = {"boot": boot, "title": self.board.title, "parts": parts}
        return f"event: page\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()
