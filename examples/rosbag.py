"""Deblur the frames of a ROS 1 or ROS 2 bag, as they come. Needs: pip install rosbags

    python examples/rosbag.py bag camera.yaml --image /cam0/image_raw --imu /imu0 --exposure 0.01 --out out

The camera file is ours (docs/camera.md); images' stamps are taken for the start of the exposure (--middle: of
its middle). Images are written as PNG under their stamp (ns), as EuRoC names them;
--before writes the frames as they came, too, for examples/matches.py.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

import deepgyro
from deepgyro.video import StreamFrame

CODES = {"mono8": cv2.COLOR_GRAY2RGB, "bgr8": cv2.COLOR_BGR2RGB, "rgb8": None, "8UC1": cv2.COLOR_GRAY2RGB}


def main() -> None:
    """Feed samples and frames in the order in which they were recorded, write what comes back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bag", type=Path)
    parser.add_argument("camera", type=Path)
    parser.add_argument("--image", required=True, help="topic of sensor_msgs/Image or CompressedImage")
    parser.add_argument("--imu", required=True, help="topic of sensor_msgs/Imu")
    parser.add_argument("--exposure", type=float, required=True, help="s")
    parser.add_argument("--middle", action="store_true", help="stamps are the middle of the exposure")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--before", type=Path)
    given = parser.parse_args()

    stream = deepgyro.Deblurrer(deepgyro.read_camera(given.camera), method="deepgyro-fast")
    names: dict[float, str] = {}
    for folder in filter(None, (given.out, given.before)):
        folder.mkdir(parents=True, exist_ok=True)
    for stamp, message in messages(given.bag, given.image, given.imu):
        started = time.perf_counter()
        if hasattr(message, "angular_velocity"):
            w = message.angular_velocity
            ready = stream.add_gyro(np.array([stamp * 1e-9]), np.array([[w.x, w.y, w.z]]))
        else:
            t = stamp * 1e-9 - (given.exposure / 2 if given.middle else 0.0)
            names[t] = f"{stamp}.png"
            image = pixels(message)
            if given.before:
                cv2.imwrite(str(given.before / names[t]), image[..., ::-1])
            ready = stream.add_frame(image, t=t, exposure=given.exposure)
        for frame in ready:
            write(given.out, names.pop(frame.t), frame, started)
    for frame in stream.flush():
        write(given.out, names.pop(frame.t), frame, time.perf_counter())


def messages(bag: Path, *topics: str) -> Iterator[tuple[int, object]]:
    """Yield the messages of some topics with their own stamps (ns), in the order of recording."""
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        chosen = [connection for connection in reader.connections if connection.topic in topics]
        if missing := set(topics) - {connection.topic for connection in chosen}:
            there = ", ".join(sorted({connection.topic for connection in reader.connections}))
            raise SystemExit(f"{bag}: has no topic {', '.join(sorted(missing))}; it has {there}")
        for connection, _, raw in reader.messages(connections=chosen):
            message = reader.deserialize(raw, connection.msgtype)
            stamp = message.header.stamp
            yield stamp.sec * 1_000_000_000 + stamp.nanosec, message


def pixels(message) -> np.ndarray:
    """Return an image message's pixels, RGB of 8 bits."""
    if hasattr(message, "format"):
        return cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR)[..., ::-1].copy()
    if message.encoding not in CODES:
        raise SystemExit(f"images are {message.encoding}; {', '.join(CODES)} can be read")
    rows = np.asarray(message.data).reshape(message.height, message.step)
    channels = 1 if CODES[message.encoding] == cv2.COLOR_GRAY2RGB else 3
    image = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    code = CODES[message.encoding]
    return np.ascontiguousarray(image) if code is None else cv2.cvtColor(np.ascontiguousarray(image), code)


def write(folder: Path, name: str, frame: StreamFrame, started: float) -> None:
    """Write a frame, and say what was done to it."""
    cv2.imwrite(str(folder / name), frame.image[..., ::-1])
    took = 1000 * (time.perf_counter() - started)
    print(f"{name}  blur {frame.blur_max_px:.1f} px  {frame.method}  {took:.0f} ms  {frame.note}")


if __name__ == "__main__":
    main()
