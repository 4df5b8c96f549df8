"""Files that are written whole: nobody's link is followed, nothing half is left."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from export.errors import ArtifactError
from export.files import read_bounded, sync_tree, write_whole

ROOT = Path(__file__).parents[2]


def test_what_is_written_is_read(tmp_path):
    assert write_whole(tmp_path / "a.json", "é\n").read_bytes() == "é\n".encode()
    write_whole(tmp_path / "a.json", b"\x00")
    assert (tmp_path / "a.json").read_bytes() == b"\x00"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_others_may_read_it_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_no_link_is_written_through(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    for planted in ("a.json", "a.json.partial", ".a.json.partial"):
        (tmp_path / planted).symlink_to(mine)
    write_whole(tmp_path / "a.json", "new")
    assert mine.read_text() == "precious"
    assert (tmp_path / "a.json").read_text() == "new"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_failure_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", "old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom export.files import write_whole\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        f"write_whole(Path({str(tmp_path / 'a')!r}), 'half')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial")
    for other in (".b.12345678.partial", ".a.partial", "a.12345678.partial"):
        (tmp_path / other).write_text("not of a")
    (tmp_path / ".a.abcdefgh.partial").symlink_to(tmp_path / "nothing")
    write_whole(tmp_path / "a", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.abcdefgh.partial",
        ".a.partial",
        ".b.12345678.partial",
        "a",
        "a.12345678.partial",
    ]


def test_writers_of_one_file_at_once_sweep_nothing_away(tmp_path):
    def write(number):
        for _ in range(50):
            write_whole(tmp_path / "a", str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() in "0123"


def test_a_tree_is_synced_file_by_file_and_no_link_is_followed(tmp_path, monkeypatch):
    (tmp_path / "1" / "variables").mkdir(parents=True)
    (tmp_path / "1" / "variables" / "data").write_text("x")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "endless").symlink_to("/dev/zero")
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
    )
    sync_tree(tmp_path)
    names = ["", "/1", "/1/variables", "/1/variables/data"]
    assert sorted(synced) == [f"{tmp_path}{name}" for name in names]


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ArtifactError, match="is larger than 1 MiB"):
        read_bounded(tmp_path / "big", 1 << 20)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="is no regular file"):
        read_bounded(tmp_path / "pipe", 5)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "nothing", 5)
