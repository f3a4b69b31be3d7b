"""The camera: intrinsics, lens, shutter and how the gyro sits on it; and the files that say so."""

from .camera import Camera, Direction
from .files import read_camera, write_camera
from .lens import Distortion

__all__ = ["Camera", "Direction", "Distortion", "read_camera", "write_camera"]
