"""The rules that every drawn story is judged by, worded for the monitor and for the judge alike."""

import json
from dataclasses import dataclass

STALE_AFTER = 30.0
POLL_INTERVAL = 10.0
GROUP_WAIT = {"phone": 2.0, "pager": 0.0}

SETTINGS = f"""
poll_interval = "{POLL_INTERVAL:g}s"
stale_after = "{STALE_AFTER:g}s"
"""
CHANNELS = """
[[channel]]
name = "phone"
url = "json://127.0.0.1:9"
group_wait = "2s"
max_per_minute = 600
[[channel]]
name = "pager"
url = "json://127.0.0.1:9"
min_severity = "critical"
group_wait = "0s"
max_per_minute = 600
"""


@dataclass(frozen=True)
class Step:
    """One severity of a rule: its threshold, and its on-delay in seconds."""

    severity: str
    threshold: float
    on: float = 0.0


@dataclass(frozen=True)
class Rule:
    """A rule on one metric, worded for the monitor and judged here by itself."""

    name: str
    metric: str
    below: bool
    steps: tuple[Step, ...]
    unit: str = ""
    scale: float = 1.0
    """What one of its unit is worth: 0.01 for per cent."""
    off: float = 0.0
    """Off-delay, seconds, of every severity."""
    band: float = 0.0
    """Dead band, as a part of the threshold."""
    pool: bool = False
    marks: bool = True
    """Whether it rests on mark prices."""

    @property
    def text(self) -> str:
        """The rule as its file has it."""
        sign = "<" if self.below else ">"
        lines = ["[[rule]]", f'name = "{self.name}"']
        lines += [f'{s.severity} = "{self.metric} {sign} {self._worded(s)}"' for s in self.steps]
        ons = ", ".join(f'{s.severity} = "{s.on:g}s"' for s in self.steps if s.on)
        lines += [f"for = {{ {ons} }}"] if ons else []
        lines += [f'keep_firing_for = "{self.off:g}s"', f'hysteresis = "{self.band * 100:g}%"']
        return "\n".join([*lines, 'repeat = "4m"', ""])

    def _worded(self, step: Step) -> str:
        return f"{step.threshold / self.scale:g}{self.unit}"


RULES = (
    Rule(
        "distance",
        "liquidation_distance",
        below=True,
        steps=(Step("warning", 0.08, 10), Step("critical", 0.04)),
        unit="%",
        scale=0.01,
        off=20,
        band=0.1,
    ),
    Rule(
        "room",
        "margin_room",
        below=True,
        steps=(Step("info", 0.6, 10), Step("warning", 0.4, 5), Step("critical", 0.2)),
        unit="%",
        scale=0.01,
        off=30,
        band=0.1,
    ),
    Rule(
        "ratio",
        "margin_ratio",
        below=False,
        steps=(Step("info", 0.1, 15), Step("warning", 0.2, 5), Step("critical", 0.5)),
        unit="%",
        scale=0.01,
        off=15,
        band=0.1,
        pool=True,
    ),
    Rule(
        "leverage",
        "effective_leverage",
        below=False,
        steps=(Step("warning", 25, 20),),
        unit="x",
        off=20,
        band=0.1,
    ),
    Rule("size", "notional", below=False, steps=(Step("info", 12_000),), off=10, band=0.05),
    Rule("loss", "unrealized_pnl", below=True, steps=(Step("warning", -150, 5),), off=10, band=0.1),
    Rule(
        "poor",
        "wallet_balance",
        below=True,
        steps=(Step("info", 900), Step("warning", 400, 5)),
        band=0.02,
        pool=True,
        marks=False,
    ),
)

TOLD_OF = (
    "liquidation",
    "adl",
    "margin_call",
    "deposit",
    "withdrawal",
    "funding",
    "leverage_changed",
    "margin_type_changed",
    "position_opened",
    "position_closed",
    "stream_lost",
    "key_rejected",
    "banned",
)
"""Happenings that a rule of the story is about."""

RULE_FILE = "\n".join(rule.text for rule in RULES) + (
    '[[rule]]\nname = "blind"\nwarning = "stale_for > 0s"\nfor = "10s"\nrepeat = "5m"\n'
    f'[[rule]]\nname = "events"\non = {json.dumps(TOLD_OF)}\nseverity = "critical"\n'
)
