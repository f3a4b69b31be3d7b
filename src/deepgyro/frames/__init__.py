"""Photos and clips as they lie in their files, and the tables that say when each photo was exposed."""

from deepgyro.frames.clip import Clip, ClipFrame, ClipReader, need_av, read_clip
from deepgyro.frames.clipwriting import QUALITY, ClipWriter, Effort
from deepgyro.frames.decoding import content_hash, read_photo, read_record
from deepgyro.frames.encoding import (
    check_writable,
    copy_photo,
    eight_bits,
    format_for,
    make_folder,
    write_photo,
    write_whole,
)
from deepgyro.frames.hdr import HLG, PQ, as_srgb, with_changes
from deepgyro.frames.photo import MAX_PIXELS, Photo
from deepgyro.frames.pixels import decode_pixels, encode_png
from deepgyro.frames.table import LONGEST_EXPOSURE, Frame, match_frames, natural_order, read_frames

__all__ = [
    "HLG",
    "LONGEST_EXPOSURE",
    "MAX_PIXELS",
    "PQ",
    "QUALITY",
    "Clip",
    "ClipFrame",
    "ClipReader",
    "ClipWriter",
    "Effort",
    "Frame",
    "Photo",
    "as_srgb",
    "check_writable",
    "content_hash",
    "copy_photo",
    "decode_pixels",
    "eight_bits",
    "encode_png",
    "format_for",
    "make_folder",
    "match_frames",
    "natural_order",
    "need_av",
    "read_clip",
    "read_frames",
    "read_photo",
    "read_record",
    "with_changes",
    "write_photo",
    "write_whole",
]
