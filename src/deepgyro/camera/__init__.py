"""The camera: intrinsics, lens, shutter, the gyro's mounting; and camera files."""

from .camera import Camera, Direction
from .files import read_camera, write_camera
from .lens import Distortion

__all__ = ["Camera", "Direction", "Distortion", "read_camera", "write_camera"]
