"""The compiled loop between a method's result and the picture that is returned."""

import numpy as np

from ..compiling import kernel

f32 = np.float32


@kernel
def mixed(before, sharp, paths, shortest, out):
    """Fill out (h, w, c) with the sharp picture, held between 0 and 1; with the one before it at short paths.

    It fades from the one to the other while a path's length goes from shortest + 1 px to shortest. Paths are
    (h, w, n, 2) px.
    """
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            length = f32(0)
            for k in range(1, paths.shape[2]):
                u = paths[r, c, k, 0] - paths[r, c, k - 1, 0]
                v = paths[r, c, k, 1] - paths[r, c, k - 1, 1]
                length += np.sqrt(u * u + v * v)
            share = min(max(length - shortest, f32(0)), f32(1))
            for q in range(out.shape[2]):
                held = min(max(sharp[r, c, q], f32(0)), f32(1))
                out[r, c, q] = before[r, c, q] + share * (held - before[r, c, q])
