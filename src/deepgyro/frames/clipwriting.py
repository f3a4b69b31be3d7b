"""From frames to a clip: the input's codec, time stamps, colours and sound; whole or under another name."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import DeepGyroError
from ..files import check_writable, describe_write_error, move_into_place
from .clip import Clip, ClipFrame, ClipReader, import_av

if TYPE_CHECKING:
    from av import Packet, VideoFormat, VideoFrame, VideoStream
    from av.stream import Stream

DEFAULT_QUALITY_CRF = 17
"""Constant rate factor of H.264; what it loses is hard to see."""
EncodingEffort = Literal["low", "medium", "high"]
"""How hard an encoder tries to make a file small at the same quality."""

_CODEC_ENCODERS = {
    **{"h264": "libx264", "hevc": "libx265", "prores": "prores_ks", "ffv1": "ffv1", "vp9": "libvpx-vp9"},
    **{"av1": "libsvtav1", "libdav1d": "libsvtav1", "mjpeg": "mjpeg"},
}
_EVEN_SIZE_ENCODERS = ("libx264", "libx265", "libsvtav1")
"""These need sides that whole chroma samples fill."""
_EFFORT_OPTIONS = {
    "libx264": ("preset", "veryfast", "faster", "slow"),
    "libx265": ("preset", "veryfast", "medium", "slow"),
    "libvpx-vp9": ("cpu-used", "6", "4", "2"),
    "libsvtav1": ("preset", "9", "6", "4"),
}
"""The encoder's option for `EncodingEffort`, and its values."""
_MOVFLAGS = "use_metadata_tags+hybrid_fragmented+delay_moov"
"""Fragments while it is written, so that what a killed process leaves can be played; one index at the end."""
_EXTRA_OPTIONS = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"b": "0", "row-mt": "1"}}
_PRORES_PROFILES = {"proxy": "0", "lt": "1", "standard": "2", "hq": "3", "4444": "4", "xq": "5"}


class ClipWriter:
    """Writes a clip frame by frame; the file gets its name when it is whole.

    Time stamps, size, colour tags, rotation and metadata are those of the reader's clip; so is the codec, if
    FFmpeg can encode it and the file's format holds it.
    """

    def __init__(
        self,
        path: Path,
        reader: ClipReader,
        *,
        quality: int = DEFAULT_QUALITY_CRF,
        effort: EncodingEffort = "medium",
        overwrite: bool = False,
    ) -> None:
        """Begin a file beside `path`.

        Parameters
        ----------
        path
            Its suffix names the format: .mp4, .mov, .mkv, ...
        reader
            The clip that frames and packets come from.
        quality
            Constant rate factor of H.264, HEVC, VP9 and AV1: less is better and larger.
        effort
            How hard they try: "low" is quickest, and the file larger.
        overwrite
            Replace a file of that name.

        Raises
        ------
        DeepGyroError
            If the file exists, or its format does not hold what the clip has.
        """
        check_writable(path, overwrite=overwrite)
        self.path, self.overwrite = path, overwrite
        self.part = _unused_part_path(path)
        self.count = 0
        self.note = ""
        """What could not be kept as it was; else empty."""
        with self._ffmpeg_errors():
            options = {"movflags": _MOVFLAGS} if _is_mov(path) else {}
            self._container = import_av().open(str(self.part), "w", options=options)
        try:
            self._add_streams(reader, quality, effort)
        except BaseException:
            self._container.close()
            self.part.unlink(missing_ok=True)
            raise

    def copy(self, packet: Packet[Any]) -> None:
        """Write a packet of a stream that is copied."""
        stream = self._copies.get(packet.stream.index)
        if stream is not None:
            packet.stream = stream
            with self._ffmpeg_errors():
                self._container.mux(packet)

    def write(self, frame: ClipFrame) -> None:
        """Encode and write a frame."""
        picture = frame.picture
        if picture.format.name != self._format:
            picture = picture.reformat(format=self._format)
            picture.pts, picture.time_base = frame.picture.pts, frame.picture.time_base
        picture.pict_type = 0  # else it would stay what it was, a key frame for instance
        self._encode(picture)
        self.count += 1

    def finish(self) -> None:
        """Write what is left, and give the file its name.

        Raises
        ------
        DeepGyroError
            If that could not be done; what was written is removed, unless it can be played.
        """
        self._close()
        with self._ffmpeg_errors():
            move_into_place(self.part, self.path, overwrite=self.overwrite)

    def give_up(self) -> Path | None:
        """Close the file; return the part if it can be played, else remove it."""
        with suppress(DeepGyroError):
            self._close()
            if self.count and self.part.exists():
                return self.part
        self.part.unlink(missing_ok=True)
        return None

    def _close(self) -> None:
        try:
            self._encode(None)
        finally:
            try:
                with self._ffmpeg_errors():
                    self._container.close()
            except DeepGyroError:
                self.part.unlink(missing_ok=True)
                raise

    def _encode(self, picture: VideoFrame | None) -> None:
        """Encode a frame, or what the encoder still holds, and write the packets."""
        with self._ffmpeg_errors():
            try:
                packets = self._stream.encode(picture)
            except EOFError:
                if picture is not None:
                    raise
                return
            self._container.mux(packets)

    @contextmanager
    def _ffmpeg_errors(self) -> Iterator[None]:
        """Turn what FFmpeg raises into a DeepGyroError that says what to do."""
        av = import_av()
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) in (None, errno.EINVAL) or isinstance(error, ValueError):
                reason = f"{' '.join(str(error).split())}; name the output .mkv"
            else:
                reason = describe_write_error(error)
            raise DeepGyroError(f"{self.path}: not written, {reason}") from error

    def _add_streams(self, reader: ClipReader, quality: int, effort: EncodingEffort) -> None:
        av = import_av()
        container, clip = self._container, reader.clip
        container.metadata.update(reader.container.metadata)
        codec, encoder = _choose_encoder(clip, container)
        self._format = _choose_pixel_format(clip, encoder)
        self._stream = container.add_stream(
            encoder, rate=clip.rate, options=_encoder_options(encoder, quality, effort, reader.stream.profile)
        )
        self._configure_stream(self._stream, reader)
        if codec != clip.codec and not clip.codec.startswith("lib"):
            self.note = f"{clip.codec} is not written to {self.path.suffix}: {codec} instead"
        elif self._format != clip.pixel_format:
            self.note = f"colours as {self._format} instead of {clip.pixel_format}"
        self._copies: dict[int, Stream] = {}
        for stream in reader.copied:
            if stream.type == "data" and not (_is_mov(self.path) and _is_mov(clip.path)):
                continue
            try:
                copy = container.add_stream_from_template(stream)
            except (ValueError, av.FFmpegError) as error:
                raise DeepGyroError(
                    f"{self.path}: {self.path.suffix} holds no {stream.type} of the kind in {clip.path} "
                    f"({error}); name the output .mkv or .mov"
                ) from error
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            self._copies[stream.index] = copy
        with self._ffmpeg_errors():
            container.start_encoding()

    def _configure_stream(self, stream: VideoStream, reader: ClipReader) -> None:
        before, clip, context = reader.stream, reader.clip, stream.codec_context
        context.width, context.height, context.pix_fmt = clip.width, clip.height, self._format
        if before.time_base is not None:
            context.time_base = stream.time_base = before.time_base
        for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(context, name, getattr(before.codec_context, name))
        if before.sample_aspect_ratio:
            context.sample_aspect_ratio = before.sample_aspect_ratio
        stream.metadata.update(before.metadata)
        stream.disposition = before.disposition
        if matrix := _read_display_matrix(reader.first.picture):
            stream.set_display_matrix(matrix)


