"""Check the documents against the code they speak of; `--write` renews what is generated.

    python scripts/check_docs.py            exit 1, and every fault, one a line
    python scripts/check_docs.py --write    write the generated parts anew, then check

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->` and comes from
the metric table, the models, click's help or the shipped rules. What the code does not say in
words for operators is said here, in tables that have to name every key and no other.
"""

import ast
import inspect
import re
import shlex
import sys
import tempfile
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import click
import tomli
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.cli import main as command_line
from monitor.config import load_config
from monitor.config import models as config_models
from monitor.config.kinds import LEAST_SHARE, MOST_PER_MINUTE, MOST_SHARE
from monitor.core.freshness import Rest
from monitor.core.language.units import ANYTHING, Scope
from monitor.core.lints import CODES
from monitor.core.message import Message, as_json
from monitor.core.metrics import METRICS, Direction, Metric
from monitor.core.notices import Notice, Target
from monitor.core.rules import HAPPENINGS, SEVERITIES, Globs, Severity
from monitor.errors import MonitorError
from monitor.rulefile import parse_rules
from monitor.rulefile.rule import KEYS as RULE_KEYS
from monitor.ruletest.expects import KEYS as EXPECT_KEYS
from monitor.ruletest.happened import keys_of as keys_of_happening
from monitor.ruletest.reading import KEYS as CASE_KEYS
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.subjects import IDENTITY as TEST_IDENTITY
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import judge
from monitor.sim import story, story_deeds, story_faults
from monitor.sim.scenario import parse_scenario
from scripts import man

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LONGEST_README = 150
HEADINGS = [
    "What it watches",
    "Why it matters",
    "Example",
    "What to do when it fires",
    "Options",
    "Source",
]
"""Of the page of a shipped rule, in this order."""
LINT_HEADINGS = ["What it finds", "Why it matters", "Example", "Way out"]
"""Of the page of a lint, in this order."""

# ---------------------------------------------------------------- words of ours

