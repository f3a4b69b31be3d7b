"""Clips: frames with their time stamps, and what else lies in a video file (extra: video)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8, UInt16
from numpy import ndarray

from ..errors import DeepGyroError, require_extra
from ..files import describe_error, unreadable_file_error

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.plane import VideoPlane

RgbPixels = UInt8[ndarray, "h w 3"] | UInt16[ndarray, "h w 3"]

_AV_LIMITED_RANGE, _AV_FULL_RANGE = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG; RGB has the full one
_AV_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_AV_BT709, _AV_BT601 = 1, 5
_SWSCALE_FLAGS = 0x4 | 0x40000 | 0x2000  # bicubic, accurate rounding, full chroma interpolation


@dataclass(frozen=True)
class Clip:
    """The video stream of a file; width and height (px) as stored, before any turn that the file asks for."""

    path: Path
    width: int
    height: int
    codec: str
    pixel_format: str
    rate: Fraction
    """Mean number of frames a second."""
    count: int | None
    """Frames, as the file states."""
    duration: float | None
    """s"""

    @property
    def expected_frames(self) -> int:
        """How many frames there are as far as the file says; at least 1."""
        return self.count or round((self.duration or 0.0) * self.rate) or 1


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """A decoded frame."""

    index: int
    t: float
    """Presentation time on the clip's clock, s."""
    picture: VideoFrame

    def rgb(self) -> RgbPixels:
        """Return its encoded RGB pixels: 8 bits a channel, or 16 where it has more than 8."""
        converted = self.picture.reformat(
            format="rgb48le" if _bit_depth(self.picture) > 8 else "rgb24",
            src_colorspace=_yuv_matrix(self.picture),
            dst_color_range=_AV_FULL_RANGE,
            interpolation=_SWSCALE_FLAGS,
        )
        return np.asarray(converted.to_ndarray())

    def gray(self, height: int, width: int) -> UInt8[ndarray, "h w"]:
        """Return its luma at a smaller size (px), averaged over areas."""
        converted = self.picture.reformat(width=width, height=height, format="gray", interpolation="AREA")
        return np.asarray(converted.to_ndarray())

    def with_difference(self, before: RgbPixels, after: RgbPixels) -> ClipFrame:
        """Return the frame plus the difference of two pictures, in its own format and colours.

        Where they are equal it stays bit for bit the same: RGB and back would move colours by half a step.
        """
        own, changed = self.picture, self._from_rgb(after)
        planes = zip(changed.planes, own.planes, self._from_rgb(before).planes, strict=True)
        max_value = 2 ** _bit_depth(own) - 1
        for plane, *others in planes:
            new, own_rows, old = (_plane_rows(plane, max_value) for plane in (plane, *others))
            used = min(new.shape[1], own_rows.shape[1], old.shape[1])  # each pads its rows in its own way
            total = new.astype(np.int32)
            total[:, :used] += own_rows[:, :used]
            total[:, :used] -= old[:, :used]
            plane.update(total.clip(0, max_value).astype(new.dtype).tobytes())
        for name in [
            "pts",
            "time_base",
            "duration",
            "color_range",
            "color_primaries",
            "color_trc",
            "colorspace",
        ]:
            setattr(changed, name, getattr(own, name))
        return ClipFrame(self.index, self.t, changed)

    def _from_rgb(self, rgb: RgbPixels) -> VideoFrame:
        """Convert RGB to the frame's own format."""
        from av import VideoFrame

        own = self.picture
        full = own.color_range == _AV_FULL_RANGE or own.format.name.startswith(("yuvj", "rgb", "bgr", "gbr"))
        picture = VideoFrame.from_ndarray(
            np.ascontiguousarray(rgb), "rgb24" if rgb.dtype == np.uint8 else "rgb48le"
        )
        return picture.reformat(
            format=own.format.name,
            dst_colorspace=_yuv_matrix(own),
            src_color_range=_AV_FULL_RANGE,
            dst_color_range=_AV_FULL_RANGE if full else _AV_LIMITED_RANGE,
            interpolation=_SWSCALE_FLAGS,
        )


