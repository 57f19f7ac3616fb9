"""Tests the server program with raw sockets, as clients of the original protocols use
them, and with generated Python clients over gRPC.

    python .ci/acceptance.py SERVER-BINARY GENERATED-DIR
"""

import glob
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import transcripts

server_binary, generated = sys.argv[1:]
checks = 0


def check(what, got, want):
    global checks
    checks += 1
    if got != want:
        sys.exit(f"FAIL {what}: got {got!r:.200}, want {want!r:.200}")


class Server:
    """A server process on free ports."""

    def __init__(self, directory, *flags):
        self.data = tempfile.mkdtemp()
        self.process = subprocess.Popen(
            [server_binary, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--legacy-files=127.0.0.1:0", "--admin=",
             "--data-dir=" + self.data, *flags, directory],
            stderr=subprocess.PIPE, text=True)
        self.address = {}
        while len(self.address) < 3:
            line = self.process.stderr.readline()
            if not line:
                sys.exit("FAIL the server did not start")
            if found := re.search(r'msg="serving ([^"]+)" address=(\S+):(\d+)', line):
                self.address[found[1]] = (found[2], int(found[3]))

    def connect(self, door="original protocols"):
        s = socket.create_connection(self.address[door], timeout=10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, *writes, door="original protocols", pause=0.002):
        """Sends each write in its own segment and reads until EOF."""
        with self.connect(door) as s:
            for write in writes:
                s.sendall(write)
                time.sleep(pause)
            return read_all(s)

    def stop(self, bound=11):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        check("exit status after SIGTERM", self.process.wait(bound), 0)
        self.process.stderr.close()
        return time.monotonic() - began


def read_all(s):
    pieces = []
    while piece := s.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def number(s, count=1):
    """Reads count numbers, each followed by a space."""
    got = b""
    while got.count(b" ") < count:
        piece = s.recv(1024)
        if not piece:
            sys.exit(f"FAIL the server closed after {got!r}")
        got += piece
    check("replies end in a space", got[-1:], b" ")
    return [int(n) for n in got.split()]


def numbers_by_raw_socket(server):
    s = server.connect()
    s.sendall(b"3748")
    check("a new client's value", number(s), [0])
    for frame in (b"1 ", b"2 "):
        s.sendall(frame)
    s.sendall(b"odd ")
    check("odd", number(s)[0] % 2, 1)
    s.sendall(b"59 ")
    s.sendall(b"even ")
    check("even", number(s)[0] % 2, 0)
    s.sendall(b"3 odd even ")
    odd, even = number(s, 2)
    check("queued draws, in order", (odd % 2, even % 2), (1, 0))
    s.sendall(b"59 ")
    s.shutdown(socket.SHUT_WR)
    check("EOF after a half-close", read_all(s), b"")
    s.close()

    s = server.connect()
    s.sendall(b"37")
    time.sleep(0.005)
    s.sendall(b"48 ")
    check("an ID in two writes, and the last value", number(s), [59])
    for byte in b"60 odd ":
        s.sendall(bytes([byte]))
        time.sleep(0.001)
    check("odd, a byte at a time", number(s)[0] % 2, 1)
    # The original client closes its socket while its reader is blocked, which resets the
    # connection.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    s.close()

    s = server.connect()
    s.sendall(b"3748 1 2 odd ")
    check("ID, reports and a draw in one segment", len(number(s, 2)), 2)
    s.sendall(b"nonsense odd ")
    check("a bad frame is skipped", number(s)[0] % 2, 1)
    s.close()

    with server.connect() as s:
        s.sendall(b"10001 ")
        check("an ID that is too large", read_all(s), b"")


def files_by_raw_socket(server, directory, contents):
    check("nothing cached", pickle.loads(server.ask(b"list")), [])
    for name in ("f32", "f1m"):
        check(name, server.ask(name.encode()), contents[name])
    with server.connect() as s:
        s.sendall(b"list")
        check("the pickled list, in one recv", pickle.loads(s.recv(1024)), ["f32", "f1m"])
    check("a missing file", server.ask(b"none"), b"File not found")
    check("0 bytes", server.ask(b"empty"), b"")
    check("65 MiB", server.ask(b"f65m"), contents["f65m"])
    check("a name with spaces", server.ask(b"my report.pdf"), contents["my report.pdf"])
    check("a name in two writes", server.ask(b"my rep", b"ort.pdf"), contents["my report.pdf"])
    for end in (b" ", b"\n", b"\r\n"):
        check(f"a name and {end!r}", server.ask(b"f32" + end), contents["f32"])
    check("list with a space", server.ask(b"list "), b"f32 f1m empty my%20report.pdf ")
    check("list with a newline", server.ask(b"list\n"), b"f32\nf1m\nempty\nmy report.pdf\n")
    check("a name of digits, on the file port", server.ask(b"2004", door="original file protocol"), contents["2004"])

    os.mkfifo(os.path.join(directory, "fifo"))
    os.symlink("/etc/passwd", os.path.join(directory, "passwd"))
    for name in (b"..", b"../x", b"/etc/passwd", b"passwd", b"fifo", b"sub", b"a\0b", b"\xff\xfe", b"x" * 1024, b"x" * 1025, b"x" * 5000):
        for door in ("original protocols", "original file protocol"):
            check(f"{name[:20]!r} at {door}", server.ask(name, door=door), b"File not found")
    check("a file afterwards", server.ask(b"f32"), contents["f32"])


