"""What the values of a scenario look like: moments, durations, percentages, symbols."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.sim.amounts import parse_duration

Where = Literal["api", "private", "market"]


class At(NamedTuple):
    """A moment of the story."""

    ms: int
    "Milliseconds since the start, or since the subscription."
    after_subscribe: bool = False
    "Counted from the opening of the account's first user data socket."


def _duration(value: object) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f'`{value}` is not a duration; write a number and a unit, like "5m"')


def _signed_duration(value: object) -> int:
    if isinstance(value, str) and value.startswith("-"):
        return -parse_duration(value[1:])
    return _duration(value)


def _moment(value: object) -> object:
    if isinstance(value, str) and value.startswith("subscribe+"):
        return At(parse_duration(value.removeprefix("subscribe+")), after_subscribe=True)
    return At(_duration(value))


def _percentage(value: object) -> Decimal:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return Decimal(value[:-1]) / 100
        except ArithmeticError:
            pass
    raise ValueError(f'`{value}` is not a percentage; write "0.02%"')


def _utc(value: object) -> datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f'`{value}` is not a time in UTC; write "2026-01-02T03:00:00Z"')
    return moment.astimezone(UTC)


Duration = Annotated[int, BeforeValidator(_duration)]
SignedDuration = Annotated[int, BeforeValidator(_signed_duration)]
Moment = Annotated[At, BeforeValidator(_moment)]
Percentage = Annotated[Decimal, BeforeValidator(_percentage)]
Utc = Annotated[datetime, BeforeValidator(_utc)]
Positive = Annotated[Decimal, Field(gt=0)]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9_\u{80}-\u{10FFFF}]+$")]
"As on the wire: capitals, digits, and the letters of other scripts that newer symbols have."
PositionSide = Literal["BOTH", "LONG", "SHORT"]


class Table(BaseModel):
    """Anything that is a table in a scenario file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
