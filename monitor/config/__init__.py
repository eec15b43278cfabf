"""config.toml → frozen models, and the secrets it points to.

`models` and `kinds` say what may stand in the file, `interpolate` fetches secrets, `faults` shows
all that is wrong at once, `machine` knows where things are. Nothing but this package makes a
ZoneInfo.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import tomli
from pydantic import ValidationError

from monitor.config.faults import SECRET_KEYS, FaultFinder, masked
from monitor.config.interpolate import Interpolation, exposed
from monitor.config.kinds import Listen, is_loopback
from monitor.config.machine import (
    default_data_dir,
    expanded,
    find_config,
    machine_zone,
    shipped,
)
from monitor.config.models import (
    Account,
    Channel,
    Config,
    Endpoints,
    Heartbeat,
    Http,
    Log,
    Origin,
    located,
)
from monitor.errors import ConfigError
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page, parse_toml, read_text, report, shown_path
from monitor.toml_positions.values import toml_files

__all__ = [
    "Account",
    "Channel",
    "Config",
    "Endpoints",
    "Heartbeat",
    "Http",
    "Listen",
    "Log",
    "Outline",
    "find_config",
    "load_config",
    "outline",
    "redactor",
    "secrets",
    "shipped",
]


def load_config(
    path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    need_channels: bool = True,
    resolve: bool = True,
) -> Config:
    """Read a configuration.

    Args:
        path: config.toml.
        environ: Where `${NAME}`, $HOME, $STATE_DIRECTORY and $CREDENTIALS_DIRECTORY come from.
        need_channels: Whether a file without a `[[channel]]` is wrong; a dry run needs none.
        resolve: Whether to fetch secrets. Without, keys and URLs keep their `${…}`, for
            commands that neither sign nor send.

    Raises:
        ConfigError: With every fault of the file.
    """
    text = read_text(path, masked)
    if isinstance(text, Fault):
        raise ConfigError(text.text)
    page = Page(shown_path(path), text, masked)
    raw = parse_toml(page)
    if isinstance(raw, Fault):
        raise ConfigError(report([[raw]]))
    skip = frozenset[str]() if resolve else SECRET_KEYS
    interpolation = Interpolation(environ, path.parent, skip)
    data = _with_places(interpolation.fill(raw), path.parent, environ)
    finder = FaultFinder(page, raw, data, interpolation)
    finder.check_document(need_channels=need_channels)
    if resolve:
        finder.check_keys()
        finder.faults.extend(_plain_secrets(page, path, finder))
    origin = Origin(page, path.parent, frozenset(interpolation.from_files))
    config = _validated(data, origin, finder)
    if config is None or finder.faults:
        raise ConfigError(report([finder.faults]))
    return config


def secrets(config: Config) -> frozenset[str]:
    """List every secret value of a configuration, for the redaction of logs."""
    return frozenset(config.plain_secrets())


def redactor(config: Config) -> Callable[[str], str]:
    """Make a function that takes every secret of a configuration out of a text.

    Of the URLs of channels and heartbeat, their parts are taken out too: a library that fails to
    connect tells host and path in words of its own.
    """
    words = {form for value in secrets(config) for form in _forms(value)}
    urls = [channel.url for channel in config.channels]
    if config.heartbeat is not None and config.heartbeat.url is not None:
        urls.append(config.heartbeat.url)
    for url in urls:
        words.update(_url_parts(url.get_secret_value()))
    if not words:
        return str
    # The longest first, so that no rest of a long secret stays behind a short one.
    found = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))
    return lambda text: found.sub("[secret]", text)


class Outline(NamedTuple):
    """What rules need to know of a configuration, whatever else is wrong with it."""

    rule_files: tuple[Path, ...]
    accounts: frozenset[str] | None
    channels: frozenset[str] | None


def outline(path: Path) -> Outline:
    """Read what can be read of a configuration that `load_config` refuses.

    So `check` shows the faults of the configuration and of the rules in one go.
    """
    text = read_text(path)
    try:
        data = {} if isinstance(text, Fault) else tomli.loads(text)
    except (ValueError, RecursionError):
        data = {}
    if not data:
        return Outline((), None, None)
    patterns = data.get("rules", ["rules/*.toml"])
    patterns = patterns if isinstance(patterns, list) else []
    files = (
        file
        for pattern in patterns
        if isinstance(pattern, str)
        for file in toml_files(pattern, path.parent)
    )
    return Outline(tuple(dict.fromkeys(files)), _named(data, "account"), _named(data, "channel"))


def _named(data: Mapping[str, Any], kind: str) -> frozenset[str] | None:
    """List the names of a kind of table; None where one is not to be had, so none can be missed."""
    tables = data.get(kind, [])
    tables = tables if isinstance(tables, list) else [None]
    names = [table.get("name") if isinstance(table, dict) else None for table in tables]
    known = [name for name in names if isinstance(name, str) and "$" not in name]
    return frozenset(known) if len(known) == len(names) else None


def _with_places(data: object, folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Add what this machine decides, and put data_dir where it is meant to be.

    A relative data_dir is relative to the file, wherever the program is started from.
    """
    assert isinstance(data, dict)  # noqa: S101 - a TOML document is a table; for the type checker
    data = {"timezone": machine_zone(environ), "data_dir": default_data_dir(environ)} | data
    given = data["data_dir"]
    if isinstance(given, str) and given and "\0" not in given:
        data["data_dir"] = folder.absolute() / expanded(given, environ)
    return data


