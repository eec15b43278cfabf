"""What pydantic and our own checks find in config.toml → faults under its lines.

Nothing of a secret may be shown, neither a value nor the line that it stands on. A line is shown in
full only where it begins with a key that holds no secret; a misspelt `api_secrt` is not among them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from monitor.config.credentials import misplaced_keys, unusable_keys
from monitor.config.interpolate import Interpolation
from monitor.config.models import (
    Account,
    Channel,
    Config,
    Endpoints,
    Heartbeat,
    Http,
    Log,
    located,
)
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page
from monitor.toml_positions.values import Wrong, meant, milliseconds, shown

Document = Mapping[str, Any]

_TABLES: dict[str, type[Account | Channel | Heartbeat | Http | Log]] = {
    "account": Account,
    "channel": Channel,
    "heartbeat": Heartbeat,
    "http": Http,
    "log": Log,
}
_EXAMPLES = {
    "name": 'write name = "main"',
    "api_key": 'write api_key = "${BINANCE_API_KEY}"',
    "url": 'write url = "tgram://${TOKEN}/${CHAT}", or any other Apprise URL',
    "listen": 'write listen = "127.0.0.1:9187"',
}


def keys_of(
    model: type[Config | Account | Channel | Heartbeat | Http | Log | Endpoints],
) -> dict[str, bool]:
    """List the keys of a table as they stand in the file, and whether each holds a secret."""
    return {
        field.alias or name: SecretStr in (field.annotation, *get_args(field.annotation))
        for name, field in model.model_fields.items()
    }


_KEYS = [keys_of(model) for model in (Config, Account, Channel, Heartbeat, Http, Log, Endpoints)]
SECRET_KEYS = frozenset(key for keys in _KEYS for key, secret in keys.items() if secret)
_PUBLIC_KEYS = frozenset(key for keys in _KEYS for key in keys) - SECRET_KEYS - {*_TABLES} | {"log"}
_ASSIGNED = re.compile(r"""\s*(?:[\w."-]+\.)?"?([\w-]+)"?\s*=\s*(?=[^\s=])""")
_HEADER = re.compile(r"\s*\[{1,2}[^\]]*\]{0,2}")
_SECRET_WORD = re.compile(
    "|".join([*sorted(SECRET_KEYS), "secret", "token", "password", "private"])
)


def masked(line: str, column: int) -> str:
    """Make a line of config.toml fit to be shown with a caret under `column`."""
    header = _HEADER.match(line)
    if header is not None:
        return header[0]
    found = _ASSIGNED.match(line)
    if found is None:  # inside of something that spans lines, such as the base64 of a key
        return " " * (column - 1) + "…"
    others = line.count("=") > 1 and "{" not in line
    if found[1] in _PUBLIC_KEYS and not others and not _SECRET_WORD.search(line):
        return line
    return found[0] + "…"


class FaultFinder:
    """Collects the faults of one document.

    Args:
        page: The file.
        raw: The document as it stands.
        data: The same with its texts filled.
        interpolation: What filled them.
    """

    def __init__(
        self, page: Page, raw: Document, data: Document, interpolation: Interpolation
    ) -> None:
        self._page = page
        self.raw = raw
        self.data = data
        self._interpolation = interpolation
        self.faults = [
            page.at_value(each.trail, f"{located(each.trail, raw)}: {each.problem}", each.hint)
            for each in interpolation.missing
        ]
        self._unfilled = {each.trail for each in interpolation.missing}

    def from_outside(self, trail: Trail) -> bool:
        """Tell whether a text is not, or not only, what stands in the file."""
        return trail in self._interpolation.filled or trail in self._unfilled

    # Across keys -----------------------------------------------------------------------------

    def check_document(self, *, need_channels: bool) -> None:
        """Find what no single key can tell."""
        if not self.data.get("account"):
            self._whole("there is no [[account]]", "add one with name, api_key and api_secret")
        if need_channels and not self.data.get("channel"):
            self._whole("there is no [[channel]], so nobody would be told", _ADD_CHANNEL)
        for kind in ("account", "channel"):
            self._check_names(kind)
        for number, table in self._tables("account"):
            for key, wrong in misplaced_keys(table):
                self._account_fault(("account", number), key, wrong)
        self._check_patience()

    def check_keys(self) -> None:
        """Find what an account cannot sign with; only where secrets have been fetched."""
        for number, table in self._tables("account"):
            trail = ("account", number)
            if any((*trail, key) in self._unfilled for key in table):
                continue  # told already
            for key, wrong in unusable_keys(table):
                self._account_fault(trail, key, wrong)

    def _account_fault(self, account: Trail, key: str, wrong: Wrong) -> None:
        owner = located(account, self.raw)
        named = f"{owner}, {key}" if key in self._at(account) else owner
        self.faults.append(self._place((*account, key), f"{named}: {wrong.problem}", wrong.hint))

    def _whole(self, what: str, hint: str) -> None:
        last = self._page.text.rstrip("\n").count("\n") + 1
        self.faults.append(Fault(last + 1, 0, f"{self._page.name}: {what}\n    {hint}"))

    def _check_names(self, kind: str) -> None:
        seen: dict[str, int] = {}
        for number, name in self._names(kind):
            first = seen.setdefault(name, number)
            if first != number:
                line = self._page.places[kind, first].line
                what = f"{kind} {shown(name)}: there is another of this name in line {line}"
                self.faults.append(self._page.at_table((kind, number), what, "names are unique"))

    def _names(self, kind: str) -> Iterator[tuple[int, str]]:
        for number, table in self._tables(kind):
            if isinstance(table.get("name"), str):
                yield number, table["name"]

    def _tables(self, kind: str) -> Iterator[tuple[int, Document]]:
        tables = self.data.get(kind)
        for number, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, Mapping):
                yield number, table

    def _check_patience(self) -> None:
        polls = milliseconds(self.data.get("poll_interval", "10s"))
        stale = milliseconds(self.data.get("stale_after", "30s"))
        if isinstance(polls, Wrong) or isinstance(stale, Wrong) or stale >= 2 * polls:
            return
        key = "stale_after" if "stale_after" in self.data else "poll_interval"
        what = f"{key}: stale_after has to be at least twice poll_interval"
        hint = "or one late answer would make every account blind"
        self.faults.append(self._page.at_value((key,), what, hint))

    # Key by key ------------------------------------------------------------------------------

    def check_model(self, error: ValidationError) -> None:
        """Take over what pydantic found."""
        for detail in error.errors(include_url=False):
            trail = detail["loc"]
            # Pydantic counts accounts after it has dropped the faulty ones; we have counted all.
            told = trail in self._unfilled or detail["type"] == "too_short"
            told = told or (trail == ("account",) and "account" not in self.data)
            if not told:
                self.faults.append(self._fault(detail, trail))

    def _at(self, trail: Trail, data: Any = None) -> Any:
        value: Any = self.data if data is None else data
        for step in trail:
            value = value[step]
        return value

    def _fault(self, detail: ErrorDetails, trail: Trail) -> Fault:
        where = located(trail, self.raw)
        context = detail.get("ctx", {})
        match detail["type"]:
            case "missing":
                key = str(trail[-1])
                where = located(trail[:-1], self.raw)
                hint = _EXAMPLES.get(key, "")
                return self._page.at_table(trail[:-1], f"{where}: `{key}` is missing", hint)
            case "extra_forbidden":
                return self._unknown(trail)
            case "wrong":
                where = where or located(context["at"], self.raw)  # a fault of the whole file
                trail = (*trail, *context["at"])
                wrong = self._discreet(Wrong(context["problem"], context["hint"]), trail)
            case "bool_type":
                wrong = self._discreet(Wrong(f"{self._shown(trail)} is not true or false"), trail)
            case _:  # a table where a list of tables belongs, and the like
                wrong = self._shape(trail)
        return self._place(trail, f"{where}: {wrong.problem}", wrong.hint)

    def _place(self, trail: Trail, what: str, hint: str) -> Fault:
        place = self._page.places.get(trail)
        if place is None:  # of a value that a default or another key brought in
            return self._page.at_table(trail[:-1], what, hint)
        return self._page.at_value(trail, what, hint)

    def _shown(self, trail: Trail) -> str:
        return shown(self._at(trail))

    def _discreet(self, wrong: Wrong, trail: Trail) -> Wrong:
        """Take a value that came from outside of the file out of what is said of it."""
        values = self._interpolation.filled.get(trail)
        if values is None:
            return wrong
        problem = wrong.problem.replace(self._shown(trail), shown(self._at(trail, self.raw)))
        if any(value in problem for value in values):
            problem = f"what {shown(self._at(trail, self.raw))} stands for cannot be used here"
        return Wrong(problem)  # a suggestion would tell what the value resembles

    def _unknown(self, trail: Trail) -> Fault:
        *table, key = trail
        model: Any = Config if not table else _TABLES.get(str(table[0]))
        if table[-1:] == ["endpoints"]:
            model = Endpoints
        hint = meant(str(key), keys_of(model))
        what = f"there is no key called `{key}`"
        if table:
            what = f"{located(tuple(table), self.raw)}: {what}"
        return self._page.at_key(trail, what, hint)

    def _shape(self, trail: Trail) -> Wrong:
        name = str(trail[-1])
        if trail == (name,) and name in {"account", "channel"}:
            return Wrong(f"there may be several, so each begins with [[{name}]]", "write it so")
        if name in {"heartbeat", "http", "log", "endpoints"}:
            return Wrong("is not a table", _INLINE if name == "endpoints" else f"write [{name}]")
        return Wrong("is not a table")


_ADD_CHANNEL = 'add one with a name and url = "tgram://${TOKEN}/${CHAT}", or any other Apprise URL'
_INLINE = "write { ws_api = …, streams = …, rest = … }"
