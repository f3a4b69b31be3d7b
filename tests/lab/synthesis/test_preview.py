"""The contact sheet and the drawn histograms: their sizes, what lies where, their files."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis import PAPER_PRESET, PHYSICAL_PRESET, make_pair_at
from deepgyro.lab.synthesis.gyro import GYRO_KINDS
from deepgyro.lab.synthesis.histograms import GYRO_KIND_COLOURS, draw_histograms, sample_fields
from deepgyro.lab.synthesis.preview import CELL_WIDTH_PX, describe_pair, draw_contact_sheet, write_preview

HIGH = CELL_WIDTH_PX * 64 // 80  # px
ROW = HIGH + 28  # px: with its caption


@pytest.fixture(scope="module")
def pairs(material):
    return [make_pair_at(material.pool, PHYSICAL_PRESET, 0, index, height=64, width=80) for index in range(6)]


def cells(sheet, pairs):
    """The four cells of every pair's row."""
    lefts = np.linspace(0, sheet.shape[1] - CELL_WIDTH_PX, 4).astype(int)
    tops = sheet.shape[0] - np.arange(len(pairs), 0, -1) * ROW
    return [[sheet[top : top + HIGH, left : left + CELL_WIDTH_PX] for left in lefts] for top in tops]


def test_a_sheet_has_a_row_of_four_cells_for_each_pair(pairs):
    one, three = draw_contact_sheet(pairs[:1]), draw_contact_sheet(pairs[:3])

    assert one.dtype == three.dtype == np.uint8
    assert one.shape[1] == three.shape[1] >= 4 * CELL_WIDTH_PX
    assert three.shape[0] - one.shape[0] == 2 * ROW


def test_the_cells_show_the_sharp_and_the_blurred_picture(pairs):
    sheet = draw_contact_sheet(pairs)

    for pair, row in zip(pairs, cells(sheet, pairs), strict=True):
        for picture, cell in zip((pair.sharp, pair.blurred), row, strict=False):
            shown = np.array(Image.fromarray(cell).resize((80, 64), Image.Resampling.BOX))
            assert np.abs(shown.astype(float) - picture).mean() < 6  # of 255


@pytest.mark.parametrize("same", [True, False])
def test_the_noisy_cell_differs_from_the_exact_one_by_thin_black_strokes_if_the_fields_are_the_same(
    pairs, same
):
    exact = replace(pairs[0].exact, patches=())
    nodes = exact.grid.nodes if same else -exact.grid.nodes[:, :, :, ::-1]
    pair = replace(pairs[0], exact=exact, prior=replace(exact.grid, nodes=nodes))

    first, second = cells(draw_contact_sheet([pair]), [pair])[0][2:]

    assert (second < first).any()
    assert (second <= first).all() == same


def test_a_portrait_fits_into_its_cells(material):
    pair = make_pair_at(material.pool, PAPER_PRESET, 0, 0, height=64, width=48)

    sheet = draw_contact_sheet([pair])

    assert sheet.shape[0] == pytest.approx(CELL_WIDTH_PX, abs=60)


def test_no_pairs_are_no_sheet_and_no_histograms():
    with pytest.raises(ValueError, match="no pairs"):
        draw_contact_sheet([])
    with pytest.raises(ValueError, match="no pairs"):
        draw_histograms([])


def test_a_caption_says_what_the_pair_is_like(pairs):
    for pair in pairs:
        said = describe_pair(pair)

        assert f"blur {pair.metadata['blur_px']:.1f} px" in said
        assert f"gyro {pair.metadata['gyro']}" in said
        assert ("JPEG" in said) == (pair.jpeg is not None)
        assert ("straight" in said) == pair.metadata["straight"]
        assert ("translation" in said) == ("velocity" in pair.metadata)


def test_histograms_are_three_panels_in_which_every_kind_of_gyro_has_its_colour(pairs):
    fields = [sample_fields(pairs[0])._replace(gyro=kind) for kind in GYRO_KINDS]

    drawn = draw_histograms(fields)

    assert (drawn.shape, drawn.dtype) == ((520, 1920, 3), np.uint8)
    for colour in GYRO_KIND_COLOURS.values():
        assert (drawn[:, 1280:] == colour).all(axis=-1).any()


def test_a_set_without_any_blur_is_drawn_too(pairs):
    exact = replace(pairs[0].exact, grid=replace(pairs[0].prior, nodes=np.zeros_like(pairs[0].prior.nodes)))
    still = replace(pairs[0], exact=replace(exact, patches=()), prior=exact.grid)

    assert draw_histograms([sample_fields(still)]).shape == (520, 1920, 3)
    assert draw_contact_sheet([still]).dtype == np.uint8


def test_a_preview_writes_a_sheet_of_the_first_pairs_and_histograms_of_more(pairs, tmp_path):
    write_preview(iter(pairs), tmp_path / "look.png", count=2, max_pairs=5)

    histograms = draw_histograms([sample_fields(pair) for pair in pairs[:5]])
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "look.png")), draw_contact_sheet(pairs[:2]))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "look_histograms.png")), histograms)


def test_a_preview_takes_no_more_pairs_than_it_needs(pairs, tmp_path):
    source = iter(pairs)

    write_preview(source, tmp_path / "look.png", count=1, max_pairs=2)

    assert len(list(source)) == len(pairs) - 2


@pytest.mark.parametrize("name", ["look.png", "look_histograms.png"])
def test_a_preview_replaces_a_preview_and_no_other_file(pairs, tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")

    with pytest.raises(DeepGyroError, match="exists"):
        write_preview(iter(pairs), tmp_path / "look.png")

    assert (tmp_path / name).read_bytes() == b"mine"
    (tmp_path / name).unlink()
    write_preview(iter(pairs[:1]), tmp_path / "look.png")
    before = (tmp_path / name).read_bytes()
    write_preview(iter(pairs), tmp_path / "look.png")
    assert (tmp_path / name).read_bytes() != before


def test_a_preview_of_no_pairs_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="no pairs"):
        write_preview(iter(()), tmp_path / "look.png")

    assert not list(tmp_path.iterdir())
