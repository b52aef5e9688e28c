"""Headless Chromium: opens a page from a file and tells what became of it."""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome was found"
)
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
    "--dump-dom",
]


@dataclass(frozen=True)
class Opened:
    """The document after its scripts ran, what the browser wrote on its console, what the page asked for."""

    document: str
    console: list[str]
    requests: list[str]


def opened(source: str, folder: Path, width: int = 1280) -> Opened:
    """A page, opened from a file by a browser that has never seen anything else."""
    file, log = folder / "page.html", folder / "requests.json"
    file.write_text(source, encoding="utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        own = [f"--user-data-dir={profile}", f"--window-size={width},1600", f"--log-net-log={log}"]
        done = subprocess.run(
            [str(CHROMIUM), *_FLAGS, *own, file.as_uri()],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
    assert "</html>" in done.stdout, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked_for = [event.get("params", {}) for event in events]
    # What the browser wants for itself has no page as its origin.
    requests = [
        p["url"] for p in asked_for if "url" in p and p.get("initiator", "not an origin") != "not an origin"
    ]
    return Opened(done.stdout, console, requests)


def asked(source: str, folder: Path, script: str, width: int = 1280, early: str = "") -> dict:
    """What a script, run at the end of the page, puts into `facts`; `early` runs before anything else.

    The page's policy lets these two scripts run beside its own and nothing more.
    """
    script = f"const facts = {{}}; {script}; document.documentElement.dataset.facts = JSON.stringify(facts);"
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in (script, early)
    )
    source = source.replace("script-src ", f"script-src {hashes} ", 1)
    source = source.replace("<title>", f"<script>{early}</script><title>", 1)
    head, _, tail = source.rpartition("</body>")
    page = opened(f"{head}<script>{script}</script></body>{tail}", folder, width)
    assert page.console == [], page.console
    return json.loads(unescape(page.document.partition('data-facts="')[2].partition('"')[0]))
