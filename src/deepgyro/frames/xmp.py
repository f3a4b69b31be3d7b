"""The record of what was done to a photo, as one property in its XMP packet.

XMP and not EXIF, because all four output formats hold it and nobody's tag is taken for it. The property is
put in as text, in front of the packet's ``</rdf:RDF>``: all else stays as it was, byte for byte, where an XML
parser would rename prefixes and drop the padding. It is also found as text, so that a packet which is no
proper XML still holds its record.
"""

import json
import logging
import re
from typing import Any
from xml.sax.saxutils import escape, unescape

logger = logging.getLogger(__name__)

_XMP_NAMESPACE = "http://ns.deepgyro/1.0/"
_RDF_END = b"</rdf:RDF>"
_RECORD_DESCRIPTION = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:deepgyro="[^"]*">\s*'
    rb"<deepgyro:record>[^<]*</deepgyro:record>\s*</rdf:Description>\n?"
)
# Other programs may write the packet anew, with the property as an attribute.
_RECORD_ATTRIBUTE = re.compile(rb"""\sdeepgyro:record=(?:"[^"]*"|'[^']*')""")
_RECORD_VALUE = re.compile(rb"""(?<!/)deepgyro:record(?:>([^<]*)<|="([^"]*)"|='([^']*)')""")


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
    return (
        (packet or b"")
        + (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        ).encode()
        + description
        + _RDF_END
        + b'\n</x:xmpmeta>\n<?xpacket end="w"?>'
    )


def read_record_from_xmp(packet: bytes | None) -> dict[str, Any] | None:
    """Return the record that an XMP packet holds, None where it holds none that can be read."""
    found = _RECORD_VALUE.findall(packet or b"")
    if not found:
        return None
    text = b"".join(found[-1]).decode("utf-8", "replace")
    try:
        record = json.loads(unescape(text, {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"}))
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
