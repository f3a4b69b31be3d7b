"""Photos: deblur, field, demo."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .app import BaselineMethod, Flag, Integer, Json, MethodName, Overwrite, app
from .output import ProgressBar, print_json, print_message

if TYPE_CHECKING:
    from ..photos import PhotoReport


@app.command
def deblur(
    *photos: Path,
    out: Path,
    gyro: Path | None = None,
    camera: Path | None = None,
    frames: Path | None = None,
    time: float | None = None,
    exposure: float | None = None,
    gyro_columns: str | None = None,
    field: str | None = None,
    estimate: Literal["exposure", "offset"] | None = None,
    method: MethodName | BaselineMethod = "deepgyro",
    weights: Path | None = None,
    refine: Annotated[bool, Parameter(negative="--no-refine")] = True,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Deblur photos.

    Parameters
    ----------
    photos
        Photos (JPEG, PNG, TIFF, WebP, HEIC; 8 or 16 bits), or folders of them.
    out
        Folder for the results, or a picture's name for one photo.
    gyro
        Gyro log: see docs/telemetry.md for the formats.
    camera
        Camera file: see docs/camera.md.
    frames
        Table of the photos' exposures: file,t,exposure (s).
    time
        Start of the photo's exposure on the frames' clock (s), instead of a table.
    exposure
        How long a line of it collects light (s).
    gyro_columns
        Columns and units of a log without a header, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]".
    field
        Blur field instead of a log: FIELD.npz, or the original program's FIELD_X.png,FIELD_Y.png.
    estimate
        What is unknown, and estimated from the photos: each one's exposure, or the clock's offset (within a
        second of the camera file's; several photos with some blur are needed).
    method
        deepgyro: our network. deepgyro-fast: a smaller one. richardson-lucy: no weights. fastgyro: the
        paper's baseline, in style. To compare with, where there are weights: deepgyro-paper (the paper's
        network), deepblind-paper and deblurgan (which see the photo alone).
    weights
        Of the method's network: a file of deepgyro export, instead of those in the package.
    refine
        Let each photo correct the field of its gyro.
    """
    from ..photos import Failure, deblur_photos
    from ..recording import FieldSource

    named = _find_named_photos(photos)
    source = FieldSource(
        gyro, camera, frames, time, exposure, gyro_columns, _split_field_paths(field), estimate
    )
    reports: list[PhotoReport] = []
    failures: list[Failure] = []
    with ProgressBar(len(named), "photo") as bar:
        for result in deblur_photos(
            named, out, source, method=method, weights=weights, refine=refine, overwrite=overwrite,
            progress=bar.show_share,
        ):  # fmt: skip
            bar.finish_one()
            if isinstance(result, Failure):
                failures.append(result)
                bar.print_message(f"error: {result.error}")
                continue
            reports.append(result)
            if not json:
                bar.print(_describe_result(result))
    if json:
        print_json({"photos": [asdict(r) for r in reports], "failed": [asdict(f) for f in failures]})
    elif failures and len(named) > 1:
        print_message(f"{len(failures)} of {len(named)} photos failed: {', '.join(f.file for f in failures)}")
    return 1 if failures else 0


@app.command
def field(
    photo: Path | None = None,
    /,
    *,
    gyro: Path,
    camera: Path,
    time: float | None = None,
    exposure: float | None = None,
    frames: Path | None = None,
    gyro_columns: str | None = None,
    out: str | None = None,
    picture: Path | None = None,
    instants: Integer = 9,
    reference: Literal["row", "picture", "start"] = "picture",
    refine: Flag = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Compute the blur field of one exposure, write it, draw it.

    Parameters
    ----------
    photo
        The photo; its size is the field's, and it lies under the drawing. Without it: the camera's size.
    gyro
        Gyro log.
    camera
        Camera file.
    time
        Start of the exposure of the line that is read first, on the frames' clock (s).
    exposure
        How long a line collects light (s).
    frames
        Table of exposures, instead of time and exposure; the photo is looked up in it.
    gyro_columns
        Columns and units of a log without a header.
    out
        FIELD.npz; or FIELD_X.png,FIELD_Y.png as the original program writes them (8 bits, folded).
    picture
        Picture of the field: paths over the faded photo, coloured by direction (PNG, JPEG, ...).
    instants
        Instants that divide the exposure; 2 is the paper's straight blur.
    reference
        "row": eq. 5 of the paper; "picture": the path in the sharp rolling-shutter picture; "start": the
        original program's. A pair of pictures always has two instants and "start".
    refine
        Let the photo correct the field; the drawing has the gyro's field in black over it.
    """
    from ..photos import make_field
    from ..recording import FieldSource

    source = FieldSource(gyro, camera, frames, time, exposure, gyro_columns)
    report = make_field(
        source,
        photo,
        out=_split_field_paths(out),
        picture=picture,
        n=instants,
        reference=reference,
        refine=refine,
        overwrite=overwrite,
    )
    if json:
        print_json(asdict(report))
    else:
        made = f" -> {', '.join(report.files)}" if report.files else ""
        size = f"{report.width} x {report.height}"
        note = f"  {report.note}" if report.note else ""
        print(f"{size}  blur {report.blur_median_px:.1f} px (largest {report.blur_max_px:.1f}){note}{made}")
    return 0


@app.command
def demo(
    *, out: Path = Path("deepgyro-demo"), seed: Integer = 0, overwrite: Overwrite = False, json: Json = False
) -> int:
    """Blur a photo that comes with the program as a shaking hand does, deblur it, and write pictures.

    Parameters
    ----------
    out
        Folder for the pictures.
    seed
        Of the shake and the noise.
    """
    from ..demo import run_demo as run_demo

    with ProgressBar(1, "photo") as bar:
        report = run_demo(out, seed=seed, overwrite=overwrite, progress=bar.show_share)
        bar.finish_one()
    if json:
        print_json(asdict(report))
    else:
        print(f"blur {report.blur_median_px} px (largest {report.blur_max_px})")
        print(f"PSNR {report.psnr_blurred:.2f} dB blurred, {report.psnr_deblurred:.2f} dB deblurred")
        print("\n".join(report.files))
    return 0


def _find_named_photos(paths: tuple[Path, ...]) -> list[Path]:
    from ..photos import find_photos

    if not paths:
        raise ValueError("name at least one photo")
    return find_photos(paths)


def _split_field_paths(text: str | None) -> tuple[Path, ...]:
    """Split FIELD.npz or X.png,Y.png."""
    paths = tuple(Path(part) for part in text.split(",")) if text else ()
    if len(paths) > 2 or (len(paths) == 2 and not all(p.suffix.lower() == ".png" for p in paths)):
        raise ValueError(f"the field is {text!r}; FIELD.npz or FIELD_X.png,FIELD_Y.png is needed")
    return paths


def _describe_result(report: PhotoReport) -> str:
    """Return one sentence: what happened to a photo, and why."""
    name, note = Path(report.file).name, f"; {report.note}" if report.note else ""
    if report.skipped is not None:
        return f"{name}: unchanged, {report.skipped}{note}"
    return f"{name}: deblurred in {report.seconds:.1f} s, typical blur {report.blur_median_px:.1f} px{note}"
