"""Errors of a field: a factor, and a few smooth terms on its blur vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Float64, Shaped
from numpy import ndarray

from ..blurfield import Field, sample_paths
from ..tiles import Window

FIELD_ROWS, FIELD_COLUMNS = 45, 80
"""Places where the blur vectors are sampled; they are smooth."""

TERM_COUNT = 10
"""Scale; turn along x and y; roll; change of the shift along x and y down, and across; growth of the turn
towards the corners along x and y."""

USUAL_LENS_STRENGTH = 0.4
"""Half the diagonal over the focal length, squared, of a typical camera: a turn shifts the corners so much
more than the centre."""

GYRO_PRIOR_STD = np.array([0.2, 4.0, 4.0, 2.0])
"""Standard deviations of the first terms of a gyro's field, from sensors, clocks and translation.
The first has no unit, the others px at a picture 480 px wide."""

PRIOR_FIELD_STD = np.array([0.3, 6.0, 6.0, 1.4, 0.75, 0.2, 0.2, 0.7, 1.2, 1.0])
"""Scales of the errors of a prior field's terms: half of them are under two thirds of this. The first has no
unit, the others px at a picture 480 px wide."""

BLIND_PRIOR_STD = np.array([0.5, 0.045, 0.035])
"""Of the roll and the changes down without a prior field, over the length of the blur: the medians in photos
of `synth`, which have long tails."""


@dataclass(frozen=True, eq=False)
class FieldModel:
    """Prior blur vectors, the terms that may be added to them, and the terms' prior."""

    prior: Float32[ndarray, "rows columns 2"]
    """From the start to the end of the path, px, at places that share the picture evenly."""
    height: int
    width: int
    has_gyro: bool = True
    """Whether there is a prior field; else the vectors are 0."""
    lens: float = USUAL_LENS_STRENGTH
    """As `USUAL_LENS_STRENGTH`."""

    @classmethod
    def from_prior(cls, field: Field, height: int, width: int) -> FieldModel:
        """Return the model of a gyro's field."""
        paths = sample_paths(field, FIELD_ROWS, FIELD_COLUMNS)
        prior = paths[:, :, -1] - paths[:, :, 0]
        return cls(prior, height, width, lens=_estimate_lens(prior, height, width))

    @classmethod
    def blind(cls, height: int, width: int) -> FieldModel:
        """Return the model of an unknown camera shake."""
        return cls(np.zeros((FIELD_ROWS, FIELD_COLUMNS, 2), np.float32), height, width, has_gyro=False)

    @property
    def pixel_scale(self) -> float:
        """A 480th of the picture's longer side, px."""
        return max(self.height, self.width) / 480

    @property
    def prior_length(self) -> float:
        """Mean length of the prior vectors, px."""
        return mean_vector_length(self.prior)

    def vectors(self, theta: Float64[ndarray, " k"]) -> Float32[ndarray, "rows columns 2"]:
        """Return the blur vectors, px, where the prior ones are."""
        rows, columns = self.prior.shape[:2]
        y, x = (
            (np.arange(count) + 0.5) * (side / count) - 0.5
            for count, side in ((rows, self.height), (columns, self.width))
        )
        added = added_term_vectors(theta, y, x, self.height, self.width, self.lens)
        return np.asarray((1 + theta[0]) * self.prior + added, np.float32)

    @property
    def term_scales(self) -> Float64[ndarray, " k"]:
        """Scales of the terms, px but for the first; inf without a prior field."""
        if not self.has_gyro:
            return np.full(TERM_COUNT, np.inf)
        return np.asarray(PRIOR_FIELD_STD * np.r_[1.0, np.full(TERM_COUNT - 1, self.pixel_scale)])

    def design_matrix(self, places: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2 k"]:
        """Return what each term adds to the vectors at places, whose x and y are shares of the picture."""
        half = np.hypot(self.height, self.width) / 2
        x, y = ((places - 0.5) * (self.width, self.height) / half).T
        factor = sample_vectors(self.prior, places)[:, :, None]
        return np.concatenate([factor, term_basis(x, y, self.lens)], -1)


def mean_vector_length(vectors: Float[ndarray, "*n 2"]) -> float:
    """Return the mean length of vectors."""
    return float(np.hypot(vectors[..., 0], vectors[..., 1]).mean())


def mean_vector_distance(a: Float[ndarray, "*#n 2"], b: Float[ndarray, "*#n 2"]) -> float:
    """Return the mean distance of two fields' blur vectors, px, either of which may be reversed."""
    return min(mean_vector_length(a - sign * b) for sign in (1, -1))


def sample_vectors(
    vectors: Float32[ndarray, "rows columns 2"], places: Float64[ndarray, "n 2"]
) -> Float32[ndarray, "n 2"]:
    """Return vectors that share a picture evenly at places, whose x and y are shares of the picture."""
    rows, columns = vectors.shape[:2]
    y, x = ((places[:, k] * count).astype(int) for k, count in ((1, rows), (0, columns)))
    return np.asarray(vectors[np.minimum(y, rows - 1), np.minimum(x, columns - 1)])


def term_basis(
    x: Float64[ndarray, " n"], y: Float64[ndarray, " n"], lens: float
) -> Float64[ndarray, "n 2 k_1"]:
    """Return what all terms but the first add at x and y from the centre, in half diagonals."""
    one, no = np.ones(len(x)), np.zeros(len(x))
    along_x = [one + lens * x * x, lens * x * y, -y, y, no, x, no, x * x, x * y]
    along_y = [lens * x * y, one + lens * y * y, x, no, y, no, x, x * y, y * y]
    return np.stack([np.stack(along_x, -1), np.stack(along_y, -1)], 1)


def _estimate_lens(prior: Float32[ndarray, "rows columns 2"], height: int, width: int) -> float:
    """Return the lens strength that prior vectors show, if they have a turn that is long enough."""
    fitted = _term_pseudoinverse(*prior.shape[:2], height, width) @ prior.reshape(-1)
    turn, grows = fitted[:2], fitted[-2:]
    if np.hypot(*turn) < 4 * max(height, width) / 480:
        return USUAL_LENS_STRENGTH
    return float(np.clip(turn @ grows / (turn @ turn), 0, 1.5))


@lru_cache(8)
def _term_pseudoinverse(rows: int, columns: int, height: int, width: int) -> Float64[ndarray, "terms n"]:
    """Return the matrix of the least-squares fit of terms to vectors that share a picture evenly."""
    half = np.hypot(height, width) / 2
    y, x = np.meshgrid(
        ((np.arange(rows) + 0.5) / rows - 0.5) * (height / half),
        ((np.arange(columns) + 0.5) / columns - 0.5) * (width / half),
        indexing="ij",
    )
    # The roll is a sum of changes down and across.
    terms = np.delete(term_basis(x.ravel(), y.ravel(), 0.0), [2], axis=-1)
    return np.linalg.pinv(terms.reshape(-1, terms.shape[-1]))


def added_term_vectors(
    theta: Float64[ndarray, " k"],
    y: Shaped[ndarray, " h"],
    x: Shaped[ndarray, " w"],
    height: int,
    width: int,
    lens: float = USUAL_LENS_STRENGTH,
) -> Float64[ndarray, "h w 2"]:
    """Return what the terms but the first add to the blur vectors (px) of rows y and columns x, px."""
    half = np.hypot(height, width) / 2
    v, u = (y[:, None] - (height - 1) / 2) / half, (x[None, :] - (width - 1) / 2) / half
    _, along_x, along_y, roll, down_x, down_y, across_x, across_y, lens_x, lens_y = theta
    far = (lens * along_x + lens_x) * u + (lens * along_y + lens_y) * v
    added_x = along_x + (down_x - roll) * v + (across_x + far) * u
    added_y = along_y + (across_y + roll) * u + (down_y + far) * v
    return np.stack([added_x, added_y], -1)


@dataclass(frozen=True, eq=False)
class CorrectedField:
    """A field corrected from the picture; it slices like an array (height, width, n, 2), px."""

    field: Field
    theta: Float64[ndarray, " k"]
    lens: float = USUAL_LENS_STRENGTH

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, n, 2)."""
        return tuple(self.field.shape)

    def __getitem__(self, window: Window) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns, px."""
        height, width, n, _ = self.shape
        y, x = (np.arange(*part.indices(side)) for part, side in zip(window, (height, width), strict=True))
        added = added_term_vectors(self.theta, y, x, height, width, self.lens).astype(np.float32)
        shares = np.linspace(-0.5, 0.5, n, dtype=np.float32)
        return np.float32(1 + self.theta[0]) * self.field[window] + added[:, :, None] * shares[:, None]
