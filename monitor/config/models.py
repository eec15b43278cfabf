"""config.toml as frozen models: every key, its default, its limits.

Secrets are SecretStr, so that no repr, log line or traceback shows one.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StrictBool,
    model_validator,
)

from monitor.config.kinds import (
    ChannelUrl,
    Folder,
    GlobList,
    ListenAddress,
    Name,
    OptionalSecret,
    OptionalSecretText,
    OptionalTimeOfDay,
    OptionalWebSecret,
    Patterns,
    PerMinute,
    Reminder,
    Secret,
    SeverityWord,
    Share,
    Socket,
    Theme,
    TimeOfDay,
    Web,
    Zone,
    between,
    is_loopback,
    one_of,
    refuse,
)
from monitor.config.machine import default_data_dir, machine_zone
from monitor.config.private_key import secret_lines
from monitor.core.rules import Globs, Severity
from monitor.errors import ConfigError
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page, report, whole_file
from monitor.toml_positions.values import Wrong, shown, toml_files

NETWORKS: dict[str, dict[str, str | None]] = {
    # Source: docs/protocol.md §1.1. The testnet has no sapi: it answers 403 there.
    "mainnet": {
        "ws_api": "wss://ws-fapi.binance.com/ws-fapi/v1",
        "streams": "wss://fstream.binance.com",
        "rest": "https://fapi.binance.com",
        "sapi": "https://api.binance.com",
    },
    "testnet": {
        "ws_api": "wss://testnet.binancefuture.com/ws-fapi/v1",
        "streams": "wss://fstream.binancefuture.com",
        "rest": "https://demo-fapi.binance.com",
        "sapi": None,
    },
}
_NO_RULES = "a glob is relative to this file; rule tests (*.test.toml) do not count"


def located(trail: Trail, data: Mapping[str, Any]) -> str:
    """Name a value as faults do: `account "main", api_key`.

    Args:
        trail: The way to it.
        data: The document, for the names of accounts and channels.
    """
    if len(trail) < 2 or not isinstance(trail[1], int) or trail[0] == "rules":
        return ", ".join(str(step) for step in trail if isinstance(step, str))
    kind, number, *rest = trail
    table = data[str(kind)][number] if kind in data else None
    name = table.get("name") if isinstance(table, Mapping) else None
    owner = f"{kind} {shown(name)}" if isinstance(name, str) else f"{kind} {trail[1] + 1}"
    return ", ".join([owner, *filter(None, [".".join(s for s in rest if isinstance(s, str))])])


class Origin(NamedTuple):
    """What a Config remembers of where it came from."""

    page: Page
    folder: Path
    secret: frozenset[str]
    """Values out of files, secret whatever key they stand under."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
    )


class Endpoints(_Model):
    """Where an account's exchange answers, without a slash at the end."""

    ws_api: Socket
    """The WebSocket API."""
    streams: Socket
    """The streams; `/private`, `/market` and `/public` come behind it."""
    rest: Web
    sapi: Web | None = None
    """Key permissions; None where the network has none."""

    @property
    def local(self) -> bool:
        """Whether all of it is on this machine (a simulator)."""
        return all(is_loopback(url) for url in self._all())

    @property
    def mixed(self) -> bool:
        """Whether some of it is on this machine and some is not."""
        return len({is_loopback(url) for url in self._all()}) > 1

    def _all(self) -> list[str]:
        return [url for url in (self.ws_api, self.streams, self.rest, self.sapi) if url]


class SigningKeys(TypedDict):
    """The keys of an account in the clear, as `signer_of` takes them; not to be kept or shown."""

    api_key: str
    api_secret: str | None
    private_key: str | None
    passphrase: str | None


