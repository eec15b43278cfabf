"""Where things are on this machine: the configuration, our own files, the time zone."""

import os
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.errors import ConfigError

_LOCALTIME = Path("/etc/localtime")


def find_config(explicit: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Find config.toml: the one asked for, else the first of the usual places.

    Raises:
        ConfigError: None was asked for, and there is none in any of these places.
    """
    named = explicit or environ.get("MARGINWATCH_CONFIG")
    if named:
        return Path(named)
    places = ("./config.toml", "~/.config/marginwatch/config.toml", "/etc/marginwatch/config.toml")
    for place in places:
        path = expanded(place, environ)
        if path.is_file():
            return path
    raise ConfigError(
        "no configuration: $MARGINWATCH_CONFIG is not set, and there is no "
        f"{places[0]}, {places[1]} or {places[2]}.\n"
        "Write one, with rules beside it: marginwatch init"
    )


def shipped(name: str) -> Path:
    """Find a file or folder that ships with the program, such as "rules".

    In an installed wheel it is inside the package, in a checkout beside it.
    """
    package = Path(__file__).parent.parent
    inside = package / "_shipped" / name
    return inside if inside.exists() else package.parent / name


def expanded(path: str, environ: Mapping[str, str]) -> Path:
    """Put the home folder of `environ` in place of a leading `~`."""
    home = environ.get("HOME")
    if home and (path == "~" or path.startswith("~/")):
        return Path(home + path[1:])
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~nobody/x", where there is no such user
        return Path(path)


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Tell where the store goes unless the configuration says: systemd's folder for us, or ours."""
    # systemd lists several, separated by colons, where a unit asks for several.
    ours = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(ours) if ours else expanded("~/.local/share/marginwatch", environ)


def machine_zone(environ: Mapping[str, str] = os.environ) -> ZoneInfo:
    """Tell the time zone of this machine; UTC where it does not say."""
    named = environ.get("TZ", "").removeprefix(":")
    _, zoneinfo, linked = str(_LOCALTIME.resolve()).partition("/zoneinfo/")
    for name in (named, linked if zoneinfo else ""):
        zone = zone_called(name)
        if zone is not None:
            return zone
    return ZoneInfo("UTC")


def zone_called(name: str) -> ZoneInfo | None:
    """Find a time zone; None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError and ValueError: "Europe" is a folder, "" and "../x" are no names.
        return None
