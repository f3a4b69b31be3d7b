"""Files appear whole or not at all, and those that cannot be read are named in one line."""

import errno
import gzip
import os

import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.files import (
    check_writable,
    copy_file,
    file_sha256,
    make_folder,
    read_text_bytes,
    write_atomically,
)


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "out.txt"
    names = []

    def write(file):
        file.write(b"first ")
        names.extend(path.name for path in tmp_path.iterdir())
        file.write(b"second")

    write_atomically(path, write, overwrite=False)

    assert len(names) == 1
    assert names[0].startswith(".out.txt.")
    assert path.read_bytes() == b"first second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()

    write_atomically(tmp_path / "out", lambda file: None, overwrite=False)

    assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, DeepGyroError])
def test_what_fails_leaves_no_trace(tmp_path, durable, overwrite, failure):
    path = tmp_path / "out"
    if overwrite:
        path.write_bytes(b"precious")

    def write(file):
        file.write(b"begun")
        raise failure

    with pytest.raises(failure):
        write_atomically(path, write, overwrite=overwrite, durable=durable)

    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"precious"] * overwrite


def test_only_a_durable_file_is_flushed_to_the_disk_with_its_folder(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(os.path.isdir(f"/dev/fd/{fd}")))

    write_atomically(tmp_path / "a", lambda file: file.write(b"a"), overwrite=True)
    write_atomically(tmp_path / "b", lambda file: file.write(b"b"), overwrite=True, durable=True)

    assert flushed == [False, True]


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_meanwhile_is_left_alone(tmp_path, monkeypatch, links):
    path = tmp_path / "out"
    if not links:
        monkeypatch.setattr("os.link", _no_links)

    with pytest.raises(DeepGyroError, match="out exists: give --overwrite or another --out"):
        write_atomically(path, lambda file: path.write_bytes(b"of somebody else"), overwrite=False)

    assert path.read_bytes() == b"of somebody else"
    assert list(tmp_path.iterdir()) == [path]


def _no_links(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_name_that_is_taken_is_refused_before_the_work(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")

    with pytest.raises(DeepGyroError, match="out exists: give --overwrite"):
        write_atomically(tmp_path / "out", pytest.fail, overwrite=False)
    with pytest.raises(DeepGyroError, match="out exists: give --overwrite"):
        check_writable(tmp_path / "out", overwrite=False)
    check_writable(tmp_path / "out", overwrite=True)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(DeepGyroError, match=r"the folder .*nowhere does not exist; make it first"):
        write_atomically(tmp_path / "nowhere/out", pytest.fail, overwrite=True)
    with pytest.raises(DeepGyroError, match=r"the folder .*nowhere does not exist; make it first"):
        check_writable(tmp_path / "nowhere/out", overwrite=True)


def test_a_full_disk_is_named(tmp_path):
    def write(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DeepGyroError, match="out: not written, the disk is full; make room"):
        write_atomically(tmp_path / "out", write, overwrite=False)


def test_a_copy_is_the_same_bytes(tmp_path):
    (tmp_path / "in").write_bytes(bytes(range(256)))

    copy_file(tmp_path / "in", tmp_path / "out", overwrite=False)

    assert (tmp_path / "out").read_bytes() == bytes(range(256))


def test_a_folder_is_made_with_those_above_it(tmp_path):
    (tmp_path / "file").touch()

    make_folder(tmp_path / "a/b")
    make_folder(tmp_path / "a/b")

    assert (tmp_path / "a/b").is_dir()
    with pytest.raises(DeepGyroError, match=r"file: cannot be made a folder \(File exists\)"):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_text_is_read_plain_or_gzipped(tmp_path, pack):
    path = tmp_path / "log"
    path.write_bytes(pack("t,°/s\n".encode() * 20_000))

    assert read_text_bytes(path) == "t,°/s\n".encode() * 20_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"text" * 99)[:-9], "the gzip file is damaged"),
        (b"\x1f\x8b\x08\x00 junk", "the gzip file is damaged"),
        (gzip.compress(bytes(range(256))), "not text inside"),
    ],
)
def test_a_gzip_file_without_text_is_refused(tmp_path, content, words):
    path = tmp_path / "log.gz"
    path.write_bytes(content)

    with pytest.raises(DeepGyroError, match=f"log.gz: .*{words}"):
        read_text_bytes(path)


def test_a_binary_file_is_no_text(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42")

    assert read_text_bytes(path) is None


def test_the_hash_is_the_sha256_of_the_content(tmp_path):
    (tmp_path / "in.txt").write_bytes(b"abc")

    assert file_sha256(tmp_path / "in.txt").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("read", [file_sha256, read_text_bytes])
def test_a_file_that_cannot_be_read_is_named(tmp_path, read):
    with pytest.raises(DeepGyroError, match="nowhere: no such file; check the name"):
        read(tmp_path / "nowhere")
    with pytest.raises(DeepGyroError, match="is a folder; name a file in it"):
        read(tmp_path)
