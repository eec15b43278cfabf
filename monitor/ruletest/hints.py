"""What an unknown key of a test was meant to be: a slip, or the word of another program."""

from collections.abc import Iterable, Sequence

from monitor.core.metrics import METRICS
from monitor.toml_positions.values import Wrong, listed, meant, shown

_FOREIGN = {
    **dict.fromkeys(("interval", "step", "evaluation_interval", "scrape_interval"), ("every",)),
    **dict.fromkeys(("end", "duration", "length"), ("until",)),
    **dict.fromkeys(("alerts", "groups", "rule_files"), ("rules",)),
    **dict.fromkeys(("input_series", "values", "data"), ("series",)),
    **dict.fromkeys(
        ("alert_rule_test", "alert", "alerts_expected", "exp_alerts", "expectation", "assert"),
        ("expect",),
    ),
    **dict.fromkeys(("events", "event"), ("happening",)),
    **dict.fromkeys(("eval_time", "time", "when", "after", "ts"), ("at",)),
    **dict.fromkeys(("alertname", "alert_name", "name"), ("rule",)),
    **dict.fromkeys(("symbol", "asset", "position", "pool", "target"), ("id",)),
    **dict.fromkeys(("level", "exp_labels", "labels"), ("severity",)),
    **dict.fromkeys(("state", "type"), ("kind",)),
    **dict.fromkeys(("exp_annotations", "annotations", "text", "body", "title"), ("message",)),
    **dict.fromkeys(("size", "qty", "contracts", "position_amt"), ("quantity",)),
    **dict.fromkeys(("direction", "position"), ("side",)),
    **dict.fromkeys(("price", "mark"), ("mark_price", "price")),
    **dict.fromkeys(("margin_mode", "mode"), ("margin_type",)),
    **dict.fromkeys(("pnl", "upnl", "profit"), ("unrealized_pnl",)),
    **dict.fromkeys(("coin", "currency", "margin_asset"), ("asset",)),
    **dict.fromkeys(("liq_price", "liq", "liquidation"), ("liquidation_price",)),
    **dict.fromkeys(("balance", "wallet"), ("wallet_balance", "wallet")),
}
"""By another word: ours, the first that the table knows."""

_KINDS = {
    **dict.fromkeys(("firing", "fire", "raised", "triggered", "alert"), "fired"),
    **dict.fromkeys(("ok", "clear", "cleared", "ended", "recovered", "inactive"), "resolved"),
    **dict.fromkeys(("upgraded", "raised_to", "worse"), "escalated"),
    **dict.fromkeys(("lowered", "better", "downgraded"), "eased"),
    **dict.fromkeys(("repeat", "repeated", "reminded"), "reminder"),
    **dict.fromkeys(("happening", "event", "occurred"), "happened"),
}


def for_key(key: str, known: Sequence[str]) -> str:
    """Say which key of a table an unknown one was meant to be, or which there are.

    Args:
        key: As it is written.
        known: The keys of its table.
    """
    ours = next((each for each in _FOREIGN.get(key.lower(), ()) if each in known), "")
    if ours:
        return f"here that is `{ours}`"
    if "(" in key:
        return "what looks back is computed: give the metric as a series"
    few = [each for each in known if each not in METRICS or len(known) < len(METRICS) / 2]
    more = ", and metrics" if len(few) < len(known) else ""
    return meant(key, known) or f"there are {', '.join(few)}{more}"


def for_word(key: str, value: str, known: Iterable[str]) -> Wrong:
    """Say what is wrong with a word that has to be one of a few."""
    known = list(known)
    if key == "kind" and value.lower() in {"pending", "rising"}:
        return Wrong("what is pending is not told", "leave it out, or expect it as fired")
    ours = _KINDS.get(value.lower(), "") if key == "kind" else ""
    hint = f'did you mean "{ours}"?' if ours else meant(value, known)
    hint = hint or f"write {listed(shown(each) for each in known)}"
    return Wrong(f"there is no {key} {shown(value)}", hint)


def misspelt(keys: Iterable[str], known: Sequence[str]) -> frozenset[str]:
    """List what unknown keys were meant to be: that these are missing goes without saying."""
    hints = [for_key(key, known) for key in keys if key not in known]
    return frozenset(each for each in known for hint in hints if f"`{each}`" in hint)
