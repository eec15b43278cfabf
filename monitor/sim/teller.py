"""User events on their way to sockets, and what faults do to them.

market ─▶ tell ─▶ reorder ─▶ lose ─▶ manners ─▶ duplicate ─▶ delay ─▶ sockets on the live key
"""

from collections.abc import Iterable, Mapping
from functools import partial

from monitor.sim.amounts import compact
from monitor.sim.clock import Agenda, Clock, Rank
from monitor.sim.events import UserEvent
from monitor.sim.faults import Faults
from monitor.sim.listen_keys import ListenKeys
from monitor.sim.manners import Manners, strangely
from monitor.sim.server import Peer
from monitor.sim.story_faults import Delay, Duplicate, Lose, Reorder, Strange
from monitor.sim.streams import StreamSession


class Teller:
    """Carries user events to sockets.

    Args:
        clock: The story's.
        faults: What is broken.
        agenda: Where late events wait.
        listen_keys: Which key an account's sockets have to be on.
        peers: Every WebSocket with its stream session; None for the API's.
        manners: How events are spelled.
    """

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        agenda: Agenda,
        listen_keys: ListenKeys,
        peers: Mapping[Peer, StreamSession | None],
        manners: Manners,
    ) -> None:
        self.happened: list[tuple[int, str, str]] = []
        self.sent: list[tuple[int, str, str]] = []
        self._clock = clock
        self._faults = faults
        self._agenda = agenda
        self._listen_keys = listen_keys
        self._peers = peers
        self._manners = manners

    def tell(self, events: Iterable[UserEvent], key: str | None = None) -> None:
        """Tell the accounts, as far as the faults of the moment let it.

        Args:
            events: Of one instant, in the exchange's order.
            key: The listen key whose sockets are told; default the account's living one.
        """
        batch = list(events)
        now = self._clock.now()
        self.happened += [(now, event.account, event.type) for event in batch]
        if batch and self._faults.active(Reorder, "private", {batch[0].account}):
            batch.reverse()
        for event in batch:
            alive = self._listen_keys.alive(event.account, now)
            if key is not None:
                self._tell_one(event, key)
            elif alive is not None:
                self._tell_one(event, alive.text)

    def _tell_one(self, event: UserEvent, key: str) -> None:
        whom = {event.account}
        lost = self._faults.active(Lose, "private", whom)
        if lost is not None and lost.event in {"*", event.type}:
            return
        frames = list(self._manners.frames(event))
        if self._faults.active(Strange, "private", whom):
            frames = [strange for frame in frames for strange in strangely(frame)]
        copies = 2 if self._faults.active(Duplicate, "private", whom) else 1
        delay = self._faults.active(Delay, "private", whom)
        for frame in [each for each in frames for _ in range(copies)]:
            if delay is None:
                self._deliver(frame, key)
            else:
                at = self._clock.story_ms() + delay.by
                self._agenda.add(at, Rank.LATE, partial(self._deliver, frame, key))

    def _deliver(self, event: UserEvent, key: str) -> None:
        text = compact(event.payload)
        took = [session.push(key, text, event.type) for session in self._sessions()]
        if any(took):
            self.sent.append((self._clock.now(), event.account, event.type))

    def _sessions(self) -> list[StreamSession]:
        sessions = self._peers.values()
        return [s for s in sessions if s is not None and s.wanted.route == "private"]

    def tell_market(self, names: Iterable[str], payload: object) -> None:
        """Tell every market socket that wants one of these streams, once for each."""
        text = compact(payload)
        for session in self._peers.values():
            if session is not None and session.wanted.route == "market":
                for name in names:
                    session.push(name, text)

    def send_raw_market(self, frame: str) -> None:
        """Send a text as it is to every market socket."""
        for session in self._peers.values():
            if session is not None and session.wanted.route == "market":
                session.peer.send(frame)

    def send_raw(self, account: str, frame: str) -> None:
        """Send a text as it is to every user data socket of an account."""
        for session in self._sessions():
            if account in session.peer.accounts:
                session.peer.send(frame)
