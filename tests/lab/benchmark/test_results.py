import json
import re

import numpy as np
import pytest

from deepgyro.cli import bench as bench_commands
from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.benchmark import bench_sharp, write_full_report
from deepgyro.lab.benchmark.page import CaptionedPicture, PageSection
from deepgyro.lab.benchmark.results import Bench, BenchChapter, all_benches
from deepgyro.restore import load_shipped_network


def small_sharp(told, tick):
    made = bench_sharp(
        told.data, count=1, mismatched_lengths=(10,), height=64, width=80, methods=("blurred",), progress=tick
    )
    picture = CaptionedPicture("a <grey> page", np.full((8, 9, 3), 128, np.uint8), wide=True)
    return BenchChapter(made.rows, [PageSection("Sharp & true", "In dB.", made.rows, [picture])])


def without_data(told, tick):
    raise DeepGyroError(f"{told.data / 'real'} is missing")


def not_again(told, tick):
    raise AssertionError("it was done before")


def broken_off(told, tick):
    raise KeyboardInterrupt


BENCHES = [Bench("sharp", small_sharp), Bench("natural", without_data)]


@pytest.fixture
def made(held, tmp_path):
    files = {"page": tmp_path / "r.html", "markdown": tmp_path / "r.md"}
    report = write_full_report(held, **files, benches=BENCHES)
    return report, files["page"].read_text(), files["markdown"].read_text()


def test_rows_are_those_of_all_benches_with_their_names(made):
    report, _, _ = made

    assert report.bench == "report"
    assert [(row["bench"], row["case"]) for row in report.rows] == [
        ("sharp", "zero"), ("sharp", "half"), ("sharp", "mismatched"),
    ]  # fmt: skip


def test_the_page_has_tables_pictures_machine_and_commit(made):
    report, page, _ = made

    assert f"<td>{report.rows[0]['psnr']:.2f}</td>" in page
    assert "Sharp &amp; true" in page
    assert "a &lt;grey&gt; page" in page
    assert report.commit in page
    assert report.machine["processor"] in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)


def test_the_markdown_has_the_tables(made):
    _report, _, markdown = made

    assert markdown.startswith("# Results\n\nMade by `deepgyro bench report`")
    assert (
        "| method | case | prior_px | psnr |\n| --- | --- | --- | --- |\n| blurred | zero | 0 |" in markdown
    )
    assert "## bench sharp" in markdown


def test_a_bench_without_its_data_says_so_and_the_others_go_on(made):
    _, page, markdown = made

    for text in (page, markdown):
        assert "real is missing" in text


def test_what_is_trained_for_how_long_and_what_is_missing_stands_first(held, tmp_path):
    files = {"page": tmp_path / "r.html", "markdown": tmp_path / "r.md"}

    write_full_report(held, **files, baselines=tmp_path, benches=BENCHES)

    page, markdown = (file.read_text() for file in files.values())
    for text in (page, markdown):
        assert text.index(load_shipped_network("deepgyro").contract.trained) < text.index("bench sharp")
    assert "| deblurgan | missing |  |" in markdown
    assert "| deepgyro-90min | missing |  |" in markdown


def test_after_a_break_the_rest_is_done_and_nothing_twice(held, tmp_path):
    page = tmp_path / "r.html"
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        write_full_report(held, page, benches=[BENCHES[0], Bench("natural", broken_off)])
    assert not page.exists()

    resumed = write_full_report(held, page, resume=True, benches=[Bench("sharp", not_again), BENCHES[1]])

    whole = write_full_report(held, tmp_path / "whole.html", benches=BENCHES)
    assert resumed.rows == whole.rows
    parts = [re.sub(r"\d+ s, of", "", file.read_text()) for file in (page, tmp_path / "whole.html")]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("changed", ["settings", "weights"])
def test_what_was_found_with_others_is_not_taken(held, tmp_path, monkeypatch, changed):
    write_full_report(held, tmp_path / "r.html", quick=changed == "settings", benches=BENCHES)
    if changed == "weights":
        monkeypatch.setattr("deepgyro.lab.benchmark.results.network_provenance", lambda _: {})

    with pytest.raises(AssertionError, match="before"):
        write_full_report(
            held, tmp_path / "r.html", resume=True, overwrite=True, benches=[Bench("sharp", not_again)]
        )


def test_some_benches_alone_can_be_run(held, tmp_path):
    benches = [BENCHES[0], Bench("speed", not_again)]

    report = write_full_report(held, tmp_path / "r.html", only=["sharp"], benches=benches)

    assert {row["bench"] for row in report.rows} == {"sharp"}
    with pytest.raises(ValueError, match="sharp, speed"):
        write_full_report(held, tmp_path / "s.html", only=["shapr"], benches=benches)


def test_progress_goes_up_to_one(held, tmp_path):
    done = []

    write_full_report(held, tmp_path / "r.html", benches=BENCHES, progress=done.append)

    assert done == sorted(done)
    assert done[-1] == 1


def test_the_report_has_every_bench(capsys):
    commands = {name for name in bench_commands if not name.startswith("-")}

    # How fast a training is needs one, and torch. "video" is bench speed --video.
    assert {bench.name for bench in all_benches()} == commands - {"report", "training"} | {"video"}


def test_the_command_prints_a_table_or_one_json_object(capsys, monkeypatch, held, tmp_path):
    monkeypatch.setattr("deepgyro.lab.benchmark.results.all_benches", lambda: iter(BENCHES))
    command = ["bench", "report", "--data", str(held), "--page", str(tmp_path / "r.html")]

    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["bench  rows", "sharp  3"]
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["bench", "machine", "commit", "rows"]
    assert len(result["rows"]) == 3
