"""The command get: where a file goes, and its progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import place
from .client import Client
from .terminal import escape

PROGRESS_INTERVAL = 0.1
"""Seconds between two updates of the progress."""


def get(
    parity: Client,
    name: str,
    output: str | None,
    directory: Path,
    *,
    force: bool,
    notice: Callable[[str], object],
) -> dict[str, Any]:
    """Downloads a file to output, or else to its name below directory. Returns a record."""
    if output is None:
        path = place.below(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        path = Path(output)
    start = time.monotonic()
    line = _Line(name) if sys.stderr.isatty() else None
    try:
        done = parity.download(name, path, force=force, progress=line, notice=notice)
    finally:
        if line:
            line.clear()
    return {
        "name": name,
        "path": str(path),
        "bytes": done.size,
        "resumed": done.resumed,
        "version": done.version,
        "verified": "file" if done.whole else "ranges",
        "seconds": round(time.monotonic() - start, 3),
    }


class _Line:
    """One line of a terminal that shows the progress."""

    def __init__(self, name: str) -> None:
        self._name = escape(name)
        self._next = 0.0

    def __call__(self, done: int, size: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_INTERVAL
        percent = 100 * done // size if size else 100
        print(f"\r\x1b[K{self._name}: {percent} % of {size:,} bytes", end="", file=sys.stderr)
        sys.stderr.flush()

    def clear(self) -> None:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
