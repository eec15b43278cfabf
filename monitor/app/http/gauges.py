"""What `/metrics` tells of a service. The names are a promise: dashboards and alerts rest on them.

Counters begin at 0 with each start of the program. What is not known is left out, never 0.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from monitor.app import Service
from monitor.app.http.exposition import Family, Sample, histogram
from monitor.app.measuring import BOUNDS
from monitor.core.rules import Severity

OUTCOMES = ("sent", "refused", "unknown", "dead")
"""What may come of a notice for a channel."""

_MISSING = {Severity.NONE}


def families(service: Service, build: Mapping[str, str]) -> Iterator[Family]:
    """Give everything that is told.

    Args:
        service: Of what.
        build: Labels that say which program this is.
    """
    yield _gauge("build_info", "Which program this is; always 1.", Sample(1, build))
    started = Sample(service.started / 1000, {})
    yield _gauge("start_time_seconds", "When the service began, in unix seconds.", started)
    well = not service.vitals.ailments()
    text = "Whether all is well, by the same measure as /healthz and the heartbeat."
    yield _gauge("healthy", text, Sample(well, {}))
    yield from _alerts(service)
    yield from _deliveries(service)
    yield from _accounts(service)
    yield from _exchange(service)
    text = "Whether the last transaction was written to disk."
    yield _gauge("last_commit_ok", text, Sample(not service.store_failing, {}))
    turns = service.turns
    text = "How long the engine takes to judge an event."
    yield histogram("marginwatch_engine_turn_seconds", text, BOUNDS, turns.counts, turns.total)


def _gauge(name: str, text: str, *samples: Sample) -> Family:
    return Family(f"marginwatch_{name}", "gauge", text, samples)


def _counter(name: str, text: str, *samples: Sample) -> Family:
    return Family(f"marginwatch_{name}_total", "counter", text, samples)


def _alerts(service: Service) -> Iterator[Family]:
    """Count what fires; every level that a rule has is there, also while nothing fires."""
    levels = {
        (rule.name, level.severity.word): 0
        for rule in service.rules.values()
        for level in rule.levels
    }
    firing = Counter((one.rule, one.level.word) for one in service.standing())
    samples = [
        Sample(firing[key], {"rule": key[0], "severity": key[1], "state": "firing"})
        for key in sorted(levels | firing)
    ]
    yield _gauge("alerts", "Alerts by rule, severity and state.", *samples)


def _deliveries(service: Service) -> Iterator[Family]:
    outbox = service.outbox
    waiting, failing, outcomes = outbox.waiting, outbox.failing, outbox.outcomes
    text = (
        "Notices by what came of an attempt to send them (sent, refused, unknown), "
        "or of all attempts (dead: given up)."
    )
    samples = [
        Sample(outcomes[channel, outcome], {"channel": channel, "outcome": outcome})
        for channel in waiting
        for outcome in OUTCOMES
    ]
    yield _counter("notices", text, *samples)
    samples = [Sample(count, {"channel": channel}) for channel, count in waiting.items()]
    yield _gauge("notices_waiting", "Notices that a channel has yet to hear.", *samples)
    text = "Whether nothing gets through to a channel for five minutes."
    samples = [Sample(channel in failing, {"channel": channel}) for channel in waiting]
    yield _gauge("channel_failing", text, *samples)


def _accounts(service: Service) -> Iterator[Family]:
    ticks = service.doors.now().ticks
    accounts = service.engine.portfolio.accounts
    text = "Age of an account's oldest number that has to be fresh: its poll, or a mark price."
    samples = [
        Sample(max(0, ticks - account.data_since()) / 1000, {"account": name})
        for name, account in accounts.items()
    ]
    yield _gauge("account_data_age_seconds", text, *samples)
    text = "Whether the numbers of an account are fresh; 0: we are blind."
    samples = [
        Sample(account.stale_since is None, {"account": name}) for name, account in accounts.items()
    ]
    yield _gauge("account_fresh", text, *samples)
    text = "Positions that an account holds."
    samples = [
        Sample(len(account.holdings), {"account": name}) for name, account in accounts.items()
    ]
    yield _gauge("account_positions", text, *samples)
    text = "How often the user data stream of an account was lost or given up, and stood again."
    samples = [
        Sample(account.rebuilds, {"account": name}) for name, account in service.accounts.items()
    ]
    yield _counter("user_stream_rebuilds", text, *samples)


def _exchange(service: Service) -> Iterator[Family]:
    budget = service.budget.state
    if budget.interval is not None:
        text = "Time between two polls of an account, as the request limit allows it now."
        yield _gauge("poll_interval_seconds", text, Sample(budget.interval / 1000, {}))
    text = "Request weight used in this minute: by everything on this address (all), by us (own)."
    used = [Sample(budget.used_total, {"by": "all"}), Sample(budget.used_by_us, {"by": "own"})]
    yield _gauge("request_weight_used", text, *used)
    text = "Request weight that the exchange grants this address in a minute."
    yield _gauge("request_weight_limit", text, Sample(budget.limit, {}))
    text = "Whether the exchange bans this machine's address."
    yield _gauge("address_banned", text, Sample(budget.banned, {}))
    frames = service.quarantine.counts.items()
    text = "Frames that could not be read, by where they came from; 0 without a label: none yet."
    samples = [Sample(count, {"source": source}) for source, count in frames]
    yield _counter("quarantined_frames", text, *(samples or [Sample(0, {})]))
