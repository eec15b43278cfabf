"""The tables of config.toml and of scenario files, out of their models."""

import inspect
import types
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.config import models as config_models
from monitor.config.kinds import LEAST_SHARE, MOST_PER_MINUTE, MOST_SHARE
from monitor.core.rules import SEVERITIES, Globs, Severity
from monitor.sim import story, story_deeds, story_faults
from scripts.documents.tables import LeftOutError, as_table, own_words
from scripts.documents.words import COMPUTED_DEFAULTS, CONFIG_WORDS, SCENARIO_WORDS


def config_keys() -> str:
    """Make the tables of config.toml."""
    tables: list[tuple[str, type[BaseModel], str]] = [
        ("Top level", config_models.Config, ""),
        ("`[[account]]`", config_models.Account, "At least one."),
        (
            "`endpoints` of an account",
            config_models.Endpoints,
            "What is left out is the network's.",
        ),
        ("`[[channel]]`", config_models.Channel, "At least one, except for `run --dry-run`."),
        ("`quiet_hours` of a channel", config_models.QuietHours, ""),
        (
            "`[heartbeat]`",
            config_models.Heartbeat,
            "May be left out. [What makes it stop](../how-to.md#notice-that-the-program-is-gone).",
        ),
        ("`[http]`", config_models.Http, "May be left out: then nothing listens."),
        ("`[log]`", config_models.Log, ""),
    ]
    skipped = {"accounts", "channels", "heartbeat", "http", "log"}  # tables of their own
    parts = []
    for title, model, note in tables:
        rows = []
        for name, field in model.model_fields.items():
            if model is config_models.Config and name in skipped:
                continue
            kind, default = _config_kind(field), _config_default(model, name, field)
            rows.append(
                [f"`{field.alias or name}`", kind, default, own_words(model, name, CONFIG_WORDS)]
            )
        table = as_table(["key", "value", "default", "meaning"], rows)
        parts.append("\n\n".join(filter(None, [f"## {title}", note, table])))
    rows = [
        [f"`{network}`", f"`{key}`", f"`{url}`" if url else "none"]
        for network, urls in config_models.NETWORKS.items()
        for key, url in urls.items()
    ]
    parts.append(f"### The networks' addresses\n\n{as_table(['network', 'key', 'address'], rows)}")
    return "\n\n".join(parts)


_CONFIG_KINDS = {
    "_name": "name: letters, digits, dashes, dots, underscores",
    "_text": "text",
    "_patterns": "list of globs",
    "_globs": "list of globs",
    "_severity": ", ".join(f"`{word}`" for word in SEVERITIES),
    "_reminder": 'duration, or `"never"`',
    "_zone": "time zone, such as `Europe/Vienna`",
    "_folder": "folder",
    "_secret": "text; a secret",
    "_secret_text": "text; a secret",
    "_share": f"percentage, {LEAST_SHARE:.0%} to {MOST_SHARE:.0%}",
    "_channel_url": "URL; a secret",
    "_time_of_day": 'time of day, such as `"23:00"`',
    "_count": f"whole number, 1 to {MOST_PER_MINUTE}",
    "_theme": '`"light"`, `"dark"`, `false`',
    "_listen": "IP address or `localhost`, with a port",
    "_web_secret": "`https://` or `http://` address; a secret",
}


def _config_kind(field: FieldInfo) -> str:
    for each in _metadata(field):
        check = getattr(each, "func", None)
        if check is None:
            continue
        held = inspect.getclosurevars(check).nonlocals
        if "least" in held:
            return f"duration, {_span(held['least'])} to {_span(held['most'])}"
        if "words" in held:
            return ", ".join(f"`{word}`" for word in held["words"])
        if "schemes" in held:
            return " or ".join(f"`{scheme}://`" for scheme in held["schemes"]) + " address"
        if check.__name__ in _CONFIG_KINDS:
            return _CONFIG_KINDS[check.__name__]
    if field.annotation is bool:
        return "`true`, `false`"
    inner = [field.annotation, *get_args(field.annotation)]
    if any(isinstance(each, type) and issubclass(each, BaseModel) for each in inner):
        return "table"
    raise LeftOutError(f"scripts/check_docs.py: no words for the kind {field!r}")


def _metadata(field: FieldInfo) -> Iterator[Any]:
    """Give the validators of a field, those inside of `X | None` too."""
    yield from field.metadata
    for inner in get_args(field.annotation):
        if get_origin(inner) is Annotated:
            yield from inner.__metadata__


