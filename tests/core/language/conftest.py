"""A vocabulary with every unit and scope, shaped as the product's own."""

import pytest

from monitor.core.language.units import Scope, Unit, Vocabulary, Word


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    venues = frozenset({"binance-usdm", "binance-options"})
    words = [
        Word("account", Unit.TEXT, Scope.ANY),
        Word("venue", Unit.TEXT, Scope.ANY, venues),
        Word("symbol", Unit.TEXT, Scope.POSITION),
        Word("asset", Unit.TEXT, Scope.POOL),
        Word("side", Unit.TEXT, Scope.POSITION, frozenset({"long", "short"})),
        Word("quantity", Unit.QUANTITY, Scope.POSITION),
        Word("mark_price", Unit.PRICE, Scope.POSITION),
        Word("entry_price", Unit.PRICE, Scope.POSITION),
        Word("liquidation_price", Unit.PRICE, Scope.POSITION),
        Word("liquidation_distance", Unit.RATIO, Scope.POSITION),
        Word("roi", Unit.RATIO, Scope.POSITION),
        Word("notional", Unit.MONEY, Scope.POSITION),
        Word("leverage", Unit.MULTIPLE, Scope.POSITION),
        Word("effective_leverage", Unit.MULTIPLE, Scope.POSITION),
        Word("adl", Unit.NUMBER, Scope.POSITION),
        Word("mark_age", Unit.DURATION, Scope.POSITION),
        Word("equity", Unit.MONEY, Scope.POOL),
        Word("margin_ratio", Unit.RATIO, Scope.POOL),
        Word("position_count", Unit.NUMBER, Scope.POOL),
        Word("data_age", Unit.DURATION, Scope.ACCOUNT),
        Word("stale_for", Unit.DURATION, Scope.ACCOUNT),
    ]
    return {word.name: word for word in words}
