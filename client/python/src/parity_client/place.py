"""Where a download may be stored."""

from __future__ import annotations

import os
from pathlib import Path

# What Windows takes for separators, drives or streams.
_FORBIDDEN = "\\:" if os.name == "nt" else ""


def below(directory: Path, name: str) -> Path:
    """Returns the path for a file of the server below a directory, never above it.

    The folders of the name are kept. Control characters become "_". Raises ValueError if
    the name leads out of the directory, also through a symbolic link.
    """
    parts = []
    for element in name.split("/"):
        local = "".join("_" if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 else c for c in element)
        if local in {"", ".", ".."} or any(c in _FORBIDDEN for c in local):
            raise ValueError(f"{name!r} is no name for a file below a directory")
        parts.append(local)
    path = directory.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{name!r} leads out of {str(directory)!r}")
    return path


def check(path: Path, *, force: bool) -> None:
    """Raises an error if a download must not be stored at path."""
    if not os.path.lexists(path):
        return
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory")
    if not path.is_file() and not path.is_symlink():
        raise FileExistsError(f"{str(path)!r} is not a file")
    if not force:
        raise FileExistsError(f"{str(path)!r} exists, and stays without force")


def put(part: Path, path: Path, *, force: bool) -> None:
    """Moves a complete download to its path, in one step.

    A file that has appeared there stays, unless force is set.
    """
    check(path, force=force)
    if force:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)  # unlike a rename, fails if the path is taken
    except FileExistsError as error:
        raise FileExistsError(f"{str(path)!r} exists, and stays without force") from error
    except OSError:
        # A file system without hard links. An empty file claims the path.
        path.open("xb").close()
        part.replace(path)
        return
    part.unlink()
