"""A real browser for tests: headless Chromium, driven over WebDriver's own HTTP.

Only what tests need: open, ask the page, wait, take a picture. Everything blocks; call it in a
thread. Chromium and its driver are the system's (Debian: chromium, chromium-driver).
"""

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.processes import wait_for

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
IS_THERE = CHROMIUM is not None and DRIVER is not None
"""Whether this machine has them."""

_PATIENCE = 30.0
_PORT = re.compile(r"started successfully on port ([0-9]+)")
_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container; the page is our own
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
]


class Browser:
    """One window.

    Args:
        session: Where WebDriver answers for it.
    """

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page, and return when it is loaded."""
        _ask(f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """Run a function body in the page, and return what it returns."""
        return _ask(f"{self._session}/execute/sync", {"script": script, "args": []})

    def text(self, selector: str) -> str:
        """Give the text that is shown of an element; "" where there is none."""
        script = (
            f"const e = document.querySelector({json.dumps(selector)}); return e && e.innerText"
        )
        return self.run(script) or ""

    def wait_for(self, script: str, seconds: float = _PATIENCE) -> None:
        """Wait until an expression is true in the page."""
        wait_for(lambda: bool(self.run(f"return {script}")), seconds)

    def devtools(self, command: str, **parameters: object) -> None:
        """Tell Chromium's own tools something."""
        _ask(f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show_as(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Show pages as on a screen of this size, in CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """Write what is shown as a PNG."""
        data = _ask(f"{self._session}/screenshot")
        path.write_bytes(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """List what the browser found wrong: script errors, refused policies, failed loads."""
        entries = _ask(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Have a browser, with its profile in an empty folder."""
    assert DRIVER is not None
    log = profile / "driver.log"
    with (
        log.open("wb") as file,
        subprocess.Popen([DRIVER, "--port=0"], stdout=file, stderr=file) as driver,
    ):
        try:
            wait_for(lambda: _PORT.search(log.read_text()) is not None)
            port = _PORT.findall(log.read_text())[-1]
            url = f"http://127.0.0.1:{port}/session"
            options = {"args": [*_FLAGS, f"--user-data-dir={profile}"], "binary": CHROMIUM}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = _ask(url, {"capabilities": {"alwaysMatch": wanted}})
            session = f"{url}/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _ask(session, method="DELETE")
        finally:
            driver.terminate()
            driver.wait(10)


def _ask(url: str, body: object = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - our own driver's
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - likewise
        return json.load(answer)["value"]
