"""The kinds of value in config.toml: what each has to look like.

The validators raise what `faults` turns into a fault under the key; they never see a place.
"""

import re
from datetime import time
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from monitor.config.machine import zone_called
from monitor.core.rules import SEVERITIES, Globs, Severity
from monitor.toml_positions.values import (
    Wrong,
    glob_fault,
    listed,
    meant,
    milliseconds,
    shown,
    texts,
    web_address,
)

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%")
_HOST_PORT = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+):([0-9]{1,6})")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
LEAST_SHARE, MOST_SHARE = 0.01, 0.95
MOST_PER_MINUTE = 600
THEMES = ("light", "dark")
"""How a chart may look."""


class Listen(NamedTuple):
    """Where to listen."""

    host: str
    """`localhost`, or an IP address without brackets."""
    port: int

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return is_loopback(f"http://{self}")

    def __str__(self) -> str:
        """Write it as it stands in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(url: str) -> bool:
    """Tell whether an address leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse(wrong: Wrong, *at: str | int) -> NoReturn:
    """Raise what `faults` reads; `at` leads from the value to the part of it that is wrong."""
    raise PydanticCustomError("wrong", "{problem}", {**wrong._asdict(), "at": at})


def _text(value: object, hint: str = "write it in quotes") -> str:
    if not isinstance(value, str):
        refuse(Wrong(f"{shown(value)} is not a text", hint))
    return value


def _name(value: object) -> str:
    text = _text(value)
    if not _NAME.fullmatch(text):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
        hint = f'did you mean "{better}"?' if better else ""
        refuse(Wrong(f"{shown(text)} is no name: letters, digits, dashes, dots, underscores", hint))
    return text


def one_of(*words: str) -> BeforeValidator:
    """Make a validator of a choice."""

    def check(value: object) -> object:
        if value not in words:
            hint = (
                meant(value, words) if isinstance(value, str) else ""
            ) or f"write {listed(words)}"
            refuse(Wrong(f"{shown(value)} is not {listed(words)}", hint))
        return value

    return BeforeValidator(check)


def _limit(text: str) -> int:
    found = milliseconds(text)
    assert isinstance(found, int), text  # noqa: S101 - a limit in this file, not a user's value
    return found


def between(low: str, high: str) -> BeforeValidator:
    """Make a validator of durations, which become milliseconds."""
    least, most = _limit(low), _limit(high)

    def check(value: object) -> int:
        found = milliseconds(value)
        if isinstance(found, Wrong):
            refuse(found)
        if not least <= found <= most:
            refuse(Wrong(f"{shown(value)} is out of range", f"from {low} to {high}"))
        return found

    return BeforeValidator(check)


def _reminder(value: object) -> int | None:
    if value == "never":
        return None
    found = milliseconds(value)
    if isinstance(found, Wrong):
        hint = found.hint if "did you mean" in found.hint else 'write "1h", or "never"'
        refuse(Wrong(found.problem, hint))
    if not found:
        refuse(Wrong("a reminder every 0s", 'did you mean "never"?'))
    return found


def _severity(value: object) -> Severity:
    if isinstance(value, Severity):
        return value
    if not isinstance(value, str) or value not in SEVERITIES:
        hint = meant(str(value), SEVERITIES) or f"write {listed(SEVERITIES)}"
        refuse(Wrong(f"{shown(value)} is no severity", hint))
    return SEVERITIES[value]


def _patterns(value: object) -> tuple[str, ...]:
    found = texts(list(value) if isinstance(value, tuple) else value)
    if isinstance(found, Wrong):
        refuse(found)
    good = []
    for number, item in enumerate(found):
        if not isinstance(item, str):
            refuse(Wrong(f"{shown(item)} is not a text"), number)
        wrong = glob_fault(item)
        if wrong is not None:
            refuse(wrong, number)
        good.append(item)
    return tuple(good)


def _globs(value: object) -> Globs:
    return value if isinstance(value, Globs) else Globs(_patterns(value))


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    name = _text(value)
    found = zone_called(name)
    if found is None:
        hint = meant(name, available_timezones()) or 'write one like "Europe/Vienna"'
        refuse(Wrong(f"there is no time zone {shown(name)}", hint))
    return found


def _folder(value: object) -> Path:
    if isinstance(value, Path):
        return value
    text = _text(value)
    if not text or "\0" in text:
        refuse(Wrong(f"{shown(text)} is no folder", "leave the key out for the usual one"))
    return Path(text)


