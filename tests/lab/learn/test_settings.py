from pathlib import Path

import pytest

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.learn.baselines.deblurgan import GanConfig
from deepgyro.lab.learn.baselines.paper import UNetConfig
from deepgyro.lab.learn.corrector.network import CorrectorConfig
from deepgyro.lab.learn.network.stages import NetworkConfig
from deepgyro.lab.learn.settings import TrainConfig, read_config

LEAST = "pairs: a\nvalidation: b\nminutes: 300\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "config.yaml").write_text(text)
        return tmp_path / "config.yaml"

    return write


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("pairs: a\nminutes: 1\n", "validation is missing"),
        (LEAST + "patsch: 3\n", "patsch: no such entry"),
        (LEAST + "network: {stage: 3}\n", "stage: no such entry"),
        (LEAST + "network: 3\n", "network is 3"),
        (LEAST + "unet: {inputs: 4}\n", "3 or 5 inputs"),
        (LEAST + "deblurgan: {width: 0}\n", "over 0"),
        (LEAST + "unet: {}\ndeblurgan: {}\n", "one network"),
        (LEAST + "unet: {}\ncorrector: {}\n", "one network"),
        (LEAST + "corrector: {width: 0}\n", "over 0"),
        (
            "photos: [c]\ngyro: [d]\nvalidation: b\nsteps: 3\ncorrector: {}\n",
            "corrector: pairs of deepgyro synth",
        ),
        (LEAST + "loss: sharp\n", "loss is sharp; charbonnier or squared or psnr"),
        (LEAST + "encoding: srgb\n", "encoding is srgb"),
        (LEAST + "batch: four\n", "batch is 'four'; int is needed"),
        (LEAST + "batch: true\n", "batch is True; int is needed"),
        (LEAST + "batch: 0\n", "batch is 0; more than 0"),
        (LEAST + "patch: [3]\n", "patch is [3]; int | tuple[int, int] is needed"),
        (LEAST + "patch: 100\n", "multiples of 8"),
        (LEAST + "workers: -1\n", "workers is -1"),
        (LEAST + "steps: 3\n", "minutes, steps: one"),
        ("pairs: a\nvalidation: b\nminutes: .nan\n", "minutes is nan"),
        (LEAST + "seed: -1\n", "seed is -1"),
        (LEAST + "fall: 0\n", "fall, ema"),
        (LEAST + "ema: 2\n", "fall, ema"),
        (LEAST + "without: [wrogn]\n", "wrogn is none of"),
        (LEAST + "network: {blocks: [1]}\n", "one for each level"),
        (LEAST + "network: {widths: [], blocks: []}\n", "one for each level"),
        (LEAST + "network: {up_blocks: [1]}\n", "one fewer"),
        (LEAST + "network: {stages: 0}\n", "over 0"),
        (LEAST + "network: {memory: 0}\n", "over 0"),
        (LEAST + "network: {steps: [0]}\n", "steps over 0"),
        (LEAST + "network: {fractions: []}\n", "at least one"),
        ("pairs: a\nvalidation: b\n", "minutes, steps: one"),
        (LEAST + "photos: [c]\n", "pairs, photos: one"),
        ("photos: [c]\nvalidation: b\nsteps: 3\n", "photos, gyro"),
        ("- a\n", "entries such as"),
        ("pairs: [\n", "YAML"),
        (LEAST, "b: no shard"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_in_one_line(file, tmp_path, capsys, text, fragment):
    code = main(["train", str(file(text)), "--out", str(tmp_path / "run")])

    errors = capsys.readouterr().err
    assert (code, errors.count("\n")) == (1, 1)
    assert fragment in errors
    assert not (tmp_path / "run").exists()


def test_entries_are_read_as_their_types(file):
    config = read_config(
        file(
            LEAST + "patch: [264, 480]\nrate: 1e-4\nwithout: []\nnetwork: {widths: [8, 12], blocks: [1, 1]}\n"
        )
    )

    assert config == TrainConfig(
        pairs="a",
        validation="b",
        minutes=300.0,
        patch=(264, 480),
        rate=1e-4,
        without=(),
        network=NetworkConfig(widths=(8, 12), blocks=(1, 1)),
    )
    assert isinstance(config.minutes, float)
    assert config.patch_sides == (264, 480)


def test_changes_take_the_place_of_what_is_in_the_file(file):
    path = file(LEAST + "batch: 4\nnetwork: {stages: 3}\n")

    config = read_config(
        path,
        [
            "batch=2",
            "network.stages=1",
            "network.widths=[8, 12]",
            "network.blocks=[1, 1]",
            "rate=1e-3",
            "steps=6",
        ],
    )

    assert (config.batch, config.rate) == (2, 1e-3)
    assert (config.steps, config.minutes) == (6, None)
    assert config.network == NetworkConfig(stages=1, widths=(8, 12), blocks=(1, 1))


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ("batch", "--set batch: NAME=VALUE"),
        ("batch=four", "batch is 'four'"),
        ("network.stage=3", "stage: no such entry"),
        ("net.stages=3", "net.stages: no such entry"),
        ("batch=[", "YAML"),
    ],
)
def test_changes_are_checked_like_entries(file, change, fragment):
    with pytest.raises(DeepGyroError) as error:
        read_config(file(LEAST), [change])

    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def test_the_configuration_that_is_shipped_can_be_read():
    config = read_config(Path(__file__).parents[3] / "configs/deepgyro.yaml")

    assert config.network == NetworkConfig()
    assert config.minutes == 300


def test_baselines_have_shipped_configurations():
    paper, gan = (
        read_config(Path(__file__).parents[3] / f"configs/{name}.yaml") for name in ("paper", "deblurgan")
    )

    assert (paper.network_config, gan.network_config) == (UNetConfig(5, 64), GanConfig())
    assert (paper.rate, paper.loss, paper.optimizer, paper.halvings) == (5e-5, "squared", "adam", 3)
    assert paper.patch_sides == (256, 480)


def test_the_network_that_corrects_fields_has_a_shipped_configuration():
    config = read_config(Path(__file__).parents[3] / "configs/field.yaml")

    assert config.corrector == CorrectorConfig(cache="cells", draws=6)
    assert (config.optimizer, config.precision) == ("muon", "32-true")


def test_a_baseline_is_told_by_its_part(file):
    config = read_config(file(LEAST), ["unet.width=32", "unet.inputs=3"])

    assert config.network_config == config.unet == UNetConfig(3, 32)