def _validated(data: Mapping[str, Any], origin: Origin, finder: FaultFinder) -> Config | None:
    try:
        return Config.model_validate(data, context=origin)
    except ValidationError as exc:
        finder.check_model(exc)
    # Outside of the handler: pydantic's error holds the values, and must be nobody's context.
    return None


def _plain_secrets(page: Page, path: Path, finder: FaultFinder) -> list[Fault]:
    """Refuse a file that others can read if a secret stands in it as it is."""
    mode = exposed(path)
    if not mode:
        return []
    for trail in _secret_trails(finder.data):
        *table, key = trail
        if not finder.from_outside(trail) and not _harmless(_at(finder.data, tuple(table)), key):
            what = f"{located(trail, finder.raw)}: a plain secret in a file that others can read"
            hint = f"mode {mode}; run: chmod 600 {shlex.quote(str(path))}"
            return [page.at_key(trail, what, hint)]  # once a file
    return []


_PLAIN_SECRETS = (
    ("account", "api_secret"),
    ("account", "private_key"),
    ("account", "private_key_passphrase"),
    ("channel", "url"),
    ("heartbeat", "url"),
)


def _secret_trails(raw: Mapping[str, Any]) -> list[Trail]:
    found: list[Trail] = []
    for kind, key in _PLAIN_SECRETS:
        tables = raw.get(kind)
        if isinstance(tables, dict) and isinstance(tables.get(key), str):
            found.append((kind, key))
        for number, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, dict) and isinstance(table.get(key), str):
                found.append((kind, number, key))
    return found


def _at(data: Any, trail: Trail) -> Any:
    for step in trail:
        data = data[step]
    return data


def _harmless(table: Mapping[str, Any], key: str | int) -> bool:
    """Tell whether a secret opens nothing outside of this machine."""
    if key == "url":
        return is_loopback(table["url"])
    endpoints = table.get("endpoints")
    given = endpoints if isinstance(endpoints, dict) else {}
    needed = {"ws_api", "streams", "rest"}
    return needed <= given.keys() and all(is_loopback(str(url)) for url in given.values())


_SHORT = 4  # redacting "42" would take every 42 out of the log, and hide no secret


def _forms(value: str) -> set[str]:
    """Give a value as it stands, and as it looks inside a URL, in JSON and in a `repr`."""
    forms = {value, quote(value, safe=""), quote(value), unquote(value)}
    forms |= {json.dumps(value, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
    forms.add(repr(value)[1:-1])
    return {form for form in forms if len(form) >= _SHORT}


def _url_parts(url: str) -> set[str]:
    """Take a URL apart into what may be secret: all but the scheme and a host of this machine."""
    _, _, rest = url.partition("://")
    parts = re.split(r"[/@:?&=#,]", rest)
    if is_loopback(url):
        parts = [part for part in parts if not is_loopback(f"//{part}")]
    return {form for part in parts if len(part) >= 8 for form in _forms(part)}
