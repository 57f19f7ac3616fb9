"""Plays the transcripts of legacytcp/testdata against a running server.

    python3 .ci/transcripts.py prepare DIRECTORY TRANSCRIPT      writes the files, prints the server's flags
    python3 .ci/transcripts.py HOST:PORT TRANSCRIPT              plays the transcript

legacytcp/testdata/README.md specifies the transcripts and what a server needs for them.
"""

import os
import re
import socket
import struct
import sys
import time

QUIET = 0.1  # seconds for "-- quiet": five times the 20 ms of the protocol
TIMEOUT = 10  # seconds for each answer
DRAWS = [79, 90, 57, 12, 33, 8]  # where a transcript has no @draws

# What matches a drawn number: any from 0 to 99 of the same parity.
ANY = {0: rb"[1-9]?[02468]", 1: rb"[1-9]?[13579]"}


class Mismatch(Exception):
    """The server did not answer as in the transcript."""


class Transcript:
    """The settings and the steps of one file."""

    def __init__(self, path):
        self.path = path
        self.files_only = self.bare_replies = False
        self.not_found = None
        self.draws = DRAWS
        self.files = []  # (name, content)
        self.steps = []  # (line, what, bytes)
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self._parse(number, line.strip())
        if not self.steps:
            raise ValueError(f"{path} has no steps")

    def _parse(self, number, text):
        word, _, rest = text.partition(" ")
        rest = rest.partition("  #")[0].strip()
        if word in ("", "#"):
            return
        if word in ("C>", "S>") and rest in ("EOF", "RESET"):
            self.steps.append((number, f"{word} {rest}", b""))
        elif word in ("C>", "S>"):
            self.steps.append((number, word, strings(rest)[0]))
        elif word == "--":
            self.steps.append((number, f"-- {rest}", b""))
        elif word == "@files-only":
            self.files_only = True
        elif word == "@bare-replies":
            self.bare_replies = True
        elif word == "@not-found":
            self.not_found = strings(rest)[0].decode()
        elif word == "@draws":
            self.draws = [int(n) for n in rest.split()]
        elif word == "@file":
            self.files.append(tuple(strings(rest)))
        elif word != "@except":  # about replays in pieces
            raise ValueError(f"{self.path}:{number}: unknown word {word}")

    def flags(self):
        """Returns the flags of the server that the transcript needs."""
        flags = ["--legacy-bare-replies"] if self.bare_replies else []
        return flags + ([f"--legacy-not-found={self.not_found}"] if self.not_found else [])

    def prepare(self, directory):
        """Writes the files of the transcript."""
        for name, content in self.files:
            path = os.path.join(os.fsencode(directory), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content)

    def fills_cache(self):
        """Reports whether the files must be in the cache before the first step."""
        return any(what == "C>" and data.startswith(b"list") for _, what, data in self.steps)

    def play(self, address, files_address=None):
        """Plays the steps. files_address is a port that speaks the file dialect only."""
        if self.files_only:
            address = files_address
        if self.fills_cache():
            for name, _ in self.files:
                with dial(files_address or address) as s:
                    s.sendall(name)
                    while s.recv(1 << 20):
                        pass
        draws, s, received = list(self.draws), dial(address), b""
        try:
            for number, what, data in self.steps:
                try:
                    if what == "-- reconnect":
                        s.close()
                        s, received = dial(address), b""
                    else:
                        received = step(s, what, data, draws, received)
                except (Mismatch, OSError) as e:
                    raise Mismatch(f"{self.path}:{number}: {what}: {e}") from e
        finally:
            s.close()


def step(s, what, data, draws, received):
    """Plays one step. Returns the bytes received beyond it."""
    if what == "C>":
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has closed; the next step checks how
    elif what == "C> EOF":
        s.shutdown(socket.SHUT_WR)
    elif what == "C> RESET":
        time.sleep(QUIET)  # until the server has read everything: a reset discards unread input
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        time.sleep(QUIET)
    elif what == "-- quiet":
        time.sleep(QUIET)
    elif what == "S>":
        return expect(s, pattern(data, draws), data, received)
    elif what in ("S> EOF", "S> RESET"):
        if received:
            raise Mismatch(f"got {received!r:.200}")
        try:
            rest, end = s.recv(100), "EOF"
        except ConnectionResetError:
            rest, end = b"", "RESET"
        if rest or what != f"S> {end}":
            raise Mismatch(f"got {rest!r:.200}" if rest else f"got {end}")
    else:
        raise ValueError(f"unknown step {what}")
    return received


def expect(s, wanted, data, received):
    while True:
        if found := wanted.match(received):
            return received[found.end():]
        if len(received) > len(data) + 100:
            raise Mismatch(f"got {received!r:.200}, want {data!r:.200}")
        try:
            piece = s.recv(1 << 16)
        except socket.timeout:
            piece = b""
        if not piece:
            raise Mismatch(f"got {received!r:.200}, want {data!r:.200}")
        received += piece


def pattern(data, draws):
    """Compiles a pattern for data. The digits of the next draw match any number of its parity."""
    text, at = b"", 0
    while at < len(data):
        if draws and data.startswith(str(draws[0]).encode(), at):
            at += len(str(draws[0]))
            text += ANY[draws.pop(0) % 2]
        else:
            text += re.escape(data[at:at + 1])
            at += 1
    return re.compile(text, re.DOTALL)


ESCAPE = re.compile(rb'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)', re.DOTALL | re.IGNORECASE)
SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b'"': b'"', b"\\": b"\\", b"a": b"\a", b"v": b"\v"}


def unescape(found):
    code = found[1]
    if code[:1] == b"x":
        return bytes([int(code[1:], 16)])
    if code[:1] == b"u":
        return chr(int(code[1:], 16)).encode()
    return SIMPLE[code]


def strings(text):
    """Parses quoted strings. "x"*3 is a string repeated, "a" + "b" two strings joined."""
    found, joined, text = [], False, text.encode()
    while text:
        quoted = re.match(rb'"((?:[^"\\]|\\.)*)"(?:\*(\d+))?\s*(\+?)\s*', text, re.DOTALL)
        if not quoted:
            raise ValueError(f"not a string: {text!r}")
        value = ESCAPE.sub(unescape, quoted[1]) * int(quoted[2] or 1)
        if joined:
            found[-1] += value
        else:
            found.append(value)
        joined, text = quoted[3] == b"+", text[quoted.end():]
    return found


def dial(address):
    s = socket.create_connection(address, timeout=TIMEOUT)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def main(what, *args):
    if what == "prepare":
        directory, path = args
        transcript = Transcript(path)
        transcript.prepare(directory)
        print(*transcript.flags())
        return
    host, _, port = what.rpartition(":")
    if not port.isdigit():
        sys.exit(f"{what!r} is not HOST:PORT")
    (path,) = args
    try:
        Transcript(path).play((host, int(port)), (host, int(port)))
    except Mismatch as e:
        sys.exit(f"FAIL {e}")
    print("ok")


if __name__ == "__main__":
    if len(sys.argv) != (4 if sys.argv[1:2] == ["prepare"] else 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
