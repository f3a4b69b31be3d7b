"""The field of one exposure, written and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..blurfield import Field, PathReference, measure_field, write_field, write_field_pair
from ..blurfield.picture import draw_field
from ..errors import DeepGyroError
from ..files import check_writable, write_atomically
from ..frames import Photo, format_from_suffix, read_photo, to_eight_bits, write_photo
from ..recording.photos import FieldSource, read_photo_recording
from ..refine import ACCEPT_CONFIDENCE, refine_field


@dataclass(frozen=True)
class FieldReport:
    """What `make_field` made."""

    width: int
    height: int
    t: float
    exposure: float
    blur_median_px: float
    blur_max_px: float
    files: tuple[str, ...]
    confidence: float | None = None
    """That the corrected field is right; None where it was not to be corrected."""
    correction_px: float | None = None
    note: str = ""
    """How the picture corrects the field."""


def make_field(
    source: FieldSource,
    photo: Path | None,
    *,
    out: tuple[Path, ...] = (),
    picture: Path | None = None,
    n: int = 9,
    reference: PathReference = "picture",
    refine: bool = False,
    overwrite: bool = False,
) -> FieldReport:
    """Compute the blur field of one exposure; write it, draw it; never hold more of it than a band of rows.

    Parameters
    ----------
    source
        Log, camera and time.
    photo
        The photo, for its size and for the drawing; None: the camera's size and a white page.
    out
        One .npz, or two .png as the original program writes them (then two instants, ``reference="start"``).
    picture
        A picture of the field.
    n, reference
        As in `blur_field`.
    refine
        Let the photo correct the field; where it is not confident, the gyro's field stays.
    overwrite
        Replace files that exist.
    """
    if source.frames is not None and photo is None:
        raise ValueError("--frames needs the photo that is to be looked up in it")
    if n < 2:
        raise ValueError(f"--instants is {n}: a path needs at least its start and its end")
    if refine and (photo is None or len(out) == 2 or reference != "picture"):
        raise ValueError("--refine needs the photo, --reference picture, and --out FIELD.npz")
    if len(out) == 1 and out[0].suffix.lower() != ".npz":
        raise ValueError(f"--out {out[0]}: FIELD.npz or FIELD_X.png,FIELD_Y.png is needed")
    for path in (*out, picture):  # all or none: found out before anything is written
        if path is not None:
            check_writable(path, overwrite=overwrite)
    if picture is not None:
        format_from_suffix(picture)
    if len(out) == 2:
        n, reference = 2, "start"
    key = photo or Path("<no photo>")
    recording = read_photo_recording(source, [key])
    if recording is None:
        raise ValueError("a field needs --gyro and --camera")
    frame = recording.exposures[key]
    if frame is None:
        raise DeepGyroError(f"{source.frames}: has no line for {photo}")
    page = read_photo(photo) if photo else None
    height, width = page.pixels.shape[:2] if page else (recording.camera.height, recording.camera.width)
    try:
        prior = recording.motion_field(frame, height, width, n=n, reference=reference)
        refined = refine_field(page.pixels, prior.tabulate()) if refine and page else None
        corrected = (
            refined is not None and refined.confidence >= ACCEPT_CONFIDENCE and refined.field is not None
        )
        field: Field = refined.field if refined and refined.field and corrected else prior
        median, longest, _ = measure_field(field)
        if len(out) == 1:
            write_atomically(
                out[0],
                lambda file: write_field(file, field, t=prior.t, exposure=prior.exposure),
                overwrite=overwrite,
            )
        elif out:
            _write_field_pair(out, field, overwrite)
    except ValueError as error:
        raise DeepGyroError(f"{photo or source.gyro}: {error}") from error
    if picture is not None:
        drawn = draw_field(
            field, to_eight_bits(page.pixels) if page else None, prior=prior if corrected else None
        )
        record = {"field": str(photo), "t": prior.t, "exposure": prior.exposure}
        write_photo(picture, Photo(drawn, "PNG", picture), record=record, overwrite=overwrite)
    written = tuple(str(path) for path in (*out, picture) if path)
    return FieldReport(
        width, height, prior.t, prior.exposure, round(median, 2), round(longest, 2), written,
        *((round(refined.confidence, 3), round(refined.correction_px, 2), refined.note) if refined else ()),
    )  # fmt: skip


def _write_field_pair(paths: tuple[Path, ...], field: Field, overwrite: bool) -> None:
    import io

    files = io.BytesIO(), io.BytesIO()
    write_field_pair(*files, field)

    def writer(content: bytes) -> Callable[[BinaryIO], object]:
        return lambda file: file.write(content)

    for path, file in zip(paths, files, strict=True):
        write_atomically(path, writer(file.getvalue()), overwrite=overwrite)
