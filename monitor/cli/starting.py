"""`init`: a configuration and rules to begin with, written where nothing is yet.

Everything comes from what ships with the program. A file is made only where none of its name is,
and the folder of rules only as a whole: rules added to somebody's own would begin to wake him.
"""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from monitor.config import shipped
from monitor.errors import OperatorError

_KEPT = {
    "": {"rules"},
    "account": {"name", "venue", "network", "api_key", "api_secret"},
    "channel": {"name", "url"},
}
"""The keys that a configuration begins with, by table; the others show their defaults."""

_HEAD = """\
# Written by `marginwatch init`. What is commented out shows a default, or another way to say it.
"""
_KEY = re.compile(r"(?P<key>[a-z_]+) = ")
_TABLE = re.compile(r"\[\[?(?P<name>[a-z_]+)\]\]?")


def init(folder: Path) -> str:
    """Write a configuration, rules and their pages into a folder; tell what was done and is next.

    Raises:
        OperatorError: Nothing could be written: all of it is there, or the folder cannot be used.
    """
    config, rules, pages = folder / "config.toml", folder / "rules", folder / "docs" / "rules"
    there = [path for path in (config, rules) if os.path.lexists(path)]
    if len(there) > 1:
        names = " and ".join(f"{path}" for path in there)
        raise OperatorError(
            f"init overwrites nothing: {names} exist already.\n"
            "Name another folder: marginwatch init DIR"
        )
    try:
        written = list(_write(config, rules, pages))
    except OSError as exc:
        raise OperatorError(
            f"{exc.filename or folder} cannot be written: {exc.strerror}.\n"
            "Name another folder: marginwatch init DIR"
        ) from exc
    said = [f"wrote {path}" for path in written]
    said += [f"left {path} as it is" for path in there]
    return "\n".join([*said, "", *_next(folder)])


def _write(config: Path, rules: Path, pages: Path) -> Iterator[str]:
    config.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(config):
        _create(config, first_config(), mode=0o600)
        yield f"{config} (mode 600)"
    if not os.path.lexists(rules):
        _copy(shipped("rules"), rules, "*.toml")
        yield f"{rules}/"
        if not os.path.lexists(pages) and shipped("docs/rules").is_dir():
            _copy(shipped("docs/rules"), pages, "*.md")
            yield f"{pages}/"


def _copy(source: Path, folder: Path, pattern: str) -> None:
    folder.mkdir(parents=True)
    for path in sorted(source.glob(pattern)):
        _create(folder / path.name, path.read_text(encoding="utf-8"), mode=0o644)


def _create(path: Path, text: str, mode: int) -> None:
    """Write a file that did not exist; one that appears meanwhile stays as it is."""
    with open(
        path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)
    ) as file:
        file.write(text)


def first_config() -> str:
    """Make config.toml of the example: what has to be said is active, the rest commented out."""
    example = shipped("config.example.toml").read_text(encoding="utf-8")
    _, _, rest = example.partition("#\n")  # its own two lines say how to copy it
    table, lines = "", []
    for line in rest.splitlines():
        header, key = _TABLE.match(line), _KEY.match(line)
        if header is not None:
            table = header["name"]
        active = key["key"] in _KEPT.get(table, ()) if key is not None else table in _KEPT
        lines.append(line if active or not (header or key) else f"# {line}")
    return "\n".join([f"{_HEAD}#", *lines, ""])


def _next(folder: Path) -> Iterator[str]:
    """Tell the next three commands."""
    config = folder / "config.toml"
    option = "" if folder == Path() else f" -c {shlex.quote(str(config))}"
    names = re.findall(r"^[a-z_]+ = .*?$", first_config(), re.MULTILINE)
    secrets = dict.fromkeys(name for line in names for name in re.findall(r"\$\{([A-Z_]+)\}", line))
    *others, last = secrets
    yield f"Say in {config} who is told and how, set {', '.join(others)} and {last}"
    yield "in the environment (or write ${file:/path} in their place), then:"
    yield ""
    yield f"  marginwatch check{option} --online"
    yield f'  marginwatch notify{option} "Can you hear me?"'
    yield f"  marginwatch run{option}"