CONFIG_WORDS = {
    "Config.rules": "Globs of rule files, relative to this file; a folder means its `*.toml`. "
    "`*.test.toml` is left out.",
    "Config.data_dir": "Where the store, the lock and unreadable frames are kept; made with mode "
    "0700, relative to this file. One process per folder.",
    "Config.timezone": "Of the times in messages and of quiet hours. The log and JSON are in UTC.",
    "Config.poll_interval": "How often each account is asked for everything it holds.",
    "Config.stale_after": "Numbers older than this are aged: they may raise an alarm and never end "
    "one, and the account counts as blind. At least twice `poll_interval`.",
    "Config.repeat": "Time between reminders of a firing alert, for rules that do not say.",
    "Config.give_up_after": "A message that its channel did not take for so long is given up.",
    "Config.keep_history": "How long notices, and what became of them, are kept. What a channel "
    "has yet to hear is kept whatever its age.",
    "Config.max_weight_share": "How much of the request limit that the exchange grants to this "
    "machine's address our own requests may use; polls become rarer before they exceed it. All "
    "programs behind the address share the limit.",
    "Account.name": "Your own choice; unique. Rules, channels and messages call the account so.",
    "Account.venue": "The market.",
    "Account.network": "Which of the venue's networks; decides the default `endpoints`.",
    "Account.api_key": "The API key; reading is all it needs.",
    "Account.api_secret": "The secret of an HMAC key. Each account has either this or "
    "`private_key`.",
    "Account.private_key": "The private key of an Ed25519 or RSA key: PEM, PKCS#8 or `BEGIN RSA "
    "PRIVATE KEY`, encrypted or not. RSA from 2048 bits.",
    "Account.private_key_passphrase": "Opens an encrypted `private_key`.",
    "Account.endpoints": "Where the exchange answers, if not at the network's own addresses; an "
    "inline table, see below.",
    "Endpoints.ws_api": "Signed requests: polls, listen keys, the clock.",
    "Endpoints.streams": "Base of the streams; `/private/ws` and `/market/ws` are put behind it.",
    "Endpoints.rest": "Maintenance tiers, asset prices, forced orders of the past.",
    "Endpoints.sapi": "What the key may do: portfolio margin is refused. The testnet has none, and "
    "with `rest` on this machine there is none unless it is given.",
    "Channel.name": "Your own choice; unique. Rules may name it in `channels`.",
    "Channel.url": "Any Apprise URL of exactly one service; a secret.",
    "Channel.min_severity": "An alert is first told here when it reaches this level; from then on "
    "every change of it is, and its end.",
    "Channel.accounts": "Which accounts it hears of.",
    "Channel.rules": "Which rules it hears of, by name.",
    "Channel.group_wait": "How long the first waiting message waits before it is due; a critical "
    "makes everything due at once.",
    "Channel.send_resolved": "Whether the end of an alert is told.",
    "Channel.send_reminders": "Whether reminders are told.",
    "Channel.quiet_hours": "Hours of each day in which only criticals are sent, and what follows "
    "about alerts that this channel was told as critical. The rest waits, and is due when they "
    "end. An inline table, see below.",
    "Channel.max_per_minute": "Messages in a minute; what is more waits and goes together. "
    "Messages with a critical do not wait.",
    "QuietHours.begin": "When they begin, by the clocks of `timezone`.",
    "QuietHours.end": "When they end; where that is not later, it is that of the next day.",
    "Heartbeat.url": "Asked by GET while all is well, over a connection of its own; whoever misses "
    "it tells you. Redirects are not followed. A secret.",
    "Heartbeat.every": "Time between two beats.",
    "Heartbeat.daily": "When channels that take info of everything are told, once a day, that the "
    "program is still here, by the clocks of `timezone`; goes without a `url` too.",
    "Log.level": "The least that is logged, on stderr.",
    "Log.format": "Lines to read, or one JSON object a line: `at`, `level`, `logger`, `text`.",
}
COMPUTED_DEFAULTS = {
    "Config.data_dir": "`$STATE_DIRECTORY`, else `~/.local/share/marginwatch`",
    "Config.timezone": "the machine's",
    "Account.api_secret": "this or `private_key`",
    "Account.private_key": "this or `api_secret`",
    "Account.private_key_passphrase": "none",
    "Account.endpoints": "the network's",
    "Heartbeat.url": "none: no beats",
    "Heartbeat.daily": "never",
    "Endpoints.ws_api": "the network's",
    "Endpoints.streams": "the network's",
    "Endpoints.rest": "the network's",
    "Endpoints.sapi": "the network's",
    "Channel.quiet_hours": "none",
    "Channel.max_per_minute": "`20`",
}
RULE_WORDS = {
    "name": "Unique over all files; letters, digits, dashes. `marginwatch` is reserved.",
    "info": "A condition; the level *info* while it holds.",
    "warning": "A condition; the level *warning* while it holds.",
    "critical": "A condition; the level *critical* while it holds.",
    "for": "On-delay: how long a condition has to hold. One duration for all levels, or a table by "
    'level; what is missing is `"0s"`.',
    "keep_firing_for": "Off-delay: how long a condition has to be seen false, likewise.",
    "hysteresis": "Dead band: a level ends only beyond its threshold by this part of it. A "
    'percentage below 100; default `"0%"`.',
    "on": "Happenings, in place of conditions.",
    "severity": "Of happenings; required with `on`.",
    "cooldown": "Of happenings: repeats of the same kind on the same target within this time are "
    'summed up in one message at its end. Default `"1m"`.',
    "symbols": "Globs; only for rules about positions, or about happenings of symbols. Default "
    "every symbol.",
    "accounts": "Globs over account names. Default every account.",
    "channels": "Names of channels. Default every channel that takes the severity.",
    "repeat": 'Time between reminders while it fires, or `"never"`. Default the `repeat` of the '
    "configuration.",
    "message": "The first line of the message, with metrics in braces; see below.",
    "runbook": "A web address, or a page (`docs/rules/….md`), shown in every message.",
}
HAPPENING_WORDS = {
    "liquidation": "The exchange closes the position by a liquidation order. One order is told "
    "once, by whichever message brings it first.",
    "adl": "The exchange closes the position by auto-deleveraging.",
    "margin_call": "The exchange's own margin call.",
    "position_opened": "A position is held that was not, or was the other way round. Nothing of "
    "what the first poll of an account that is new finds.",
    "position_closed": "A position is no longer held, or turned round, for whatever reason. What "
    "closed while nobody looked is told as soon as polls prove it.",
    "leverage_changed": "The leverage setting of a symbol, held or not, is another.",
    "margin_type_changed": "The margin type of a symbol, held or not, is another.",
    "deposit": "Money came in: a transfer, or a deposit by the exchange.",
    "withdrawal": "Money went out, likewise.",
    "funding": "A funding fee was paid or received.",
    "stream_lost": "No user data socket has stood for `stale_after`, or the one that stands did "
    "not tell of a change that a poll found.",
    "key_rejected": "The exchange refuses the API key: unknown, revoked, locked, not from this "
    "address, or a wrong secret.",
    "banned": "The exchange bans this machine's address for a time. One ban is told once, however "
    "many accounts; no filter by account holds it back.",
}
TEST_WORDS = {
    "test.name": "What it shows; unique in its file.",
    "test.rules": "Which rules of the file beside it; default all of them.",
    "test.every": "How far apart the values of series are; required where there are two.",
    "test.until": "When the test ends; default with its longest series or last happening.",
    "test.position": "Tables: positions that are held.",
    "test.pool": "Tables: margin pools. Those that positions stand on need none.",
    "test.account": "Tables: accounts. One account needs none.",
    "test.series": "One table: figures that move.",
    "test.happening": "Tables: what happens, and when.",
    "test.expect": "Tables: what is told; `expect = []` for nothing. Required.",
    "test.position.id": "What series and expectations call it; default its symbol.",
    "test.position.account": "Whose it is.",
    "test.position.venue": "Where it is.",
    "test.position.symbol": "The contract. Required.",
    "test.position.side": "`long` or `short`; then the quantity has no sign.",
    "test.position.position_side": "`BOTH`, or in hedge mode `LONG` or `SHORT`.",
    "test.position.margin_type": "`cross` or `isolated`.",
    "test.position.asset": "Its margin asset.",
    "test.position.isolated_wallet": "The wallet behind an isolated position, without its PnL.",
    "test.position.maintenance_rate": "Maintenance margin / notional, for all of the symbol.",
    "test.pool.id": "What series and expectations call it; default its asset.",
    "test.pool.account": "Whose it is.",
    "test.pool.asset": "Its margin asset; default `USDT`.",
    "test.pool.cross_wallet": "The wallet that cross positions stand on.",
    "test.account.name": "What everything else calls it; default `main`.",
    "test.account.venue": "Where it is.",
    "test.account.first_poll": "When its first complete poll comes, or `never`; default `0s`. "
    "Before it, only rules about the account itself are judged.",
    "test.expect.at": "When, since 0s. Required.",
    "test.expect.kind": "`fired`, `escalated`, `eased`, `resolved`, `reminder` or `happened`. "
    "Required.",
    "test.expect.severity": "`info`, `warning` or `critical`. Required.",
    "test.expect.rule": "Which rule.",
    "test.expect.id": "Of which position or pool.",
    "test.expect.account": "Of which account.",
    "test.expect.reason": "Of eased and resolved: `recovered`, `position_closed` or `pool_gone`.",
    "test.expect.happening": "Of happened: which.",
    "test.expect.count": "Of happened: how many it sums up.",
    "test.expect.message": "The first lines of the message.",
}
HAPPENING_TARGETS = {
    "leverage_changed": "symbol",
    "margin_type_changed": "symbol",
    "deposit": "asset",
    "withdrawal": "asset",
    "funding": "asset",
    "banned": "the program",
}
"""Where it is another than the scope says."""
JSON_WORDS = {
    "id": "Number of the notice, never used twice in one `data_dir`.",
    "at": "When the level changed or the happening was known.",
    "kind": "`fired`, `escalated`, `eased`, `resolved`, `reminder` or `happened`.",
    "severity": "Level after it; of `resolved`, the highest the alert had; of `happened`, the "
    "rule's.",
    "previous": "Level before it; null for `fired` and `happened`.",
    "reason": "Of `eased` and `resolved`: see below. Else null.",
    "happening": "Of `happened`: which one. Else null.",
    "count": "Of `happened`: how many it sums up, a number. Else null.",
    "rule": "Name of the rule.",
    "account": "Name of the account; null where it is about the program as a whole.",
    "symbol": "Of a position, or of a symbol's settings. Else null.",
    "position_side": "Of a position: `BOTH` (one-way mode), `LONG` or `SHORT`. Else null.",
    "side": "Of a position: `long` or `short`. Else null.",
    "asset": "Of a margin pool, or of money that moved. Else null.",
    "since": "The `at` of the alert's `fired`; null for `happened`.",
    "data_age": "Seconds, a number: age of the oldest number that decided; null where none did.",
    "attempt": "Which attempt at sending this is, a number from 1.",
    "title": "What a channel would show as the title.",
    "body": "The text below it, lines joined by `\\n`.",
    "values": "Every metric that the rule may read, by name; `{}` for `happened` and where the "
    "target is gone.",
}
SUMMARY_WORDS = {
    "kind": "Always `summary`.",
    "first_warning_at": "First notice that raised an alert to *warning* or higher; null if none.",
    "first_critical_at": "Likewise for *critical*.",
    "liquidation_at": "First liquidation; null if none.",
    "warning_to_liquidation": "Seconds from the first warning to the liquidation, a number; null "
    "where one of them is missing.",
    "critical_to_liquidation": "Likewise from the first critical.",
    "notices": "How many notices there were, a number.",
}
SCENARIO_WORDS = {
    "Scenario.seed": "Everything random follows from it: the same seed gives the same bytes.",
    "Scenario.start": "The story's own date. `demo` goes by it; `simulate` begins now.",
    "Scenario.length": "How long the story is. `demo` ends with it; `simulate` goes on at the last "
    "prices.",
    "Scenario.mark_interval": "Time between two marks of each symbol; at least 10ms.",
    "Scenario.account": "At least one; see below.",
    "Scenario.price": "Mark paths; see below.",
    "Scenario.listen_key_life": "How long a listen key lives after each start or keepalive.",
    "Scenario.connection_life": "After so long the exchange closes a WebSocket.",
    "Scenario.quirks": "What the exchange does in one way or in another; see below.",
    "Scenario.random": "More faults and deeds, drawn from the seed; see below.",
    "Scenario.asset": "What collateral is worth; see below.",
    "Scenario.bracket": "Maintenance tiers; see below.",
    "Scenario.do": "What somebody does; see below.",
    "Scenario.fault": "What breaks; see below.",
    "AccountTable.name": "Unique.",
    "AccountTable.venue": "The market.",
    "AccountTable.api_key": "Whatever the monitor is given; unique.",
    "AccountTable.api_secret": "HMAC: signatures are checked against it. Required where there is "
    "no `public_key`.",
    "AccountTable.public_key": "PEM of an Ed25519 or RSA key, in place of the secret.",
    "AccountTable.permissions": "What the key may do, by Binance's names, where it is not what a "
    "key for reading from certain addresses may.",
    "AccountTable.portfolio_margin": "Polls tell no liquidation prices, events carry `fs`, nothing "
    "is liquidated; the key's permissions say so.",
    "AccountTable.hedge": "Hedge mode: a long and a short of one symbol side by side.",
    "AccountTable.multi_assets": "Multi-assets mode: one pool in USD, no isolated positions.",
    "AccountTable.position": "`[[account.position]]`, below the account.",
    "PositionTable.symbol": "Such as `BTCUSDT`; one without a `[[price]]` stays at its entry.",
    "PositionTable.side": "Which way it gains.",
    "PositionTable.entry_price": "In the quote asset.",
    "PositionTable.leverage": "The setting, one per symbol.",
    "PositionTable.margin_type": "One per symbol.",
    "PriceTable.symbol": "One path per symbol.",
    "PriceTable.points": "Pairs of time and price, times rising: straight lines between them, flat "
    "before the first and after the last.",
    "PriceTable.margin_asset": "Such as `BNFCR`; default: what the symbol's name ends in.",
    "AssetTable.name": "Such as `USDT`; one table per asset.",
    "AssetTable.points": "Pairs of time and index price in USD, as for `[[price]]`. Without a "
    "table dollars and BNFCR are worth 1, BTC 60000, ETH 3000, BNB 600, others nothing.",
    "AssetTable.haircut": "Positive balances count so much less than the index, debts more.",
    "BracketTable.symbol": "One table per symbol.",
    "BracketTable.tiers": "Lists of cap (notional), highest leverage, maintenance rate and, if it "
    "is not to be computed, maintenance amount; caps rising.",
    "QuirksTable.unknown_key": "A user data socket with a listen key that does not exist: open and "
    "silent, or HTTP 400.",
    "QuirksTable.key_in_path": "The address `/private/ws/<key>`.",
    "QuirksTable.expiry_told": "How often `listenKeyExpired` is told.",
    "QuirksTable.expiry_time": "Whether its `E` is a number or a text.",
    "QuirksTable.expiry_names_key": "Whether it has `listenKey`.",
    "QuirksTable.retry_after": "Which refusals for weight say when to come back.",
    "QuirksTable.funding_positions": "ACCOUNT_UPDATE about no position has an empty `P`, or none.",
    "QuirksTable.hedge_both_rows": "In hedge mode ACCOUNT_UPDATE has a `BOTH` row of 0 too.",
    "QuirksTable.row_fields": "What ACCOUNT_UPDATE's position rows leave out; `documented`: `ma`.",
    "QuirksTable.forced_type": "`o` of a forced order.",
    "QuirksTable.forced_new": "A forced order is told as NEW before its fill.",
    "QuirksTable.pnl_spelling": "In `v2/account.position`.",
    "QuirksTable.lone_bracket": "What `leverageBracket` with a symbol answers.",
    "QuirksTable.coin_margined": "`!markPrice@arr` has a coin-margined symbol too, `st` 2.",
    "QuirksTable.split_marks": "`!markPrice@arr` comes in two arrays.",
    "RandomTable.faults": "How many an hour.",
    "RandomTable.fault_kinds": "Which; default all but `huge`.",
    "RandomTable.longest": "Each lasts between a tenth of this and this.",
    "RandomTable.deeds": "How many an hour, over all accounts.",
    "RandomTable.deed_kinds": "Which of `deposit`, `withdrawal`, `order`, `leverage`, `funding`, "
    "`expire_key`; default all.",
    "_Do.at": "When: `5m` after the beginning, or `subscribe+5m` after the account's first user "
    "data socket opened.",
    "_Fault.at": "When, as for `[[do]]`.",
    "_Window.lasts": "How long.",
    "Deposit.amount": "In `asset`.",
    "Deposit.asset": "Which.",
    "Deposit.reason": "`m` of the ACCOUNT_UPDATE, known or not.",
    "Withdrawal.amount": "In `asset`.",
    "Withdrawal.asset": "Which.",
    "Withdrawal.reason": "`m` of the ACCOUNT_UPDATE, known or not.",
    "AutoExchange.asset": "What is given.",
    "AutoExchange.into": "What is got.",
    "AutoExchange.amount": "In `asset`.",
    "Order.symbol": "Of what.",
    "Order.side": "Which way.",
    "Order.quantity": "In base units.",
    "Order.position_side": "In hedge mode `LONG` or `SHORT`.",
    "OpenOrder.symbol": "Of what.",
    "OpenOrder.side": "Which way.",
    "OpenOrder.quantity": "In base units.",
    "OpenOrder.price": "Limit price.",
    "OpenOrder.position_side": "In hedge mode `LONG` or `SHORT`.",
    "CancelOrders.symbol": "Whose.",
    "AssetMode.multi_assets": "The new mode.",
    "PositionMode.hedge": "The new mode.",
    "Leverage.symbol": "Of what.",
    "Leverage.leverage": "The new setting.",
    "MarginType.symbol": "Of what.",
    "MarginType.margin_type": "The new one.",
    "Funding.symbol": "Of what.",
    "MarginTransfer.symbol": "Which position.",
    "MarginTransfer.amount": "In the margin asset.",
    "MarginTransfer.position_side": "In hedge mode `LONG` or `SHORT`.",
    "MarginCall.symbol": "Which position.",
    "Adl.symbol": "Which position.",
    "Liquidate.symbol": "Which position.",
    "Brackets.symbol": "Of what.",
    "Brackets.tiers": "As for `[[bracket]]`.",
    "Delist.symbol": "Which.",
    "Delist.settle": "Whether positions are settled at once; a second `delist` may do it later.",
    "ForceOrder.symbol": "Of what.",
    "ForceOrder.side": "Which way the order goes; `sell` closes a long.",
    "ForceOrder.quantity": "In base units.",
    "ExpireKey.key": "Told of this key instead, which is somebody else's.",
    "ServerShutdown.where": "`api`, `private` or `market`; default everywhere.",
    "ServerShutdown.closes_after": "How much later the sockets are closed.",
    "Send.frame": "The text.",
    "SendMarket.frame": "The text.",
    "Refuse.status": "The HTTP status; without it the connection is not taken at all.",
    "Refuse.page": "The answer is an HTML page, as of a proxy; status 200 unless given.",
    "Delay.by": "How late.",
    "Late.by": "How late.",
    "Late.method": "Only this one, such as `v2/account.position` or `GET /fapi/v1/time`; default: "
    "every one.",
    "Late.old": "Answered as of the question; where not, as of when the answer is sent.",
    "Late.shuffle": "Each is late by its own part of `by`, so that answers overtake each other.",
    "Ban.status": "429: only told that it asks too much.",
    "PollError.code": "Binance's error code.",
    "PollError.status": "Status of the answer.",
    "PollError.message": "Its text.",
    "Skew.by": "How far; may be negative.",
    "RevertStale.by": "How old the state is.",
}
REST_WORDS = {
    Rest.DATA: "the position's row",
    Rest.POLL: "the last poll",
    Rest.OWN_MARK: "its mark price",
    Rest.POOL_DATA: "wallets and rows of the pool",
    Rest.CROSS_MARKS: "marks of the pool's cross positions",
    Rest.ALL_MARKS: "marks of all positions in the asset",
    Rest.SETTING: "the leverage setting",
}
SCOPE_WORDS = {
    Scope.POSITION: "position",
    Scope.POOL: "pool",
    Scope.ACCOUNT: "account",
    Scope.ANY: "any",
}
_DIRECTIONS = {Direction.RISING: "rising", Direction.FALLING: "falling", Direction.NONE: "–"}

