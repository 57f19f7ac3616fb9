"""The command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from parity.files.v1 import files_pb2
from parity.numbers.v1 import numbers_pb2

from .client import Client
from .download import copy
from .errors import ParityError
from .get import get
from .terminal import escape

OK, FAILED, USAGE, NOT_FOUND, INTERRUPTED = 0, 1, 2, 3, 130

SECOND_INTERRUPT = 1.0
"""Seconds after which another Ctrl-C ends count at once. Some programs send one twice."""

_PARITIES = {
    "even": numbers_pb2.PARITY_EVEN,
    "odd": numbers_pb2.PARITY_ODD,
    "any": numbers_pb2.PARITY_UNSPECIFIED,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    args = _parser().parse_args(argv)
    try:
        with _connect(args) as parity:
            status: int = args.run(parity, args)
            return status
    except KeyboardInterrupt:
        more = "; run it again to resume" if args.run is _get else ""
        print(f"parity: interrupted{more}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # every error is one line for people
        print(f"parity: {sentence(error, args.addr)}", file=sys.stderr)
        return exit_status(error)


def sentence(error: BaseException, addr: str) -> str:
    """Returns an error as one line that is safe for a terminal."""
    if isinstance(error, ParityError) and error.unreachable:
        return escape(f"cannot reach {addr}: {error}; is the server running?")
    if isinstance(error, OSError) and error.strerror:
        return escape(f"{error.filename}: {error.strerror.lower()}")
    return escape(str(error))


def exit_status(error: BaseException) -> int:
    """Returns the exit status for an error."""
    if isinstance(error, ParityError) and error.reason == "FILE_NOT_FOUND":
        return NOT_FOUND
    return FAILED


def _connect(args: argparse.Namespace) -> Client:
    token = os.environ.get("PARITY_TOKEN")
    if args.token_file:
        token = Path(args.token_file).read_text(encoding="utf-8").strip()
    return Client(args.addr, tls=args.tls, tls_ca=args.tls_ca, token=token)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parity", description="Client of a Parity server.")
    parser.add_argument("--version", action="version", version=version("parity-client"))
    parser.add_argument("--addr", default="localhost:50051", metavar="HOST:PORT")
    parser.add_argument("--tls", action="store_true", help="use TLS and the system's authorities")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="use TLS and these (PEM)")
    parser.add_argument("--token-file", metavar="FILE", help="a token, else $PARITY_TOKEN")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    draw = commands.add_parser("draw", help="draw one number")
    draw.add_argument("parity", choices=_PARITIES, default="any", nargs="?")
    draw.set_defaults(run=_draw)

    count = commands.add_parser("count", help="count until Ctrl-C")
    count.add_argument("--id", type=int, required=True, metavar="N", help="client ID, 0 to 10000")
    count.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="then stop")
    count.set_defaults(run=_count)

    listing = commands.add_parser("list", help="list the files in the cache")
    listing.add_argument("prefix", default="", nargs="?", help="only names that begin with it")
    listing.add_argument("--all", action="store_true", help="all files; * marks cached ones")
    listing.set_defaults(run=_list)

    stat = commands.add_parser("stat", help="describe one file")
    stat.add_argument("name")
    stat.set_defaults(run=_stat)

    download = commands.add_parser("get", help="download files")
    download.add_argument("names", nargs="+", metavar="NAME")
    where = download.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", help="of one file; - is standard output")
    where.add_argument("-d", "--dir", default=".", type=Path, help="with the names' folders below")
    download.add_argument("--force", action="store_true", help="replace existing files")
    download.set_defaults(run=_get)
    return parser


def _print(args: argparse.Namespace, record: dict[str, Any], line: str) -> None:
    print(json.dumps(record) if args.json else escape(line), flush=True)


def _draw(parity: Client, args: argparse.Namespace) -> int:
    drawn = parity.draw(_PARITIES[args.parity])
    name = "even" if drawn.parity == numbers_pb2.PARITY_EVEN else "odd"
    _print(args, {"number": drawn.number, "parity": name}, str(drawn.number))
    return OK


def _count(parity: Client, args: argparse.Namespace) -> int:
    counter = parity.counter(args.id)

    first: float | None = None

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            counter.stop()
        elif time.monotonic() - first > SECOND_INTERRUPT:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    if args.seconds is not None:
        timer = threading.Timer(args.seconds, counter.stop)
        timer.daemon = True
        timer.start()
    last = counter.run(
        lambda value, increment: _print(
            args, {"value": value, "increment": increment}, f"{value} (+{increment})"
        ),
        _note,
    )
    print(f"{last.reports} reports confirmed, the last {last.value}", file=sys.stderr)
    return OK


def _record(file: files_pb2.File) -> dict[str, Any]:
    return {
        "name": file.name,
        "size_bytes": file.size_bytes,
        "modified": file.modified.ToJsonString(),
        "version": file.version,
        "cached": file.cached,
    }


def _list(parity: Client, args: argparse.Namespace) -> int:
    source = files_pb2.SOURCE_DIRECTORY if args.all else files_pb2.SOURCE_CACHE
    for page in parity.pages(source, args.prefix):
        for file in page.files:
            mark = ("* " if file.cached else "  ") if args.all else ""
            _print(args, _record(file), f"{file.size_bytes:>14,} {mark}{file.name}")
    if not args.json:
        used, capacity = page.cache_used_bytes, page.cache_capacity_bytes
        print(f"cache: {used:,} of {capacity:,} bytes", file=sys.stderr)
    return OK


def _stat(parity: Client, args: argparse.Namespace) -> int:
    record = _record(parity.stat(args.name))
    lines = "\n".join(f"{key + ':':<12}{escape(str(value))}" for key, value in record.items())
    print(json.dumps(record) if args.json else lines)
    return OK


def _get(parity: Client, args: argparse.Namespace) -> int:
    if args.output is not None and len(args.names) > 1:
        print("parity: --output takes one name; use --dir", file=sys.stderr)
        return USAGE
    if args.output == "-":
        copy(parity.files, args.names[0], sys.stdout.buffer, _note)
        sys.stdout.buffer.flush()
        return OK
    worst = OK
    for name in args.names:  # a failure does not stop the others
        try:
            record = get(parity, name, args.output, args.dir, force=args.force, notice=_note)
        except (ParityError, OSError, ValueError, RuntimeError) as error:
            print(f"parity: {escape(name)}: {sentence(error, args.addr)}", file=sys.stderr)
            worst = max(worst, exit_status(error))
            continue
        _print(args, record, f"{record['path']}: {record['bytes']:,} bytes, checksum right")
    return worst


def _note(line: str) -> None:
    print(f"parity: {escape(line)}", file=sys.stderr)
