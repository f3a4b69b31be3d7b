"""Photos and clips as they lie in their files, and the tables that say when each photo was exposed."""

from .clip import Clip, ClipFrame, ClipReader, import_av
from .clipwriting import DEFAULT_QUALITY_CRF, ClipWriter, EncodingEffort
from .decoding import read_photo, read_record
from .encoding import format_from_suffix, write_photo
from .hdr import HLG_TRANSFER, PQ_TRANSFER, apply_srgb_changes, hdr_to_srgb
from .photo import MAX_PIXELS, Photo
from .pixels import decode_pixels, encode_png, to_eight_bits
from .table import MAX_EXPOSURE_S, FrameExposure, match_frames, natural_sort_key, read_frames

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
