"""A headless Chromium, driven over the DevTools protocol.

What belongs here: starting and ending it, pages, and what went wrong in them. What does not: assertions.

Debian's `chromium` and the WebSocket client that uvicorn brings are all it needs; a driver would bring a hundred megabytes and
a browser of its own. It may reach 127.0.0.1 and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

PATIENCE = 30.0
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-port=0", "--force-color-profile=srgb",
    "--hide-scrollbars",
)  # fmt: skip

type Json = dict[str, object]


class Page:
    """One tab. Waits are polls with an end."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._numbers = count(1000)
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: object) -> Json:
        """Ask the browser, and wait for its answer."""
        number = next(self._numbers)
        asked = {"id": number, "sessionId": self._session, "method": method, "params": parameters}
        self._socket.send(json.dumps(asked))
        while True:
            told = json.loads(self._socket.recv(timeout=PATIENCE))
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                answer: Json = told["result"]
                return answer
            self._hear(told)

    def open(self, url: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Go there with a window of that size and that preference of colours."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Page.navigate", url="about:blank")  # a hash alone would not load anew
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, expression: str) -> object:
        """The value of an expression, awaited where it is a promise."""
        told = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, (expression, told)
        result = told["result"]
        assert isinstance(result, dict)
        return result.get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true; an element is, and null is not."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({expression})"):
            assert time.monotonic() < deadline, (expression, self.problems, self.run("document.body.innerText"))
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Keys, by their names."""
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self, path: Path, *, is_whole: bool = True) -> None:
        """A PNG of the page."""
        told = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        path.write_bytes(base64.b64decode(str(told["data"])))

    def _hear(self, told: Json) -> None:
        method, of = told.get("method"), told.get("params")
        if told.get("sessionId") != self._session or not isinstance(of, dict):
            return
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(of["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and of["entry"]["level"] in {"error", "warning"}:
            self.problems.append(f"{of['entry']['text']} {of['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and of["type"] in {"error", "warning", "assert"}:
            self.problems.append(json.dumps(of["args"])[:500])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append(f"a dialog opened: {of['message']}")


@contextmanager
def browser() -> Iterator[Page]:
    """A browser with one page; ended, and its folder removed, with the block."""
    assert CHROMIUM is not None
    folder = Path(tempfile.mkdtemp(prefix="crypto_assets_browser_"))
    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        with connect(_address(folder, process), max_size=64_000_000, proxy=None, open_timeout=PATIENCE) as socket:
            yield Page(socket, _attached(socket))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)  # a helper of the browser may still write its last


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE
    told = folder / "DevToolsActivePort"
    while not told.is_file() or len(told.read_text().splitlines()) < 2:
        assert process.poll() is None, f"chromium ended with {process.returncode}"
        assert time.monotonic() < deadline, "chromium does not say where it listens"
        time.sleep(0.05)
    port, path = told.read_text().splitlines()[:2]
    return f"ws://127.0.0.1:{port}{path}"


def _attached(socket: ClientConnection) -> str:
    """The session of the page that is open."""
    steps = iter(count(1))

    def ask(method: str, **parameters: object) -> Json:
        number = next(steps)
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (told := json.loads(socket.recv(timeout=PATIENCE))).get("id") != number:
            pass
        answer: Json = told["result"]
        return answer

    target = ask("Target.createTarget", url="about:blank")["targetId"]
    return str(ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
