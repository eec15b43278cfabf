"""What the WebSocket API and REST share: the accounts, the keys, the counters, one poll desk."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from monitor.sim import answers
from monitor.sim.account import Account
from monitor.sim.clock import Clock
from monitor.sim.faults import Faults
from monitor.sim.keys import KeyRing
from monitor.sim.listen_keys import ListenKey, ListenKeys
from monitor.sim.market import Market
from monitor.sim.story import Scenario
from monitor.sim.story_faults import Empty, PollError, RevertStale
from monitor.sim.weight import RefusedRequestError, WeightMeter

_POLLS: dict[str, Callable[[Account, list[str]], Any]] = {
    "account.position": answers.position_v1,
    "v2/account.position": answers.position_v2,
    "account.status": answers.status_v1,
    "v2/account.status": answers.status_v2,
    "account.balance": lambda account, _symbols: answers.balance(account),
    "v2/account.balance": lambda account, _symbols: answers.balance(account),
}
_NO_LISTEN_KEY = "This listenKey does not exist."
_PNL = "unRealizedProfit"
POLL_WEIGHTS = {method: 5 if method.startswith("v2/") else 10 for method in _POLLS}
"v1 10, v2 5 (docs/protocol.md §6)."


class Desk:
    """Answers what an account may ask.

    Args:
        scenario: The story.
        market: Its accounts.
        clock: Its time.
        faults: What is broken.
        key_changed: Called with every listen key that was started or extended.
        key_ended: Called with every listen key that was stopped.
    """

    def __init__(
        self,
        scenario: Scenario,
        market: Market,
        clock: Clock,
        faults: Faults,
        *,
        key_changed: Callable[[ListenKey], None],
        key_ended: Callable[[ListenKey], None],
    ) -> None:
        self.market = market
        self.clock = clock
        self.faults = faults
        self.key_ring = KeyRing(market.accounts.values())
        self.listen_keys = ListenKeys(scenario.seed, scenario.listen_key_life)
        self.quirks = scenario.quirks
        self.meter = WeightMeter(faults, scenario.weight_limit, scenario.quirks.retry_after)
        self.requests: Counter[str] = Counter()
        self._key_changed = key_changed
        self._key_ended = key_ended
        self._memory = max(
            (f.by for f in scenario.fault if isinstance(f, RevertStale)), default=None
        )
        self._past: deque[tuple[int, dict[str, Account]]] = deque()

    def server_time(self) -> int:
        """Exchange ms as the exchange tells it, a skew included."""
        return self.faults.server_time()

    def remember(self) -> None:
        """Keep the present state, as far back as a fault of the story asks for."""
        if self._memory is None:
            return
        now = self.clock.story_ms()
        self._past.append((now, self.market.snapshot()))
        while len(self._past) > 1 and self._past[1][0] <= now - self._memory:
            self._past.popleft()

    def poll(self, method: str, account: Account, symbol: object = None) -> Any:
        """Answer an account poll.

        Raises:
            RefusedRequestError: The symbol is not listed, or a fault says so.
        """
        self.refuse_by_fault(method, account.name, poll=True)
        symbols = self.symbols(symbol)
        result = _POLLS[method](self.shown(account), symbols)
        if method == "v2/account.position" and self.quirks.pnl_spelling != _PNL:
            result = [_renamed(row, self.quirks.pnl_spelling) for row in result]
        if self.faults.active(Empty, "api", {account.name}):
            return _emptied(result)
        return result

    def symbols(self, symbol: object = None) -> list[str]:
        """Tell which symbols are listed, or that this one is.

        Raises:
            RefusedRequestError: It is not.
        """
        symbols = self.market.symbols
        if symbol is None:
            return symbols
        if symbol not in symbols:
            raise RefusedRequestError(400, -1121, "Invalid symbol.")
        return [str(symbol)]

    def shown(self, account: Account) -> Account:
        """The account as polls show it at present."""
        stale = self.faults.active(RevertStale, "api", {account.name})
        return account if stale is None else self._as_of(stale.by, account)

    def refuse_by_fault(self, method: str, account: str, *, poll: bool = False) -> None:
        """Answer by an error where the story says so.

        Args:
            method: As requests are counted.
            account: Whose.
            poll: It is one of those that a fault without a method means.

        Raises:
            RefusedRequestError: As the story words it.
        """
        for fault in self.faults.all(PollError, "api", {account}):
            if poll if fault.method is None else method == fault.method:
                raise RefusedRequestError(fault.status, fault.code, fault.message)

    def _as_of(self, ago: int, account: Account) -> Account:
        """The account as it was; as far back as is remembered."""
        then = self.clock.story_ms() - ago
        found = account
        for at, accounts in reversed(self._past):
            found = accounts[account.name]
            if at <= then:
                break
        return found

    def start_listening(self, account: str) -> str:
        """Give a listen key."""
        key = self.listen_keys.start(account, self.clock.now())
        self._key_changed(key)
        return key.text

    def keep_listening(self, account: str) -> str:
        """Extend the listen key.

        Raises:
            RefusedRequestError: −1125, there is none.
        """
        key = self.listen_keys.extend(account, self.clock.now())
        if key is None:
            raise RefusedRequestError(400, -1125, _NO_LISTEN_KEY)
        self._key_changed(key)
        return key.text

    def stop_listening(self, account: str) -> None:
        """End the listen key, for everybody who uses it."""
        key = self.listen_keys.end(account)
        if key is not None:
            self._key_ended(key)


def _renamed(row: dict[str, Any], spelling: str) -> dict[str, Any]:
    return {spelling if key == _PNL else key: value for key, value in row.items()}


def _emptied(result: Any) -> Any:
    """Take everything that is held out of a poll's answer."""
    if isinstance(result, dict):
        return result | {"positions": []}
    return []