class Account(_Model):
    """One `[[account]]`."""

    name: Name
    venue: Annotated[str, one_of("binance-usdm")] = "binance-usdm"
    network: Annotated[str, one_of(*NETWORKS)] = "mainnet"
    api_key: Secret
    api_secret: OptionalSecret = None
    """Of an HMAC key."""
    private_key: OptionalSecretText = None
    """Of an Ed25519 or RSA key, as PEM. `load_config` sees to it that there is one of the two."""
    private_key_passphrase: OptionalSecretText = None
    endpoints: Endpoints
    """Complete: what the file leaves out is the network's."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = data.get("endpoints", {})
        if not isinstance(given, Mapping):
            return data
        network = data.get("network", "mainnet")
        usual = dict(NETWORKS.get(network if isinstance(network, str) else "", NETWORKS["mainnet"]))
        if is_loopback(str(given.get("rest", ""))):
            usual["sapi"] = None  # a simulator's key must not be shown to the real exchange
        return {**data, "endpoints": {**usual, **given}}

    @model_validator(mode="after")
    def _in_one_place(self) -> "Account":
        if self.endpoints.mixed:
            wrong = Wrong(
                "some endpoints are on this machine and some are not",
                "name ws_api, streams, rest and sapi",
            )
            refuse(wrong, "endpoints")
        return self

    def signing_keys(self) -> SigningKeys:
        """Give the keys in the clear, for `signer_of(**account.signing_keys())`."""
        return {
            "api_key": self.api_key.get_secret_value(),
            "api_secret": _clear(self.api_secret),
            "private_key": _clear(self.private_key),
            "passphrase": _clear(self.private_key_passphrase),
        }

    def plain_secrets(self) -> Iterator[str]:
        """Give every secret value, of a private key its lines too."""
        yield self.api_key.get_secret_value()
        for secret in (self.api_secret, self.private_key, self.private_key_passphrase):
            if secret is not None:
                yield secret.get_secret_value()
        yield from secret_lines(_clear(self.private_key) or "")


def _clear(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class QuietHours(_Model):
    """`quiet_hours` of a channel, by the clocks of `timezone`."""

    model_config = ConfigDict(populate_by_name=False)

    begin: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")

    @model_validator(mode="before")
    @classmethod
    def _both(cls, data: Any) -> Any:
        example = 'write them as { from = "23:00", to = "07:00" }'
        if not isinstance(data, Mapping):
            refuse(Wrong("this is no table", example))
        missing = [f"`{key}`" for key in ("from", "to") if key not in data]
        if missing:
            refuse(Wrong(f"{' and '.join(missing)} missing", example))
        return data

    @model_validator(mode="after")
    def _of_some_length(self) -> "QuietHours":
        if self.begin == self.end:
            wrong = Wrong(
                "these hours have no length", 'leave quiet_hours out, or write a later "to"'
            )
            refuse(wrong, "to")
        return self


class Channel(_Model):
    """One `[[channel]]`."""

    name: Name
    url: ChannelUrl
    """Any Apprise URL."""
    min_severity: SeverityWord = Severity.INFO
    accounts: GlobList = Globs()
    rules: GlobList = Globs()
    group_wait: Annotated[int, between("0s", "5m")] = 2_000
    """Milliseconds."""
    send_resolved: StrictBool = True
    send_reminders: StrictBool = True
    quiet_hours: QuietHours | None = None
    max_per_minute: PerMinute = 20
    """Messages; those with a critical are not held back."""
    charts: Theme = None
    """How the picture looks that follows a critical; None, `false` in the file: there is none."""


class Heartbeat(_Model):
    """`[heartbeat]`."""

    url: OptionalWebSecret = None
    """None: nobody is asked, there is only the daily message."""
    every: Annotated[int, between("1s", "24h")] = 60_000
    """Milliseconds."""
    daily: OptionalTimeOfDay = None
    """When channels are told that we are still here; None: never."""

    @model_validator(mode="before")
    @classmethod
    def _of_some_use(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "url" in data:
            return data
        if "daily" not in data or "every" in data:
            hint = 'write url = "${HEARTBEAT_URL}", which a service waits to be asked for'
            refuse(Wrong("`url` is missing", hint))
        return data

    @property
    def beats(self) -> bool:
        """Whether somebody is asked."""
        return self.url is not None


class Http(_Model):
    """`[http]`."""

    listen: ListenAddress
    """Where the status page, `/metrics` and `/healthz` are given; nobody is asked who they are."""


class Log(_Model):
    """`[log]`."""

    level: Annotated[str, one_of("debug", "info", "warning", "error")] = "info"
    format: Annotated[str, one_of("text", "json")] = "text"


class Config(_Model):
    """All of config.toml; durations are milliseconds."""

    rules: Patterns = ("rules/*.toml",)
    """Globs, relative to the file."""
    data_dir: Folder = Field(default_factory=lambda: default_data_dir(os.environ))
    timezone: Zone = Field(default_factory=machine_zone)
    poll_interval: Annotated[int, between("1s", "5m")] = 10_000
    stale_after: Annotated[int, between("2s", "10m")] = 30_000
    repeat: Reminder = 3_600_000
    """Of rules that do not say; None is never."""
    give_up_after: Annotated[int, between("1m", "30d")] = 86_400_000
    keep_history: Annotated[int, between("1d", "3650d")] = 7_776_000_000
    """Of notices; what a channel has yet to hear is kept whatever its age."""
    max_weight_share: Share = 0.5
    """Of the request weight that the exchange grants this machine's address, 0.01 to 0.95."""
    accounts: tuple[Account, ...] = Field(alias="account", min_length=1)
    channels: tuple[Channel, ...] = Field(default=(), alias="channel")
    heartbeat: Heartbeat | None = None
    http: Http | None = None
    log: Log = Log()
    _page: Page | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default=Path())
    _from_files: frozenset[str] = PrivateAttr(default=frozenset())

    def model_post_init(self, context: Any) -> None:
        """Take over what `load_config` knows of the file."""
        if isinstance(context, Origin):
            self._page, self._folder = context.page, context.folder
            self._from_files = context.secret

    @model_validator(mode="after")
    def _one_market(self) -> "Config":
        """One process watches one market: a symbol has one mark price in it."""
        first = self.accounts[0]
        for number, account in enumerate(self.accounts):
            if account.endpoints.streams != first.endpoints.streams:
                wrong = Wrong(
                    f'this is another market than that of account "{first.name}"',
                    "run one marginwatch per market, each with a data_dir of its own",
                )
                same = account.network == first.network
                refuse(wrong, "account", number, "endpoints" if same else "network")
        return self

    @property
    def page(self) -> Page | None:
        """The file; None where there is none."""
        return self._page

    def rule_files(self) -> tuple[Path, ...]:
        """Find the rule files that `rules` means, each once.

        Raises:
            ConfigError: A glob matches no file.
        """
        found: dict[Path, None] = {}
        faults = []
        for number, pattern in enumerate(self.rules):
            files = toml_files(pattern, self._folder)
            found.update(dict.fromkeys(files))
            if not files:
                what = f"{shown(pattern)} matches no rule file in {self._folder.absolute()}"
                faults.append(self.fault(("rules", number), what, _NO_RULES))
        if faults:
            raise ConfigError(report([faults]))
        return tuple(found)

    def fault(self, trail: Trail, what: str, hint: str = "") -> Fault:
        """Show what is wrong with a value of the file, as `load_config` does.

        Args:
            trail: The way to it, in the file's words: `("channel", 0, "url")`.
            what: What is wrong, without secrets.
            hint: A way out.
        """
        names: dict[str, tuple[Account | Channel, ...]] = {
            "account": self.accounts,
            "channel": self.channels,
        }
        plain = {kind: [{"name": each.name} for each in tables] for kind, tables in names.items()}
        where = located(trail, plain)
        if self._page is None:
            return whole_file("configuration", f"{where}: {what}", hint)
        while trail and trail not in self._page.places:  # a default, or an element of one
            trail = trail[:-1]
        if not trail:
            return whole_file(self._page.name, f"{where}: {what}", hint)
        return self._page.at_value(trail, f"{where}: {what}", hint)

    def plain_secrets(self) -> Iterator[str]:
        """Give every secret value: keys, URLs of channels and heartbeat, what came out of files."""
        for account in self.accounts:
            yield from account.plain_secrets()
        for channel in self.channels:
            yield channel.url.get_secret_value()
        if self.heartbeat is not None and self.heartbeat.url is not None:
            yield self.heartbeat.url.get_secret_value()
        yield from self._from_files
