"""Targets as people write them: ACCOUNT, ACCOUNT/ASSET or ACCOUNT/SYMBOL[/SIDE].

A side may be left out where one position of the symbol is held. What means nothing, or several
things, is answered with what could be meant.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from monitor.core.language.units import Scope
from monitor.core.notices import Target
from monitor.core.slips import slip, symbol_meant

_KINDS = {
    Scope.POSITION: "positions (ACCOUNT/SYMBOL[/SIDE])",
    Scope.POOL: "an asset's money (ACCOUNT/ASSET)",
    Scope.ACCOUNT: "accounts (ACCOUNT)",
}


class Address(NamedTuple):
    """A target as it is written, in its parts."""

    account: str
    name: str = ""
    """A symbol or an asset."""
    side: str = ""
    """long or short."""

    def __str__(self) -> str:
        return "/".join(filter(None, self))

    def means(self, target: Target) -> bool:
        """Tell whether a target may be meant."""
        named = {target.symbol, target.asset} if self.name else {""}
        return (
            target.account == self.account
            and (self.name or target.symbol or target.asset) in named
            and self.side in {"", target.side}
        )


class Unknown(NamedTuple):
    """What is written means no rule or target, or not one alone."""

    what: str
    """rule, account or target."""
    problem: str
    choices: tuple[str, ...]
    """What could be meant."""

    def facts(self) -> dict[str, Any]:
        """Write it for JSON."""
        return {"what": self.what, "problem": self.problem, "choices": list(self.choices)}


def read_address(text: str) -> Address | None:
    """Read a target; None where it is none."""
    parts = text.split("/")
    if not all(parts) or len(parts) > len(Address._fields):
        return None
    account, *rest = parts
    if len(rest) == len(Address._fields) - 1:
        rest[1] = rest[1].lower()
        if rest[1] not in {"long", "short"}:
            return None
    return Address(account, *rest)


def unknown_rule(name: str, rules: Iterable[str]) -> Unknown:
    """Say that there is no such rule, and which is like it."""
    known = sorted(rules)
    meant = slip(name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    return Unknown("rule", f"no rule is called {name}{hint}", tuple(known))


def unknown_account(name: str, accounts: Iterable[str]) -> Unknown:
    """Say that there is no such account, and which is like it."""
    known = list(accounts)
    meant = slip(name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    return Unknown("account", f"no account is called {name}{hint}", tuple(known))


def find(address: Address, rule: str, scope: Scope, there: Sequence[Target]) -> Target | Unknown:
    """Find the target that is meant, among those of its account that are there.

    Args:
        address: As it is written.
        rule: Whose targets are looked for.
        scope: What the rule is about.
        there: Every target of the account.
    """
    fitting = [each for each in there if scope_of(each) is scope]
    meant = [each for each in there if address.means(each)]
    found = [each for each in meant if scope_of(each) is scope]
    choices = tuple(dict.fromkeys(map(str, fitting)))
    if len(found) == 1:
        return found[0]
    if found:
        problem = f"{address} may be several positions: name the side"
        return Unknown("target", problem, tuple(map(str, found)))
    if meant or not address.name:
        problem = f"the rule {rule} is about {_KINDS.get(scope, 'the program')}, {address} is not"
        return Unknown("target", problem, choices)
    problem = f"{address.account} has no {'/'.join(filter(None, address[1:]))} now"
    like = _like(address, fitting or there)
    return Unknown("target", f"{problem}{f'; did you mean {like}?' if like else ''}", choices)


def _like(address: Address, there: Sequence[Target]) -> str:
    """Give what one slip of the pen makes of what is written; "" where there is nothing."""
    names = {each.symbol or each.asset: each for each in there if each.symbol or each.asset}
    other = [each for each in there if address._replace(side="").means(each)]
    if address.side and other:
        return str(other[0])
    meant = slip(address.name, names) or symbol_meant(address.name)
    return str(names[meant]) if meant in names else ""


def scope_of(target: Target) -> Scope:
    """Tell what kind of thing a target is."""
    if target.symbol:
        return Scope.POSITION
    return Scope.POOL if target.asset else Scope.ACCOUNT
