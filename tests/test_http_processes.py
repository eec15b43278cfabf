"""`run` with `[http] listen`, as a process: its port, its end, and what it keeps to itself."""

import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests import prometheus
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver

RULES = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configure(folder: Path, account: str, url: str, listen: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rules.toml").write_text(RULES)
    path = folder / "config.toml"
    path.write_text(
        f'data_dir = "data"\nrules = ["rules.toml"]\n{account}\n[[channel]]\nname = "phone"\n'
        f'url = "{url}"\ngroup_wait = "0s"\n[http]\nlisten = "{listen}"\n'
    )
    path.chmod(0o600)
    return path


@contextmanager
def running(config: Path, *options: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service; whatever happens here, none is left behind."""
    command = [*COMMAND, "run", *options, "-c", str(config)]
    with (
        log.open("ab") as file,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()  # one that has ended is not harmed


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(15)


def fetch(port: int, path: str) -> str | None:
    """Get a page; None where nobody answers, or not with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, ConnectionError):
        return None


def test_a_service_is_seen_and_ends_while_somebody_watches(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    with Receiver() as phone, simulator() as account:
        config = configure(tmp_path / "one", account, phone.url, f"127.0.0.1:{port}")
        with running(config, log=log) as process:
            sent = 'marginwatch_notices_total{channel="phone",outcome="sent"} 1\n'
            wait_for(lambda: sent in (fetch(port, "/metrics") or ""))
            wait_for(lambda: fetch(port, "/healthz") == "ok\n")
            page, metrics = fetch(port, "/") or "", fetch(port, "/metrics") or ""
            with closing(socket.create_connection(("127.0.0.1", port))) as watcher:
                watcher.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert watcher.recv(100).startswith(b"HTTP/1.1 200")
                assert ended(process) == 0
    assert "BTCUSDT" in page
    assert "told to phone (warning)" in page
    alerts = prometheus.read(metrics)["marginwatch_alerts"].samples
    assert list(alerts.values()) == [1], "of the one level that there is"
    text = log.read_text()
    assert f"status page: http://127.0.0.1:{port}/" in text
    for told in (page, metrics, text):
        assert "demo-key" not in told
        assert "demo-secret" not in told
        assert phone.url not in told


def test_a_port_that_is_taken_ends_the_start_and_no_dry_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Receiver() as phone, simulator() as account, closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        config = configure(tmp_path / "one", account, phone.url, listen)
        with running(config, log=log) as process:
            assert process.wait(15) == 2
        told = log.read_text().splitlines()
        assert told[-2:] == [
            f"[http] listen: another program listens on {listen} already.",
            "Choose another port, or end that program.",
        ]
        assert phone.got == [], "it has not begun"
        with running(config, "--dry-run", log=log) as dry:
            wait_for(lambda: "main: 2 positions" in log.read_text())
            assert ended(dry) == 0


def test_an_address_of_another_machine_ends_the_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Receiver() as phone, simulator() as account:
        # Of a network for documents: nobody has it (RFC 5737).
        config = configure(tmp_path / "one", account, phone.url, "192.0.2.1:9187")
        with running(config, log=log) as process:
            assert process.wait(15) == 2
    assert log.read_text().splitlines() == [
        "[http] listen: 192.0.2.1:9187 cannot be listened on: Cannot assign requested address.",
        "Write an address of this machine and a port above 1023.",
    ]


def test_an_open_address_is_warned_of_and_answers_to_any_name(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    with Receiver() as phone, simulator() as account:
        config = configure(tmp_path / "one", account, phone.url, f"0.0.0.0:{port}")
        with running(config, log=log) as process:
            wait_for(lambda: fetch(port, "/healthz") == "ok\n")
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/metrics", headers={"Host": "monitoring.example:9187"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own page
                assert answer.status == 200
            assert ended(process) == 0
    assert f"http: 0.0.0.0:{port} is no loopback address, and nobody is asked" in log.read_text()
