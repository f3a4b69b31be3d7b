"""The paper's U-Net with random weights in OpenVINO: for its time alone, without torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from ...runtime import Precision
from ...runtime.session import compile_model
from ...threads import core_count

PAPER_CHANNELS = (64, 128, 256, 512, 1024)
PAPER_INPUT_CHANNELS = 5
PAPER_PARAMETER_COUNT = 31_033_027
PAPER_GMAC = 96.13
"""For 272 x 480 px."""


def make_paper_network(height: int, width: int, precision: Precision) -> Callable[[], object]:
    """Return what runs the paper's network (fig. 3; see `learn.paper`) once on a picture, ready to be timed.

    Height and width are multiples of 16 px.
    """
    import openvino
    from openvino import opset13 as op

    rng = np.random.default_rng(0)
    weights = 0

    def constant(*shape: int) -> openvino.Node:
        nonlocal weights
        weights += int(np.prod(shape))
        return op.constant(rng.normal(0, 0.05, shape).astype(np.float32))

    def convolution(x: openvino.Node, channels: int, wanted: int, side: int) -> openvino.Node:
        pad = [side // 2, side // 2]
        y = op.convolution(x, constant(wanted, channels, side, side), [1, 1], pad, pad, [1, 1])
        return op.add(y, constant(1, wanted, 1, 1))

    def level(x: openvino.Node, channels: int, wanted: int) -> openvino.Node:
        x = op.relu(convolution(x, channels, wanted, 3))
        return op.relu(convolution(x, wanted, wanted, 3))

    given = op.parameter([1, PAPER_INPUT_CHANNELS, height, width], np.float32)
    x, channels, levels = given, PAPER_INPUT_CHANNELS, []
    for k, wanted in enumerate(PAPER_CHANNELS):
        x, channels = level(x, channels, wanted), wanted
        if k < len(PAPER_CHANNELS) - 1:
            levels.append(x)
            x = op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    for wanted, before in zip(PAPER_CHANNELS[-2::-1], reversed(levels), strict=True):
        up = op.convolution_backprop_data(x, constant(channels, wanted, 2, 2), [2, 2])
        up = op.add(up, constant(1, wanted, 1, 1))
        x, channels = level(op.concat([up, before], 1), 2 * wanted, wanted), wanted
    model = openvino.Model([convolution(x, channels, 3, 1)], [given], "paper")
    assert weights == PAPER_PARAMETER_COUNT
    request = compile_model(model, precision, core_count()).create_infer_request()
    picture: ndarray = rng.random((1, PAPER_INPUT_CHANNELS, height, width), np.float32)
    return lambda: request.infer({0: picture}, share_inputs=True, share_outputs=True)
