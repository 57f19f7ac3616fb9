"""Runs one case: exit status 0 passed, 1 failed, 3 impossible for this row."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from parity_client import Client

from . import connection, counting, getting, listing
from .case import Case, Context, ImpossibleError

TIMEOUT = 25.0
"""Seconds after which the driver gives up."""
FAILED, IMPOSSIBLE = 1, 3

CASES: dict[str, Case] = {
    **counting.CASES,
    **listing.CASES,
    **getting.CASES,
    **connection.CASES,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="driver")
    parser.add_argument("--case", required=True)
    parser.add_argument("--addr", required=True)
    parser.add_argument("--dir", required=True, type=Path, help="the server's directory")
    parser.add_argument("--row", default="python")
    parser.add_argument("--id-base", type=int, default=0, help="the first client ID to use")
    parser.add_argument("--tls-ca", type=Path)
    parser.add_argument("--token")
    args = parser.parse_args()

    case = CASES.get(args.case)
    if case is None:
        print(f"there is no case {args.case!r}", file=sys.stderr)
        return FAILED
    watchdog = threading.Timer(TIMEOUT, give_up, [args.case])
    watchdog.daemon = True
    watchdog.start()
    try:
        with Client(
            args.addr, tls_ca=args.tls_ca, token=args.token, plaintext_token=True
        ) as parity:
            case(
                Context(
                    parity, args.addr, args.dir, args.row, args.id_base, args.tls_ca, args.token
                )
            )
    except ImpossibleError as error:
        print(error)
        return IMPOSSIBLE
    except Exception as error:  # whatever it was, the case failed
        print(f"{args.case}: {type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    return 0


def give_up(case: str) -> None:
    print(f"{case}: not done after {TIMEOUT:.0f} s", file=sys.stderr, flush=True)
    os._exit(FAILED)


sys.exit(main())
