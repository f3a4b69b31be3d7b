"""The exceptions that say a file or a recording cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager


class DeepGyroError(Exception):
    """A file or a recording cannot be used as it is.

    The message names the file or the argument, what was found, what is needed and what to do; it is one
    line, fit to be shown to a person. A caller's own mistake is a `ValueError` instead.
    """


class UnknownColumns(DeepGyroError):
    """A table of numbers does not say which of its columns are time and rates, or in which units."""


class ExposureNotCovered(DeepGyroError):
    """The gyro log does not cover an exposure."""


class ImpossibleMotion(ValueError):
    """The camera moves as no picture can show."""


class MotionOutrunsShutter(ImpossibleMotion):
    """The picture moves as fast as the rolling shutter reads it."""


class PixelBehindCamera(ImpossibleMotion):
    """A pixel turns behind the camera."""


@contextmanager
def require_extra(name: str) -> Iterator[None]:
    """Say which extra to install where a package that is imported inside is not there.

    Raises
    ------
    DeepGyroError
        If a package of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("deepgyro"):
            raise
        raise DeepGyroError(f"{error.name} is missing: pip install 'deepgyro[{name}]'") from error
