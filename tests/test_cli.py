"""Commands: code, output, files; and bad input: one line on stderr, code 1 or 2, no traceback."""

import inspect
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from importlib import import_module
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deepgyro
from deepgyro import cli
from deepgyro.blur import BlurOperator
from deepgyro.blurfield import paths_from_vectors, read_field
from deepgyro.cli import main
from deepgyro.frames import read_photo
from deepgyro.light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range

HEIGHT, WIDTH = 48, 64
GYRO = ["--gyro", "imu.csv", "--camera", "camera.yaml"]
WHEN = ["--time", "10.1", "--exposure", "0.04"]
HEADER = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n"
CAMERA = (
    f"width: {WIDTH}\nheight: {HEIGHT}\nK: [60, 60, 31.5, 23.5]\nreadout_time: 0.01\n"
    "cam_from_imu: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
)


def rows(rate=2.0, start=10.0):
    return "".join(f"{start + 0.01 * i:.4f},0.3,{rate},0.1\n" for i in range(50))  # 10.00 to 10.49 s


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def write_picture(path, height=HEIGHT, width=WIDTH, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    Image.fromarray(np.kron(small, np.ones((4, 4, 1), np.uint8))).save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with two photos, a log from 10.00 to 10.49 s, and its camera."""
    monkeypatch.chdir(tmp_path)
    write_picture("a.png")
    write_picture("b.png", seed=1)
    Path("imu.csv").write_text(HEADER + rows())
    Path("camera.yaml").write_text(CAMERA)
    return tmp_path


@pytest.fixture
def run(folder, capfd):
    """Run a command; return its code, its output and its lines on stderr, native libraries' too."""

    def run(*arguments):
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err.splitlines()

    return run


def together(*names):
    """Return the options for photos that were taken at the same time as one alone with `WHEN`."""
    Path("together.csv").write_text("file,t,exposure\n" + "".join(f"{name},10.1,0.04\n" for name in names))
    return "--frames", "together.csv"


def new_files(folder):
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return sorted(files - {"a.png", "b.png", "imu.csv", "camera.yaml", "together.csv"})


# ---- deblur


def test_deblur_prints_one_line_a_photo_and_writes_the_photos(run):
    code, out, err = run("deblur", "a.png", "b.png", *GYRO, *together("a.png", "b.png"), "--out", "out")

    first, second = out.splitlines()
    assert (code, err) == (0, [])
    assert re.fullmatch(r"a\.png: deblurred in [\d.]+ s, typical blur [\d.]+ px", first)
    assert re.fullmatch(r"b\.png: deblurred in [\d.]+ s, typical blur [\d.]+ px", second)
    assert read_photo("out/a.png").pixels.shape == (HEIGHT, WIDTH, 3)
    assert Path("out/b.png").exists()


def test_deblur_takes_a_folder_a_table_and_a_method(run):
    Path("in").mkdir()
    for name in ("a.png", "b.png"):
        Path(name).rename(Path("in") / name)
    Path("frames.csv").write_text("file,t,exposure\na.png,10.1,0.04\nb.png,20,0.04\n")

    code, out, err = run(
        "deblur", "in", *GYRO, "--frames", "frames.csv", "--method", "fastgyro", "--out", "out"
    )

    first, second = out.splitlines()
    assert (code, err) == (0, [])
    assert first.startswith("a.png: deblurred in ")
    assert second.startswith("b.png: unchanged, the gyro log does not cover its exposure, and ")


def test_deblur_reads_a_log_without_a_header_by_its_option(run):
    Path("imu.csv").write_text(rows())
    columns = "t[s],wx[rad/s],wy[rad/s],wz[rad/s]"

    code, out, err = run("deblur", "a.png", *GYRO, *WHEN, "--gyro-columns", columns, "--out", "sharp.jpg")

    assert (code, err) == (0, [])
    assert "typical blur " in out
    assert read_photo("sharp.jpg").format == "JPEG"


def test_deblur_without_gyro_copies_the_photo_and_says_so(run):
    code, out, err = run("deblur", "a.png", "--out", "out")

    assert (code, err) == (0, [])
    assert "no gyro" in out
    assert Path("out/a.png").read_bytes() == Path("a.png").read_bytes()


def test_deblur_prints_one_json_object_and_nothing_else(run):
    Path("bad.png").write_bytes(b"")

    code, out, err = run(
        "deblur", "a.png", "bad.png", *GYRO, *together("a.png", "bad.png"), "--out", "out", "--json"
    )

    result = json.loads(out)
    (photo,), (failed,) = result["photos"], result["failed"]
    assert code == 1
    assert len(err) == 1
    assert set(result) == {"photos", "failed"}
    assert set(photo) == {
        "file",
        "out",
        "method",
        "blur_median_px",
        "blur_max_px",
        "seconds",
        "skipped",
        "note",
    }
    assert set(failed) == {"file", "error"}
    assert (photo["file"], photo["out"]) == ("a.png", str(Path("out/a.png")))
    assert photo["method"] == "deepgyro"
    assert photo["note"] == ""
    assert photo["blur_median_px"] == pytest.approx(60 * 2 * 0.04, rel=0.1)  # f omega exposure, px
    assert failed["file"] == "bad.png"


def test_deblur_finds_the_exposure_that_nobody_told(run):
    command = pan_of(30)[2:6]  # the log and the camera; 40 ms

    code, out, _ = run(
        "deblur", "pan.png", *command, "--time", "10.1", "--estimate", "exposure", "--out", "out"
    )

    ms = float(re.search(r"exposure ([\d.]+) ms, estimated from the picture", out)[1])
    assert code == 0
    assert ms == pytest.approx(40, rel=0.08)
    assert "typical blur 30." in out or "typical blur 29." in out  # px


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--estimate", "exposure"], "--estimate needs --gyro"),
        ([*GYRO, *WHEN, "--estimate", "exposure"], "--exposure is given"),
        ([*GYRO, "--time", "10.1", "--estimate", "offset"], "--gyro needs to know when"),
        ([*GYRO, "--time", "10.1"], "--estimate exposure"),
    ],
)
def test_what_cannot_be_estimated_ends_in_one_line(run, options, fragment):
    assert_one_line(run("deblur", "a.png", *options, "--out", "out"), fragment, 2)


