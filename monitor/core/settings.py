"""What a trader set per symbol, held or not: leverage and margin type."""

from dataclasses import dataclass, field

from monitor.core.positions import KeyState


@dataclass(slots=True)
class Settings:
    """The settings of one account, by symbol; one that is not here is unknown."""

    leverages: dict[str, int] = field(default_factory=dict)
    leverage_at: dict[str, int] = field(default_factory=dict)
    """When (ticks) a leverage was last told, or borne out by a poll of its position."""
    margin_types: dict[str, str] = field(default_factory=dict)
    leverage_keys: dict[str, KeyState] = field(default_factory=dict)
    margin_keys: dict[str, KeyState] = field(default_factory=dict)

    def age(self, instant: int) -> None:
        """Let everything told be as old as an instant at least."""
        for symbol, at in self.leverage_at.items():
            self.leverage_at[symbol] = min(at, instant)
