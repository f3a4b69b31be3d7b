"""Photos and clips as they lie in their files, and the tables that say when each photo was exposed."""

from deepgyro.frames.clip import Clip, ClipFrame, ClipReader, import_av
from deepgyro.frames.clipwriting import DEFAULT_QUALITY_CRF, ClipWriter, EncodingEffort
from deepgyro.frames.decoding import read_photo, read_record
from deepgyro.frames.encoding import format_from_suffix, write_photo
from deepgyro.frames.hdr import HLG_TRANSFER, PQ_TRANSFER, apply_srgb_changes, hdr_to_srgb
from deepgyro.frames.photo import MAX_PIXELS, Photo
from deepgyro.frames.pixels import decode_pixels, encode_png, to_eight_bits
from deepgyro.frames.table import MAX_EXPOSURE_S, FrameExposure, match_frames, natural_sort_key, read_frames

__all__ = [
    "DEFAULT_QUALITY_CRF",
    "HLG_TRANSFER",
    "MAX_EXPOSURE_S",
    "MAX_PIXELS",
    "PQ_TRANSFER",
    "Clip",
    "ClipFrame",
    "ClipReader",
    "ClipWriter",
    "EncodingEffort",
    "FrameExposure",
    "Photo",
    "apply_srgb_changes",
    "decode_pixels",
    "encode_png",
    "format_from_suffix",
    "hdr_to_srgb",
    "import_av",
    "match_frames",
    "natural_sort_key",
    "read_frames",
    "read_photo",
    "read_record",
    "to_eight_bits",
    "write_photo",
]
