"""Deblur the frames of a folder in EuRoC's format (TUM VI exports it too), as a robot would: as they come.

    python examples/euroc.py mav0 camera.yaml --exposure 0.008 --out sharp

The folder holds imu0/data.csv, cam0/data.csv (timestamp [ns], filename) and cam0/data/. The camera file is
ours (docs/camera.md); with `lens:` it takes over Kalibr's. EuRoC stamps the middle of the exposure: then add
--middle. `python examples/matches.py mav0/cam0/data sharp` then counts what features gained.
"""

import argparse
import csv
import time
from pathlib import Path

import cv2
import numpy as np

import deepgyro


def main() -> None:
    """Read the folder, feed samples and frames in the order of their times, write what comes back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("camera", type=Path)
    parser.add_argument("--exposure", type=float, required=True, help="s")
    parser.add_argument("--middle", action="store_true", help="stamps are the middle of the exposure")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    log = deepgyro.read_gyro(given.folder / "imu0" / "data.csv")
    camera = deepgyro.read_camera(given.camera)
    with open(given.folder / "cam0" / "data.csv", newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    names: dict[float, str] = {}
    stream = deepgyro.Deblurrer(camera)

    def written(frames) -> None:
        started = time.perf_counter()
        for frame in frames:
            took = 1000 * (time.perf_counter() - started)
            cv2.imwrite(str(given.out / names.pop(frame.t)), frame.image[..., 0])
            said = f"{frame.t:.3f} s  blur {frame.blur_max_px:.1f} px  {frame.method}  {took:.0f} ms"
            print(f"{said}  {frame.note}")
            started = time.perf_counter()

    fed = 0
    for stamp, name in ((int(row[0]), row[1].strip()) for row in rows):
        t = stamp * 1e-9 - (given.exposure / 2 if given.middle else 0.0)
        names[t] = name
        gray = cv2.imread(str(given.folder / "cam0" / "data" / name), cv2.IMREAD_UNCHANGED)
        written(stream.add_frame(np.repeat(gray[..., None], 3, axis=2), t=t, exposure=given.exposure))
        # A robot's samples arrive all the time; here those of the next 50 ms.
        past = int(np.searchsorted(log.t, t + camera.time_offset + 0.05))
        written(stream.add_gyro(log.t[fed:past], log.omega[fed:past]))
        fed = max(fed, past)
    written(stream.flush())


if __name__ == "__main__":
    main()
