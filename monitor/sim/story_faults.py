"""What breaks in a story: the kinds of `[[fault]]`."""

from typing import Literal

from pydantic import Field

from monitor.sim.story_values import Duration, Moment, SignedDuration, Table, Where


class _Fault(Table):
    at: Moment
    where: Where | None = None
    "Default: everywhere."
    account: str | None = None
    "Default: everybody. A connection belongs to an account once it has shown its key."


class _Window(_Fault):
    lasts: Duration = Field(alias="for")


class Drop(_Fault):
    """Connections are cut without a Close."""

    what: Literal["drop"]


class Stall(_Window):
    """Connections stay open; nothing comes out of them, and nothing that goes in is read."""

    what: Literal["stall"]


class Mute(_Window):
    """Connections stay open, are pinged and answer pings; no message comes out of them."""

    what: Literal["mute"]


class Refuse(_Window):
    """New connections are refused; with `status`, by an HTTP answer."""

    what: Literal["refuse"]
    status: int | None = Field(default=None, ge=200, le=599)
    page: bool = False
    "The answer is an HTML page, as of a proxy, in place of the exchange's JSON."


class Lose(_Window):
    """User events of one type are not sent; what they would have told happens all the same."""

    what: Literal["lose"]
    event: str = "ACCOUNT_UPDATE"
    "Or `*`: of every type."


class Duplicate(_Window):
    """Each user event is sent twice."""

    what: Literal["duplicate"]


class Reorder(_Window):
    """User events of one instant are sent last first."""

    what: Literal["reorder"]


class Delay(_Window):
    """User events are late."""

    what: Literal["delay"]
    by: Duration


class Strange(_Window):
    """User events have unknown fields and reasons; one of an unknown type goes before each."""

    what: Literal["strange"]


class Garble(_Window):
    """The second half of every frame is missing."""

    what: Literal["garble"]


class Huge(_Fault):
    """One frame of 2 MiB."""

    what: Literal["huge"]


class Late(_Window):
    """Answers on the API are late."""

    what: Literal["late"]
    by: Duration
    method: str | None = None
    "Only this one, such as `v2/account.position` or `GET /fapi/v1/time`; default: every one."
    old: bool = True
    "The answer is of the moment of the question; where not, of the moment it is sent."
    shuffle: bool = False
    "Each answer is late by its own part of `by`, so that answers overtake each other."


class Empty(_Window):
    """Polls answer as if nothing were held."""

    what: Literal["empty"]


class PollError(_Window):
    """Polls are answered by an error."""

    what: Literal["error"]
    code: int = -1001
    status: int = 500
    message: str = "Internal error; unable to process your request. Please try again."
    method: str | None = None
    "Only this one, such as `v2/account.position` or `GET /fapi/v1/time`; default: every poll."


class Ban(_Window):
    """The address is banned: 418 to everything on the API, until the window ends."""

    what: Literal["ban"]
    status: Literal[418, 429] = 418
    "429: only told that it asks too much."
    data: bool = True
    "Whether the answer carries `data.retryAfter` beside the text, or over HTTP `Retry-After`."


class Skew(_Window):
    """The exchange's clock is off, and dates everything it sends; positive: it is ahead."""

    what: Literal["skew"]
    by: SignedDuration


class RevertStale(_Window):
    """Polls answer with the state of some time ago."""

    what: Literal["revert_stale"]
    by: Duration


Fault = (
    Drop | Stall | Mute | Refuse | Lose | Duplicate | Reorder | Delay | Strange | Garble | Huge
    | Late | Empty | PollError | Ban | Skew | RevertStale
)  # fmt: skip
