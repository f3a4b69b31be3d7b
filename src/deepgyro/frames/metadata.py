"""A photo's metadata: its orientation, the EXIF tags that move from file to file, our record in XMP."""

import json
import logging
import re
import struct
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, unescape

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

ORIENTATION_TAG = 274
EXIF_PREFIX = b"Exif\0\0"
_EXIF_IFD_TAG, _GPS_IFD_TAG, _INTEROP_IFD_TAG, _MAKER_NOTE_TAG = 34665, 34853, 40965, 37500
# What IFD 0 says about the photo; its other tags (sizes, offsets) describe the file it was in.
_PHOTO_TAGS = (270, 271, 272, ORIENTATION_TAG, 282, 283, 296, 305, 306, 315, 316, 18246, 33432)
_EXIF_ERRORS = (ValueError, TypeError, AttributeError, KeyError, OSError, SyntaxError, struct.error)

# XMP and not EXIF holds the record, because all four output formats hold it and nobody's tag is taken for it.
# It is put in as text, in front of the packet's end: all else stays byte for byte, where an XML parser would
# rename prefixes and drop the padding. It is also found as text, in a packet that is no proper XML too.
_XMP_NAMESPACE = "http://ns.deepgyro/1.0/"
_RDF_END = b"</rdf:RDF>"
_RECORD_DESCRIPTION = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:deepgyro="[^"]*">\s*'
    rb"<deepgyro:record>[^<]*</deepgyro:record>\s*</rdf:Description>\n?"
)
# Other programs may write the packet anew, with the property as an attribute.
_RECORD_ATTRIBUTE = re.compile(rb"""\sdeepgyro:record=(?:"[^"]*"|'[^']*')""")
_RECORD_VALUE = re.compile(rb"""(?<!/)deepgyro:record(?:>([^<]*)<|="([^"]*)"|='([^']*)')""")


def rotate_upright(pixels: ndarray, orientation: int) -> ndarray:
    """Return a view of stored pixels as a viewer shows them, for an EXIF orientation of 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def rotate_to_stored(pixels: ndarray, orientation: int) -> ndarray:
    """Undo `rotate_upright`; a view."""
    return rotate_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def orientation_from_corners(corners: ndarray) -> int:
    """Return the EXIF orientation that turns ``[[0, 1], [2, 3]]`` to the given corners."""
    stored = np.arange(4).reshape(2, 2)
    return next(o for o in range(1, 9) if np.array_equal(rotate_upright(stored, o), corners))


def read_orientation(exif: bytes | None) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or no valid one."""
    value = _load_exif(exif).get(ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def set_orientation(exif: bytes | None, orientation: int) -> bytes | None:
    """Return the block with this orientation; the very same block where it says so already."""
    if read_orientation(exif) == orientation:
        return exif
    tags = _load_exif(exif)
    tags[ORIENTATION_TAG] = orientation
    return _dump_exif(tags)


def photo_tags(exif: "Image.Exif | bytes | None") -> dict[int, Any]:
    """Return the tags that describe the photo and not its file; EXIF and GPS parts are dicts of tags."""
    block = _load_exif(exif) if isinstance(exif, bytes | None) else exif
    try:
        tags: dict[int, Any] = {tag: block[tag] for tag in _PHOTO_TAGS if tag in block}
        for part in (_EXIF_IFD_TAG, _GPS_IFD_TAG):
            inner = {tag: value for tag, value in block.get_ifd(part).items() if tag != _INTEROP_IFD_TAG}
            if inner:
                tags[part] = inner
        return tags
    except _EXIF_ERRORS as error:
        logger.warning("the EXIF block cannot be read (%s); only its orientation is kept", error)
        return {ORIENTATION_TAG: block.get(ORIENTATION_TAG, 1)}


def exif_from_tags(tags: dict[int, Any]) -> bytes | None:
    """Return the EXIF block of `photo_tags`; None where there are none."""
    from PIL import Image

    exif = Image.Exif()
    for tag, value in tags.items():
        if isinstance(value, dict):
            exif.get_ifd(tag).update(value)
        else:
            exif[tag] = value
    return _dump_exif(exif) if tags else None


def shrink_exif(exif: bytes | None, limit: int) -> bytes | None:
    """Return the block, cut to a number of bytes: the maker's note and the preview go first."""
    if exif is None or len(exif) <= limit:
        return exif
    tags = photo_tags(exif)
    tags.get(_EXIF_IFD_TAG, {}).pop(_MAKER_NOTE_TAG, None)
    smaller = exif_from_tags(tags)
    if smaller is not None and len(smaller) <= limit:
        logger.warning("EXIF is %d bytes, %d fit: maker's note and preview are left out", len(exif), limit)
        return smaller
    logger.warning("EXIF is %d bytes, %d fit: only the orientation is kept", len(exif), limit)
    return exif_from_tags({ORIENTATION_TAG: read_orientation(exif)})


def add_record_to_xmp(record: dict[str, Any], packet: bytes | None = None) -> bytes:
    """Return an XMP packet that holds the record, and all of the given packet but an older record."""
    description = (
        f'<rdf:Description rdf:about="" xmlns:deepgyro="{_XMP_NAMESPACE}">'
        f"<deepgyro:record>{escape(json.dumps(record, allow_nan=False))}</deepgyro:record>"
        "</rdf:Description>\n"
    ).encode()
    if packet:
        packet = _RECORD_ATTRIBUTE.sub(b"", _RECORD_DESCRIPTION.sub(b"", packet.rstrip(b"\0")))
        head, end, tail = packet.rpartition(_RDF_END)
        if end:
            return head + description + end + tail
        logger.warning("the XMP packet has no %s; it is kept, and the record follows it", _RDF_END.decode())
    begin = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    ).encode()
    return (packet or b"") + begin + description + _RDF_END + b'\n</x:xmpmeta>\n<?xpacket end="w"?>'


def read_record_from_xmp(packet: bytes | None) -> dict[str, Any] | None:
    """Return the record that an XMP packet holds, None where it holds none that can be read."""
    values = _RECORD_VALUE.findall(packet or b"")
    if not values:
        return None
    text = b"".join(values[-1]).decode("utf-8", "replace")
    try:
        record = json.loads(unescape(text, {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"}))
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _load_exif(exif: bytes | None) -> "Image.Exif":
    """Return the tags of a block; none, with a warning, where it cannot be read."""
    from PIL import Image

    tags = Image.Exif()
    try:
        if exif:
            tags.load(exif)
        return tags
    except _EXIF_ERRORS as error:
        logger.warning("the EXIF block cannot be read: %s", error)
        return Image.Exif()


def _dump_exif(tags: "Image.Exif") -> bytes:
    """Return the block of tags; where they cannot be written, that of the orientation alone."""
    from PIL import Image

    try:
        return tags.tobytes()
    except _EXIF_ERRORS as error:
        logger.warning("some EXIF tags cannot be written (%s); only the orientation is kept", error)
        orientation = Image.Exif()
        orientation[ORIENTATION_TAG] = tags.get(ORIENTATION_TAG, 1)
        return orientation.tobytes()
