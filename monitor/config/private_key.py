"""A private key, as text → what signs with it.

The one module that imports cryptography, and only where a key is read: that costs a start a
twentieth of a second and 12 MiB, which an HMAC key does not need.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from monitor.errors import KeyUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

SignBytes = Callable[[bytes], bytes]

SHORTEST_RSA = 2048
"""Bits; Binance's own generator makes keys of 2048 and of 4096."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_HMAC_SECRET = re.compile(r"[A-Za-z0-9]{64}")
_PATH = re.compile(r"(?:~|\.{1,2})?/.+|.+\.(?:pem|key|der|p8|txt)")
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LONG_LINE = 16
# How the base64 of a key begins, whoever made it: its first bytes name only the kind.
_BARE_PUBLIC = ("MCowBQYDK2Vw", "MIIBIjANBgkq", "MIIBojANBgkq", "MIICIjANBgkq")
_BARE_ED25519, _BARE_RSA = "MC4CAQAwBQYDK2Vw", "MII"

_OPENED_BY = "private_key_passphrase"
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLIC = "write the private key that it was made from; the public one is for Binance to hold"
_COPY = "copy it again from where it was made"
_FROM_FILE = 'write private_key = "${file:key.pem}"'
_FOREIGN = {
    "PUBLIC KEY": ("is a public key", _PUBLIC),
    "RSA PUBLIC KEY": ("is a public key", _PUBLIC),
    "CERTIFICATE": ("is a certificate", "write the private key; Binance knows no certificates"),
    "OPENSSH PRIVATE KEY": ("is a key in OpenSSH's own format", _MAKE),
    "EC PRIVATE KEY": ("is a key of type EC; Binance takes Ed25519 and RSA", _MAKE),
    "DSA PRIVATE KEY": ("is a key of type DSA; Binance takes Ed25519 and RSA", _MAKE),
}


def read_private_key(text: str, passphrase: str | None = None) -> SignBytes:
    """Read an Ed25519 or RSA key, and give what signs with it; nothing else of it is kept.

    Args:
        text: PEM: PKCS#8, or RSA's older form ("BEGIN RSA PRIVATE KEY"), encrypted or not.
        passphrase: Of an encrypted key.

    Returns:
        What makes the signature of a payload: 64 bytes by Ed25519; by RSA as many as the key has,
        with PKCS#1 v1.5 and SHA-256 (docs/protocol.md §3.3).

    Raises:
        KeyUnusable: It is something else, or the passphrase does not fit.
    """
    key = _loaded(_private_block(text.strip()), passphrase)
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    if not isinstance(key, rsa.RSAPrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise KeyUnusable(f"is a key of type {kind}; Binance takes Ed25519 and RSA", _MAKE)
    if key.key_size < SHORTEST_RSA:
        what = f"is an RSA key of {key.key_size} bits, which is too short to be safe"
        raise KeyUnusable(what, _MAKE)
    scheme, digest = padding.PKCS1v15(), SHA256()
    return lambda payload: key.sign(payload, scheme, digest)


def is_pem(text: str) -> bool:
    """Tell whether a text claims to be PEM."""
    return "-----BEGIN " in text


def secret_lines(text: str) -> Iterator[str]:
    """Give the lines of a PEM text that hold its key, one by one and joined, for redaction."""
    for _, body in _BLOCK.findall(text):
        lines = [line.strip() for line in body.splitlines()]
        lines = [line for line in lines if _BASE64_LINE.fullmatch(line)]
        yield from (line for line in lines if len(line) >= _LONG_LINE)
        if len(lines) > 1:
            yield "".join(lines)


def _private_block(text: str) -> str:
    """Find the private key in a PEM text; what stands around it, a certificate say, is passed."""
    if is_pem(text) and "\n" not in text:
        raise KeyUnusable("has lost its line ends", f"keep it in a file: {_FROM_FILE}")
    blocks = {found[1]: found[0] for found in reversed([*_BLOCK.finditer(text)])}
    for label, block in blocks.items():
        if label.endswith("PRIVATE KEY") and label not in _FOREIGN:
            return block
    for label in blocks:
        if label in _FOREIGN:
            raise KeyUnusable(*_FOREIGN[label])
    if blocks:
        raise KeyUnusable("holds no private key", _MAKE)
    raise KeyUnusable(*_without_blocks(text))


def _without_blocks(text: str) -> tuple[str, str]:
    """Say what a text without a whole PEM block is, as far as can be told from its looks."""
    if is_pem(text):
        return "is cut off: its END line is missing", f"keep it in a file: {_FROM_FILE}"
    if text.startswith(("ssh-", "ecdsa-")):
        return "is a public key of OpenSSH", _MAKE
    if text.startswith(_BARE_PUBLIC):
        return _FOREIGN["PUBLIC KEY"]
    # Both are 64 letters long: a bare Ed25519 key, and the secret of an HMAC key.
    if _HMAC_SECRET.fullmatch(text) and not text.startswith(_BARE_ED25519):
        return "looks like the secret of an HMAC key", "write api_secret in place of private_key"
    if text.startswith((_BARE_ED25519, _BARE_RSA)):
        return "lacks its BEGIN and END lines", "write the whole of the PEM file, these included"
    if _PATH.fullmatch(text):
        return "is a path, not a key", 'write private_key = "${file:/path}" with this path in it'
    return "is no private key in PEM", f"keep the key in a file: {_FROM_FILE}"


def _loaded(block: str, passphrase: str | None) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    password = None if passphrase is None else passphrase.encode()
    try:
        return load_pem_private_key(block.encode(), password)
    except TypeError:  # a passphrase too few or one too many
        if passphrase is None:
            hint = 'write private_key_passphrase = "${NAME}" beside it, and set NAME'
            raise KeyUnusable("is encrypted, and there is no passphrase", hint) from None
        what = "is of no use: the key is not encrypted"
        raise KeyUnusable(what, "leave it out", entry=_OPENED_BY) from None
    except UnsupportedAlgorithm:
        raise KeyUnusable("is of a kind, or encrypted in a way, that is not known", _MAKE) from None
    except ValueError:
        if passphrase is None or "ENCRYPTED" not in block:
            raise KeyUnusable("is damaged: no key can be read from it", _COPY) from None
        hint = "is it that of another key?"
        raise KeyUnusable("does not open the key", hint, entry=_OPENED_BY) from None