class ClipReader:
    """Reads a video file from its beginning to its end, once; a context manager."""

    def __init__(self, path: str | os.PathLike[str], *, copied: bool = False) -> None:
        """Open a file and decode its first frame.

        Parameters
        ----------
        path
            Any video that FFmpeg reads.
        copied
            Let `parts` also yield the packets of sound, subtitles and telemetry.

        Raises
        ------
        DeepGyroError
            If the extra is not installed, or there is no picture in the file.
        """
        av = import_av()
        self.path = Path(path)
        self.ended_early = ""
        """Why fewer frames could be decoded than the file states; else empty."""
        try:
            self.container: InputContainer = av.open(str(path), metadata_errors="replace")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise unreadable_file_error(path, error) from error
        except (av.FFmpegError, OSError) as error:
            raise DeepGyroError(
                f"{path}: no video that can be read ({describe_error(error)}); if its recording or copying "
                "was cut off, copy it again or have it repaired"
            ) from error
        try:
            self.stream = _video_stream(self.container, self.path)
            self.stream.thread_type = "AUTO"
            self.copied: list[Stream] = (
                [s for s in self.container.streams if _is_copied_stream(s)] if copied else []
            )
            self._parts = self._decode()
            self._first: list[ClipFrame | Packet[Any]] = []
            for part in self._parts:
                self._first.append(part)
                if isinstance(part, ClipFrame):
                    self.first = part
                    break
            else:
                raise DeepGyroError(f"{path}: no frame can be decoded; copy the clip again")
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def clip(self) -> Clip:
        """The video stream's properties."""
        stream, picture = self.stream, self.first.picture
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        duration = None
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif self.container.duration is not None:
            duration = self.container.duration / 1e6
        return Clip(
            self.path,
            picture.width,
            picture.height,
            stream.codec_context.name,
            picture.format.name,
            Fraction(rate),
            stream.frames or None,
            duration,
        )

    def parts(self) -> Iterator[ClipFrame | Packet[Any]]:
        """Yield the frames in the order of their times, and the packets to be copied between them."""
        yield from self._first
        self._first = []
        yield from self._parts

    def frames(self) -> Iterator[ClipFrame]:
        """Yield the frames alone."""
        return (part for part in self.parts() if isinstance(part, ClipFrame))

    def _demux(self) -> Iterator[Packet[Any]]:
        av = import_av()
        try:
            yield from self.container.demux(self.stream, *self.copied)
        except (av.FFmpegError, OSError) as error:
            self.ended_early = describe_error(error)

    def _decode(self) -> Iterator[ClipFrame | Packet[Any]]:
        av = import_av()
        index = 0
        for packet in self._demux():
            if packet.stream is not self.stream:
                if packet.dts is not None:
                    yield packet
                continue
            try:
                pictures = self.stream.decode(packet)
            except av.FFmpegError as error:  # a damaged packet: the next ones may be whole
                self.ended_early = describe_error(error)
                continue
            for picture in pictures:
                yield self._make_frame(index, picture)
                index += 1
        stated = self.stream.frames
        if stated and index < stated:
            self.ended_early = f"{index} of {stated} frames could be decoded"

    def _make_frame(self, index: int, picture: VideoFrame) -> ClipFrame:
        base = picture.time_base or self.stream.time_base
        if picture.pts is None:  # some old containers have no time stamps
            rate = self.stream.average_rate or self.stream.guessed_rate
            if base is None or not rate:
                raise DeepGyroError(f"{self.path}: its frames have no time stamps; convert it to MP4 or MKV")
            picture.pts, picture.time_base = round(index / rate / base), base
        return ClipFrame(index, float(picture.pts * (base or 1)), picture)


def import_av() -> Any:
    """Return PyAV; raise DeepGyroError if the extra is not installed."""
    with require_extra("video"):
        import av
    return av


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the video stream that is no cover picture."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise DeepGyroError(f"{path}: there is no video in it; if it was cut off, copy it again")
    return streams[0]


def _is_copied_stream(stream: Stream) -> bool:
    """Return whether a stream is sound, subtitles or telemetry (GoPro's, which has a name)."""
    return stream.type in ("audio", "subtitle") or (stream.type == "data" and stream.name == "bin_data")


def _bit_depth(picture: VideoFrame) -> int:
    return max(component.bits for component in picture.format.components)


def _yuv_matrix(picture: VideoFrame) -> int:
    """Return the matrix between YUV and RGB; where the file states none, the one that players take."""
    if picture.colorspace not in (0, _AV_UNSPECIFIED):
        return int(picture.colorspace)
    return _AV_BT709 if picture.height >= 720 else _AV_BT601


def _plane_rows(plane: VideoPlane, max_value: int) -> ndarray:
    """Return the rows of a plane, with their padding."""
    numbers: ndarray = np.frombuffer(memoryview(plane), np.uint8 if max_value < 256 else np.uint16)
    return numbers.reshape(plane.height, -1)
