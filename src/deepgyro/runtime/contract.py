"""What a runtime must know of a network's weights: it travels in the ONNX file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from ..errors import DeepGyroError

METADATA_KEY = "deepgyro"
"""The entry of an ONNX file's metadata that holds the contract, as JSON."""


ContractType = TypeVar("ContractType", bound="Provenance")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the file of any network says of it, as an entry of its metadata."""

    about: ClassVar[str]
    """The graph's inputs and outputs, with their units: the file's doc_string."""
    name: str
    multiple: int
    """Height and width are multiples of this, px."""
    parameters: int
    gmac: float
    """Multiply-adds for 256 x 256 px, in 10^9."""
    trained: str
    """For how long."""
    licence: str
    commit: str
    """Of the program that exported it."""
    scores: dict[str, float]
    """Gains over the blurred picture on validation pairs, dB."""

    def to_json(self) -> str:
        """Return the entry of the metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls: type[ContractType], text: str | None, *, source: str) -> ContractType:
        """Read the entry of the metadata.

        Raises
        ------
        DeepGyroError
            If it is missing, of another kind of network, or not of this program's version.
        """
        entries = read_metadata_entries(text, source=source)
        try:
            values: dict[str, Any] = {field.name: entries[field.name] for field in fields(cls)}
            return cls(**values | {name: tuple(v) for name, v in values.items() if isinstance(v, list)})
        except (KeyError, TypeError) as error:
            raise _unknown_contract_error(source, error) from error


@dataclass(frozen=True, kw_only=True)
class Contract(Provenance):
    """How one of our networks is used."""

    about = (
        "Stages k = 1, 2, ... of a network that takes motion blur out of a picture, apart from each "
        "other; all float32; h and w are multiples of `multiple`. In: seen{k} (1, channels, h, w), and "
        "from the second on before{k}, which is memory{k - 1}. Out: change{k} (1, 3, h, w), which is "
        "added to the guess, and but for the last memory{k} (1, c, h / 2, w / 2). The first guess is the "
        "blurred picture B, the last the sharp one: encoded (sRGB) values from 0 to 1, red, green, blue. "
        "Channels of seen{k}: the guess (3); from the second on the residual B - A(guess) (3), A being "
        "the blur along each pixel's path; the path's length / 32 px, and cosine and sine of twice its "
        "angle (x to the right, y down), both times length / (length + 4 px); 1, or 0 where no path is "
        "known; and of B, or from the second on of the residual, for each of `fractions` and in it for "
        "each e of `steps`, the values (3) at fraction + e less those at fraction - e, over 4 e, along "
        "the path's chord: -1/2 is its first point, 1/2 its last. The picture is turned so that its paths "
        "run to the right and down by at most 45 degrees."
    )
    stages: int
    fractions: tuple[float, ...]
    """Of a path, where differences are taken along it."""
    steps: tuple[float, ...]
    """Of a path, half the distance of a difference's two samples."""
    margin: int
    """How far from a pixel a stage sees, px."""


def read_metadata_entries(text: str | None, *, source: str) -> dict[str, Any]:
    """Return what the metadata's entry says.

    Raises
    ------
    DeepGyroError
        If it is missing, or no JSON object.
    """
    if not text:
        raise DeepGyroError(
            f"{source}: not written by deepgyro export (no entry {METADATA_KEY} in its metadata)"
        )
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise _unknown_contract_error(source, error) from error


def _unknown_contract_error(source: str, error: Exception) -> DeepGyroError:
    return DeepGyroError(
        f"{source}: of another kind of network or version of deepgyro ({error}); export it again"
    )