# ---------------------------------------------------------------- tables


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _worded(name: str, words: Mapping[str, str], known: Sequence[str]) -> list[list[str]]:
    """Make the rows of a table of keys that words of ours explain; all of them, and no other."""
    wrong = sorted(set(words) ^ set(known))
    if wrong:
        raise _LeftOutError(f"scripts/check_docs.py, {name}: {', '.join(wrong)} on one side only")
    return [[f"`{key}`", words[key]] for key in known]


class _LeftOutError(Exception):
    """The words of this script and the code do not name the same things."""


def metrics() -> str:
    """Make the tables of metrics, one per scope."""
    parts = []
    for scope in (Scope.POSITION, Scope.POOL, Scope.ACCOUNT, Scope.ANY):
        rows = [_metric_row(metric) for metric in METRICS.values() if metric.scope is scope]
        head = ["name", "unit", "range", "scope", "meaning", "rests on", "as the mark rises"]
        parts.append(f"## {_OF_SCOPE[scope]}\n\n{_table(head, rows)}")
    return "\n\n".join(parts)


_OF_SCOPE = {
    Scope.POSITION: "Of a position",
    Scope.POOL: "Of a margin pool",
    Scope.ACCOUNT: "Of an account",
    Scope.ANY: "Of anything",
}


def _metric_row(metric: Metric) -> list[str]:
    rests = _rests(metric.rests)
    if metric.rests_cross != metric.rests:
        rests += f"; cross: also {_rests(metric.rests_cross & ~metric.rests)}"
    long, short = _DIRECTIONS[metric.long], _DIRECTIONS[metric.short]
    moves = long if long == short else f"long {long}, short {short}"
    meaning = metric.meaning
    if metric.known is not None and metric.known and metric.name != "side":
        meaning += "" if "or" in meaning.split() else f" ({', '.join(sorted(metric.known))})"
    scope = SCOPE_WORDS[metric.scope]
    unit = metric.unit.value
    return [f"`{metric.name}`", unit, _range(metric), scope, meaning, rests, moves]


