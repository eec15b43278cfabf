"""Configuration and rules for the commands that work with both."""

from collections.abc import Sequence
from pathlib import Path

from monitor.config import Config, find_config, load_config
from monitor.core.rules import Rule
from monitor.rulefile import RuleBook, load_book


def load(path: Path | None, *, need_channels: bool = True) -> tuple[Config, tuple[Rule, ...]]:
    """Load a configuration and its rules.

    Raises:
        OperatorError: With every fault of the configuration, else with every fault of the rules.
    """
    config = load_config(find_config(path), need_channels=need_channels)
    return config, rules_of(config)


def rules_of(config: Config, files: Sequence[Path] | None = None) -> tuple[Rule, ...]:
    """Load rules for a configuration: its own, or those in `files`."""
    return book_of(config, files).rules


def book_of(config: Config, files: Sequence[Path] | None = None) -> RuleBook:
    """Load the same, with the places where they stand."""
    return load_book(
        config.rule_files() if files is None else files,
        repeat=config.repeat,
        accounts=[account.name for account in config.accounts],
        venues={account.venue for account in config.accounts},
        channels=[channel.name for channel in config.channels],
    )