def test_deblur_goes_on_past_a_bad_photo_and_lists_it_at_the_end(run):
    three = ("a.png", "bad.png", "b.png")
    Path("bad.png").write_bytes(b"")

    code, out, err = run("deblur", *three, *GYRO, *together(*three), "--out", "out")

    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["a.png", "b.png"]
    assert err[0].startswith("error: bad.png: ")
    assert err[1] == "1 of 3 photos failed: bad.png"
    assert len(err) == 2


def test_deblur_resumes_and_overwrites_only_when_told(run):
    command = ["deblur", "a.png", *GYRO, "--exposure", "0.04", "--out", "out", "--time"]
    run(*command, "10.1")

    again = run(*command, "10.1")
    changed = run(*command, "10.2")
    replaced = run(*command, "10.2", "--overwrite")

    assert again[0] == 0
    assert "was there already" in again[1]
    assert changed[0] == 1
    assert "exists" in changed[2][0]
    assert replaced[0] == 0
    assert "was there already" not in replaced[1]


def test_an_interruption_says_how_to_go_on(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("deepgyro.photos"), "deblur_photos", interrupted)

    code, out, err = run("deblur", "a.png", "--out", "out")

    assert (code, out, len(err)) == (130, "", 1)
    assert "same command" in err[0]


# ---- field


def test_field_writes_the_field_and_its_picture(run, folder):
    code, out, err = run("field", "a.png", *GYRO, *WHEN, "--out", "f.npz", "--picture", "f.png")

    field = read_field("f.npz")
    assert (code, err) == (0, [])
    assert out.startswith("64 x 48  blur ")
    assert out.endswith(" -> f.npz, f.png\n")
    assert field.shape == (HEIGHT, WIDTH, 9, 2)
    assert read_photo("f.png").pixels.shape == (HEIGHT, WIDTH, 3)
    assert new_files(folder) == ["f.npz", "f.png"]


