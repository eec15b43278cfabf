"""Keys of nobody, for tests that sign."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

# The bytes 0x00 to 0x1f: the key of docs/protocol.md §3.3.
ED25519_PEM = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
ED25519_LINE = ED25519_PEM.splitlines()[1]

PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


@cache
def rsa_key() -> RSAPrivateKey:
    """Make an RSA key, the same for a whole run."""
    return generate_private_key(65537, 2048)


def pem(
    key: RSAPrivateKey | Ed25519PrivateKey,
    form: serialization.PrivateFormat = PKCS8,
    passphrase: str | None = None,
) -> str:
    """Write a key as PEM."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def encrypted_key(passphrase: str) -> str:
    """Write the Ed25519 key of the vectors, encrypted."""
    return pem(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), passphrase=passphrase)
