"""Binance: the only rooms that know its words.

`link` opens one socket, `ws_api` asks questions over it, `wire` reads frames exactly as documented,
`translate` turns them into `monitor.core.events`; `usdm` is one account's life (its user data
socket in `user_stream`, its polls in `polls`), `marks` the process's mark prices, `budget` when
requests may be made at all.
"""