def test_a_field_that_was_written_deblurs_as_the_log_does(run):
    run("field", "a.png", *GYRO, *WHEN, "--out", "f.npz")

    code, _, err = run("deblur", "a.png", "--field", "f.npz", "--out", "by_field.png")
    run("deblur", "a.png", *GYRO, *WHEN, "--out", "by_log.png")

    by_field, by_log = (read_photo(f"{name}.png").pixels.astype(float) for name in ("by_field", "by_log"))
    assert (code, err) == (0, [])
    assert np.abs(by_field - by_log).mean() < 2  # of 255; the two have not as many instants


def test_field_without_a_photo_has_the_cameras_size(run):
    code, out, _ = run("field", *GYRO, *WHEN, "--instants", "2", "--reference", "row", "--out", "f.npz")

    assert code == 0
    assert out.startswith("64 x 48")
    assert read_field("f.npz").shape == (HEIGHT, WIDTH, 2, 2)


def test_field_writes_the_original_programs_pair_which_deblur_reads(run, folder):
    made = run("field", *GYRO, *WHEN, "--out", "x.png,y.png")

    code, out, err = run("deblur", "a.png", "--field", "x.png,y.png", "--out", "out")

    assert made[0] == 0
    assert (code, err) == (0, [])
    assert "typical blur " in out
    assert new_files(folder) == ["out/a.png", "x.png", "y.png"]


def test_field_prints_one_json_object_and_looks_the_photo_up_in_a_table(run):
    Path("frames.csv").write_text("file,t,exposure\nb.png,1,0.04\na.png,10.1,0.04\n")

    code, out, err = run("field", "a.png", *GYRO, "--frames", "frames.csv", "--out", "f.npz", "--json")

    report = json.loads(out)
    assert (code, err) == (0, [])
    about = {"width", "height", "t", "exposure", "blur_median_px", "blur_max_px", "files"}
    assert set(report) == about | {"confidence", "correction_px", "note"}
    assert (report["width"], report["height"]) == (WIDTH, HEIGHT)
    assert (report["t"], report["exposure"]) == (10.1, 0.04)
    assert report["files"] == ["f.npz"]


def pan_of(px: float) -> list[str]:
    """Write a photo with 30 px of blur from left to right, and a gyro that tells so many px."""
    photo = to_unit_range(read_photo(Path(str(files("deepgyro.data") / "coffee.jpg"))).pixels[:270, :480])
    blurred = BlurOperator(paths_from_vectors(np.full((270, 480, 2), (30, 0), np.float32)))(
        srgb_to_linear(photo)
    )
    Image.fromarray(from_unit_range(linear_to_srgb(blurred), np.dtype(np.uint8))).save("pan.png")
    camera = CAMERA.replace("width: 64\nheight: 48", "width: 480\nheight: 270")
    Path("long.yaml").write_text(camera.replace("[60, 60, 31.5, 23.5]", "[2000, 2000, 239.5, 134.5]"))
    Path("pan.csv").write_text(HEADER + "".join(f"{10 + k / 100},0,{px / 80},0\n" for k in range(100)))
    return ["field", "pan.png", "--gyro", "pan.csv", "--camera", "long.yaml", *WHEN]


def test_the_photo_corrects_the_field_when_told_and_the_drawing_shows_both(run):
    command = pan_of(36)

    told = run(*command, "--json", "--picture", "told.png")
    refined = run(*command, "--json", "--refine", "--picture", "both.png", "--out", "f.npz")

    before, after = json.loads(told[1]), json.loads(refined[1])
    black = [(read_photo(f"{name}.png").pixels.max(-1) < 30).sum() for name in ("told", "both")]
    assert before["blur_median_px"] == pytest.approx(36, abs=0.5)
    assert after["blur_median_px"] == pytest.approx(30, abs=0.7)
    assert (before["confidence"], before["note"]) == (None, "")
    assert after["confidence"] > 0.7
    assert after["correction_px"] == pytest.approx(6, abs=0.7)
    assert "the picture corrects" in after["note"]
    assert black[1] > black[0] + 200  # what the gyro told
    written = read_field("f.npz")[:, :]
    assert np.linalg.norm(written[:, :, -1] - written[:, :, 0], axis=-1).mean() == pytest.approx(30, abs=0.7)