def _range(metric: Metric) -> str:
    """Write how far a metric can go; nothing for texts and for what has no ends."""
    lo, hi = metric.reach
    if metric.reach == ANYTHING:
        return ""
    suffix = {"ratio": "%", "multiple": "x", "duration": "s"}.get(metric.unit.value, "")
    return f"{lo}{suffix} and up" if hi.is_infinite() else f"{lo}{suffix} to {hi}{suffix}"


def _rests(rests: Rest) -> str:
    found = [words for rest, words in REST_WORDS.items() if rests & rest]
    return ", ".join(found) or "nothing: always known"


# ---------------------------------------------------------------- models


@cache
def _docstrings(module: types.ModuleType) -> dict[str, str]:
    """Read the string under each field of each class: "Class.field" → text."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            match below:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    found[f"{node.name}.{field.target.id}"] = " ".join(text.split())
                case _:
                    pass
    return found


def _own_words(model: type[BaseModel], name: str, words: Mapping[str, str]) -> str:
    """Say what a key means: in this script's words, else in those under the field."""
    docstrings = _docstrings(sys.modules[model.__module__])
    for owner in model.__mro__:
        key = f"{owner.__name__}.{name}"
        if key in words:
            return words[key]
        if key in docstrings:
            return docstrings[key]
    raise _LeftOutError(f"scripts/check_docs.py: {model.__name__}.{name} has no words")


def config_keys() -> str:
    """Make the tables of config.toml."""
    tables: list[tuple[str, type[BaseModel], str]] = [
        ("Top level", config_models.Config, ""),
        ("`[[account]]`", config_models.Account, "At least one."),
        (
            "`endpoints` of an account",
            config_models.Endpoints,
            "What is left out is the network's.",
        ),
        ("`[[channel]]`", config_models.Channel, "At least one, except for `run --dry-run`."),
        ("`quiet_hours` of a channel", config_models.QuietHours, ""),
        (
            "`[heartbeat]`",
            config_models.Heartbeat,
            "May be left out. [What makes it stop](../how-to.md#notice-that-the-program-is-gone).",
        ),
        ("`[log]`", config_models.Log, ""),
    ]
    skipped = {"accounts", "channels", "heartbeat", "log"}  # tables of their own
    parts = []
    for title, model, note in tables:
        rows = []
        for name, field in model.model_fields.items():
            if model is config_models.Config and name in skipped:
                continue
            kind, default = _config_kind(field), _config_default(model, name, field)
            rows.append(
                [f"`{field.alias or name}`", kind, default, _own_words(model, name, CONFIG_WORDS)]
            )
        table = _table(["key", "value", "default", "meaning"], rows)
        parts.append("\n\n".join(filter(None, [f"## {title}", note, table])))
    rows = [
        [f"`{network}`", f"`{key}`", f"`{url}`" if url else "none"]
        for network, urls in config_models.NETWORKS.items()
        for key, url in urls.items()
    ]
    parts.append(f"### The networks' addresses\n\n{_table(['network', 'key', 'address'], rows)}")
    return "\n\n".join(parts)


