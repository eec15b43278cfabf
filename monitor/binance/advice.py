"""What to do about a link that does not work: a cause, and a way out, for each way to fail.

A fault's own text says what happened and where; the advice stands behind it.
"""

from monitor.binance.codes import BAD_FORMAT, CLOCK, LOCKED, NO_ACCOUNT, NOT_ALLOWED, SIGNATURE
from monitor.binance.ends import Cause, LinkLost, UpgradeRefused
from monitor.binance.gate import limit_status
from monitor.binance.rest import HttpRefused
from monitor.errors import ExchangeRefused, FrameGarbled, MonitorError

_PROXY = (
    "Something between here and the exchange answers in its place, a proxy or the sign-in page of "
    "a network: let this host through, or use another network."
)
_LIMITS = (
    "Too many requests came from this address: wait until it is served again, restarting makes it "
    "longer. Whatever else asks from here shares the limit; see `max_weight_share`."
)

_CAUSES = {
    Cause.NAME: "Look for a typing error in `endpoints`; else this machine's DNS does not work.",
    Cause.REFUSED: "Nothing listens there, or a firewall says no: check `endpoints` and the "
    "firewall.",
    Cause.UNREACHABLE: "There is no way to it from here: check this machine's network.",
    Cause.TIMED_OUT: "Nothing answers: check this machine's network, and whether a firewall or a "
    "proxy holds the connection back.",
    Cause.CERTIFICATE: "A proxy that reads along may have put its own in place of the exchange's "
    "(let this host through, or add the proxy's authority to this machine's), this machine's clock "
    "may be wrong, or `endpoints` may name another host.",
    Cause.TLS: "What answers there does not speak TLS as the exchange does: check the scheme and "
    "the port in `endpoints`; else a proxy is in between.",
    Cause.NO_WEBSOCKET: "Something other than the exchange answers: check the scheme, the port and "
    "the path in `endpoints`; else a proxy is in between.",
    Cause.BROKEN: "If that stays so, a firewall or a proxy cuts the connection, or the exchange is "
    "down.",
}
_STATUSES = {
    401: "A proxy wants to know who asks: let this host through without.",
    403: "The exchange's firewall refuses this address, for its requests or for its region; wait "
    "some minutes, and leave a VPN or a data centre that others have abused.",
    404: "There is nothing at that address: check the host and the path in `endpoints`.",
    407: "A proxy wants to know who asks: let this host through without.",
    451: "The exchange does not serve the region that this address is in: run this on a machine "
    "from where you may use it.",
}
_CODES = {
    CLOCK: "This machine's clock cannot be made up for: let NTP set it.",
    SIGNATURE: "The secret is not this API key's, or the key is of another kind: an HMAC key goes "
    "with `api_secret`, an Ed25519 or RSA key with `private_key`.",
    BAD_FORMAT: "Copy `api_key` anew; a line break or a quote may have come with it.",
    NOT_ALLOWED: "Check that the key exists on this `network` (testnet and mainnet have keys of "
    "their own), that it may read, and that this machine's address is on its list. A key made "
    "before the futures account was opened does not work: make a new one.",
    LOCKED: "The account's keys are locked: ask Binance.",
    **dict.fromkeys(
        NO_ACCOUNT,
        "Open the futures account at Binance, then make a new key: older ones do not work.",
    ),
}


def advice(fault: MonitorError) -> str:
    """Tell what lies behind a fault of the link and what to do, in whole sentences.

    Args:
        fault: What the link raised.

    Returns:
        "" where its own text says all there is.
    """
    match fault:
        case UpgradeRefused():
            return _PROXY if fault.page else _of_status(fault.status)
        case HttpRefused():
            return _of_status(fault.status)
        case LinkLost():
            return _CAUSES[fault.cause]
        case ExchangeRefused():
            return _of_refusal(fault)
        case FrameGarbled():
            return (
                "A proxy may answer in the exchange's place; if not, Binance has changed its "
                "answer: please report it."
            )
        case _:
            return ""


def with_advice(fault: MonitorError) -> str:
    """Give a fault's own words as a sentence, and the advice behind it."""
    return " ".join(filter(None, [f"{str(fault).rstrip('.')}.", advice(fault)]))


def _of_status(status: int) -> str:
    if status in _STATUSES:
        return _STATUSES[status]
    if limit_status(status, 0, "") is not None:
        return _LIMITS
    if 300 <= status < 400:
        return _PROXY
    if status >= 500:
        return "The exchange, or a proxy before it, is down: try again in some minutes."
    return "Check the host and the path in `endpoints`; else a proxy is in between."


def _of_refusal(refused: ExchangeRefused) -> str:
    if limit_status(refused.status, refused.code, refused.message) is not None:
        return _LIMITS
    if refused.code in _CODES:
        return _CODES[refused.code]
    if refused.status >= 500:
        return _of_status(refused.status)
    return ""
