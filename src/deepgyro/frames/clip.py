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

from deepgyro.errors import DeepGyroError

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
    """What a video file says of its pictures."""

    path: Path
    width: int
    """px, as stored: before any turn that the file asks for."""
    height: int
    """px"""
    codec: str
    pixel_format: str
    bits: int
    """Of a channel."""
    rate: Fraction
    """Mean number of frames a second."""
    count: int | None
    """How many frames the file says it has."""
    duration: float | None
    """s"""

    @property
    def expected_frames(self) -> int:
        """How many frames there are as far as the file says; at least 1."""
        return self.count or round((self.duration or 0.0) * self.rate) or 1


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """A frame as it was decoded."""

    index: int
    t: float
    """When it is shown, on the clip's clock, s."""
    picture: VideoFrame

    def rgb(self) -> RgbPixels:
        """Return its pixels as encoded RGB: 8 bits a channel, or 16 where it has more than 8."""
        deep = _bit_depth(self.picture) > 8
        changed = self.picture.reformat(
            format="rgb48le" if deep else "rgb24",
            src_colorspace=_yuv_matrix(self.picture),
            dst_color_range=_AV_FULL_RANGE,
            interpolation=_SWSCALE_FLAGS,
        )
        return np.asarray(changed.to_ndarray())

    def gray(self, height: int, width: int) -> UInt8[ndarray, "h w"]:
        """Return its brightness at a smaller size, averaged."""
        changed = self.picture.reformat(width=width, height=height, format="gray", interpolation="AREA")
        return np.asarray(changed.to_ndarray())

    def with_difference(self, before: RgbPixels, after: RgbPixels) -> ClipFrame:
        """Return the frame with the difference of two pictures added to it, in its own format and colours.

        Where they are equal it stays bit for bit as it is: RGB and back would move colours by half a step.
        """
        own, made = self.picture, self._from_rgb(after)
        planes = zip(made.planes, own.planes, self._from_rgb(before).planes, strict=True)
        most = 2 ** _bit_depth(own) - 1
        for out, *others in planes:
            new, kept, gone = (_plane_rows(plane, most) for plane in (out, *others))
            used = min(new.shape[1], kept.shape[1], gone.shape[1])  # rows are padded, each in its own way
            total = new.astype(np.int32)
            total[:, :used] += kept[:, :used]
            total[:, :used] -= gone[:, :used]
            out.update(total.clip(0, most).astype(new.dtype).tobytes())
        for name in ("pts", "time_base", "color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(made, name, getattr(own, name))
        made.duration = own.duration
        return ClipFrame(self.index, self.t, made)

    def _from_rgb(self, rgb: RgbPixels) -> VideoFrame:
        """Return RGB in the frame's own format."""
        from av import VideoFrame

        own = self.picture
        full = own.color_range == _AV_FULL_RANGE or own.format.name.startswith(("yuvj", "rgb", "bgr", "gbr"))
        whole = np.ascontiguousarray(rgb)
        made = VideoFrame.from_ndarray(whole, "rgb24" if whole.dtype == np.uint8 else "rgb48le")
        return made.reformat(
            format=own.format.name,
            dst_colorspace=_yuv_matrix(own),
            src_color_range=_AV_FULL_RANGE,
            dst_color_range=_AV_FULL_RANGE if full else _AV_LIMITED_RANGE,
            interpolation=_SWSCALE_FLAGS,
        )


class ClipReader:
    """A video file that is read from its beginning to its end, once; a context manager."""

    def __init__(self, path: str | os.PathLike[str], *, copied: bool = False) -> None:
        """Open a file and decode its first frame.

        Parameters
        ----------
        path
            Any video that FFmpeg reads.
        copied
            Whether `parts` also yields the packets of sound, subtitles and telemetry.

        Raises
        ------
        DeepGyroError
            If the extra is not installed, or there is no picture in the file.
        """
        av = import_av()
        self.path = Path(path)
        self.ended_early = ""
        """Why not every frame that the file says it has could be decoded; else empty."""
        try:
            self.container: InputContainer = av.open(str(path), metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise unreadable_clip_error(self.path, error) from error
        try:
            self.stream = _video_stream(self.container, self.path)
            self.stream.thread_type = "AUTO"
            self.copied: list[Stream] = (
                [s for s in self.container.streams if _is_copied_stream(s)] if copied else []
            )
            self._parts = self._decode_packet()
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
        """What the file says of its pictures."""
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
            _bit_depth(picture),
            Fraction(rate),
            stream.frames or None,
            duration,
        )

    def parts(self) -> Iterator[ClipFrame | Packet[Any]]:
        """Yield the frames in the order they are shown, and the packets to be copied where they lie."""
        yield from self._first
        self._first = []
        yield from self._parts

    def frames(self) -> Iterator[ClipFrame]:
        """Yield the frames alone."""
        return (part for part in self.parts() if isinstance(part, ClipFrame))

    def _decode_packet(self) -> Iterator[ClipFrame | Packet[Any]]:
        av = import_av()
        index = 0
        packets = self.container.demux(self.stream, *self.copied)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                self.ended_early = _describe_error(error)
                break
            if packet.stream is not self.stream:
                if packet.dts is not None:
                    yield packet
                continue
            try:
                pictures = self.stream.decode(packet)
            except av.FFmpegError as error:  # a damaged packet: the next ones may be whole
                self.ended_early = _describe_error(error)
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


def read_clip(path: str | os.PathLike[str]) -> Clip:
    """Return what a video file says of its pictures; errors as in `ClipReader`."""
    with ClipReader(path) as reader:
        return reader.clip


def import_av() -> Any:
    """Return PyAV.

    Raises
    ------
    DeepGyroError
        If the extra is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DeepGyroError(
            "video needs PyAV, which is not installed: pip install 'deepgyro[video]'"
        ) from error
    return av


def unreadable_clip_error(path: Path, error: Exception) -> DeepGyroError:
    """Return the error that says why a file is no clip."""
    if isinstance(error, FileNotFoundError):
        return DeepGyroError(f"{path}: there is no such file; check the name")
    if isinstance(error, IsADirectoryError):
        return DeepGyroError(f"{path}: is a folder; name the clip in it")
    return DeepGyroError(
        f"{path}: no video that can be read ({_describe_error(error)}); where it was cut off while it was "
        "recorded or "
        "copied, copy it again or have it repaired"
    )


def _describe_error(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream of moving pictures; a cover is none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise DeepGyroError(f"{path}: there is no video in it; if it was cut off, copy it again")
    return streams[0]


def _is_copied_stream(stream: Stream) -> bool:
    """Return whether a stream is copied: sound, subtitles, and telemetry (GoPro's, which has a name)."""
    return stream.type in ("audio", "subtitle") or (stream.type == "data" and stream.name == "bin_data")


def _bit_depth(picture: VideoFrame) -> int:
    return max(component.bits for component in picture.format.components)


def _yuv_matrix(picture: VideoFrame) -> int:
    """Return the matrix between YUV and RGB; where none is said, the one that players take."""
    if picture.colorspace not in (0, _AV_UNSPECIFIED):
        return int(picture.colorspace)
    return _AV_BT709 if picture.height >= 720 else _AV_BT601


def _plane_rows(plane: VideoPlane, max_value: int) -> ndarray:
    """Return what the rows of a plane hold, their padding too."""
    numbers: ndarray = np.frombuffer(memoryview(plane), np.uint8 if max_value < 256 else np.uint16)
    return numbers.reshape(plane.height, -1)
