"""Clips in files: which frames are deblurred, what stays, and what is said where something is amiss."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.frames import ClipReader
from deepgyro.recording import ClipSource, syncing
from deepgyro.telemetry import ClipMetadata
from deepgyro.video import deblur_video
from deepgyro.video import job as job_module


def read_clip(path):
    with ClipReader(path) as reader:
        return reader.clip


def pictures(path):
    with ClipReader(path) as reader:
        return np.stack([frame.rgb() for frame in reader.frames()]).astype(int)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_frames_with_blur_are_deblurred_and_the_others_are_not(panned, source, clip_facts):
    report = deblur_video(source, panned.out, quality=1, report=panned.folder / "rows.csv")

    rows = rows_of(panned.folder / "rows.csv")
    deblurred = [row["skipped"] == "" for row in rows]
    changed = np.abs(pictures(panned.out) - pictures(panned.clip)).mean(axis=(1, 2, 3))
    assert deblurred == [False] * 3 + [True] * 5 + [False] * 4
    assert (report.frames, report.deblurred, report.note) == (12, 5, "")
    assert changed[[0, 1, 10, 11]].max() < 2 < changed[4:7].min()  # of 255
    assert clip_facts(panned.out) == clip_facts(panned.clip)
    assert float(rows[5]["blur_max_px"]) == pytest.approx(60 * 4 * 0.02 * 1.27, rel=0.1)  # px; corners more


def test_a_threshold_over_all_blur_passes_everything_through(panned, source):
    report = deblur_video(source, panned.out, threshold=50.0)

    assert report.deblurred == 0


def test_the_change_fades_in_with_the_blur(panned, source):
    full = deblur_video(source, panned.out, quality=1)
    strong = np.abs(pictures(panned.out) - pictures(panned.clip)).mean()

    deblur_video(source, panned.out, quality=1, threshold=full.blur_max_px - 0.9, overwrite=True)

    assert np.abs(pictures(panned.out) - pictures(panned.clip)).mean() < 0.8 * strong


def test_a_clip_that_was_stabilised_in_the_camera_is_copied(panned, monkeypatch):
    monkeypatch.setattr(job_module, "read_clip_metadata", lambda _: ClipMetadata(stabilisation="HS EIS"))

    report = deblur_video(ClipSource(panned.clip), panned.out, report=panned.folder / "rows.csv")

    assert panned.out.read_bytes() == panned.clip.read_bytes()
    assert report.note == ("unchanged: stabilised in the camera (HS EIS): the gyro does not show its blur")
    assert len(rows_of(panned.folder / "rows.csv")) == report.frames == 12


def test_a_stabilised_clip_for_another_format_is_written_as_it_is(panned, monkeypatch):
    monkeypatch.setattr(job_module, "read_clip_metadata", lambda _: ClipMetadata(stabilisation="HS EIS"))

    report = deblur_video(ClipSource(panned.clip), panned.folder / "out.mkv", quality=1)

    assert report.deblurred == 0
    assert read_clip(panned.folder / "out.mkv").width == 64


def changed_camera(panned, before, after):
    text = panned.camera.read_text()
    assert before in text
    panned.camera.write_text(text.replace(before, after))


FAULTS = {
    "no gyro in the clip": (lambda p: {"gyro": None}, "no gyro data.*give the gyro log"),
    "no camera": (lambda p: {"camera": None}, "give --camera"),
    "no exposure": (lambda p: {"exposure": None}, "give --exposure"),
    "no readout time": (
        lambda p: changed_camera(p, "readout_time: 0\n", ""),
        "has no readout_time.*--readout-time",
    ),
    "another shape": (lambda p: changed_camera(p, "width: 64", "width: 90"), "is no resized"),
    "a log of another day": (
        lambda p: changed_camera(p, "time_offset: 0", "time_offset: 9"),
        "the clip from 9",
    ),
    "no such clip": (lambda p: {"clip": p.folder / "none.mp4"}, "no such file"),
    "an output that is there": (lambda p: p.out.write_text("x") and None, "exists: give --overwrite"),
    "no folder": (lambda p: {"out": p.folder / "none" / "out.mp4"}, "does not exist"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_and_leaves_no_output(panned, name):
    change, words = FAULTS[name]
    given = {k: getattr(panned, k) for k in ("clip", "gyro", "camera", "exposure", "out")} | (
        change(panned) or {}
    )
    out = given.pop("out")
    before = sorted(panned.folder.iterdir())

    with pytest.raises(DeepGyroError, match=words) as error:
        deblur_video(ClipSource(**given), out)

    assert "\n" not in str(error.value)
    assert sorted(panned.folder.iterdir()) == before


@pytest.mark.parametrize(
    "options",
    [{"exposure": 0.0}, {"exposure": 99.0}, {"time_offset": float("nan")}, {"gyro_columns": "t[s]"}],
)
def test_options_that_cannot_be_meant_are_refused(panned, options):
    with pytest.raises(ValueError, match="--"):
        ClipSource(panned.clip, camera=panned.camera, **options)


def test_a_gyro_that_ends_early_leaves_the_last_frames_as_they_came(panned, source):
    lines = panned.gyro.read_text().splitlines(keepends=True)
    panned.gyro.write_text("".join(lines[:46]))  # to 0.176 s

    report = deblur_video(source, panned.out, report=panned.folder / "rows.csv")

    rows = rows_of(panned.folder / "rows.csv")
    assert (report.frames, report.deblurred) == (12, 2)
    assert {row["skipped"] for row in rows[5:]} == {"the gyro log does not cover its exposure"}
    assert report.note == "frames left unchanged: 7 (the gyro log does not cover its exposure)"


def test_a_clip_that_ends_early_keeps_what_is_there_and_says_so(panned, source, write_clip):
    whole = write_clip(panned.clip, frames=30, options={"movflags": "faststart"}).read_bytes()
    panned.clip.write_bytes(whole[: len(whole) // 2])

    report = deblur_video(source, panned.out)

    assert 0 < report.frames < 30
    assert f"{report.frames} of 30 frames could be decoded" in report.note
    assert read_clip(panned.out).count == report.frames


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("one.mp4", {"frames": 1}),
        ("odd.mkv", {"frames": 5, "codec": "ffv1", "width": 79, "height": 59, "time_base": None}),
        ("deep.mp4", {"frames": 5, "codec": "libx265", "pixel_format": "yuv420p10le"}),
        ("pq.mp4", {"frames": 5, "codec": "libx265", "pixel_format": "yuv420p10le", "colours": (9, 16, 9)}),
        ("hlg.mp4", {"frames": 5, "codec": "libx265", "pixel_format": "yuv420p10le", "colours": (9, 18, 9)}),
    ],
)
def test_clips_of_one_frame_odd_sides_ten_bits_and_high_dynamic_range(
    panned, write_clip, clip_facts, file, options
):
    from fractions import Fraction

    base = options.pop("time_base", 1)
    clip = write_clip(panned.folder / file, **options, **({} if base else {"time_base": Fraction(1, 1000)}))
    if "width" in options:
        changed_camera(panned, "width: 64\nheight: 48", "width: 79\nheight: 59")
    out = panned.folder / f"out{clip.suffix}"

    report = deblur_video(ClipSource(clip, panned.gyro, panned.camera, panned.exposure), out)

    assert clip_facts(out) == clip_facts(clip)
    assert report.deblurred == (0 if options["frames"] == 1 else 2)


def test_a_job_that_is_stopped_leaves_the_part_that_is_done(panned, source, capsys):
    def stop(done, total):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"the first \d+ frames are in .*out\.unfinished\.mp4"):
        deblur_video(source, panned.out, sync="never", progress=stop)

    assert not panned.out.exists()
    assert 2 <= read_clip(panned.folder / "out.unfinished.mp4").count <= 6


def test_the_command_prints_a_line_or_one_json_object(panned, capsys):
    arguments = [
        "video", str(panned.clip), "--gyro", str(panned.gyro), "--camera", str(panned.camera),
        "--exposure", "0.02", "--out",
    ]  # fmt: skip

    codes = [main([*arguments, str(panned.out)]), main([*arguments, str(panned.folder / "2.mp4"), "--json"])]

    line, _, rest = capsys.readouterr().out.partition("\n")
    assert codes == [0, 0]
    assert "5 of 12 frames deblurred" in line
    assert json.loads(rest)["deblurred"] == 5


def test_the_command_ends_in_one_line_where_the_extra_is_missing(panned, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)

    code = main(["video", str(panned.clip), "--camera", str(panned.camera), "--out", str(panned.out)])

    assert code == 1
    assert capsys.readouterr().err == ("error: av is missing: pip install 'deepgyro[video]'\n")


def test_real_clips_keep_frames_times_and_sound(shared, tmp_path, clip_facts):
    clip = shared / "video" / "max-heromode.mp4"

    report = deblur_video(ClipSource(clip), tmp_path / "out.mp4")

    assert (report.frames, report.deblurred) == (315, 0)
    assert report.note.startswith("unchanged: stabilised in the camera (HS HLevel)")
    assert (tmp_path / "out.mp4").read_bytes() == clip.read_bytes()


@pytest.fixture(scope="module")
def shaken(tmp_path_factory, write_clip):
    """A clip of a shaking camera, 0.3 s behind its gyro; the camera file knows neither that nor the axes."""
    from deepgyro.camera import Camera
    from deepgyro.lab.synthesis import render_turning_clip, simulate_camera_shake
    from deepgyro.telemetry import GyroLog

    folder = tmp_path_factory.mktemp("shaken")
    rng = np.random.default_rng(3)
    hand = simulate_camera_shake(rng, duration=4.0, strength=0.5)
    log = GyroLog(hand.t - 0.7, hand.omega)
    K = np.array([[150.0, 0, 79.5], [0, 150, 59.5], [0, 0, 1]])
    axes = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
    camera = Camera(160, 120, K, readout_time=0.0, cam_from_imu=axes, time_offset=0.3)
    photo = np.kron(rng.integers(0, 256, (60, 90, 3), np.uint8), np.ones((5, 5, 1), np.uint8))
    times = [k / 30 for k in range(45)]
    frames = list(render_turning_clip(photo, log, camera, times=times, exposure=0.01, rng=rng, samples=3))
    write_clip(folder / "in.mp4", pictures=frames, frames=45, width=160, height=120)
    rows = "".join(
        f"{t:.6f},{x:.7f},{y:.7f},{z:.7f}\n" for t, (x, y, z) in zip(log.t, log.omega, strict=True)
    )
    (folder / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    (folder / "camera.yaml").write_text(
        "width: 160\nheight: 120\nK: [150, 150, 79.5, 59.5]\nreadout_time: 0\n"
    )
    return SimpleNamespace(
        folder=folder,
        source=ClipSource(folder / "in.mp4", folder / "imu.csv", folder / "camera.yaml", 0.01),
        axes=axes,
    )


def test_an_unknown_offset_is_found_in_the_clip(shaken, tmp_path):
    report = deblur_video(shaken.source, tmp_path / "out.mp4", threshold=30.0)

    assert report.time_offset == pytest.approx(0.3, abs=0.001)  # s
    assert report.confidence > 0.9


def test_the_gyro_of_another_clip_is_not_used(shaken, tmp_path):
    from deepgyro.lab.synthesis import simulate_camera_shake

    other = simulate_camera_shake(np.random.default_rng(8), duration=4.0, strength=0.5)
    rows = "".join(f"{t:.6f},{x},{y},{z}\n" for t, (x, y, z) in zip(other.t - 0.7, other.omega, strict=True))
    (tmp_path / "imu.csv").write_text(f"t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n{rows}")
    source = replace(shaken.source, gyro=tmp_path / "imu.csv")

    report = deblur_video(source, tmp_path / "out.mp4")

    assert report.deblurred == 0
    assert "or the gyro of another clip" in report.note


def test_sync_prints_lines_for_the_camera_file_and_draws_two_curves(shaken, tmp_path, capsys):
    source = shaken.source
    arguments = [
        "sync", str(source.clip), "--gyro", str(source.gyro), "--camera", str(source.camera),
        "--exposure", "0.01",
    ]  # fmt: skip

    code = main([*arguments, "--picture", str(tmp_path / "curves.png")])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert float(lines[0].removeprefix("time_offset: ")) == pytest.approx(0.3, abs=0.001)  # s
    assert lines[1] == f"cam_from_imu: {shaken.axes.tolist()}"
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_sync_finds_the_readout_time_where_it_is_asked_to(shaken, capsys):
    source = shaken.source
    arguments = ["sync", str(source.clip), "--gyro", str(source.gyro), "--camera", str(source.camera)]

    code = main([*arguments, "--exposure", "0.01", "--find-readout", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["readout_time"] == pytest.approx(0.0, abs=0.001)  # s
    assert found["time_offset"] == pytest.approx(0.3, abs=0.001)  # s
    assert found["drift_ppm"] == 0


def test_a_picture_that_contradicts_a_given_offset_is_said_and_passed_through(shaken, tmp_path):
    known = tmp_path / "camera.yaml"
    known.write_text(f"{(shaken.folder / 'camera.yaml').read_text()}cam_from_imu: {shaken.axes.tolist()}\n")
    right, wrong = (replace(shaken.source, camera=known, time_offset=offset) for offset in (0.3, 0.75))

    believed = deblur_video(right, tmp_path / "right.mp4", method="deepgyro-fast")
    refused = deblur_video(wrong, tmp_path / "wrong.mp4")
    asked = deblur_video(wrong, tmp_path / "never.mp4", method="deepgyro-fast", sync="never")

    assert (believed.deblurred > 0, believed.note) == (True, "")
    assert refused.deblurred == 0
    assert refused.note.startswith("unchanged: at an offset of +750 ms the gyro explains ")
    assert "or a wrong time_offset or cam_from_imu" in refused.note
    assert asked.deblurred > 0


def test_of_a_long_clip_stretches_are_followed(shaken, monkeypatch):
    monkeypatch.setattr(syncing, "TRACKED_SEGMENTS", 3)

    tracks = syncing.track_clip(shaken.source.clip, max_seconds=0.6)

    np.testing.assert_allclose(tracks.start, tracks.index / 30, atol=1e-4)  # s
    stretches = [(0.0, 0.2), (0.65, 0.85), (1.3, 1.5)]  # s
    assert [((a <= tracks.start) & (tracks.start < b)).sum() >= 4 for a, b in stretches] == [True] * 3
    assert len(tracks.start) < 20  # of 44
    assert np.all(tracks.end - tracks.start < 0.04)  # s: no pair reaches over a gap


def test_sync_of_a_real_clip_agrees_between_its_halves(shared, capsys):
    camera = Path(__file__).parents[2] / "examples" / "karma.yaml"

    code = main(["sync", str(shared / "video" / "karma.mp4"), "--camera", str(camera), "--json"])

    result = json.loads(capsys.readouterr().out)
    first, second = result["halves"]
    assert code == 0
    assert result["time_offset"] == pytest.approx(-0.03, abs=0.02)  # s
    assert abs(first - second) < 0.002  # s
    assert result["cam_from_imu"] == [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
