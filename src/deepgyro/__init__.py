"""Take the motion blur out of photos and video with the help of the camera's gyroscope."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .blur import BlurOperator as BlurOperator
    from .blurfield import MotionField as MotionField
    from .blurfield import blur_field as blur_field
    from .blurfield import motion_field as motion_field
    from .camera import Camera as Camera
    from .camera import read_camera as read_camera
    from .deblurring import Deblurred as Deblurred
    from .deblurring import deblur as deblur
    from .deblurring import deblur_picture as deblur_picture
    from .errors import DeepGyroError as DeepGyroError
    from .frames import read_photo as read_photo
    from .refine import Refined as Refined
    from .refine import refine_field as refine_field
    from .telemetry import GyroLog as GyroLog
    from .telemetry import read_gyro as read_gyro
    from .video import Deblurrer as Deblurrer

_HOME = {
    "BlurOperator": "blur",
    "Deblurred": "deblurring",
    "MotionField": "blurfield",
    "deblur_picture": "deblurring",
    "motion_field": "blurfield",
    "read_photo": "frames",
    "Camera": "camera",
    "Deblurrer": "video",
    "DeepGyroError": "errors",
    "GyroLog": "telemetry",
    "Refined": "refine",
    "blur_field": "blurfield",
    "deblur": "deblurring",
    "read_camera": "camera",
    "read_gyro": "telemetry",
    "refine_field": "refine",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `import deepgyro` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return all public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