@pytest.mark.parametrize("more", [["--reference", "row"], ["--out", "x.png,y.png"]])
def test_a_field_that_the_photo_cannot_correct_ends_in_one_line(run, more):
    assert_one_line(run("field", "a.png", *GYRO, *WHEN, "--refine", *more), "--refine needs", 2)
    assert_one_line(run("field", *GYRO, *WHEN, "--refine"), "--refine needs the photo", 2)


def test_field_overwrites_only_when_told(run):
    command = ["field", *GYRO, *WHEN, "--out", "f.npz"]
    run(*command)

    refused, replaced = run(*command), run(*command, "--overwrite")

    assert (refused[0], replaced[0]) == (1, 0)
    assert "exists" in refused[2][0]


def test_field_writes_nothing_where_one_of_its_files_cannot_be_written(run, folder):
    code, _, err = run("field", *GYRO, *WHEN, "--out", "f.npz", "--picture", "f.gif")

    assert code in (1, 2)
    assert len(err) == 1
    assert ".gif" in err[0]
    assert new_files(folder) == []


# ---- demo


def test_demo_makes_its_own_photo_sharper_and_writes_pictures(run):
    code, out, err = run("demo", "--out", "demo", "--json")

    report = json.loads(out)
    names = {"before_after.png", "field.png", "sharp.png", "blurred.png", "deblurred.png"}
    assert (code, err) == (0, [])
    assert set(report) == {"blur_median_px", "blur_max_px", "psnr_blurred", "psnr_deblurred", "files"}
    assert report["psnr_deblurred"] > report["psnr_blurred"] + 3  # dB
    assert {Path(file).name for file in report["files"]} == names
    assert {path.name for path in Path("demo").iterdir()} == names
    height, width = read_photo("demo/sharp.png").pixels.shape[:2]
    assert read_photo("demo/before_after.png").pixels.shape == (height, 2 * width, 3)


def test_demo_says_how_much_sharper_in_words_too(run, monkeypatch):
    from deepgyro.demo import DemoReport

    report = DemoReport(16.0, 20.5, 21.234, 27.5, ("demo/sharp.png", "demo/field.png"))
    monkeypatch.setattr("deepgyro.demo.run_demo", lambda *_, **__: report)

    code, out, err = run("demo")

    assert (code, err) == (0, [])
    assert out.splitlines() == [
        "blur 16.0 px (largest 20.5)",
        "PSNR 21.23 dB blurred, 27.50 dB deblurred",
        "demo/sharp.png",
        "demo/field.png",
    ]


# ---- help


@pytest.mark.parametrize("command", ["deblur", "field", "demo", "synth"])
def test_help_of_a_command_names_every_option(run, command):
    signature = inspect.signature(getattr(cli, command))
    options = [p.name.replace("_", "-") for p in signature.parameters.values() if p.kind == p.KEYWORD_ONLY]

    code, out, err = run(command, "--help")

    words = out.replace("│", " ").split()
    assert (code, err) == (0, [])
    assert len(options) >= 4
    assert [option for option in options if f"--{option}" not in words] == []


def test_help_names_every_command(run):
    code, out, err = run("--help")

    assert (code, err) == (0, [])
    assert all(f" {command} " in out for command in ("deblur", "field", "demo", "synth"))


def test_the_version_is_printed(run):
    code, out, err = run("--version")

    assert (code, out.strip(), err) == (0, deepgyro.__version__, [])


# ---- bad input: one line, no traceback


def assert_one_line(result, fragment, code):
    got, out, err = result
    assert "Traceback" not in "".join(err)
    assert len(err) == 1, err
    assert out == ""
    assert fragment in err[0]
    assert "Errno" not in err[0]
    assert got == code, err[0]


