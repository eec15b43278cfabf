"""A small Binance: the wire of USDⓈ-M futures, served from a story in TOML.

Written from `docs/protocol.md` alone; it shares no code with what it tests. Begin reading
in `exchange` (the whole), `market` (accounts and prices, pure), `story` (what a scenario may say).
"""
