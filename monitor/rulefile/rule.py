"""One `[[rule]]` → a core rule, or all that is wrong with it.

Each reader below takes one key, notes its faults and gives a value that lets the others go on, so
that one slip does not hide the next.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from monitor.core.language.compile import Condition, compile_condition
from monitor.core.language.units import Scope, Vocabulary
from monitor.core.metrics import VOCABULARY
from monitor.core.rules import HAPPENINGS, OWN_FAULTS, SEVERITIES, Globs, Level, Rule, Severity
from monitor.errors import ConditionError
from monitor.rulefile.kinds import FOREIGN_KEYS, channel_fault, dead_band
from monitor.rulefile.table import TableReader
from monitor.rulefile.template import template_faults
from monitor.toml_positions.page import Page
from monitor.toml_positions.values import (
    Wrong,
    listed,
    meant,
    milliseconds,
    nearest,
    shown,
    web_address,
)

_DELAY_KEYS = ("for", "keep_firing_for", "hysteresis")
_CONDITION_KEYS = (*_DELAY_KEYS, "repeat")
_HAPPENING_KEYS = ("severity", "cooldown")
_COMMON_KEYS = ("symbols", "accounts", "channels", "repeat", "message", "runbook")
KEYS = ("name", *SEVERITIES, *_DELAY_KEYS, "on", *_HAPPENING_KEYS, *_COMMON_KEYS)
"""Every key of a rule."""

_NAME = re.compile(r"[A-Za-z0-9-]+")
_PAGE = re.compile(r"[\w./~-]+\.md")
"""A runbook that is no web address: a page in a folder, as the shipped rules have."""
_COOLDOWN = 60_000
_SCOPE_WORDS = {Scope.ACCOUNT: "an account", Scope.POOL: "a margin pool"}


@dataclass(frozen=True)
class Known:
    """What a rule may speak of."""

    vocabulary: Vocabulary
    repeat: int | None
    channels: frozenset[str] | None

    @classmethod
    def of(
        cls,
        *,
        repeat: int | None,
        accounts: Iterable[str] | None,
        venues: Iterable[str] | None,
        channels: Iterable[str] | None,
    ) -> Self:
        """Narrow the vocabulary to the accounts and venues that exist, where they are known."""
        words = dict(VOCABULARY)
        for word, names in (("account", accounts), ("venue", venues)):
            if names is not None:
                words[word] = replace(words[word], known=frozenset(names))
        return cls(words, repeat, None if channels is None else frozenset(channels))


class RuleReader(TableReader):
    """Reads one `[[rule]]` and collects its faults.

    Args:
        page: The file.
        number: Which rule of the file, from 0.
        table: What tomli made of it.
        known: What it may speak of.
    """

    def __init__(self, page: Page, number: int, table: Mapping[str, object], known: Known) -> None:
        name = table.get("name")
        self.name = name if isinstance(name, str) else ""
        """The empty text where there is none."""
        label = f"rule {shown(self.name)}" if self.name else f"rule {number + 1} of this file"
        super().__init__(page, ("rule", number), table, label)
        self._known = known
        unknown = [key for key in table if key not in KEYS]
        self._misspelt = {nearest(key, KEYS) for key in unknown}
        """Keys that unknown ones were meant to be: that they are missing goes without saying."""
        self._misspelt |= {key for each in unknown for key in KEYS if f"`{key}`" in _meant(each)}

    def read(self) -> Rule | None:
        """Read all of it; None where `faults` says why not."""
        self._check_keys()
        self._check_name()
        conditions = self._conditions()
        on = self._on()
        scope = self._scope(conditions, on)
        rule = Rule(
            name=self.name,
            scope=scope if scope is not None else Scope.ACCOUNT,
            levels=self._levels(conditions),
            on=on,
            severity=self._severity(),
            cooldown=self.duration("cooldown", _COOLDOWN),
            hysteresis=self._hysteresis(),
            symbols=self._symbols(scope),
            accounts=self._accounts(on),
            channels=self._channels(),
            repeat=self._repeat(),
            message=self._message(scope, conditions),
            runbook=self._runbook(),
        )
        return None if self.faults else rule

    # What kind of rule -----------------------------------------------------------------------

    @property
    def _severities(self) -> list[str]:
        return [word for word in SEVERITIES if word in self.table]

    @property
    def _conditional(self) -> bool:
        return bool(self._severities) or "on" not in self.table

    def _check_keys(self) -> None:
        for key in self.table:
            if key not in KEYS:
                self.key(key, what=f"there is no key called `{key}`", hint=_meant(key))
        if self._severities and "on" in self.table:
            what = f"speaks of happenings (`on`) and of conditions ({listed(self._severities)})"
            self.key("on", what=what, hint="make two rules of it")
            return
        if not self._severities and "on" not in self.table:
            if self._misspelt.isdisjoint({*SEVERITIES, "on"}):
                self.header(
                    "says nothing to watch", "give it `info`, `warning` or `critical`, or `on`"
                )
            return
        other, needs = (
            (_HAPPENING_KEYS, "is for rules about happenings (on = [...])")
            if self._conditional
            else (_CONDITION_KEYS, "is for rules with conditions, not for happenings")
        )
        for key in other:
            if key in self.table:
                self.key(key, what=f"`{key}` {needs}", hint="leave it out")
        self.table = {key: value for key, value in self.table.items() if key not in other}

    def _check_name(self) -> None:
        name = self.table.get("name")
        if name is None and "name" in self._misspelt:
            return
        if name is None:
            self.header("`name` is missing", 'write name = "…", in letters, digits and dashes')
        elif not isinstance(name, str):
            plain = isinstance(name, int | float) and not isinstance(name, bool)
            hint = f'write "{name}"' if plain else 'write one like "thin-margin"'
            self.value("name", wrong=Wrong(f"{shown(name)} is not a text", hint))
        elif not _NAME.fullmatch(name):
            better = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") if name.isascii() else ""
            hint = f'did you mean "{better}"?' if better else 'write one like "thin-margin"'
            self.value(
                "name", wrong=Wrong("a name is made of letters a to z, digits and dashes", hint)
            )
        elif name == OWN_FAULTS.name:
            wrong = Wrong("this name is kept for the program's own faults", "choose another")
            self.value("name", wrong=wrong)

    # Conditions ------------------------------------------------------------------------------

    def _conditions(self) -> dict[str, Condition]:
        found = {}
        for word in self._severities:
            text = self.table[word]
            if isinstance(text, str):
                condition = self._compiled(word, text)
                if condition is not None:
                    found[word] = condition
            else:
                wrong = Wrong(f"{shown(text)} is not a text", _condition_hint(text))
                self.value(word, wrong=wrong)
        return found

    def _compiled(self, word: str, text: str) -> Condition | None:
        try:
            return compile_condition(text, self._known.vocabulary)
        except ConditionError as exc:
            for fault in (exc, *exc.more):
                self.text(word, fault.column, Wrong(fault.problem, fault.hint))
            return None

    def _levels(self, conditions: Mapping[str, Condition]) -> tuple[Level, ...]:
        band = self._hysteresis(report=False)
        on_delays, off_delays = self._delays("for"), self._delays("keep_firing_for")
        return tuple(
            Level(
                severity=SEVERITIES[word],
                condition=condition,
                relaxed=self._relaxed(condition, band),
                on_delay=on_delays.get(word, 0),
                off_delay=off_delays.get(word, 0),
            )
            for word, condition in conditions.items()
        )

    def _relaxed(self, condition: Condition, band: Decimal) -> Condition:
        if not band:
            return condition
        return compile_condition(condition.text, self._known.vocabulary, hysteresis=band)

    def _hysteresis(self, *, report: bool = True) -> Decimal:
        band = dead_band(self.table.get("hysteresis", "0%"))
        if not isinstance(band, Wrong):
            return band
        if report:
            self.value("hysteresis", wrong=band)
        return Decimal(0)

    def _delays(self, key: str) -> dict[str, int]:
        value = self.table.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            delay = self.duration(key, 0)
            return dict.fromkeys(SEVERITIES, delay)
        if not value:
            hint = f'write {key} = "15s", or one for each level'
            self.value(key, wrong=Wrong("an empty table delays nothing", hint))
        delays = {}
        for word, delay in value.items():
            if word not in SEVERITIES:
                what = f"`{key}` has no level called `{word}`"
                hint = (
                    meant(word, SEVERITIES) or f"there is {listed(self._severities or SEVERITIES)}"
                )
                self.key(key, word, what=what, hint=hint)
            elif word not in self._severities:
                if word in self._misspelt:
                    continue
                what = f"`{key}` speaks of `{word}`, which this rule does not have"
                self.key(key, word, what=what, hint=f'add {word} = "…", or leave it out here')
            else:
                delays[word] = self.read_duration(delay, key, word)
        return delays

    # Happenings ------------------------------------------------------------------------------

    def _on(self) -> tuple[str, ...]:
        if self._conditional:
            return ()
        names: list[str] = []
        for number, name in self.elements("on", empty='name a happening, as in ["liquidation"]'):
            if name in OWN_FAULTS.on:
                hint = "leave it out: every channel is told of it as it is"
                wrong = Wrong(f"{shown(name)} is told by the program's own rule", hint)
                self.value("on", number, wrong=wrong)
            elif name not in HAPPENINGS:
                hint = meant(name, HAPPENINGS) or f"there are {', '.join(HAPPENINGS)}"
                self.value("on", number, wrong=Wrong(f"nothing is called {shown(name)}", hint))
            elif name in names:
                wrong = Wrong(f"{shown(name)} stands here twice", "leave one of them out")
                self.value("on", number, wrong=wrong)
            names.append(name)
        return tuple(names)

    def _severity(self) -> Severity:
        if self._conditional:
            return Severity.NONE
        value = self.table.get("severity")
        if value is None:
            if "severity" not in self._misspelt:
                self.header(
                    "`severity` is missing", 'write severity = "info", "warning" or "critical"'
                )
        elif not isinstance(value, str) or value not in SEVERITIES:
            hint = meant(str(value), SEVERITIES) or f"write {listed(SEVERITIES)}"
            self.value("severity", wrong=Wrong(f"{shown(value)} is no severity", hint))
        else:
            return SEVERITIES[value]
        return Severity.NONE

    # Who and where ---------------------------------------------------------------------------

    def _scope(self, conditions: Mapping[str, Condition], on: tuple[str, ...]) -> Scope | None:
        """Tell what the rule is about; None where a fault leaves that open."""
        if not self._conditional:
            known = [HAPPENINGS[name] for name in on if name in HAPPENINGS]
            return min(known) if known else None
        if len(conditions) < len(self._severities) or not conditions:
            return None
        return max(Scope.ACCOUNT, *(condition.scope for condition in conditions.values()))

    def _symbols(self, scope: Scope | None) -> Globs:
        if "symbols" in self.table and scope is not None and scope is not Scope.POSITION:
            if self._conditional:
                what = f"`symbols` on a rule about {_SCOPE_WORDS[scope]}, which has no symbol"
            else:
                what = "`symbols` on a rule about happenings that have no symbol"
            self.key("symbols", what=what, hint="leave it out")
        return self.globs("symbols", "symbol")

    def _accounts(self, on: tuple[str, ...]) -> Globs:
        if "accounts" in self.table and on and {HAPPENINGS.get(each) for each in on} == {Scope.ANY}:
            what = "`accounts` on a rule about the program as a whole, which has no account"
            self.key("accounts", what=what, hint="leave it out")
        return self.globs("accounts", "account")

    def _channels(self) -> tuple[str, ...] | None:
        names: list[str] = []
        for number, name in self.elements("channels"):
            wrong = channel_fault(name, names, self._known.channels)
            if wrong is not None:
                self.value("channels", number, wrong=wrong)
            names.append(name)
        return tuple(names) or None

    # What is said ----------------------------------------------------------------------------

    def _repeat(self) -> int | None:
        if "repeat" not in self.table:
            return self._known.repeat
        value = self.table["repeat"]
        if value == "never":
            return None
        found = milliseconds(value)
        if isinstance(found, Wrong):
            never = str(value).strip().lower() in {"never", "off", "no", "none", "false", "-1", ""}
            hint = 'did you mean "never"?' if never and value != "" else 'write "30m", or "never"'
            hint = found.hint if "did you mean" in found.hint else hint
            self.value("repeat", wrong=Wrong(found.problem, hint))
        elif not found:
            self.value("repeat", wrong=Wrong("a reminder every 0s", 'did you mean "never"?'))
        else:
            return found
        return None

    def _message(self, scope: Scope | None, conditions: Mapping[str, Condition]) -> str | None:
        value = self.table.get("message")
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            what = "is not a text" if not isinstance(value, str) else "says nothing"
            hint = "write one in quotes, or leave it out for the usual sentences"
            self.value("message", wrong=Wrong(f"{shown(value)} {what}", hint))
            return None
        # Of a rule whose scope is open, only fields that no rule has are faults. What happened has
        # no metrics, whatever it happened to.
        known = Scope.POSITION if scope is None else scope
        known = known if self._conditional else Scope.ANY
        # The metrics, and what the conditions look back at.
        read = {word.name: word for each in conditions.values() for word in each.words}
        words = {**self._known.vocabulary, **read}
        for column, wrong in template_faults(value, words, known):
            self.text("message", column, wrong)
        return value

    def _runbook(self) -> str | None:
        value = self.table.get("runbook")
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            what = "is not a text" if not isinstance(value, str) else "leads nowhere"
            hint = 'write an address like "https://example.com/page", or leave it out'
            self.value("runbook", wrong=Wrong(f"{shown(value)} {what}", hint))
            return None
        wrong = web_address(value, ("https", "http"))
        if wrong is not None and not _PAGE.fullmatch(value):
            self.value("runbook", wrong=wrong)
        return value


def _meant(key: str) -> str:
    """Say which key an unknown one was meant to be, or which there are."""
    foreign = FOREIGN_KEYS.get(key.lower())
    if foreign:
        return f"here that is {foreign}"
    return meant(key, KEYS) or f"there are {', '.join(KEYS)}"


def _condition_hint(value: object) -> str:
    if isinstance(value, list):
        return "write one text, and join its conditions with `and` or `or`"
    return 'write a condition in quotes, like "margin_room < 20%"'