_CONFIG_KINDS = {
    "_name": "name: letters, digits, dashes, dots, underscores",
    "_text": "text",
    "_patterns": "list of globs",
    "_globs": "list of globs",
    "_severity": ", ".join(f"`{word}`" for word in SEVERITIES),
    "_reminder": 'duration, or `"never"`',
    "_zone": "time zone, such as `Europe/Vienna`",
    "_folder": "folder",
    "_secret": "text; a secret",
    "_secret_text": "text; a secret",
    "_share": f"percentage, {LEAST_SHARE:.0%} to {MOST_SHARE:.0%}",
    "_channel_url": "URL; a secret",
    "_time_of_day": 'time of day, such as `"23:00"`',
    "_count": f"whole number, 1 to {MOST_PER_MINUTE}",
    "_web_secret": "`https://` or `http://` address; a secret",
}


def _config_kind(field: FieldInfo) -> str:
    for each in _metadata(field):
        check = getattr(each, "func", None)
        if check is None:
            continue
        held = inspect.getclosurevars(check).nonlocals
        if "least" in held:
            return f"duration, {_span(held['least'])} to {_span(held['most'])}"
        if "words" in held:
            return ", ".join(f"`{word}`" for word in held["words"])
        if "schemes" in held:
            return " or ".join(f"`{scheme}://`" for scheme in held["schemes"]) + " address"
        if check.__name__ in _CONFIG_KINDS:
            return _CONFIG_KINDS[check.__name__]
    if field.annotation is bool:
        return "`true`, `false`"
    inner = [field.annotation, *get_args(field.annotation)]
    if any(isinstance(each, type) and issubclass(each, BaseModel) for each in inner):
        return "table"
    raise _LeftOutError(f"scripts/check_docs.py: no words for the kind {field!r}")


def _metadata(field: FieldInfo) -> Iterator[Any]:
    """Give the validators of a field, those inside of `X | None` too."""
    yield from field.metadata
    for inner in get_args(field.annotation):
        if get_origin(inner) is Annotated:
            yield from inner.__metadata__


def _config_default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    computed = COMPUTED_DEFAULTS.get(f"{model.__name__}.{name}")
    if computed is not None:
        return computed
    if field.is_required():
        return "required"
    match field.default:
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case Severity() as severity:
            return f'`"{severity.word}"`'
        case float() as share:
            return f'`"{share:.0%}"`'
        case int() as milliseconds:
            return f'`"{_span(milliseconds)}"`'
        case Globs() as globs:
            return f"`{_toml_list(globs.patterns)}`"
        case tuple() as texts:
            return f"`{_toml_list(texts)}`"
        case default:
            return f'`"{default}"`'


def _toml_list(texts: Sequence[str]) -> str:
    inner = ", ".join(f'"{text}"' for text in texts)
    return f"[{inner}]"


def _span(milliseconds: int) -> str:
    """Write a duration as a configuration does."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds // size:
            if unit == "d" and milliseconds // size == 1:
                return "24h"
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


# ---------------------------------------------------------------- scenarios


def scenario_keys() -> str:
    """Make the tables of scenario files."""
    tables: list[tuple[str, type[BaseModel]]] = [
        ("Top level", story.Scenario),
        ("`[[account]]`", story.AccountTable),
        ("`[[account.position]]`", story.PositionTable),
        ("`[[price]]`", story.PriceTable),
        ("`[[asset]]`", story.AssetTable),
        ("`[[bracket]]`", story.BracketTable),
        ("`[quirks]`", story.QuirksTable),
        ("`[random]`", story.RandomTable),
    ]
    head = ["key", "value", "default", "meaning"]
    parts = [f"## {title}\n\n{_table(head, _scenario_rows(model))}" for title, model in tables]
    for title, union, base in (
        ("`[[do]]`", story_deeds.Do, story_deeds._Do),  # noqa: SLF001 - the keys that all kinds share
        ("`[[fault]]`", story_faults.Fault, story_faults._Fault),  # noqa: SLF001 - likewise
    ):
        parts.append(f"## {title}\n\nEvery kind takes:\n\n{_table(head, _scenario_rows(base))}")
        parts.append(_table(["`what`", "what happens", "keys of its own"], _kinds(union, base)))
    return "\n\n".join(parts)


def _kinds(union: Any, base: type[BaseModel]) -> list[list[str]]:
    rows = []
    for model in get_args(union):
        (what,) = get_args(model.model_fields["what"].annotation)
        own = [name for name in model.model_fields if name not in {"what", *base.model_fields}]
        keys = "<br>".join(_own_key(model, name) for name in own)
        rows.append([f"`{what}`", " ".join((model.__doc__ or "").split()), keys or "none"])
    return rows


def _own_key(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    default = "required" if field.is_required() else f"default {_scenario_default(field)}"
    words = _own_words(model, name, SCENARIO_WORDS)
    return f"`{field.alias or name}` ({_scenario_kind(field)}; {default}): {words}"


def _scenario_rows(model: type[BaseModel]) -> list[list[str]]:
    return [
        [
            f"`{field.alias or name}`",
            _scenario_kind(field),
            "required" if field.is_required() else _scenario_default(field),
            _own_words(model, name, SCENARIO_WORDS),
        ]
        for name, field in model.model_fields.items()
    ]


_SCENARIO_KINDS = {
    "_duration": "duration",
    "_signed_duration": "duration",
    "_moment": "moment",
    "_percentage": "percentage",
    "_utc": "time in UTC",
}


def _scenario_kind(field: FieldInfo) -> str:
    for each in _metadata(field):
        name = getattr(getattr(each, "func", None), "__name__", "")
        if name in _SCENARIO_KINDS:
            return _SCENARIO_KINDS[name]
    return _annotated(field.annotation)


def _annotated(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated(get_args(annotation)[0])
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if origin in {Union, types.UnionType}:
        return _annotated(next(a for a in get_args(annotation) if a is not type(None)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if origin is dict and get_args(annotation)[1] is bool:
        return "table of flag = `true` or `false`"
    if origin is tuple:
        inner = get_args(annotation)[0]
        if inner is str:
            return "list of texts"
        models = isinstance(inner, type) and issubclass(inner, BaseModel)
        return "tables" if models or get_origin(inner) is Annotated else "list of lists"
    simple = {str: "text", int: "whole number", bool: "`true`, `false`", Decimal: "number"}
    return "table of asset = number" if origin is dict else simple[annotation]


def _scenario_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    match default:
        case None | () | {} | "":
            return "none"
        case BaseModel():
            return "as below"
        case bool():
            return f"`{str(default).lower()}`"
        case datetime():
            return f'`"{default:%Y-%m-%dT%H:%M:%SZ}"`'
        case str():
            return f'`"{default}"`'
        case int() if _scenario_kind(field) == "duration":
            return f'`"{_span(default)}"`'
        case Decimal() if _scenario_kind(field) == "percentage":
            return f'`"{default * 100:f}%"`'
        case _:
            return f"`{default}`"


# ---------------------------------------------------------------- the rest that is generated


def rule_keys() -> str:
    """Make the table of the keys of a rule."""
    return _table(["key", "meaning"], _worded("RULE_WORDS", RULE_WORDS, RULE_KEYS))


def happenings() -> str:
    """Make the table of happenings."""
    rows = _worded("HAPPENING_WORDS", HAPPENING_WORDS, list(HAPPENINGS))
    scopes = [HAPPENING_TARGETS.get(k, SCOPE_WORDS[scope]) for k, scope in HAPPENINGS.items()]
    rows = [[row[0], scope, row[1]] for row, scope in zip(rows, scopes, strict=True)]
    return _table(["happening", "target", "meaning"], rows)


def notice_keys() -> str:
    """Make the table of the keys of a notice line."""
    notice = Notice(1, 0, "fired", Severity.INFO, "rule", Target("main"))
    keys = list(as_json(notice, Message("", ""), 1))
    return _table(["key", "value"], _worded("JSON_WORDS", JSON_WORDS, keys))


def summary_keys() -> str:
    """Make the table of the keys of the summary line."""
    from monitor.cli.playing import _summary

    keys = list(_summary([]))
    return _table(["key", "value"], _worded("SUMMARY_WORDS", SUMMARY_WORDS, keys))


def command_help() -> str:
    """Show what each command says of itself."""
    parts = [f"## marginwatch\n\n{_help(command_line, 'marginwatch')}"]
    for name, command in sorted(command_line.commands.items()):
        parts.append(f"## marginwatch {name}\n\n{_help(command, f'marginwatch {name}')}")
    return "\n\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    settings = dict(command.context_settings) | {"help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=name, terminal_width=88, **settings)
    return f"```text\n{command.get_help(context)}\n```"


@cache
def shipped_rules() -> dict[str, tuple[str, str]]:
    """Find each shipped rule: name → (its file, its text there)."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.toml")):
        if path.name.endswith(".test.toml"):
            continue
        _, *blocks = path.read_text(encoding="utf-8").split("[[rule]]\n")
        for block in blocks:
            text = f"[[rule]]\n{block.rstrip()}\n"
            (rule,) = tomli.loads(text)["rule"]
            found[rule["name"]] = (path.name, text)
    return found


