"""What Binance's REST answers, exactly as documented; the conventions are those of `wire`.

Source: developers.binance.com, derivatives/usds-margined-futures/general-info and
wallet/account/api-key-permission, read 2026-05-28; sections (§) are those of docs/protocol.md.
"""

from pydantic import Field, TypeAdapter

from monitor.binance.wire import Wire, read
from monitor.binance.wire_api import ApiError
from monitor.errors import FrameGarbled


class ApiRestrictions(Wire):
    """`/sapi/v1/account/apiRestrictions` (§10); None where a flag is not told."""

    ip_restrict: bool = Field(alias="ipRestrict")
    reading: bool = Field(alias="enableReading")
    futures: bool | None = Field(None, alias="enableFutures")
    withdrawals: bool | None = Field(None, alias="enableWithdrawals")
    internal_transfer: bool | None = Field(None, alias="enableInternalTransfer")
    universal_transfer: bool | None = Field(None, alias="permitsUniversalTransfer")
    margin: bool | None = Field(None, alias="enableMargin")
    spot_and_margin: bool | None = Field(None, alias="enableSpotAndMarginTrading")
    options: bool | None = Field(None, alias="enableVanillaOptions")
    fix: bool | None = Field(None, alias="enableFixApiTrade")
    portfolio_margin: bool | None = Field(None, alias="enablePortfolioMarginTrading")


# ------------------------------------------------------------------ reading

_ERROR = TypeAdapter(ApiError)
_RESTRICTIONS = TypeAdapter(ApiRestrictions)


def read_error(data: object) -> ApiError | None:
    """Read the body of a refusal; None where it is nothing that the exchange would say."""
    if not isinstance(data, dict) or "code" not in data:
        return None
    try:
        return read(_ERROR, "error", data)
    except FrameGarbled:
        return None


def read_restrictions(result: object) -> ApiRestrictions:
    """Read the answer to `/sapi/v1/account/apiRestrictions`.

    Raises:
        FrameGarbled: It is something else.
    """
    return read(_RESTRICTIONS, "apiRestrictions", result)
