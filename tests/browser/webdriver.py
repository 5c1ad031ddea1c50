"""A client of chromedriver; selenium does far more, and brings 35 MB and eight packages."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_STARTED = "started successfully on port "
_SECONDS = 60


def browser_path() -> str | None:
    """Return where a browser is."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class Browser:
    """A browser without a window."""

    def __init__(self, server: str, binary: str) -> None:
        options = {
            "binary": binary,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._place = f"{server}/session"
        answer = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._place += f"/{answer['sessionId']}"

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns; it sees ``arguments`` and may return a promise."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Return the answer to a command of the Chrome DevTools."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, key: str) -> None:
        """Press a key, such as ``Enter`` or ``Tab``."""
        code = {"Enter": 13, "Tab": 9, " ": 32}[key]
        down = {"key": key, "windowsVirtualKeyCode": code, "text": "\r" if key == "Enter" else ""}
        self.devtools("Input.dispatchKeyEvent", type="keyDown", **down)
        self.devtools("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def complaints(self) -> list[str]:
        """Return what the console said since it was asked last."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since they were asked for last."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def close(self) -> None:
        """End it."""
        self._ask("DELETE", "")

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self._place + path,
            None if content is None else json.dumps(content).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from error


@contextmanager
def browser(driver: str, binary: str) -> Iterator[Browser]:
    """Start a browser for some time.

    Args:
        driver: Path of chromedriver.
        binary: Path of the browser.
    """
    command = [driver, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if _STARTED in line)
            port = line.partition(_STARTED)[2].strip().rstrip(".")
            found = Browser(f"http://127.0.0.1:{port}", binary)
            try:
                yield found
            finally:
                found.close()
        finally:
            process.terminate()
