from pathlib import Path

import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.frames import FrameExposure, match_frames, read_frames


def table(folder: Path, text: str, *photos: str, name: str = "frames.csv") -> Path:
    for photo in photos:
        (folder / photo).parent.mkdir(exist_ok=True)
        (folder / photo).touch()
    (folder / name).write_text(text)
    return folder / name


def test_bare_t_and_exposure_are_seconds(tmp_path):
    path = table(tmp_path, "file,t,exposure\na.jpg,12.5,0.02\nsub/b.jpg,13,0.01\n", "a.jpg", "sub/b.jpg")

    frames = read_frames(path)

    assert frames == [
        FrameExposure(tmp_path / "a.jpg", 12.5, 0.02, "start"),
        FrameExposure(tmp_path / "sub/b.jpg", 13.0, 0.01, "start"),
    ]


@pytest.mark.parametrize(
    ("header", "row", "at"),
    [
        ("file,t_s,exposure_s", "a.jpg,1.5,0.02", "start"),
        ("file,t_ns,exposure_ms", "a.jpg,1500000000,20", "start"),
        ("file,t_us,exposure_us", "a.jpg,1500000,20000", "start"),
        ("Exposure time[nanosec],File,Timestamp[nanosec]", "20000000,a.jpg,1500000000", "start"),
        ("file,timestamp [ms],exposure (us)", "a.jpg,1500,20000", "start"),
        ("file,t_mid_exposure_s,exposure_s", "a.jpg,1.5,0.02", "middle"),
        ("filename, t_mid_ms, exposure, note", 'a.jpg, 1500, 0.02, "x, y"', "middle"),
    ],
)
def test_a_unit_in_the_header_is_followed(tmp_path, header, row, at):
    path = table(tmp_path, f"\ufeff{header}\r\n\r\n{row}\r\n", "a.jpg")

    (frame,) = read_frames(path)

    assert frame == FrameExposure(tmp_path / "a.jpg", 1.5, 0.02, at)


def test_a_table_without_files_is_for_the_photos_in_natural_order(tmp_path):
    path = table(tmp_path, "t,exposure\n1,0.01\n2,0.01\n3,0.01\n")
    photos = [Path("frame10.jpg"), Path("frame2.jpg"), Path("frame1.jpg")]

    frames = read_frames(path, photos)

    assert [(frame.file.name, frame.t) for frame in frames] == [
        ("frame1.jpg", 1.0),
        ("frame2.jpg", 2.0),
        ("frame10.jpg", 3.0),
    ]


def test_the_original_programs_list_is_in_nanoseconds(tmp_path):
    path = table(tmp_path, "767700989000 20000000\n767734321000 10000000\n", name="images.txt")

    frames = read_frames(path, [Path("2.jpg"), Path("1.jpg")])

    assert frames == [
        FrameExposure(Path("1.jpg"), 767.700989, 0.02, "start"),
        FrameExposure(Path("2.jpg"), 767.734321, 0.01, "start"),
    ]


