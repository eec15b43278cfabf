"""What a finding is, and the codes that there are."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from monitor.core.routing import Channel
from monitor.core.rules import Rule, Severity

Trail = tuple[str | int, ...]


class Code(NamedTuple):
    """What a lint looks for."""

    meaning: str
    """One sentence; `docs/lints/` has a page of its own for each."""
    needs: str = ""
    """What it has to know beyond one rule; "" for nothing."""


CODES: Final = {
    "hidden-level": Code("A higher level holds whenever this one does."),
    "slow-critical": Code("A critical level waits for more than 5 s."),
    "applies-to-nothing": Code("Something names what is not there.", "accounts, in part"),
    "absent-part": Code("Part of an `or` has no meaning for some positions."),
    "always-true": Code("A condition holds whatever its metrics are."),
    "never-true": Code("A condition, or part of an `or`, cannot hold."),
    "same-condition": Code("Two rules tell the same thing.", "all rules"),
    "single-channel": Code("A critical alert goes to one channel alone.", "accounts, channels"),
    "no-channel": Code("Nobody is told of a rule.", "accounts, channels"),
    "no-blindness": Code("No rule tells when an account is not seen.", "accounts, all rules"),
    "no-heartbeat": Code("Nobody notices when the program itself is gone.", "a configuration"),
    "open-page": Code("Other machines can read the status page.", "a configuration"),
    "zero-threshold": Code("`hysteresis` does nothing at a threshold of 0."),
    "bad-ignore": Code("An ignore comment has no reason, or no code that exists."),
    "unused-ignore": Code("An ignore comment ignores nothing."),
}
"""Every code; the last two are about the comments that silence the others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is odd, and where."""

    code: str
    text: str
    """What is odd, with figures; the end of a sentence that names the rule."""
    hint: str
    """A way out."""
    rule: str = ""
    """Of a rule, its name; "" where it is about the configuration."""
    severity: Severity = Severity.NONE
    """Of a level of the rule; NONE where it is about all of it."""
    at: Trail = ()
    """Where in the rule's table, or in the configuration: ("for", "critical"); () is its head."""
    column: int = 0
    """Where in the text at `at`, from 1; 0 is the value as a whole."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is configured around rules."""

    accounts: tuple[tuple[str, str], ...]
    """Name and venue of each account."""
    channels: tuple[Channel, ...]
    whole: bool = True
    """Whether the rules are all that there are; if not, nothing can be missing."""
    heartbeat: bool | None = None
    """Whether a heartbeat is configured; None where that is not known."""
    open_page: str = ""
    """Where the status page is given to others than this machine; "" where it is not."""

    def accounts_of(self, rule: Rule) -> list[tuple[str, str]]:
        """List the accounts that a rule matches."""
        return [account for account in self.accounts if rule.accounts.match(account[0])]


def shortened(condition: str) -> str:
    """Write a condition in one short line."""
    text, longest = " ".join(condition.split()), 60
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