BAD_LOGS = {
    "empty": ("", "imu.csv: the file is empty"),
    "only a header": (HEADER, "no numbers"),
    "one sample": (HEADER + "10,0,0,0\n", "at least 2 are needed"),
    "NaN": (HEADER + rows().replace("10.2000,0.3", "10.2000,nan"), "imu.csv, line 22: a value is not finite"),
    "time backwards": (HEADER + rows() + "10.1,0,0,0\n", "imu.csv, line 52: time runs backwards"),
    "time stands still": (HEADER + rows() + "10.49,0,0,0\n", "imu.csv, line 52: time stands still"),
    "degrees, absurd rate": (HEADER + rows(rate=300), "deg/s taken as rad/s"),
    "degrees, behind the camera": (HEADER + rows(rate=95), "deg/s"),
    "a line of five columns": (HEADER + rows().replace("10.2000,", "10.2000,7,"), "line 22: 5 columns, 4"),
    "all lines of five columns": (HEADER + rows().replace("\n", ",1\n"), "5 columns and no header"),
    "a word": (HEADER + rows().replace("10.2000,0.3", "10.2000,abc"), "line 22: 'abc' in column 2"),
    "no header": (rows(), "4 columns and no header"),
    "no units": ("t,wx,wy,wz\n" + rows(), "column 't' has no unit"),
    "prose": ("dear diary\n" * 9, "no numbers"),
    "binary junk": (np.random.default_rng(0).bytes(4000), "imu.csv: no gyro data"),
    "broken gzip": (b"\x1f\x8b" + np.random.default_rng(0).bytes(400), "the gzip file is damaged"),
}


