"""Photos in files: which field each one has, where the result goes, what was done already."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..blurfield import Field, read_field, read_field_pair
from ..deblurring import deblur_picture
from ..errors import DeepGyroError
from ..files import copy_file, file_sha256, make_folder
from ..frames import Photo, natural_sort_key, read_photo, read_record, write_photo
from ..recording.calibration import MIN_CALIBRATION_PICTURES
from ..recording.estimation import estimate_exposure
from ..recording.photos import (
    FieldSource,
    PhotoRecording,
    calibrate_from_photos,
    estimate_photo_offset,
    read_photo_recording,
)
from ..restore import Method, MethodName, find_weights, open_method
from ..version import __version__

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif"}


@dataclass(frozen=True)
class PhotoReport:
    """What was done to one photo."""

    file: str
    out: str
    method: str
    blur_median_px: float
    blur_max_px: float
    seconds: float
    skipped: str | None
    """Why the photo is unchanged; None where it was deblurred."""
    note: str


@dataclass(frozen=True)
class Failure:
    """A photo that could not be used."""

    file: str
    error: str


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return the photos that are named, and those in folders that are named, in natural order."""
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()]
            if not inside:
                raise DeepGyroError(f"{path}: no photo in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
            photos += sorted(inside, key=natural_sort_key)
        else:
            photos.append(path)
    return list(dict.fromkeys(photos))


def output_paths(photos: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Return where each photo's result goes: `out` itself if it is named like a picture, else a folder.

    Raises
    ------
    ValueError
        If two results would have one name, or one would replace its photo.
    """
    if len(photos) == 1 and out.suffix and out.suffix.lower() not in PHOTO_SUFFIXES and not out.is_dir():
        raise ValueError(
            f"--out {out}: {out.suffix} names no picture format that is written (.jpg, .png, .tif, .webp); a "
            "folder with a dot in its name must be there already"
        )
    if out.suffix.lower() in PHOTO_SUFFIXES and not out.is_dir():
        if len(photos) > 1:
            raise ValueError(f"--out {out} is one picture, but there are {len(photos)} photos: name a folder")
        paths = {photos[0]: out}
    else:
        names = {p: p.name if p.suffix.lower() not in (".heic", ".heif") else p.stem + ".jpg" for p in photos}
        paths = {photo: out / name for photo, name in names.items()}
    for photo, path in paths.items():
        twin = next((p for p, other in paths.items() if other == path and p != photo), None)
        if twin:
            raise ValueError(f"{twin} and {photo} would both be written to {path}: run them one by one")
        if path.exists() and photo.exists() and path.samefile(photo):
            raise ValueError(f"--out would replace the photo {photo}: name another folder")
    return paths


def deblur_photos(
    photos: Sequence[Path],
    out: Path,
    source: FieldSource,
    *,
    method: MethodName = "deepgyro",
    weights: Path | None = None,
    refine: bool = True,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Iterator[PhotoReport | Failure]:
    """Deblur photos, one after the other; go on past one that cannot be used.

    A photo without gyro data is written unchanged where no blur is certain in it. A result that exists
    already, made of the same photo with the same settings, is kept; any other file in its place is a failure,
    unless `overwrite`.

    Parameters
    ----------
    photos
        Files.
    out
        A folder, or a picture's name for one photo.
    source
        Where the fields come from.
    weights
        Of the method's network: a file of `deepgyro export`; None: those of this package, or checkout.
    refine
        Let each picture correct its field; several of one recording first correct scale and clock together.
    progress
        Called with the share that is done of the photo in hand.

    Yields
    ------
    report
        What was done, or why it could not be.

    Raises
    ------
    DeepGyroError
        If the log, the camera or the table cannot be used, or the log covers none of several photos; or if
        the method's weights are not there.
    ValueError
        If the options don't fit together.
    """
    opened = open_method(method, weights)
    weights = weights or find_weights(method)
    paths = output_paths(photos, out)
    recording = read_photo_recording(source, photos)
    calibration_note = ""
    if recording and source.estimate == "offset":
        recording = estimate_photo_offset(recording, photos)
        calibration_note = f"time_offset {recording.camera.time_offset:.4f} s, estimated from the photos"
    elif recording and refine and source.estimate is None and len(photos) >= MIN_CALIBRATION_PICTURES:
        recording, calibration_note = calibrate_from_photos(recording, photos)
    job = _PhotoJob(source, recording, calibration_note, opened, weights, refine, overwrite, progress)
    for photo in photos:
        try:
            make_folder(paths[photo].parent)
            yield job.run(photo, paths[photo])
        except (DeepGyroError, OSError) as error:
            yield Failure(str(photo), str(error))


@dataclass(frozen=True, eq=False)
class _PhotoJob:
    """What the photos of a job share."""

    source: FieldSource
    recording: PhotoRecording | None
    calibration_note: str
    """How the photos together correct the recording."""
    method: Method
    weights: Path | None
    refine: bool
    overwrite: bool
    progress: Callable[[float], None] | None

    def run(self, photo: Path, out: Path) -> PhotoReport:
        """Deblur one photo's file, unless that was done before."""
        started = time.perf_counter()
        made_of = {"photo": file_sha256(photo), "settings": self.settings(photo)}
        existing = None if self.overwrite else _find_existing_result(out, made_of)
        if isinstance(existing, PhotoReport):
            return replace(existing, file=str(photo), out=str(out), seconds=0.0, note="was there already")
        picture = read_photo(photo)
        try:
            field, missing = self.field(picture, photo)
            result = deblur_picture(
                picture.pixels, field, method=self.method, refine=self.refine, progress=self.progress
            )
        except ValueError as error:  # of the field; one that is computed tile by tile finds some only then
            raise DeepGyroError(f"{photo}: {error}") from error
        note = ", and ".join(part for part in dict.fromkeys((missing, result.skipped or result.note)) if part)
        report = PhotoReport(
            file=str(photo),
            out=str(out),
            method=result.method,
            blur_median_px=round(result.blur_median_px, 2),
            blur_max_px=round(result.blur_max_px, 2),
            seconds=round(time.perf_counter() - started, 2),
            skipped=None if result.skipped is None else note,
            note=note if result.skipped is None else result.note,
        )
        if result.skipped is None or photo.suffix.lower() != out.suffix.lower():
            sharp = replace(picture, pixels=result.image)
            record = made_of | {"report": asdict(report)}
            write_photo(out, sharp, record=record, overwrite=self.overwrite)
        elif existing != "copy":
            copy_file(photo, out, overwrite=self.overwrite)  # not encoded again: that would cost quality
        return replace(report, seconds=round(time.perf_counter() - started, 2))

    def settings(self, photo: Path) -> dict[str, Any]:
        """Return what decides about a photo's result beside the photo itself."""
        settings: dict[str, Any] = {"version": __version__, "method": self.method.name, "refine": self.refine}
        settings["sources"] = self.source_hashes
        if self.weights_hash:
            settings["weights"] = self.weights_hash
        if self.source.gyro_columns:
            settings["gyro_columns"] = self.source.gyro_columns
        frame = self.recording.exposures[photo] if self.recording else None
        if frame:
            settings |= {"t": frame.t, "exposure": frame.exposure, "at": frame.at}
        if self.source.estimate:
            settings["estimate"] = self.source.estimate
        return settings

    @cached_property
    def weights_hash(self) -> str | None:
        """The hash of the network's weights; None for a method without."""
        return file_sha256(self.weights) if self.weights else None

    @cached_property
    def source_hashes(self) -> list[list[str]]:
        """Names and hashes of log, camera and field files; two may have one name."""
        files = (self.source.gyro, self.source.camera, *self.source.field)
        return [[path.name, file_sha256(path)] for path in files if path]

    def field(self, picture: Photo, photo: Path) -> tuple[Field | None, str]:
        """Return a photo's field, or why there is none."""
        height, width = picture.pixels.shape[:2]
        if self.recording is not None:
            recording, note = self.recording, self.calibration_note
            frame = recording.exposures[photo]
            if frame and self.source.estimate == "exposure":
                exposure = estimate_exposure(recording, frame, picture.pixels)
                if exposure is None:
                    return None, "its exposure could not be estimated from the picture"
                known = {photo: replace(frame, exposure=exposure)}
                recording = replace(recording, exposures=known)
                note = f"exposure {exposure * 1000:.1f} ms, estimated from the picture"
            motion, reason = recording.photo_field(photo, height, width)
            return motion, reason or note
        files = self.source.field
        if not files:
            return None, "no gyro for it"
        field = read_field(files[0]) if len(files) == 1 else read_field_pair(*files)
        if field.shape[:2] != (height, width):
            raise DeepGyroError(
                f"{files[0]}: is {field.shape[1]} x {field.shape[0]}, the photo {photo} {width} x {height}: "
                "a field of the photo's own size is needed"
            )
        return field, ""


def _find_existing_result(out: Path, made_of: dict[str, Any]) -> PhotoReport | Literal["copy"] | None:
    """Return the report of a result that exists already, "copy" for the unchanged photo, None for nothing.

    Raises
    ------
    DeepGyroError
        If something else is there.
    """
    if not out.exists():
        return None
    if out.is_file() and file_sha256(out) == made_of["photo"]:
        return "copy"
    try:
        record = read_record(out) or {}
    except DeepGyroError:
        record = {}
    if {key: record.get(key) for key in made_of} != made_of:
        raise DeepGyroError(f"{out}: exists; give --overwrite or another --out")
    return PhotoReport(**record["report"])