def _shipped(name: str) -> Callable[[], str]:
    return lambda: "From `rules/{}`:\n\n```toml\n{}```".format(*shipped_rules()[name])


def shipped_table() -> str:
    """List the shipped rules with their levels, each linked to its page."""
    rows = []
    for name, (file, text) in shipped_rules().items():
        (rule,) = tomli.loads(text)["rule"]
        levels = [f"{word}: `{rule[word]}`" for word in SEVERITIES if word in rule]
        if "on" in rule:
            levels = [f"{rule['severity']}: on {', '.join(f'`{each}`' for each in rule['on'])}"]
        rows.append([f"[{name}](../rules/{name}.md)", f"`{file}`", "<br>".join(levels)])
    return _table(["rule", "file", "levels"], rows)


def lint_table() -> str:
    """List the lints, each linked to its page."""
    rows = [
        [f"[{name}](../lints/{name}.md)", code.meaning, code.needs or "–"]
        for name, code in CODES.items()
    ]
    return _table(["code", "what it finds", "needs to know"], rows)


class Part(NamedTuple):
    """A generated part of a document."""

    path: Path
    name: str
    make: Callable[[], str]


def test_keys() -> str:
    """Make the tables of everything that a rule test may hold."""
    tables = {
        "test": CASE_KEYS,
        "test.position": (*TEST_IDENTITY[Scope.POSITION], "isolated_wallet", "maintenance_rate"),
        "test.pool": (*TEST_IDENTITY[Scope.POOL], "cross_wallet"),
        "test.account": TEST_IDENTITY[Scope.ACCOUNT],
        "test.expect": EXPECT_KEYS,
    }
    known = [f"{table}.{key}" for table, keys in tables.items() for key in keys]
    _worded("TEST_WORDS", TEST_WORDS, known)
    parts = []
    for table, keys in tables.items():
        rows = [(f"`{key}`", TEST_WORDS[f"{table}.{key}"]) for key in keys]
        parts.append(f"### `[[{table}]]`\n\n{_table(('key', 'meaning'), rows)}")
    return "\n\n".join(parts)


def test_happenings() -> str:
    """Make the table of the keys of each happening."""
    rows = [
        (f"`{kind}`", ", ".join(f"`{key}`" for key in keys_of_happening(kind)[2:]) or "none")
        for kind in HAPPENINGS
    ]
    return _table(("kind", "keys besides `at` and `kind`"), rows)


def outcomes() -> str:
    """Make the table of what becomes of a message; tests hold the program to the same rows."""
    text = (ROOT / "tests" / "outcomes.txt").read_text(encoding="utf-8")
    rows = [line.split(" | ")[1:] for line in text.splitlines() if line.count(" | ") == 4]
    return _table(["what the service does", "outcome", "asks to wait, s", "what follows"], rows)


def generated() -> list[Part]:
    """List every generated part that there has to be."""
    reference = DOCS / "reference"
    return [
        Part(reference / "metrics.md", "metrics", metrics),
        Part(reference / "config.md", "configuration", config_keys),
        Part(reference / "rules.md", "keys of a rule", rule_keys),
        Part(reference / "rules.md", "happenings", happenings),
        Part(reference / "rules.md", "shipped rules", shipped_table),
        Part(reference / "cli.md", "commands", command_help),
        Part(reference / "lints.md", "lints", lint_table),
        Part(reference / "json.md", "keys of a notice", notice_keys),
        Part(reference / "json.md", "keys of the summary", summary_keys),
        Part(reference / "delivery.md", "outcomes", outcomes),
        Part(reference / "scenarios.md", "scenario files", scenario_keys),
        Part(reference / "tests.md", "keys of a test", test_keys),
        Part(reference / "tests.md", "happenings of a test", test_happenings),
        *(Part(DOCS / "rules" / f"{name}.md", "rule", _shipped(name)) for name in shipped_rules()),
    ]


_PART = "<!-- generated: {0} -->\n{1}<!-- end of {0} -->"


def _renewed(text: str, name: str, content: str) -> str | None:
    """Put a generated part into a text; None where it has no place for it."""
    pattern = re.compile(_PART.format(re.escape(name), "(.*?)"), re.DOTALL)
    if pattern.search(text) is None:
        return None
    # Blank lines around, so that Markdown takes the comment and the table for two things.
    return pattern.sub(lambda _: _PART.format(name, f"\n{content}\n\n"), text, count=1)


def write() -> None:
    """Write every generated part anew."""
    for part in generated():
        if part.path.exists():
            text = part.path.read_text(encoding="utf-8")
            renewed = _renewed(text, part.name, part.make())
            if renewed is not None and renewed != text:
                part.path.write_text(renewed, encoding="utf-8")
                print(f"wrote {_shown(part.path)}, {part.name}")
    if list(stale_man_page()):
        man.PAGE.write_text(man.page(), encoding="utf-8")
        print(f"wrote {_shown(man.PAGE)}")


# ---------------------------------------------------------------- checks


