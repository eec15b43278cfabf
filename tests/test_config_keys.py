"""Keys and secrets in config.toml: where they may come from, who may read them, where they end."""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from monitor.binance.signing import signer_of
from monitor.config import Config, load_config, redactor, secrets
from monitor.config.faults import masked
from monitor.config.private_key import secret_lines
from monitor.errors import ConfigError
from tests.signing_keys import ED25519_LINE, ED25519_PEM, encrypted_key, pem, rsa_key

ENVIRON = {"KEY": "key-4711", "SECRET": "secret-4711", "PASSPHRASE": "open-4711", "HOME": "/home/t"}
ACCOUNT = '[[account]]\nname = "main"\napi_key = "${KEY}"\n'
CHANNEL = '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9/x"\n'
PLAIN_KEY = f'private_key = """\n{ED25519_PEM}"""\n'
LOCAL = (
    'endpoints = { ws_api = "ws://127.0.0.1:9/x", streams = "ws://127.0.0.1:9", '
    'rest = "http://127.0.0.1:9" }\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str, mode: int = 0o600) -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def load(keys: str, *, mode: int = 0o600, environ: dict[str, str] = ENVIRON) -> Config:
    return load_config(write(ACCOUNT + keys + CHANNEL, "config.toml", mode), environ=environ)


def refused(keys: str, *, mode: int = 0o600, environ: dict[str, str] = ENVIRON) -> str:
    with pytest.raises(ConfigError) as caught:
        load(keys, mode=mode, environ=environ)
    whole = "".join(traceback.format_exception(caught.value))
    assert "4711" not in whole
    assert ED25519_LINE not in whole
    return str(caught.value)


# Where a private key may come from -----------------------------------------------------------


def test_a_private_key_is_read_from_a_file_beside_the_configuration() -> None:
    write(ED25519_PEM, "etc/ed25519.pem")
    text = ACCOUNT + 'private_key = "${file:ed25519.pem}"\n' + CHANNEL
    config = load_config(write(text, "etc/config.toml"), environ=ENVIRON)
    assert config.accounts[0].signing_keys() == {
        "api_key": "key-4711",
        "api_secret": None,
        "private_key": ED25519_PEM.removesuffix("\n"),
        "passphrase": None,
    }
    signer = signer_of(**config.accounts[0].signing_keys())
    assert signer.sign("x") == signer_of("k", private_key=ED25519_PEM).sign("x")


@pytest.mark.parametrize("around", ["{}", "\n{}\n\n", "Bag Attributes\n  friendlyName: x\n{}"])
def test_what_stands_around_a_private_key_does_not_matter(around: str) -> None:
    write(around.format(ED25519_PEM), "key.pem")
    signer = signer_of(**load('private_key = "${file:key.pem}"\n').accounts[0].signing_keys())
    assert signer.sign("x") == signer_of("k", private_key=ED25519_PEM).sign("x")


def test_a_private_key_with_a_certificate_in_front_is_found() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    assert load(f'private_key = """\n{certificate}{ED25519_PEM}"""\n').accounts[0].private_key


def test_an_encrypted_key_and_its_passphrase() -> None:
    environ = ENVIRON | {"PEM": encrypted_key("open-4711")}
    keys = 'private_key = "${PEM}"\nprivate_key_passphrase = "${PASSPHRASE}"\n'
    account = load(keys, environ=environ).accounts[0]
    plain = signer_of("k", private_key=ED25519_PEM)
    assert signer_of(**account.signing_keys()).sign("x") == plain.sign("x")


def test_a_passphrase_may_have_blanks_around_it() -> None:
    environ = ENVIRON | {"PEM": encrypted_key(" x "), "PASSPHRASE": " x "}
    keys = 'private_key = "${PEM}"\nprivate_key_passphrase = "${PASSPHRASE}"\n'
    assert load(keys, environ=environ).accounts[0].signing_keys()["passphrase"] == " x "


# Who may read it -----------------------------------------------------------------------------


def test_a_key_file_that_others_can_read_is_refused() -> None:
    write(ED25519_PEM, "key.pem", 0o640)
    assert refused('private_key = "${file:key.pem}"\n') == (
        'config.toml:4:15: account "main", private_key: key.pem can be read by others (mode 0640)\n'
        "    private_key = …\n"
        "                  ^ run: chmod 600 key.pem\n1 fault in 1 file"
    )


def test_a_passphrase_file_that_others_can_read_is_refused() -> None:
    write("open-4711", "open", 0o604)
    keys = 'private_key = "${PEM}"\nprivate_key_passphrase = "${file:open}"\n'
    assert refused(keys, environ=ENVIRON | {"PEM": encrypted_key("open-4711")}) == (
        'config.toml:5:26: account "main", private_key_passphrase: open can be read by others '
        "(mode 0604)\n    private_key_passphrase = …\n"
        "                             ^ run: chmod 600 open\n1 fault in 1 file"
    )


def test_folders_that_others_guard_are_exempt(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ED25519_PEM, "guarded/key.pem", 0o644)
    by_path, by_name = '"${file:guarded/key.pem}"', '"${credential:key.pem}"'
    systemd = ENVIRON | {"CREDENTIALS_DIRECTORY": str(folder / "guarded")}
    assert load(f"private_key = {by_path}\n", environ=systemd).accounts[0].private_key
    assert load(f"private_key = {by_name}\n", environ=systemd).accounts[0].private_key
    monkeypatch.setattr("monitor.config.interpolate._CLOSED_FOLDER", folder / "guarded")
    assert load(f"private_key = {by_path}\n").accounts[0].private_key


@pytest.mark.parametrize(
    ("keys", "line", "key"),
    [
        (PLAIN_KEY, 4, "private_key"),
        (
            'private_key = "${PEM}"\nprivate_key_passphrase = "open-4711"\n',
            5,
            "private_key_passphrase",
        ),
    ],
)
def test_a_plain_one_is_refused_where_others_can_read(keys: str, line: int, key: str) -> None:
    environ = ENVIRON | {"PEM": encrypted_key("open-4711")}
    assert refused(keys, mode=0o644, environ=environ) == (
        f'config.toml:{line}:1: account "main", {key}: a plain secret in a file that others can '
        f"read\n    {key} = …\n    ^ mode 0644; run: chmod 600 config.toml\n1 fault in 1 file"
    )


@pytest.mark.parametrize(
    ("keys", "mode"), [(PLAIN_KEY, 0o600), (PLAIN_KEY + LOCAL, 0o644)], ids=["0600", "local"]
)
def test_a_plain_one_is_accepted_where_it_is_safe(keys: str, mode: int) -> None:
    assert load(keys, mode=mode).accounts[0].private_key


# What a file of secrets may be ---------------------------------------------------------------


def told(path: str, what: str, hint: str = "") -> str:
    caret = f"                 ^ {hint}".rstrip()
    return (
        f'config.toml:4:14: account "main", api_secret: {path} {what}\n'
        f"    api_secret = …\n{caret}\n1 fault in 1 file"
    )


REGULAR = "name a file that holds the secret, and nothing else"


def test_a_pipe_that_nobody_writes_to_does_not_block() -> None:
    os.mkfifo("pipe", 0o600)
    keys = 'api_secret = "${file:pipe}"\n'
    assert refused(keys) == told("pipe", "is not a regular file", REGULAR)


def test_what_never_ends_is_not_read() -> None:
    keys = 'api_secret = "${file:/dev/zero}"\n'
    assert refused(keys) == told("/dev/zero", "is not a regular file", REGULAR)


def test_a_huge_file_is_not_read_whole() -> None:
    with write("", "huge").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: no disk holds this, and no memory
    keys = 'api_secret = "${file:huge}"\n'
    assert refused(keys) == told("huge", "is larger than 64 KiB", "is it the right file?")


def test_a_key_in_binary_is_told() -> None:
    write("", "key.der").write_bytes(b"\x30\x2e\x02\xff")
    keys = 'api_secret = "${file:key.der}"\n'
    assert refused(keys) == told("key.der", "is not UTF-8", "is it the right file?")


@pytest.mark.parametrize(
    ("path", "what", "hint"),
    [
        ("~nobody-of-this-name/x", "there is no file ~nobody-of-this-name/x", None),
        ("a\\u0000b", "a ${…} with a zero byte in its path", ""),
    ],
)
def test_a_path_that_cannot_be_one_is_told(path: str, what: str, hint: str | None) -> None:
    hint = "write the secret into it, and nothing else" if hint is None else hint
    line = f'config.toml:4:14: account "main", api_secret: {what}\n    api_secret = …\n'
    caret = f"                 ^ {hint}".rstrip()
    assert refused(f'api_secret = "${{file:{path}}}"\n') == f"{line}{caret}\n1 fault in 1 file"


# Where it ends -------------------------------------------------------------------------------


def test_every_line_of_a_private_key_is_redacted() -> None:
    whole = pem(rsa_key(), passphrase="open-4711")
    environ = ENVIRON | {"PEM": whole.strip()}
    keys = 'private_key = "${PEM}"\nprivate_key_passphrase = "${PASSPHRASE}"\n'
    config = load(keys, environ=environ)
    redact = redactor(config)
    lines = whole.splitlines()[1:-1]
    assert {"open-4711", "key-4711", whole.strip(), *lines[:-1]} <= secrets(config)
    for leak in (
        whole,
        json.dumps(whole),
        *(f"at line 3: {line} is odd" for line in lines[:-1]),
        *(f"?key={quote(line, safe='')}&" for line in lines[:-1]),
        f"body {''.join(lines)}!",
        "with open-4711",
    ):
        text = redact(leak)
        assert "[secret]" in text
        for word in ("4711", *lines[:-1], *(quote(line, safe="") for line in lines[:-1])):
            assert word not in text
    assert redact(f"body {''.join(lines)}!") == "body [secret]!"
    assert redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_the_lines_of_a_key_are_its_base64() -> None:
    assert list(secret_lines(ED25519_PEM)) == [ED25519_LINE]
    assert list(secret_lines("no key")) == []
    text = (
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "QUJDREVGR0hJSktM\r\nTU5P\r\n-----END RSA PRIVATE KEY-----\n"
    )
    assert list(secret_lines(text)) == ["QUJDREVGR0hJSktM", "QUJDREVGR0hJSktMTU5P"]


def test_no_repr_holds_a_private_key() -> None:
    config = load(PLAIN_KEY)
    for text in (repr(config), str(config.accounts[0]), str(config.model_dump())):
        assert ED25519_LINE not in text
        assert "4711" not in text


@pytest.mark.parametrize("line", [f"{ED25519_LINE}=", "MEs=", "MDBmY2==", ED25519_LINE])
def test_a_line_of_base64_is_not_shown_under_a_fault(line: str) -> None:
    assert masked(line, 5) == "    …"


def test_without_resolving_no_private_key_is_touched() -> None:
    text = (
        ACCOUNT + 'private_key = "${file:/nowhere}"\nprivate_key_passphrase = "${NO}"\n' + CHANNEL
    )
    config = load_config(write(text, "config.toml"), environ={}, resolve=False)
    assert config.accounts[0].signing_keys()["private_key"] == "${file:/nowhere}"


@pytest.mark.parametrize(
    ("keys", "imported"), [('api_secret = "${SECRET}"\n', "False"), (PLAIN_KEY, "True")]
)
def test_cryptography_is_imported_only_where_there_is_a_private_key(
    keys: str, imported: str
) -> None:
    write(ACCOUNT + keys + CHANNEL, "config.toml")
    code = (
        "import sys; from pathlib import Path; import monitor.cli, monitor.app; "
        "from monitor.config import load_config; "
        "load_config(Path('config.toml'), environ={'KEY': 'k', 'SECRET': 's'}); "
        "print('cryptography' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == f"{imported}\n"