def generated_client(server, contents):
    example = os.path.join(os.path.dirname(__file__), "..", "docs", "example.py")
    host, port = server.address["gRPC"]
    said = subprocess.run([sys.executable, example, f"{host}:{port}", "f1m"], check=True, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": generated}).stdout
    gzip = """
import sys, grpc
from parity.files.v1 import files_pb2, files_pb2_grpc
with grpc.insecure_channel(sys.argv[1], compression=grpc.Compression.Gzip) as channel:
    responses = files_pb2_grpc.FileServiceStub(channel).Get(files_pb2.GetRequest(name="f1m"))
    sys.stdout.buffer.write(b"".join(r.data for r in responses))
"""
    got = subprocess.run([sys.executable, "-c", gzip, f"{host}:{port}"], check=True, capture_output=True,
                         env={**os.environ, "PYTHONPATH": generated}).stdout
    check("a client with gzip", got, contents["f1m"])
    check("example.py", (bool(re.search(r"odd number: \d*[13579]\n", said)), "fetched: f1m 1048576 bytes\n" in said, "'f1m'" in said),
          (True, True, True))


def play_transcripts():
    """Plays the transcripts of legacytcp/testdata, each against a new server."""
    paths = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "..", "legacytcp", "testdata", "*.txt")))
    check("there are transcripts", bool(paths), True)
    for path in paths:
        transcript = transcripts.Transcript(path)
        for attempt in range(3):  # on a busy machine two writes may be more than 20 ms apart
            directory = tempfile.mkdtemp()
            transcript.prepare(directory)
            server = Server(directory, "--state=memory:", *transcript.flags())
            try:
                transcript.play(server.address["original protocols"], server.address["original file protocol"])
                break
            except transcripts.Mismatch as e:
                if attempt == 2:
                    sys.exit(f"FAIL {e}")
            finally:
                server.stop()
    print(f"transcripts: {len(paths)} played")


def failure_resets(server, directory):
    """Truncates a file while it is sent. The server must not end half a file with EOF."""
    path = os.path.join(directory, "truncated")
    with open(path, "wb") as f:
        f.truncate(1 << 30)  # more than fits into the cache and the buffers of the sockets
    with server.connect() as s:
        s.sendall(b"truncated")
        s.recv(1)
        os.truncate(path, 0)
        try:
            while s.recv(1 << 20):
                pass
            end = "EOF"
        except ConnectionResetError:
            end = "a reset"
    check("the end of a file that fails", end, "a reset")
    os.remove(path)


def main():
    play_transcripts()
    directory = tempfile.mkdtemp()
    contents = {"f32": os.urandom(32), "f1m": os.urandom(1 << 20), "empty": b"", "f65m": os.urandom(65 << 20),
                "my report.pdf": b"a report", "2004": b"digits", "sub/f": b"below"}
    os.mkdir(os.path.join(directory, "sub"))
    for name, data in contents.items():
        with open(os.path.join(directory, name), "wb") as f:
            f.write(data)

    server = Server(directory)
    numbers_by_raw_socket(server)
    files_by_raw_socket(server, directory, contents)
    failure_resets(server, directory)
    generated_client(server, contents)
    with server.connect() as s:
        s.sendall(b"5 ")
        number(s)
        s.sendall(b"77 odd ")
        number(s)
        took = server.stop()
        check("SIGTERM with an open session: exit within 10 s", took < 10, True)
    with open(os.path.join(server.data, "server.log")) as log:
        check("the log has the last report", any("msg=Report" in line and "client=5" in line and "value=77" in line for line in log), True)

    server = Server(directory, "--log-format=json", "--legacy-bare-replies", "--legacy-not-found=File does not exist")
    check("--legacy-not-found", server.ask(b"none"), b"File does not exist")
    with server.connect() as s:
        s.sendall(b"9")
        check("--legacy-bare-replies", s.recv(10), b"0")
    server.stop()
    with open(os.path.join(server.data, "server.log")) as log:
        check("--log-format=json", all(json.loads(line)["msg"] for line in log), True)

    for flags, status, says in ((["--cache-size=much", directory], 2, "--cache-size"), ([directory + "/none"], 1, "DIRECTORY"), ([], 2, "directory")):
        done = subprocess.run([server_binary, "--grpc=127.0.0.1:0", *flags], capture_output=True, text=True, cwd=tempfile.mkdtemp())
        check(f"exit status with {flags}", (done.returncode, says in done.stderr, done.stderr.count("\n")), (status, True, 1))
    print(f"acceptance: {checks} checks passed")


main()
