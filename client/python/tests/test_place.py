from __future__ import annotations

from pathlib import Path

import pytest

from parity_client.place import below, put


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("a", "a"),
        ("dir/a b", "dir/a b"),
        ("größe/...", "größe/..."),
        ("a\x1b[2J\n", "a_[2J_"),
    ],
)
def test_below(tmp_path: Path, name: str, want: str) -> None:
    assert below(tmp_path, name) == tmp_path / want


@pytest.mark.parametrize(
    "name", ["", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/..", "a//b", "a/", ".", "./a"]
)
def test_never_above(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a file"):
        below(tmp_path, name)


def test_link_that_leads_out(tmp_path: Path) -> None:
    directory = tmp_path / "downloads"
    directory.mkdir()
    (directory / "inside").mkdir()
    (directory / "in").symlink_to("inside")
    (directory / "out").symlink_to(tmp_path)
    assert below(directory, "in/a") == directory / "in" / "a"
    with pytest.raises(ValueError, match="leads out"):
        below(directory, "out/a")
    with pytest.raises(ValueError, match="leads out"):
        below(directory, "out/new/a")


def test_put_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    part, path = tmp_path / "part", tmp_path / "file"
    part.write_text("new")
    put(part, path, force=False)
    assert path.read_text() == "new"
    part.write_text("newer")
    with pytest.raises(FileExistsError):
        put(part, path, force=False)
    assert (path.read_text(), sorted(p.name for p in tmp_path.iterdir())) == (
        "new",
        ["file", "part"],
    )