def documents() -> list[Path]:
    """List every document."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [path for path in top if path.exists()] + sorted(DOCS.rglob("*.md"))


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def stale_parts() -> Iterator[str]:
    """Find generated parts that are missing or no longer what the code says."""
    for part in generated():
        where = _shown(part.path)
        if not part.path.exists():
            yield f"{where}: does not exist, and has to hold the generated part `{part.name}`"
            continue
        text = part.path.read_text(encoding="utf-8")
        try:
            renewed = _renewed(text, part.name, part.make())
        except _LeftOutError as exc:
            yield str(exc)
            continue
        if renewed is None:
            marker = _PART.format(part.name, "").replace("\n", " … ")
            yield f"{where}: has no place for `{part.name}`; write {marker}"
        elif renewed != text:
            yield f"{where}: `{part.name}` is stale; run: python scripts/check_docs.py --write"


def stale_man_page() -> Iterator[str]:
    """Find out whether the man page is what the commands say of themselves."""
    if not man.PAGE.exists() or man.PAGE.read_text(encoding="utf-8") != man.page():
        yield f"{_shown(man.PAGE)}: is stale; run: python scripts/check_docs.py --write"


class Block(NamedTuple):
    """A fenced block."""

    where: str
    language: str
    text: str


def blocks(path: Path) -> Iterator[Block]:
    """Find the fenced blocks of a document."""
    language, begin, lines = "", 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        bare = line.strip()
        if begin and bare == "```":
            yield Block(f"{_shown(path)}:{begin}", language, "\n".join(lines) + "\n")
            begin = 0
        elif begin:
            lines.append(line)
        elif bare.startswith("```"):
            language, begin, lines = bare[3:].strip(), number, []


def wrong_examples() -> Iterator[str]:
    """Find TOML examples that the program would not take."""
    for path in documents():
        rules = ""
        for block in blocks(path):
            if block.language == "toml":
                if block.text.startswith("[[test]]"):
                    wrong = wrong_test(block.text, rules)
                else:
                    wrong = wrong_toml(block.text)
                rules = block.text if block.text.startswith("[[rule]]") else rules
                if wrong is not None:
                    yield f"{block.where}: {wrong}"


def wrong_test(text: str, rules: str) -> str | None:
    """Say why a rule test is wrong or fails; it is about the rules of the example before it."""
    try:
        cases = parse_tests(text, parse_rules(rules, "example"), "example").cases
    except MonitorError as exc:
        return str(exc)
    failed = (judge(case) for case in cases)
    return next(("\n".join(describe(each)) for each in failed if not each.passed), None)


_STORY_KEYS = {
    "seed", "length", "mark_interval", "weight_limit", "listen_key_life", "connection_life",
    "price", "asset", "bracket", "quirks", "random", "do", "fault",
}  # fmt: skip
_A_CHANNEL = '\n[[channel]]\nname = "example"\nurl = "json://127.0.0.1:8000"\n'
_AN_ACCOUNT = '\n[[account]]\nname = "main"\napi_key = "k"\napi_secret = "s"\n'


def wrong_toml(text: str) -> str | None:
    """Say why an example cannot be loaded; what it leaves out is put beside it first."""
    try:
        tables = tomli.loads(text)
    except tomli.TOMLDecodeError as exc:
        return f"is not TOML: {exc}"
    story_like = _STORY_KEYS & tables.keys() or any(
        "position" in account for account in tables.get("account", [])
    )
    try:
        if "rule" in tables:
            parse_rules(text, "example")
        elif story_like:
            _load_story(text, tables)
        else:
            _load_config(text, tables)
    except MonitorError as exc:
        return str(exc)
    return None


def _load_story(text: str, tables: Mapping[str, Any]) -> None:
    beside = "" if "length" in tables else 'length = "1h"\n'
    behind = "" if "account" in tables else _AN_ACCOUNT
    parse_scenario(f"{beside}{text}{behind}", "example")


def _load_config(text: str, tables: Mapping[str, Any]) -> None:
    behind = "" if "channel" in tables else _A_CHANNEL
    behind += "" if "account" in tables else _AN_ACCOUNT
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.touch(mode=0o600)
        path.write_text(text + behind, encoding="utf-8")
        load_config(path, environ={"HOME": folder}, resolve=False)


def wrong_commands() -> Iterator[str]:
    """Find shell lines that name commands or options that do not exist."""
    for path in documents():
        for block in blocks(path):
            if block.language not in {"sh", "console"}:
                continue
            for line in block.text.replace("\\\n", " ").splitlines():
                wrong = wrong_line(line)
                if wrong is not None:
                    yield f"{block.where}: `{line.strip()}`: {wrong}"


def wrong_line(line: str) -> str | None:
    """Say why a line that calls the program would not be understood; other lines are fine."""
    words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words or words[0].rpartition("/")[2] != "marginwatch":
        return None
    end = next((n for n, word in enumerate(words) if re.match(r"[|&;]|[12]?>", word)), len(words))
    try:
        _understand(words[1:end])
    except click.ClickException as exc:
        return exc.format_message()
    return None


def _understand(words: Sequence[str]) -> None:
    """Parse a command line as click would, without running anything.

    Raises:
        click.ClickException: It is not understood.
    """
    if not words or words[0].startswith("-"):
        flags = {flag for option in command_line.params for flag in option.opts}
        unknown = set(words) - flags - {"-h", "--help"}
        if unknown:
            raise click.UsageError(f"no such option: {', '.join(sorted(unknown))}")
        return
    command = command_line.commands.get(words[0])
    if command is None:
        raise click.UsageError(f"no such command: {words[0]}")
    rest = [word for word in words[1:] if word not in {"-h", "--help"}]
    # Of the command, only what it would be given; a required argument is needed unless for help.
    resilient = len(rest) < len(words) - 1
    command.make_context(words[0], rest, resilient_parsing=resilient)


def undocumented() -> Iterator[str]:
    """Find metrics, commands, keys and shipped rules that no page names."""
    reference = DOCS / "reference"
    wanted = {
        reference / "metrics.md": [f"| `{name}` |" for name in METRICS],
        reference / "cli.md": [f"## marginwatch {name}" for name in command_line.commands],
        reference / "config.md": [f"| `{key}` |" for key in _config_key_names()],
        reference / "rules.md": [f"| `{key}` |" for key in RULE_KEYS]
        + [f"../rules/{name}.md" for name in shipped_rules()],
    }
    for path, words in wanted.items():
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for word in words:
            if word not in text:
                yield f"{_shown(path)}: does not speak of {word.strip('| #')}"
    for path in sorted((DOCS / "rules").glob("*.md")):
        if path.stem not in shipped_rules():
            yield f"{_shown(path)}: there is no shipped rule of this name"


def _config_key_names() -> Iterator[str]:
    for model in (
        config_models.Account,
        config_models.Endpoints,
        config_models.Channel,
        config_models.Heartbeat,
        config_models.Log,
    ):
        yield from model.model_fields
    tables = {"accounts", "channels", "heartbeat", "log"}
    yield from (name for name in config_models.Config.model_fields if name not in tables)


def wrong_rule_pages() -> Iterator[str]:
    """Find pages of shipped rules whose headings are not those that a reader expects."""
    for name in shipped_rules():
        path = DOCS / "rules" / f"{name}.md"
        if not path.exists():
            continue  # told by `stale_parts`
        text = path.read_text(encoding="utf-8")
        found = [text_ for level, text_ in _headings(text) if level == 2]
        if found != HEADINGS:
            yield f"{_shown(path)}: its headings are {found}; they have to be {HEADINGS}"
        if not text.startswith(f"# {name}\n"):
            yield f"{_shown(path)}: has to begin with `# {name}`"


def wrong_lint_pages() -> Iterator[str]:
    """Find lints without a page, pages without a lint, and headings that nobody expects."""
    pages = {path.stem: path for path in sorted((DOCS / "lints").glob("*.md"))}
    for name in [*CODES, *(stem for stem in pages if stem not in CODES)]:
        if name not in pages:
            yield f"docs/lints/{name}.md: does not exist"
        elif name not in CODES:
            yield f"docs/lints/{name}.md: there is no lint of this name"
        else:
            text = pages[name].read_text(encoding="utf-8")
            found = [heading for level, heading in _headings(text) if level == 2]
            if found != LINT_HEADINGS or not text.startswith(f"# {name}\n"):
                yield f"docs/lints/{name}.md: begins with `# {name}`, then {LINT_HEADINGS}"


_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


def broken_links() -> Iterator[str]:
    """Find relative links that lead nowhere."""
    for path in documents():
        text = _without_blocks(path.read_text(encoding="utf-8"))
        for target in _LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists():
                yield f"{_shown(path)}: the link {target} leads to no file"
            elif anchor and anchor not in _anchors(aim):
                yield f"{_shown(path)}: the link {target} leads to no heading"


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def _headings(text: str) -> Iterator[tuple[int, str]]:
    for line in _without_blocks(text).splitlines():
        found = re.fullmatch(r"(#+) (.+)", line)
        if found is not None:
            yield len(found[1]), found[2].strip()


@cache
def _anchors(path: Path) -> frozenset[str]:
    """List the anchors of a document, as code hosts make them."""
    names = (title for _, title in _headings(path.read_text(encoding="utf-8")))
    kept = (re.sub(r"[^\w\- ]", "", name.lower()) for name in names)
    return frozenset(name.replace(" ", "-") for name in kept)


_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.? ")
_CITING = re.compile(r"docs/(?P<name>[\w/-]+\.md)|§(?P<number>\d+(?:\.\d+)*)")
# Between a document's name and its numbers, and between two numbers; comments and quotes wrap.
_JOINT = re.compile(r"(?:[\s#*`,]|\b(?:and|to)\b)*")


def citing_files() -> list[Path]:
    """List every file that may cite a document: sources, tests, rules, documents."""
    folders = ("monitor", "tests", "scripts", "bench", "rules", "docs")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    kept = [path for path in found if path.suffix in {".py", ".md", ".toml"}]
    return sorted({*kept, *documents(), ROOT / "config.example.toml"})


def wrong_citations() -> Iterator[str]:
    """Find citations, a document's name and the numbers of sections, that lead nowhere.

    Names are written `docs/….md`, with the numbers behind them. A number elsewhere in a file is a
    section of the file itself, if its sections are numbered, or of the numbered document that the
    file named last.
    """
    for path in citing_files():
        text = path.read_text(encoding="utf-8")
        own = path if _sections(path) else None
        named: Path | None = None
        cited, end = named, -1
        for found in _CITING.finditer(text):
            where = f"{_shown(path)}:{text.count(chr(10), 0, found.start()) + 1}"
            if found["name"] is not None:
                cited, end = DOCS / found["name"], found.end()
                if not cited.exists():
                    yield f"{where}: there is no {found[0]}"
                if _sections(cited):
                    named = cited
                continue
            joined = end >= 0 and _JOINT.fullmatch(text, end, found.start()) is not None
            aim = cited if joined else own or named
            end = found.end() if joined else -1
            if aim is None:
                yield f"{where}: {found[0]} of which document? Write docs/….md {found[0]}"
            elif aim.exists() and found["number"] not in _sections(aim):
                yield f"{where}: {_shown(aim)} has no section {found['number']}"


@cache
def _sections(path: Path) -> frozenset[str]:
    """List the numbers that a document's headings begin with; none for any other file."""
    if path.suffix != ".md" or not path.exists():
        return frozenset()
    titles = (title for _, title in _headings(path.read_text(encoding="utf-8")))
    return frozenset(found[1] for found in map(_NUMBERED.match, titles) if found is not None)


