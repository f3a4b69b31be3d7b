"""Clips with a high dynamic range: their codes, and the sRGB values that stand for the same light."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float64, UInt16
from numpy import ndarray

from ..light import linear_to_srgb

PQ_TRANSFER, HLG_TRANSFER = 16, 18  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
WHITE_CD_M2 = 1000.0
"""PQ's light is taken relative to this, cd/m^2: most screens and masters end there."""
_MAX_CODE = 2**16 - 1


def hdr_to_srgb(codes: UInt16[ndarray, "h w 3"], transfer: int) -> UInt16[ndarray, "h w 3"]:
    """Return sRGB values of the same light (lighter than white: white)."""
    return np.asarray(_transfer_tables(transfer)[0][codes])


def apply_srgb_changes(
    codes: UInt16[ndarray, "h w 3"],
    before: UInt16[ndarray, "h w 3"],
    after: UInt16[ndarray, "h w 3"],
    transfer: int,
) -> UInt16[ndarray, "h w 3"]:
    """Return codes anew where their sRGB values, `before`, became others; what is over white stays."""
    changed = (after != before) & (before < _MAX_CODE)
    return np.where(changed, _transfer_tables(transfer)[1][after], codes)


@cache
def _transfer_tables(transfer: int) -> tuple[UInt16[ndarray, " 65536"], UInt16[ndarray, " 65536"]]:
    """Return the sRGB value of every code, and the code of every sRGB value."""
    codes = np.arange(_MAX_CODE + 1) / _MAX_CODE
    light = {PQ_TRANSFER: _pq_to_linear, HLG_TRANSFER: _hlg_to_linear}[transfer](codes)
    srgb = linear_to_srgb(light.clip(0, 1).astype(np.float32)).astype(np.float64)
    first = int(np.searchsorted(srgb, srgb[-1]))  # the first code of white
    back = np.interp(codes, srgb[: first + 1], codes[: first + 1])
    return tuple(np.rint(table * _MAX_CODE).astype(np.uint16) for table in (srgb, back))  # type: ignore[return-value]


def _pq_to_linear(codes: Float64[ndarray, " n"]) -> Float64[ndarray, " n"]:
    """Return PQ's light over `WHITE_CD_M2` (SMPTE ST 2084)."""
    root = codes ** (32 / 2523)
    ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.asarray(10000 / WHITE_CD_M2 * ratio ** (8192 / 1305))


def _hlg_to_linear(codes: Float64[ndarray, " n"]) -> Float64[ndarray, " n"]:
    """Return the scene's light (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