BAD = {
    "no header": ("a.jpg,1,0.02\n", "no column for the time among a.jpg, 1, 0.02"),
    "no exposure": ("file,t\na.jpg,1\n", "no column for the exposure"),
    "no unit": ("file,timestamp,exposure\na.jpg,1,0.02\n", "'timestamp' has no unit"),
    "two times": ("file,t,t_mid_exposure_s,exposure\na.jpg,1,1,0.02\n", "two columns for the time"),
    "no rows": ("file,t,exposure\n", "no rows"),
    "nothing": ("\n", "is empty"),
    "word": ("file,t,exposure\na.jpg,soon,0.02\n", "line 2: the time is 'soon'"),
    "blank": ("file,t,exposure\na.jpg,1,\n", "line 2: the exposure is ''"),
    "nan": ("file,t,exposure\na.jpg,nan,0.02\n", "line 2: the time is 'nan'"),
    "infinite": ("file,t,exposure\na.jpg,1,inf\n", "line 2: the exposure is 'inf'"),
    "zero": ("file,t,exposure\na.jpg,1,0\n", "line 2: the exposure is 0 s"),
    "negative": ("file,t,exposure\n\na.jpg,1,-0.02\n", "line 3: the exposure is -0.02 s"),
    "nanoseconds unsaid": ("file,t,exposure\na.jpg,1,20000000\n", "the exposure is 2e+07 s"),
    "too few values": ("file,t,exposure\na.jpg,1\n", "line 2: 2 values; 3 are needed"),
    "no file named": ("file,t,exposure\n,1,0.02\n", "line 2: no file named"),
    "file twice": ("file,t,exposure\na.jpg,1,0.02\n./a.jpg,2,0.02\n", "line 3: a.jpg is in line 2 already"),
    "file missing": ("file,t,exposure\nb.jpg,1,0.02\n", "b.jpg does not exist"),
    "list not in integers": ("767.7 0.02\n", "line 1: '767.7 0.02' found"),
    "list with a third value": ("767700989000 20000000 1\n", "line 1: 3 values; 2 are needed"),
    "list without photos": ("767700989000 20000000\n", "1 rows for 0 photos"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_in_one_line_that_names_it(tmp_path, case):
    text, reason = BAD[case]
    path = table(tmp_path, text, "a.jpg")

    with pytest.raises(DeepGyroError) as caught:
        read_frames(path)

    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert "\n" not in message


def test_a_table_that_is_missing_or_no_text_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")

    with pytest.raises(DeepGyroError, match="no such file"):
        read_frames(tmp_path / "frames.csv")
    with pytest.raises(DeepGyroError, match="is no text"):
        read_frames(tmp_path / "photo.jpg")
    with pytest.raises(DeepGyroError, match="is a folder"):
        read_frames(tmp_path)


def test_more_photos_than_rows_are_refused_with_both_counts(tmp_path):
    path = table(tmp_path, "t,exposure\n1,0.01\n")

    with pytest.raises(DeepGyroError, match="1 rows for 2 photos"):
        read_frames(path, [Path("1.jpg"), Path("2.jpg")])


def test_a_photo_is_matched_by_its_path_else_by_a_name_that_is_the_only_one(tmp_path):
    frames = [
        FrameExposure(tmp_path / "left/1.jpg", 1.0, 0.01),
        FrameExposure(tmp_path / "right/1.jpg", 2.0, 0.01),
        FrameExposure(tmp_path / "left/2.jpg", 3.0, 0.01),
        FrameExposure(tmp_path / "left/3.jpg", 4.0, 0.01),
    ]
    by_path, by_name = tmp_path / "left" / ".." / "right/1.jpg", tmp_path / "copies/2.jpg"
    two_frames, lacking = tmp_path / "copies/1.jpg", tmp_path / "4.jpg"
    twins = [tmp_path / "x/3.jpg", tmp_path / "y/3.jpg"]

    matched = match_frames(frames, [by_path, by_name, two_frames, lacking, *twins])

    assert matched == {
        by_path: frames[1],
        by_name: frames[2],
        two_frames: None,
        lacking: None,
        twins[0]: None,
        twins[1]: None,
    }


def test_photos_elsewhere_need_no_files_beside_the_table(tmp_path):
    path = table(tmp_path, "file,t,exposure\na.jpg,1,0.02\nb.jpg,2,0.02\n")
    photos = [tmp_path / "copies" / "b.jpg"]

    frames = read_frames(path, photos)

    assert len(frames) == 2
    assert match_frames(frames, photos) == {photos[0]: frames[1]}


def test_the_real_tables_are_read(shared):
    real = shared / "real"
    mars = sorted((real / "mars/video_frames").glob("*.jpg"))
    burst = sorted((real / "shield_burst/images").glob("*.jpg"))

    office = read_frames(real / "iphone_office/frames.csv")
    mars_frames = read_frames(real / "mars/movie_metadata.csv", mars)
    burst_frames = read_frames(real / "shield_burst/images/images.txt", burst)

    assert office[0].at == "middle"
    assert office[0].t == pytest.approx(633434.25170625, abs=1e-9)
    assert (mars_frames[9].file.name, mars_frames[9].t) == ("frame9.jpg", 1562.362010936)
    assert mars_frames[0].exposure == 0.24
    assert (burst_frames[0].file.name, burst_frames[0].exposure) == ("0001.jpg", 0.02)
