"""Training pairs and the logs they are made with: synth, fetch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from .app import Flag, Integer, OptionalInteger, app
from .output import ProgressBar, print_json

if TYPE_CHECKING:
    from ..telemetry.fetching import FetchedLog

fetch = App(name="fetch", help="Fetch public gyro logs from their official servers.")
app.command(fetch)


@app.command
def synth(
    *photos: Path,
    gyro: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())],
    out: Path,
    count: Integer,
    preset: Literal["physical", "paper"] = "physical",
    paper_share: float | None = None,
    seed: Integer = 0,
    height: Integer = 270,
    width: Integer = 480,
    shard_size: Integer = 250,
    workers: OptionalInteger = None,
    ray: str | None = None,
    gyro_columns: str | None = None,
    preview: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Make training pairs of sharp photos and gyro logs: a data set of shards that a trainer streams.

    The same photos, logs, seed and sizes give the same bytes. The same command continues an interrupted run.

    Parameters
    ----------
    photos
        Sharp photos, or folders of them. Those that cannot be used are named and left out.
    gyro
        Gyro logs, or folders of them; several may follow.
    out
        Folder for the data set: shard-000000.tar, ... (WebDataset), dataset.json, manifest.json.
    count
        How many pairs.
    preset
        "physical": real camera shake, sensors and lenses; "paper": section 4.2 of the paper.
    paper_share
        Share of the pairs (0 to 1) that are blurred as in the paper: encoded values, straight paths, noise of
        30 dB; by default the preset's (0.15 for physical).
    seed
        Of all random draws.
    height
        Of the pairs (px); smaller photos are left out, none is enlarged.
    width
        Of the pairs (px).
    shard_size
        Pairs in a shard.
    workers
        Processes, one core each; by default as many as there are cores.
    ray
        Address of a Ray cluster to use instead (extra: cluster): HOST:PORT, auto, or local for one on this
        machine. All its machines must see photos and out under these paths.
    gyro_columns
        Columns and units of those logs that do not name them, e.g. "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]".
    preview
        Picture of the first pairs (sharp, blurred, exact and prior field); histograms are written beside it.
        A former preview is replaced.
    overwrite
        First remove the data set in out, whatever it is; without it an interrupted one is continued.
    json
        Print one JSON object.
    """
    from ..lab.synthesis import PRESETS, make_dataset, open_pool, with_encoded_share
    from ..lab.synthesis.preview import preview_paths, write_dataset_preview

    pictures = [str(file) for file in preview_paths(preview)] if preview else []
    draws = PRESETS[preset] if paper_share is None else with_encoded_share(PRESETS[preset], paper_share)
    left_out: list[str] = []

    def leave_out(line: str) -> None:
        left_out.append(line)
        bar.print_message(line)

    with ProgressBar(1, "check") as bar:
        size = {"height": height, "width": width}
        pool = open_pool(
            photos, gyro, **size, gyro_columns=gyro_columns, on_bad=leave_out, progress=bar.show_share
        )
        bar.finish_one()
    with ProgressBar(count, "pair") as bar:
        report = make_dataset(
            pool, draws, out=out, count=count, seed=seed, **size, shard_size=shard_size,
            workers=workers, ray=ray, overwrite=overwrite, progress=bar.show_count,
        )  # fmt: skip
    if preview:
        write_dataset_preview(out, preview)
    if json:
        print_json(asdict(report) | {"left_out": left_out, "preview": pictures})
    else:
        made = f"{report.pairs} pairs, shards: {report.shards}, {report.bytes / 1e6:.1f} MB"
        speed = f"{report.pairs_per_second:.1f} pairs a second" if report.made else "was there already"
        print("\n".join([f"{report.out}  {made}  {speed}", *pictures]))
    return 0


@fetch.command
def tum_vi(
    *logs: str, out: Path, mirror: str | None = None, overwrite: Flag = False, json: Flag = False
) -> int:
    """Fetch the gyro logs of the TUM VI benchmark (CC BY 4.0).

    Each is in an archive of 1 to 2 GB, which is read up to the log and not kept. A log takes 1 MB.

    Parameters
    ----------
    logs
        room1 to room5; all, if none is named.
    out
        Folder for the logs: room1.csv.gz, ...
    mirror
        Address of a folder with the same archives, instead of the official one.
    overwrite
        Replace files of these names that are not these logs.
    json
        Print one JSON object.
    """
    from ..telemetry.fetching import TUM_VI_LOGS, fetch_tum_vi

    fetched: list[FetchedLog] = []
    with ProgressBar(len(logs) or len(TUM_VI_LOGS), "log") as bar:

        def show(read: int, size: int | None) -> None:
            bar.show_share(read / size if size else 0.0)

        for log in fetch_tum_vi(logs, out, mirror=mirror, overwrite=overwrite, progress=show):
            bar.finish_one()
            fetched.append(log)
            if not json:
                note = f"  [{log.note}]" if log.note else ""
                bar.print(f"{log.file}  {log.licence}{note}")
    if json:
        print_json({"logs": [asdict(log) for log in fetched]})
    return 0