@pytest.mark.parametrize(("content", "fragment"), BAD_LOGS.values(), ids=BAD_LOGS)
def test_a_bad_log_ends_in_one_line(run, content, fragment):
    Path("imu.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    result = run("deblur", "a.png", *GYRO, *WHEN, "--out", "out")

    assert_one_line(result, fragment, 1)
    assert not Path("out/a.png").exists()


BAD_CAMERAS = {
    "empty": ("", "camera.yaml: the file is empty"),
    "no YAML": ("K: [", "is no YAML"),
    "binary": ("\0\1\2", "no text file"),
    "reflection": (CAMERA.replace("[0, 0, 1]]", "[0, 0, -1]]"), "try cam_from_imu: [[-1, 0, 0], [0, -1, 0]"),
    "no rotation": (CAMERA.replace("[0, 0, 1]]", "[0, 0, 2]]"), "cam_from_imu is no rotation"),
    "no K": (CAMERA.replace("K: [60, 60, 31.5, 23.5]\n", ""), "camera.yaml: K is missing"),
    "negative focal length": (CAMERA.replace("K: [60", "K: [-60"), "focal lengths"),
    "unknown key": (CAMERA + "readout_tim: 0.1\n", "did you mean readout_time?"),
    "readout in ms": (CAMERA.replace("0.01", "24.5"), "readout_time is 24.5"),
    "negative readout": (CAMERA.replace("0.01", "-0.01"), "readout_time is -0.01"),
    "no readout": (CAMERA.replace("readout_time: 0.01\n", ""), "has no readout_time"),
    "no cam_from_imu": (CAMERA.partition("cam_from")[0], "has no cam_from_imu"),
    "another shape": (CAMERA.replace("height: 48", "height: 30"), "64 x 48 picture is no resized 64 x 30"),
}


@pytest.mark.parametrize("command", ["deblur", "field"])
@pytest.mark.parametrize(("content", "fragment"), BAD_CAMERAS.values(), ids=BAD_CAMERAS)
def test_a_bad_camera_ends_in_one_line(run, command, content, fragment):
    Path("camera.yaml").write_text(content)

    result = run(command, "a.png", *GYRO, *WHEN, "--out", "out.npz" if command == "field" else "out")

    assert_one_line(result, fragment, 1)


def picture_bytes(format, length=None, mode="RGB"):
    file = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(file, format)
    return file.getvalue()[:length]


BAD_PHOTOS = {
    "0 bytes": (b"", "is empty (0 bytes)"),
    "cut PNG": (picture_bytes("PNG", length=2000), "damaged or cut off"),
    "cut JPEG": (picture_bytes("JPEG", length=2000), "damaged or cut off"),
    "cut TIFF": (picture_bytes("TIFF", length=2000), "damaged or cut off"),
    "cut WebP": (picture_bytes("WEBP", length=500), "damaged or cut off"),
    "cut HEIC": ((Path(__file__).parent / "data" / "tiny.heic").read_bytes()[:300], "damaged or cut off"),
    "decompression bomb": (bomb(60000), "60000 x 60000 px, over the limit"),
    "no picture": (b"dear diary", "is no JPEG, PNG, TIFF, WebP or HEIC picture"),
    "GIF": (picture_bytes("GIF", mode="L"), "is no JPEG, PNG, TIFF, WebP or HEIC picture"),
    "CMYK": (picture_bytes("JPEG", mode="CMYK"), "the picture is CMYK"),
}


@pytest.mark.parametrize(("content", "fragment"), BAD_PHOTOS.values(), ids=BAD_PHOTOS)
@pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
def test_a_bad_photo_ends_in_one_line(run, folder, content, fragment, name):
    Path(name).write_bytes(content)

    result = run("deblur", name, *GYRO, *WHEN, "--out", "out")

    assert_one_line(result, fragment, 1)
    assert name in result[2][0]
    assert new_files(folder) == [name]


BAD_TABLES = {
    "empty": ("", "frames.csv: is empty"),
    "no exposure": ("file,t\na.png,10.1\n", "no column for the exposure"),
    "no unit": ("file,timestamp,exposure\na.png,10.1,0.04\n", "has no unit"),
    "too few values": ("file,t,exposure\na.png,10.1\n", "line 2: 2 values; 3 are needed"),
    "a word": ("file,t,exposure\na.png,soon,0.04\n", "the time is 'soon'"),
    "negative exposure": ("file,t,exposure\na.png,10.1,-0.04\n", "the exposure is -0.04 s"),
    "zero exposure": ("file,t,exposure\na.png,10.1,0\n", "the exposure is 0 s"),
    "a photo twice": ("file,t,exposure\na.png,10.1,0.04\na.png,10.1,0.04\n", "in line 2 already"),
    "no file column": ("t,exposure\n10.1,0.04\n10.2,0.04\n", "2 rows for 1 photos"),
    "other photos": ("file,t,exposure\nc.png,10.1,0.04\n", "frames.csv"),
}


@pytest.mark.parametrize("command", ["deblur", "field"])
@pytest.mark.parametrize(("content", "fragment"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_ends_in_one_line(run, command, content, fragment):
    Path("frames.csv").write_text(content)
    out = "out.npz" if command == "field" else "out"

    result = run(command, "a.png", *GYRO, "--frames", "frames.csv", "--out", out)

    assert_one_line(result, fragment, 1)
    assert "nan" not in result[2][0]


def field_of(height=HEIGHT, value=3.0, **changes):
    field = np.full((height, WIDTH, 2, 2), value, np.float32)
    field[:, :, 0] = 0
    np.savez("f.npz", **(changes or {"field": field}))
    return "f.npz"


def field_pair(height=HEIGHT):
    Image.fromarray(np.full((HEIGHT, WIDTH), 130, np.uint8)).save("x.png")
    Image.fromarray(np.full((height, WIDTH), 130, np.uint8)).save("y.png")
    return "x.png,y.png"


def text_field():
    Path("f.npz").write_text("dear diary")
    return "f.npz"


def cut_field():
    whole = Path(field_of()).read_bytes()
    Path("f.npz").write_bytes(whole[: len(whole) // 2])
    return "f.npz"


BAD_FIELDS = {
    "another size": (lambda: field_of(height=50), "f.npz: is 64 x 50, the photo a.png 64 x 48"),
    "NaN": (lambda: field_of(value=np.nan), "not finite"),
    "no array named field": (lambda: field_of(flow=np.zeros(3)), "an array named field is needed"),
    "one instant": (lambda: field_of(field=np.zeros((HEIGHT, WIDTH, 1, 2))), "n >= 2"),
    "whole numbers": (lambda: field_of(field=np.zeros((HEIGHT, WIDTH, 2, 2), int)), "float32 is needed"),
    "text": (text_field, "f.npz: not a field file (.npz)"),
    "cut": (cut_field, "field file (.npz)"),
    "missing": (lambda: "f.npz", "f.npz: no such file; check the name"),
    "pair of two sizes": (lambda: field_pair(height=40), "x.png is 64 x 48, y.png 64 x 40"),
    "pair in colour": (lambda: "a.png,b.png", "one channel of 8 bits is needed"),
}


@pytest.mark.parametrize(("make", "fragment"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_ends_in_one_line(run, make, fragment):
    field = make()

    result = run("deblur", "a.png", "--field", field, "--out", "out")

    assert_one_line(result, fragment, 1)
    assert "pickle" not in result[2][0]  # no way to load files that may hold code


UNUSABLE = {
    "missing photo": (["deblur", "c.png", *GYRO, *WHEN, "--out", "out"], "c.png: no such file"),
    "missing log": (["deblur", "a.png", "--gyro", "no.csv", *GYRO[2:], *WHEN, "--out", "o"], "no.csv"),
    "missing camera": (["deblur", "a.png", *GYRO[:2], "--camera", "no.yaml", *WHEN, "--out", "o"], "no.yaml"),
    "missing table": (["deblur", "a.png", *GYRO, "--frames", "no.csv", "--out", "o"], "no.csv"),
    "empty folder": (["deblur", "empty", "--out", "out"], "empty: no photo in this folder"),
    "log is a folder": (
        ["deblur", "a.png", "--gyro", "empty", *GYRO[2:], *WHEN, "--out", "o"],
        "is a folder",
    ),
    "output exists": (["deblur", "a.png", *GYRO, *WHEN, "--out", "b.png"], "b.png: exists"),
    "HEIC output": (["deblur", "a.png", *GYRO, *WHEN, "--out", "sharp.heic"], "HEIC is read but not written"),
    "output in a file": (["deblur", "a.png", *GYRO, *WHEN, "--out", "imu.csv/out"], "--out"),
    "no folder for a field": (["field", *GYRO, *WHEN, "--out", "none/f.npz"], "folder none does not exist"),
    "field of a missing photo": (["field", "c.png", *GYRO, *WHEN], "c.png: no such file"),
    "field not covered": (
        ["field", *GYRO, "--time", "10.48", "--exposure", "0.04"],
        "10.480000 to 10.529792 s on the gyro's clock is not covered",
    ),
    "demo in a file": (["demo", "--out", "imu.csv"], "imu.csv"),
}


@pytest.mark.parametrize(("arguments", "fragment"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_ends_in_one_line_and_code_1(run, arguments, fragment):
    Path("empty").mkdir()

    result = run(*arguments)

    assert_one_line(result, fragment, 1)


def test_without_torch_training_says_what_to_install():
    program = (
        "import sys; sys.modules['torch'] = None; from deepgyro.cli import main; "
        "sys.exit(main(['train', 'config.yaml', '--out', 'runs']))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: torch is missing: pip install 'deepgyro[train]'\n"


def test_a_network_whose_weights_are_not_there_ends_in_one_line(run, monkeypatch, tmp_path):
    monkeypatch.setattr("deepgyro.restore.weights.WEIGHTS_FOLDER", tmp_path)

    result = run("deblur", "a.png", "b.png", *GYRO, *WHEN, "--method", "deepgyro-fast", "--out", "out")

    assert_one_line(result, "deepgyro-fast: its weights are not in this package", 1)


DEBLUR = ["deblur", "a.png", "--out", "out"]
SYNTH = ["synth", "a.png", "--gyro", "imu.csv", "--out", "out", "--count"]
WRONG_USAGE = {
    "unknown command": (["sharpen", "a.png"], "sharpen"),
    "unknown option": ([*DEBLUR, "--strength", "3"], "--strength"),
    "no photo": (["deblur", "--out", "out"], "name at least one photo"),
    "no output": (["deblur", "a.png"], "--out"),
    "a word for a number": ([*DEBLUR, *GYRO, "--time", "noon", "--exposure", "0.04"], "--time"),
    "unknown method": ([*DEBLUR, "--method", "magic"], "--method"),
    "gyro without camera": ([*DEBLUR, *GYRO[:2], *WHEN], "--gyro and --camera"),
    "camera without gyro": ([*DEBLUR, *GYRO[2:], *WHEN], "--gyro and --camera"),
    "gyro without time": ([*DEBLUR, *GYRO], "--frames"),
    "time without exposure": ([*DEBLUR, *GYRO, *WHEN[:2]], "--exposure"),
    "one time for two photos": (["deblur", "a.png", "b.png", *GYRO, *WHEN, "--out", "out"], "--frames"),
    "frames with time": ([*DEBLUR, *GYRO, *WHEN, "--frames", "frames.csv"], "leave out --time"),
    "time without gyro": ([*DEBLUR, *WHEN], "need --gyro"),
    "field and gyro": ([*DEBLUR, *GYRO, *WHEN, "--field", "f.npz"], "leave out --gyro"),
    "three fields": ([*DEBLUR, "--field", "a.png,b.png,c.png"], "FIELD_X.png,FIELD_Y.png"),
    "negative exposure": ([*DEBLUR, *GYRO, "--time", "10.1", "--exposure", "-0.04"], "exposure"),
    "zero exposure": ([*DEBLUR, *GYRO, "--time", "10.1", "--exposure", "0"], "exposure"),
    "endless exposure": ([*DEBLUR, *GYRO, "--time", "10.1", "--exposure", "inf"], "exposure"),
    "no time": ([*DEBLUR, *GYRO, "--time", "nan", "--exposure", "0.04"], "time"),
    "bad columns": ([*DEBLUR, *GYRO, *WHEN, "--gyro-columns", "t,wx"], "has no unit"),
    "two photos to one picture": (["deblur", "a.png", "b.png", "--out", "sharp.png"], "2 photos"),
    "two photos of one name": (["deblur", "a.png", "in/a.png", "--out", "out"], "both"),
    "photo replaced": (["deblur", "a.png", "--out", "."], "would replace the photo"),
    "unknown suffix": (["deblur", "a.png", "--out", "sharp.gif"], ".gif"),
    "field without gyro": (["field", *WHEN], "--gyro"),
    "field without time": (["field", *GYRO], "--frames"),
    "table without photo": (["field", *GYRO, "--frames", "frames.csv"], "--frames needs the photo"),
    "field of one instant": (["field", *GYRO, *WHEN, "--instants", "1", "--out", "f.npz"], "instants"),
    "field to one picture": (["field", *GYRO, *WHEN, "--out", "f.png"], ".npz"),
    "field to text": (["field", *GYRO, *WHEN, "--out", "f.txt"], ".npz"),
    "negative exposure of a field": (["field", *GYRO, "--time", "10.1", "--exposure", "-1"], "exposure"),
    "unknown reference": (["field", *GYRO, *WHEN, "--reference", "middle"], "--reference"),
    "a word for a seed": (["demo", "--seed", "x"], "--seed"),
    "negative seed": (["demo", "--seed", "-1"], "seed"),
    "a fraction for a seed": (["demo", "--seed", "0.5"], "--seed"),
    "a fraction of instants": (["field", *GYRO, *WHEN, "--instants", "3.5", "--out", "f.npz"], "--instants"),
    "a fraction of repeats": (["bench", "speed", "--repeats", "1.5"], "--repeats"),
    "a fraction of pairs": ([*SYNTH, "3.5"], "'3.5' is no whole number"),
    "a word for pairs": ([*SYNTH, "many"], "--count"),
    **{
        f"a fraction for {option}": ([*SYNTH, "3", option, "20.5"], option)
        for option in ("--seed", "--height", "--width", "--shard-size", "--workers")
    },
    "no worker to measure": (["bench", "synthesis", "--workers", "0"], "--workers is 0; at least 1"),
    "half a worker to measure": (["bench", "synthesis", "--workers", "0.5"], "--workers"),
}


@pytest.mark.parametrize(("arguments", "fragment"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage_ends_in_one_line_and_code_2(run, folder, arguments, fragment):
    result = run(*arguments)

    assert_one_line(result, fragment, 2)
    assert new_files(folder) == []


def test_bad_input_leaves_no_json_half_printed(run):
    Path("imu.csv").write_text("")

    result = run("deblur", "a.png", *GYRO, *WHEN, "--out", "out", "--json")

    assert_one_line(result, "the file is empty", 1)


def test_the_program_itself_ends_with_the_code_and_one_line(folder):
    command = [sys.executable, "-m", "deepgyro", "deblur", "a.png", *GYRO, *WHEN, "--out", "out"]
    Path("imu.csv").write_text("")

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["error: imu.csv: the file is empty; give a gyro log"]