def _config_default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    computed = COMPUTED_DEFAULTS.get(f"{model.__name__}.{name}")
    if computed is not None:
        return computed
    if field.is_required():
        return "required"
    match field.default:
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case Severity() as severity:
            return f'`"{severity.word}"`'
        case float() as share:
            return f'`"{share:.0%}"`'
        case int() as milliseconds:
            return f'`"{_span(milliseconds)}"`'
        case Globs() as globs:
            return f"`{_toml_list(globs.patterns)}`"
        case tuple() as texts:
            return f"`{_toml_list(texts)}`"
        case default:
            return f'`"{default}"`'


def _toml_list(texts: Sequence[str]) -> str:
    inner = ", ".join(f'"{text}"' for text in texts)
    return f"[{inner}]"


def _span(milliseconds: int) -> str:
    """Write a duration as a configuration does."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds // size:
            if unit == "d" and milliseconds // size == 1:
                return "24h"
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def scenario_keys() -> str:
    """Make the tables of scenario files."""
    tables: list[tuple[str, type[BaseModel]]] = [
        ("Top level", story.Scenario),
        ("`[[account]]`", story.AccountTable),
        ("`[[account.position]]`", story.PositionTable),
        ("`[[price]]`", story.PriceTable),
        ("`[[asset]]`", story.AssetTable),
        ("`[[bracket]]`", story.BracketTable),
        ("`[quirks]`", story.QuirksTable),
        ("`[random]`", story.RandomTable),
    ]
    head = ["key", "value", "default", "meaning"]
    parts = [f"## {title}\n\n{as_table(head, _scenario_rows(model))}" for title, model in tables]
    for title, union, base in (
        ("`[[do]]`", story_deeds.Do, story_deeds._Do),  # noqa: SLF001 - the keys that all kinds share
        ("`[[fault]]`", story_faults.Fault, story_faults._Fault),  # noqa: SLF001 - likewise
    ):
        parts.append(f"## {title}\n\nEvery kind takes:\n\n{as_table(head, _scenario_rows(base))}")
        parts.append(as_table(["`what`", "what happens", "keys of its own"], _kinds(union, base)))
    return "\n\n".join(parts)


def _kinds(union: Any, base: type[BaseModel]) -> list[list[str]]:
    rows = []
    for model in get_args(union):
        (what,) = get_args(model.model_fields["what"].annotation)
        own = [name for name in model.model_fields if name not in {"what", *base.model_fields}]
        keys = "<br>".join(_own_key(model, name) for name in own)
        rows.append([f"`{what}`", " ".join((model.__doc__ or "").split()), keys or "none"])
    return rows


def _own_key(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    default = "required" if field.is_required() else f"default {_scenario_default(field)}"
    words = own_words(model, name, SCENARIO_WORDS)
    return f"`{field.alias or name}` ({_scenario_kind(field)}; {default}): {words}"


def _scenario_rows(model: type[BaseModel]) -> list[list[str]]:
    return [
        [
            f"`{field.alias or name}`",
            _scenario_kind(field),
            "required" if field.is_required() else _scenario_default(field),
            own_words(model, name, SCENARIO_WORDS),
        ]
        for name, field in model.model_fields.items()
    ]


_SCENARIO_KINDS = {
    "_duration": "duration",
    "_signed_duration": "duration",
    "_moment": "moment",
    "_percentage": "percentage",
    "_utc": "time in UTC",
}


def _scenario_kind(field: FieldInfo) -> str:
    for each in _metadata(field):
        name = getattr(getattr(each, "func", None), "__name__", "")
        if name in _SCENARIO_KINDS:
            return _SCENARIO_KINDS[name]
    return _annotated(field.annotation)


def _annotated(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated(get_args(annotation)[0])
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if origin in {Union, types.UnionType}:
        return _annotated(next(a for a in get_args(annotation) if a is not type(None)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if origin is dict and get_args(annotation)[1] is bool:
        return "table of flag = `true` or `false`"
    if origin is tuple:
        inner = get_args(annotation)[0]
        if inner is str:
            return "list of texts"
        models = isinstance(inner, type) and issubclass(inner, BaseModel)
        return "tables" if models or get_origin(inner) is Annotated else "list of lists"
    simple = {str: "text", int: "whole number", bool: "`true`, `false`", Decimal: "number"}
    return "table of asset = number" if origin is dict else simple[annotation]


def _scenario_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    match default:
        case None | () | {} | "":
            return "none"
        case BaseModel():
            return "as below"
        case bool():
            return f"`{str(default).lower()}`"
        case datetime():
            return f'`"{default:%Y-%m-%dT%H:%M:%SZ}"`'
        case str():
            return f'`"{default}"`'
        case int() if _scenario_kind(field) == "duration":
            return f'`"{_span(default)}"`'
        case Decimal() if _scenario_kind(field) == "percentage":
            return f'`"{default * 100:f}%"`'
        case _:
            return f"`{default}`"