def _unused_part_path(path: Path) -> Path:
    """Return a free name beside a clip's own for the file until it is whole."""
    for number in ("", *(f"-{k}" for k in range(2, 1000))):
        part = path.with_name(f"{path.stem}.unfinished{number}{path.suffix}")
        if not part.exists():
            return part
    raise DeepGyroError(f"{path.parent}: is full of unfinished clips; remove them")


def _is_mov(path: Path) -> bool:
    return path.suffix.lower() in (".mp4", ".mov", ".m4v")


def _choose_encoder(clip: Clip, container: Any) -> tuple[str, str]:
    """Return codec and encoder: the clip's own, else the default of the output's container."""
    import av

    for codec in (clip.codec, container.default_video_codec, "h264"):
        name = {"libdav1d": "av1"}.get(codec, codec)
        encoder = _CODEC_ENCODERS.get(name)
        if encoder in av.codecs_available and {name, encoder} & set(container.supported_codecs):
            return name, str(encoder)
    raise DeepGyroError(
        f"{clip.path}: no encoder for {clip.codec} that the output's format holds; name the output .mkv"
    )


def _choose_pixel_format(clip: Clip, encoder: str) -> str:
    """Return the clip's pixel format, or the nearest that its encoder takes at this size."""
    import av
    from av.codec.codec import find_best_pix_fmt_of_list

    def fits(format: VideoFormat) -> bool:
        across, down = 64 // format.chroma_width(64), 64 // format.chroma_height(64)  # px a chroma sample
        return encoder not in _EVEN_SIZE_ENCODERS or (clip.width % across == 0 and clip.height % down == 0)

    formats = {f.name: f for f in av.Codec(encoder, "w").video_formats or () if fits(f)}
    if clip.pixel_format in formats:
        return clip.pixel_format
    full_range = clip.pixel_format.startswith("yuvj")
    yuv = [name for name, f in formats.items() if len(f.components) == 3 and name.startswith("yuv")]
    yuv = [name for name in yuv if name.startswith("yuvj") == full_range] or yuv
    best, _ = find_best_pix_fmt_of_list(yuv, clip.pixel_format)
    if best is None:
        raise DeepGyroError(
            f"{clip.path}: {encoder} takes no {clip.width} x {clip.height} px; name the output .mkv, or make "
            "the sides even"
        )
    return best.name


def _encoder_options(
    encoder: str, quality: int, effort: EncodingEffort, profile: str | None
) -> dict[str, str]:
    if encoder in _EFFORT_OPTIONS:
        name, *values = _EFFORT_OPTIONS[encoder]
        own = {"crf": str(quality), name: values[get_args(EncodingEffort).index(effort)]}
        return own | _EXTRA_OPTIONS.get(encoder, {})
    if encoder == "ffv1":
        return {"level": "3", "slicecrc": "1"}
    if encoder == "prores_ks":
        name = (profile or "").lower().removeprefix("apple prores ").split(" ")[-1]
        return {"profile": _PRORES_PROFILES.get(name, "3")}
    return {"qmin": "2", "qmax": "2"}  # mjpeg


def _read_display_matrix(picture: VideoFrame) -> list[int] | None:
    """Return the matrix by which players turn the picture; None where the file has none."""
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    return None if data is None else list(struct.unpack("<9i", bytes(data)[:36]))
