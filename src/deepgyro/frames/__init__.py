"""Photos as they lie in their files, and the tables that say when each one was exposed."""

from deepgyro.frames.decoding import content_hash, read_photo, read_record
from deepgyro.frames.encoding import write_photo
from deepgyro.frames.photo import MAX_PIXELS, Photo
from deepgyro.frames.table import Frame, match_frames, read_frames

__all__ = [
    "MAX_PIXELS",
    "Frame",
    "Photo",
    "content_hash",
    "match_frames",
    "read_frames",
    "read_photo",
    "read_record",
    "write_photo",
]
