"""What the code does not say in words for operators: tables that name every key and no other."""

from monitor.core.freshness import Rest
from monitor.core.language.units import Scope
from monitor.core.metrics import Direction

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
    "Channel.charts": "How the picture looks that follows the text of each critical of a position: "
    "the mark of the last hour, liquidation, entry, and where the rule turns. Needs Pillow; "
    "see [Have a picture with each critical](../how-to.md#have-a-picture-"
    "with-each-critical).",
    "QuietHours.begin": "When they begin, by the clocks of `timezone`.",
    "QuietHours.end": "When they end; where that is not later, it is that of the next day.",
    "Heartbeat.url": "Asked by GET while all is well, over a connection of its own; whoever misses "
    "it tells you. Redirects are not followed. A secret.",
    "Heartbeat.every": "Time between two beats.",
    "Heartbeat.daily": "When channels that take info of everything are told, once a day, that the "
    "program is still here, by the clocks of `timezone`; goes without a `url` too.",
    "Http.listen": "Where [the status page, `/metrics` and `/healthz`](http.md) are given, as "
    '`"127.0.0.1:9187"` or `"[::1]:9187"`. Nobody is asked for a password, so `check` warns of any '
    "address that is not of this machine alone.",
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
    "Channel.charts": "`false`",
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
