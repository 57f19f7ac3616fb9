from __future__ import annotations

import json
from pathlib import Path

import pytest
from interop_driver.fake import CONTENT, Fake

from parity_client.cli import main


def test_get(fake: Fake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    addr = ["--addr", fake.addr]
    assert main([*addr, "--json", "get", "dir/file", "-d", str(tmp_path)]) == 0
    record = json.loads(capfd.readouterr().out)
    assert (record["bytes"], record["verified"]) == (len(CONTENT), "file")
    assert (tmp_path / "dir" / "file").read_bytes() == CONTENT

    assert main([*addr, "get", "dir/file", "../file", "new", "-d", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert "exists" in err
    assert "no name for a file" in err
    assert "new: 17 bytes, checksum right" in out

    assert main([*addr, "get", "file", "-o", "-"]) == 0
    assert capfd.readouterr().out == CONTENT.decode()
    assert main([*addr, "get", "a", "b", "-o", "x"]) == 2


def test_list(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--addr", fake.addr, "list", "--all"]) == 0
    assert capfd.readouterr().out == "            17   file\n"


def test_count(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--addr", fake.addr, "count", "--id", "7", "--for", "0.7"]) == 0
    out, err = capfd.readouterr()
    assert out == "1 (+1)\n"
    assert err == "1 reports confirmed, the last 1\n"


def test_token_needs_tls(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARITY_TOKEN", "secret")
    assert main(["--addr", "192.0.2.1:1", "draw"]) == 1
    assert "only over TLS" in capfd.readouterr().err


def test_token(monkeypatch: pytest.MonkeyPatch, fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert main(["--addr", fake.addr, "--token-file", str(tmp_path / "token"), "draw"]) == 0
    assert fake.authorization == ["Bearer secret"]
