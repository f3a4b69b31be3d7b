"""Clips: what is read, what a copy keeps, and what becomes of files that are broken."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.frames import ClipFrame, ClipReader, ClipWriter

UNEVEN = [0.0, 0.03, 0.08, 0.1, 0.15, 0.151, 0.2, 0.3]  # s


def read_clip(path):
    with ClipReader(path) as reader:
        return reader.clip


def copied(source, out, change=lambda frame: frame, **options):
    """Write a clip again, frame by frame; return what the writer says and how the reader ended."""
    with ClipReader(source, copied=True) as reader:
        writer = ClipWriter(out, reader, **options)
        for part in reader.parts():
            if isinstance(part, ClipFrame):
                writer.write(change(part))
            else:
                writer.copy(part)
        writer.finish()
        return writer.note, reader.ended_early


CLIPS = {
    "H.264, turned, with sound": ("in.mp4", {"rotation": 90, "sound": True}),
    "H.264, frames at any time": ("in.mp4", {"times": UNEVEN}),
    "H.264 of 10 bits": ("in.mkv", {"pixel_format": "yuv420p10le", "time_base": Fraction(1, 1000)}),
    "HEVC of 10 bits, HDR's colours": (
        "in.mp4",
        {"codec": "libx265", "pixel_format": "yuv420p10le", "colours": (9, 16, 9), "rotation": -90},
    ),
    "ProRes": ("in.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le", "sound": True}),
    "FFV1 of odd sides": (
        "in.mkv",
        {"codec": "ffv1", "width": 479, "height": 271, "time_base": Fraction(1, 1000), "frames": 3},
    ),
    "VP9 of odd sides": (
        "in.mkv",
        {"codec": "libvpx-vp9", "width": 79, "height": 51, "time_base": Fraction(1, 1000), "frames": 3},
    ),
    "H.264 of odd sides": ("in.mp4", {"pixel_format": "yuv444p", "width": 479, "height": 271, "frames": 3}),
    "Motion JPEG": (
        "in.avi",
        {"codec": "mjpeg", "pixel_format": "yuvj420p", "time_base": Fraction(1, 30), "colours": (2, 2, 2)},
    ),
    "one frame": ("in.mp4", {"frames": 1}),
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_copy_keeps_times_size_codec_colours_turn_and_sound(tmp_path, write_clip, clip_facts, name):
    file, options = CLIPS[name]
    clip = write_clip(tmp_path / file, **options)

    said = copied(clip, tmp_path / f"out{Path(file).suffix}")

    assert said == ("", "")
    assert clip_facts(tmp_path / f"out{Path(file).suffix}") == clip_facts(clip)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["in", "out"]


def test_metadata_is_kept(tmp_path, write_clip):
    said = {"firmware": "HD5.02", "title": "a walk"}
    clip = write_clip(tmp_path / "in.mp4", metadata=said, options={"movflags": "use_metadata_tags"})

    copied(clip, tmp_path / "out.mp4")

    with av.open(str(tmp_path / "out.mp4")) as container:
        assert said.items() <= container.metadata.items()


@pytest.mark.parametrize(
    ("options", "out", "words", "format"),
    [
        ({"codec": "ffv1", "width": 79, "height": 51}, "out.mov", "ffv1 is not written to .mov", "yuv444p"),
        ({"codec": "mpeg4", "time_base": Fraction(1, 1000)}, "out.mp4", "mpeg4 is not written", "yuv420p"),
    ],
)
def test_a_codec_that_cannot_be_kept_is_replaced_and_said(tmp_path, write_clip, options, out, words, format):
    clip = write_clip(tmp_path / "in.mkv", **{"time_base": Fraction(1, 1000), **options})

    note, _ = copied(clip, tmp_path / out)

    made = read_clip(tmp_path / out)
    assert words in note
    assert (made.codec, made.pixel_format) == ("h264", format)
    assert (made.width, made.height) == (options.get("width", 64), options.get("height", 48))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_a_frame_changed_by_nothing_is_bit_for_bit_what_it_was(tmp_path, write_clip, pixel_format):
    clip = write_clip(tmp_path / "in.mp4", pixel_format=pixel_format, frames=1)

    with ClipReader(clip) as reader:
        rgb = reader.first.rgb()
        made = reader.first.with_difference(rgb, rgb)

        before, after = (frame.picture.to_ndarray() for frame in (reader.first, made))

    np.testing.assert_array_equal(after, before)
    assert rgb.dtype == (np.uint16 if "10" in pixel_format else np.uint8)


def test_a_change_of_brightness_goes_through_the_frames_own_format(tmp_path, write_clip):
    clip = write_clip(tmp_path / "in.mp4", pictures=[np.full((48, 64, 3), 100, np.uint8)], frames=1)

    with ClipReader(clip) as reader:
        before = reader.first.rgb()
        after = before + np.uint8(40)
        found = reader.first.with_difference(before, after).rgb().astype(int)

    np.testing.assert_allclose(found, after, atol=2)  # of 255


BROKEN = {
    "missing": (lambda path, whole: None, "no such file"),
    "a folder": (lambda path, whole: path.mkdir(), "folder|no video"),
    "empty": (lambda path, whole: path.write_bytes(b""), "no video that can be read"),
    "text": (lambda path, whole: path.write_text("hello"), "no video that can be read"),
    "cut off before its index": (lambda path, whole: path.write_bytes(whole[:-600]), "copy it again"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_clip_is_refused_in_one_line(tmp_path, write_clip, name):
    make, words = BROKEN[name]
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    make(tmp_path / "in.mp4", whole)

    with pytest.raises(DeepGyroError, match=words) as error:
        read_clip(tmp_path / "in.mp4")

    assert "\n" not in str(error.value)
    assert "in.mp4" in str(error.value)


def test_of_a_clip_that_was_cut_off_what_is_there_is_copied(tmp_path, write_clip):
    whole = write_clip(tmp_path / "whole.mp4", frames=30, options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) // 2])

    _, ended_early = copied(tmp_path / "in.mp4", tmp_path / "out.mp4")

    count = read_clip(tmp_path / "out.mp4").count
    assert 0 < count < 30
    assert ended_early == f"{count} of 30 frames could be decoded"


def test_a_clip_that_is_given_up_can_be_played_under_another_name(tmp_path, write_clip):
    clip = write_clip(tmp_path / "in.mp4")
    with ClipReader(clip) as reader:
        writer = ClipWriter(tmp_path / "out.mp4", reader)
        for frame, _ in zip(reader.frames(), range(5), strict=False):
            writer.write(frame)

        part = writer.give_up()

    assert part == tmp_path / "out.unfinished.mp4"
    assert read_clip(part).count == 5
    assert not (tmp_path / "out.mp4").exists()


def test_nothing_is_overwritten_unless_it_is_asked_for(tmp_path, write_clip):
    clip = write_clip(tmp_path / "in.mp4")
    (tmp_path / "out.mp4").write_text("mine")

    with pytest.raises(DeepGyroError, match="--overwrite"):
        copied(clip, tmp_path / "out.mp4")

    assert (tmp_path / "out.mp4").read_text() == "mine"
    copied(clip, tmp_path / "out.mp4", overwrite=True)
    assert read_clip(tmp_path / "out.mp4").count == 8


def test_a_name_that_is_taken_while_it_is_written_is_left_alone(tmp_path, write_clip):
    clip = write_clip(tmp_path / "in.mp4")
    with ClipReader(clip) as reader:
        writer = ClipWriter(tmp_path / "out.mp4", reader)
        writer.write(reader.first)
        (tmp_path / "out.mp4").write_text("mine")

        with pytest.raises(DeepGyroError, match="exists"):
            writer.finish()

    assert (tmp_path / "out.mp4").read_text() == "mine"


@pytest.mark.parametrize(("out", "words"), [("out.xyz", "not written"), ("none/out.mp4", "does not exist")])
def test_an_output_that_cannot_be_is_refused_in_one_line(tmp_path, write_clip, out, words):
    clip = write_clip(tmp_path / "in.mp4")

    with pytest.raises(DeepGyroError, match=words):
        copied(clip, tmp_path / out)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process are POSIX")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_one_line_and_leaves_nothing_that_cannot_be_played(tmp_path, write_clip, suffix):
    clip = write_clip(tmp_path / "in.mkv", codec="ffv1", width=320, height=240, time_base=Fraction(1, 1000))
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from deepgyro.errors import DeepGyroError\n"
        "from deepgyro.frames import ClipReader, ClipWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "with ClipReader(sys.argv[1]) as reader:\n"
        "    writer = ClipWriter(Path(sys.argv[2]), reader)\n"
        "    try:\n"
        "        for frame in reader.frames():\n"
        "            writer.write(frame)\n"
        "        writer.finish()\n"
        "    except DeepGyroError as error:\n"
        "        print(error)\n"
        "        print(writer.give_up())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(clip), str(tmp_path / f"out{suffix}")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    said, part = done.stdout.splitlines()
    assert "the disk is full" in said
    assert not (tmp_path / f"out{suffix}").exists()
    assert part == "None" or read_clip(part).width == 320
    assert len(list(tmp_path.iterdir())) == 1 + (part != "None")
