"""Pairs rendered on a device: the torch twin of the last steps of `synthesis.pair`, for a batch of patches.

The CPU draws scene and motion by number (`LazyPairs`) and makes JPEG files; the device makes light, blur,
noise and rounding. Patches alone are blurred, not whole pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ...frames import decode_pixels
from ...restore import PictureOrientation
from ...tiles import Window
from ..synthesis import image
from ..synthesis.kernels import U16_SUM_STD
from ..synthesis.pair import LazyPair, draw_uses_jpeg
from ..synthesis.pool import draw_lazy_pair_at
from .dataset import FreshPairs, Sample, choose_patch, field_channels, limit_worker_threads, patch_rng
from .network.operators import blur_along_paths, path_sample_count

_SPLITMIX_FACTORS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""SplitMix64's, as in `synthesis.kernels`."""


class LazyPairs(Dataset[Sample]):
    """The pairs of `FreshPairs` before they are rendered; the noise of encoded pairs is another."""

    def __init__(self, pairs: FreshPairs) -> None:
        self.pairs = pairs

    def __getitem__(self, k: int) -> Sample:
        """Return sample number k, from 0: see `lazy_pair_sample`."""
        with limit_worker_threads():
            scene = self.pairs.draw(k, draw_lazy_pair_at)
            return lazy_pair_sample(scene, self.pairs, patch_rng(self.pairs.seed, k))


def lazy_pair_sample(scene: LazyPair, pairs: FreshPairs, rng: np.random.Generator) -> Sample:
    """Return a patch of a scene that is to be rendered.

    scene: (3, h + 2 margin, w + 2 margin) uint8, encoded, the patch in its middle, continued by its border
    pixels; exact, prior, gyro, linear: as in `make_sample`; light: (3,) float32, highlight gain, shot and
    read noise, or 0, 0 and the noise's share of the root mean square; key: seed of the noise; jpeg: quality
    and whether chroma is halved, or zeros.
    """
    draws = pairs.config.image
    turn, window = choose_patch(scene.prior, rng, patch=pairs.patch, turned=pairs.turned)
    if scene.encoded:
        light = (0.0, 0.0, 10 ** (-draws.encoded_noise / 20))
        key = int(scene.rng.integers(2**64, dtype=np.uint64))
    else:
        drawn = image.draw_render_parameters(scene.rng, draws)
        light, key = (drawn.highlight_gain, drawn.shot_noise, drawn.read_noise), drawn.noise_key
    jpeg = image.draw_jpeg_options(scene.rng, draws) if draw_uses_jpeg(scene, draws) else (0, False)
    return {
        "scene": torch.from_numpy(_crop_with_surroundings(scene, turn, window)),
        "exact": field_channels(turn.field(scene.exact[window])),
        "prior": field_channels(turn.field(scene.prior[window])),
        "gyro": torch.tensor(float(scene.metadata["gyro"] != "none")),
        "linear": torch.tensor(float(not scene.encoded)),
        "light": torch.tensor(light),
        "key": torch.tensor(_to_signed_64(key)),
        "jpeg": torch.tensor([int(x) for x in jpeg]),
    }


def _crop_with_surroundings(
    scene: LazyPair, turn: PictureOrientation, window: Window
) -> UInt8[np.ndarray, "3 a b"]:
    """Return a patch of a scene with a margin on every side, as wide as the scene moves."""
    margin = scene.exact.max_reach_px
    rows, columns = (
        np.clip(np.arange(part.start - margin, part.stop + margin) + offset, 0, side - 1)
        for part, offset, side in zip(window, (scene.top, scene.left), scene.scene.shape, strict=False)
    )
    return np.ascontiguousarray(turn.picture(scene.scene[rows[:, None], columns]).transpose(2, 0, 1))


def collate_lazy_pairs(samples: Sequence[Sample]) -> Sample:
    """Return samples as one batch: the scenes continued by their border pixels to the largest."""
    largest = max(item["scene"].shape[1] for item in samples)
    padded = []
    for item in samples:
        more = (largest - item["scene"].shape[1]) // 2
        scene = np.pad(item["scene"].numpy(), [(0, 0), (more, more), (more, more)], "edge")
        padded.append(item | {"scene": torch.from_numpy(scene)})
    batch: Sample = default_collate(padded)
    return batch