def _address(*schemes: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is None:
            return None
        text = _text(value)
        wrong = web_address(text, schemes)
        if wrong is not None:
            refuse(wrong)
        return text.rstrip("/")

    return BeforeValidator(check)


def _secret_text(value: object) -> object:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):  # not even a number is shown here
        refuse(Wrong("is not a text", "write it in quotes"))
    if not value.strip():
        refuse(Wrong("is empty", 'write one like "${NAME}", and set NAME in the environment'))
    return value


def _secret(value: object) -> object:
    value = _secret_text(value)
    if isinstance(value, str) and value != value.strip():
        refuse(Wrong("has blanks around it", "take them away"))
    return value


def _share(value: object) -> float:
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        refuse(Wrong(f"{shown(value)} is no percentage", _percentage_meant(value)))
    share = float(Decimal(found[1]) / 100)
    if not LEAST_SHARE <= share <= MOST_SHARE:
        limits = f"from {LEAST_SHARE:.0%} to {MOST_SHARE:.0%}"
        refuse(Wrong(f"{shown(value)} is out of range", limits))
    return share


def _percentage_meant(value: object) -> str:
    """Suggest the percentage that a number without its % stands for: 0.5 or 50 for "50%"."""
    try:
        number = Decimal(str(value).rstrip("% "))
    except InvalidOperation:
        number = Decimal(0)
    if number.is_finite() and 0 < number <= 100:
        number = number * 100 if number <= 1 else number
        return f'did you mean "{number.normalize():f}%"?'
    return 'write one like "50%"'


def _time_of_day(value: object) -> time:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        refuse(Wrong(f"{shown(value)} is no time of day", 'write one like "23:00"'))
    return time(int(found[1]), int(found[2]))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(Wrong(f"{shown(value)} is no whole number", "write one like 20"))
    if not 1 <= value <= MOST_PER_MINUTE:
        refuse(Wrong(f"{value} is out of range", f"from 1 to {MOST_PER_MINUTE}"))
    return value


def _theme(value: object) -> str | None:
    if value is False or value is None:
        return None
    if not isinstance(value, str) or value not in THEMES:
        hint = meant(str(value), THEMES) or 'write "light", "dark" or false'
        refuse(Wrong(f"{shown(value)} is no look of charts", hint))
    if find_spec("PIL") is None:
        hint = "install Pillow: pip install pillow, or pipx inject marginwatch pillow"
        refuse(Wrong("there is nothing to draw charts with", hint))
    return value


def _web_secret(value: object) -> object:
    value = _secret(value)
    plain = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if "${" in plain:  # where secrets are left alone
        return value
    if web_address(plain, ("https", "http")) is not None or not plain.isascii():
        # In words of its own, which do not repeat the secret.
        refuse(Wrong("is not a web address", 'write one like "https://example.com/ping/…"'))
    if "@" in urlsplit(plain).netloc:
        refuse(Wrong("has a name in front of its host", "leave out what is before the @"))
    return value


def _listen(value: object) -> Listen:
    if isinstance(value, Listen):
        return value
    text = _text(value)
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        refuse(Wrong(f"{shown(text)} is no address with a port", 'write one like "127.0.0.1:9187"'))
    host, port = found[1].removeprefix("[").removesuffix("]"), int(found[2])
    if not 1 <= port <= 65_535:
        refuse(Wrong(f"{port} is no port", "from 1 to 65535"))
    if host != "localhost":
        try:
            ip_address(host)
        except ValueError:
            hint = 'write an IP address of this machine: "127.0.0.1:9187"'
            refuse(Wrong(f"{shown(host)} is no IP address", hint))
    return Listen(host, port)


def _channel_url(value: object) -> object:
    value = _secret(value)
    plain = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if "://" not in plain and "${" not in plain:  # the latter where secrets are left alone
        refuse(Wrong("is no Apprise URL", 'write one like "tgram://${TOKEN}/${CHAT}"'))
    return value


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_name)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]
GlobList = Annotated[Globs, BeforeValidator(_globs)]
SeverityWord = Annotated[Severity, BeforeValidator(_severity)]
Reminder = Annotated[int | None, BeforeValidator(_reminder)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Socket = Annotated[str, _address("wss", "ws")]
Web = Annotated[str, _address("https", "http")]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_secret)]
OptionalSecretText = Annotated[SecretStr | None, BeforeValidator(_secret_text)]
Share = Annotated[float, BeforeValidator(_share)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
OptionalTimeOfDay = Annotated[time | None, BeforeValidator(_time_of_day)]
Theme = Annotated[str | None, BeforeValidator(_theme)]
PerMinute = Annotated[int, BeforeValidator(_count)]
OptionalWebSecret = Annotated[SecretStr | None, BeforeValidator(_web_secret)]
ListenAddress = Annotated[Listen, BeforeValidator(_listen)]
ChannelUrl = Annotated[SecretStr, BeforeValidator(_channel_url)]