_TRAP_SECTION = re.compile(r"^## (0|11)\. .*?(?=^## )", re.MULTILINE | re.DOTALL)
_TRAP = re.compile(
    r"^(?:\| )?(\d+)(?:\.| \|) ", re.MULTILINE
)  # "1. " of a list, "| 1 | " of a table
_TRAP_TEST = re.compile(r"test_trap_(\d+_\d+)_\w+")


def untested_traps() -> Iterator[str]:
    """Find traps of docs/protocol.md §0 and §11 without a test, and tests of no such trap."""
    tests = sorted((ROOT / "tests" / "traps").glob("test_*.py"))
    defined = {name for path in tests for name in _trap_tests(path)}
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    yield from wrong_traps(text, defined)


def wrong_traps(text: str, defined: Collection[str]) -> Iterator[str]:
    """Compare a list of traps with the names of the tests that there are."""
    traps: dict[str, str] = {}
    for section in _TRAP_SECTION.finditer(text):
        _, *parts = _TRAP.split(section[0])
        traps |= {
            f"{section[1]}_{n}": words for n, words in zip(parts[::2], parts[1::2], strict=True)
        }
    for number, words in traps.items():
        named = [found for found in _TRAP_TEST.finditer(words) if found[1] == number]
        if not named:
            yield f"docs/protocol.md: trap {number} names no test test_trap_{number}_…"
        for found in _TRAP_TEST.finditer(words):
            if found[0] not in defined:
                yield f"docs/protocol.md: trap {number}: there is no {found[0]} in tests/traps"
    for name in sorted(defined):
        found = _TRAP_TEST.fullmatch(name)
        if found is None or found[1] not in traps:
            yield f"tests/traps: {name}: docs/protocol.md lists no such trap"


def _trap_tests(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test_"):
            yield node.name


def long_readme() -> Iterator[str]:
    """Find out whether the README has become a manual."""
    lines = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if lines > LONGEST_README:
        yield f"README.md: {lines} lines; it may have {LONGEST_README}"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "generated parts": stale_parts,
    "man page": stale_man_page,
    "pages of lints": wrong_lint_pages,
    "TOML examples": wrong_examples,
    "shell lines": wrong_commands,
    "everything documented": undocumented,
    "rule pages": wrong_rule_pages,
    "links": broken_links,
    "citations": wrong_citations,
    "traps": untested_traps,
    "README": long_readme,
}


def main(arguments: Sequence[str]) -> int:
    """Check, after writing if asked to; the exit code."""
    if set(arguments) - {"--write"}:
        print("usage: check_docs.py [--write]", file=sys.stderr)
        return 2
    if arguments:
        write()
    faults = [fault for check in CHECKS.values() for fault in check()]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"docs: {len(documents())} documents, nothing stale, nothing broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