@torch.no_grad()
def render_batch(batch: Sample) -> Sample:
    """Return the pairs that a camera records of a batch of scenes, as `collate_samples`, on their device."""
    paths, light = batch["exact"], batch["light"].view(-1, 3, 1, 1, 1)
    height, width = paths.shape[2:]
    margin = (batch["scene"].shape[2] - height) // 2
    linear = batch["linear"].view(-1, 1, 1, 1).bool()
    values = torch.where(linear, decode_with_highlights(batch["scene"], light[:, 0]), batch["scene"] / 255)
    blurred = blur_along_paths(values, paths, path_sample_count(paths), margin=margin)
    noise = counter_noise(batch["key"], height, width)
    spread = torch.sqrt(light[:, 1] ** 2 * blurred.clamp(min=0) + light[:, 2] ** 2)
    mean_square = blurred.square().mean((1, 2, 3), keepdim=True)
    noisy = blurred + torch.where(linear, spread, light[:, 2] * mean_square.sqrt()) * noise
    inside = slice(margin, margin + height), slice(margin, margin + width)
    return {
        "sharp": _round_to_8_bits(values[:, :, *inside], linear),
        "blurred": apply_jpeg(_round_to_8_bits(noisy, linear), batch["jpeg"]),
        **{name: batch[name] for name in ("exact", "prior", "gyro", "linear")},
    }


def decode_with_highlights(
    scene: UInt8[Tensor, "b 3 h w"], gain: Float32[Tensor, "b 1 1 1"]
) -> Float32[Tensor, "b 3 h w"]:
    """Return the light of encoded pixels, highlights brighter than white: a twin of `synthesis.kernels`."""
    tables = image.srgb_decode_table(), image.highlight_factor_table(1.0) - 1
    plain, over = (torch.from_numpy(table).to(scene.device) for table in tables)
    return plain[scene.int()] * (1 + gain * over[scene.amin(1, keepdim=True).int()])


def counter_noise(key: Int64[Tensor, " b"], height: int, width: int) -> Float32[Tensor, "b 3 h w"]:
    """Return nearly normal noise of unit variance: a twin of `synthesis.kernels`."""
    pixel = torch.arange(height * width * 3, device=key.device).view(1, height, width, 3).permute(0, 3, 1, 2)
    counter = key.view(-1, 1, 1, 1) + 2 * pixel
    total = _sum_u16_parts(_splitmix64(counter)) + _sum_u16_parts(_splitmix64(counter + 1))
    return (total - 4 * 65535).float() / float(U16_SUM_STD)


def _splitmix64(counter: Int64[Tensor, ...]) -> Int64[Tensor, ...]:
    z = counter * _to_signed_64(_SPLITMIX_FACTORS[0])  # int64 wraps round as uint64 does
    z = (z ^ _shift_right_logical(z, 30)) * _to_signed_64(_SPLITMIX_FACTORS[1])
    z = (z ^ _shift_right_logical(z, 27)) * _to_signed_64(_SPLITMIX_FACTORS[2])
    return z ^ _shift_right_logical(z, 31)


def _sum_u16_parts(bits: Int64[Tensor, ...]) -> Int64[Tensor, ...]:
    low = 0xFFFF
    return (bits & low) + (bits >> 16 & low) + (bits >> 32 & low) + (bits >> 48 & low)


def _shift_right_logical(bits: Int64[Tensor, ...], count: int) -> Int64[Tensor, ...]:
    """Return bits shifted right as an unsigned number's."""
    return bits >> count & (1 << 64 - count) - 1


def _to_signed_64(bits: int) -> int:
    """Return 64 unsigned bits as a signed number."""
    return bits - 2**64 if bits >= 2**63 else bits


def _round_to_8_bits(values: Tensor, linear: Tensor) -> Float32[Tensor, "b 3 h w"]:
    """Return values, light or encoded, as the 256 encoded ones of a file, 0 to 1."""
    table = torch.from_numpy(image.srgb_encode_table()).to(values.device)
    clipped = values.clamp(0, 1)
    from_light = table[(clipped * 65535 + 0.5).int()].float()
    return torch.where(linear, from_light, (clipped * 255).round()) / 255


def apply_jpeg(pictures: Tensor, jpeg: Int64[Tensor, "b 2"]) -> Tensor:
    """Return pictures of 0 to 1 after JPEG compression on the CPU; quality 0: unchanged."""
    out = pictures.clone()
    for k, (quality, halved) in enumerate(jpeg.tolist()):
        if quality:
            pixels = (255 * pictures[k]).round().byte().permute(1, 2, 0).cpu().numpy()
            file = image.encode_jpeg(np.ascontiguousarray(pixels), quality, half_chroma=bool(halved))
            decoded = decode_pixels(file, "the pair's JPEG").transpose(2, 0, 1)
            out[k] = torch.from_numpy(np.ascontiguousarray(decoded)).to(out.device) / 255
    return out
