"""Ed25519 and RSA signatures, checked against a public key.

Source: docs/protocol.md §3.3: base64; for RSA PKCS#1 v1.5 with SHA-256.
"""

import base64
from functools import cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa


def is_signed(payload: bytes, signature: str, pem: str) -> bool:
    """Tell whether the owner of a key has signed this."""
    key = _public_key(pem)
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, payload, padding.PKCS1v15(), hashes.SHA256())
        elif key is not None:
            key.verify(raw, payload)
    except (ValueError, InvalidSignature):
        return False
    return key is not None


def is_ed25519(pem: str) -> bool:
    """Tell whether a key is of the kind that may open a session."""
    return isinstance(_public_key(pem), ed25519.Ed25519PublicKey)


def is_public_key(pem: str) -> bool:
    """Tell whether a text is a key that signatures can be checked against."""
    return _public_key(pem) is not None


@cache
def _public_key(pem: str) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey | None:
    """Read a PEM; None where it is none, or of another kind."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey) else None
