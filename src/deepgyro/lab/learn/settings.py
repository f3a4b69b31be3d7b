"""The settings of a training: a YAML file, and changes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ...errors import DeepGyroError
from ..synthesis.gyro import GYRO_KINDS
from .baselines.deblurgan import GanConfig
from .baselines.paper import UNetConfig
from .corrector.network import CorrectorConfig
from .network.stages import NetworkConfig

_BUDGET_KEYS = ("minutes", "steps")
_ALLOWED_WORDS = {
    "precision": ("auto", "bf16-mixed", "32-true"),
    "loss": ("charbonnier", "squared", "psnr"),
    "optimizer": ("muon", "adam"),
    "encoding": ("encoded", "linear", None),
    "pairs_on": ("auto", "cpu", "device"),
}
_SECTIONS: dict[str, type] = {
    "unet": UNetConfig,
    "deblurgan": GanConfig,
    "corrector": CorrectorConfig,
    "network": NetworkConfig,
}
"""Entries that have entries."""


@dataclass(frozen=True)
class TrainConfig:
    """A training."""

    validation: str
    """Folder of `deepgyro synth`: pairs of other photos and other logs."""
    pairs: str | None = None
    """Folder of `deepgyro synth`; or else pairs are made on the fly, of 480 x 270 px, from ..."""
    photos: tuple[str, ...] = ()
    """... sharp photos, or folders of them, and ..."""
    gyro: tuple[str, ...] = ()
    """... gyro logs, or folders of them."""
    gyro_columns: str | None = None
    """Columns and units of those logs that do not name them."""
    minutes: float | None = None
    """Of the whole training, over all runs; the learning rate ends its schedule there. Or else ..."""
    steps: int | None = None
    """... so many steps, which can be repeated bit for bit."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Ours; or else a baseline: ..."""
    unet: UNetConfig | None = None
    """... the paper's, ..."""
    deblurgan: GanConfig | None = None
    """... or DeblurGAN, which has losses and an optimiser of its own (baselines/adversarial.py)."""
    corrector: CorrectorConfig | None = None
    """Or the network that corrects fields (corrector/training.py); it needs `pairs`."""
    loss: str = "charbonnier"
    """charbonnier; squared: the mean squared error; or psnr: its logarithm, patch by patch, so that nearly
    right patches count as much as bad ones."""
    optimizer: str = "muon"
    """muon: Muon and AdamW (`muon_and_adamw`), gradients cut to about their mean length; adam: plain Adam."""
    batch: int = 4
    """Pairs a step, on each device."""
    patch: int | tuple[int, int] = 192
    """Side, or height and width, of the patches, px."""
    rate: float = 5e-4
    """Learning rate; it rises over `warmup` steps where the optimiser's moments start, and falls to 1 % over
    the last `fall` of the training: until then the training can be made longer or shorter."""
    warmup: int = 200
    fall: float = 0.3
    halvings: int = 0
    """The rate is halved so many times, at equal distances, instead of that fall."""
    ema: float = 0.999
    """Decay of the moving average of the weights a step; the average is what is used."""
    without: tuple[str, ...] = ("wrong",)
    """Kinds of gyro whose pairs are skipped: refinement rejects those fields, not the network."""
    encoding: str | None = None
    """encoded: encoded-domain pairs alone, whose blur was made on encoded values; linear: the others alone;
    None: both."""
    early: float = 0.3
    """Weight of the loss of each stage but the last."""
    checkpoint_minutes: float = 10.0
    log_steps: int = 100
    """Steps from one row of the log to the next."""
    seed: int = 0
    pairs_on: str = "auto"
    """Where pairs that are made on the fly are blurred: device (patches alone, with other noise), cpu, or
    auto: on the GPU if one trains."""
    workers: int = 0
    """Processes that read or make pairs, for each device; 0: between the steps, on all cores."""
    accelerator: str = "auto"
    """cpu, cuda, ...; auto: a GPU if there is one."""
    devices: int = 1
    """GPUs, or processes on a CPU."""
    precision: str = "auto"
    """bf16-mixed: convolutions in bfloat16; 32-true: all in float32; auto: bfloat16 on processors and NVIDIA
    GPUs that have it (others take a hundred times as long)."""
    threads: int | None = None
    """Of the convolutions on a CPU; None: as many as there are cores."""

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("minutes, steps: one of them is needed, and not both")
        if (self.pairs is None) == (not self.photos):
            raise ValueError("pairs, photos: one of them is needed (pairs of deepgyro synth), and not both")
        if bool(self.photos) != bool(self.gyro):
            raise ValueError("photos, gyro: pairs are made of both; one is missing")
        for name in ("minutes", "steps", "batch", "warmup", "log_steps", "devices", "threads", "rate"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"{name} is {value}; more than 0 is needed")
        for name in ("workers", "seed", "early", "checkpoint_minutes", "halvings"):
            if not (value := getattr(self, name)) >= 0:
                raise ValueError(f"{name} is {value}; 0 or more is needed")
        if not 0 < self.fall <= 1 or not 0 <= self.ema < 1:
            raise ValueError("fall, ema: a share over 0 and up to 1, and one from 0 to under 1 are needed")
        if unknown := set(self.without) - set(GYRO_KINDS):
            raise ValueError(f"without: {', '.join(sorted(unknown))} is none of {', '.join(GYRO_KINDS)}")
        for name, known in _ALLOWED_WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)}; {' or '.join(map(str, known))} is needed")
        if sum(part is not None for part in (self.unet, self.deblurgan, self.corrector)) > 1:
            raise ValueError("unet, deblurgan, corrector: one network is trained, and not several")
        if self.corrector and self.pairs is None:
            raise ValueError("corrector: pairs of deepgyro synth are needed (pairs)")

    @property
    def uses_bf16(self) -> bool:
        """Whether convolutions run in bfloat16; the precision must be resolved."""
        assert self.precision != "auto"
        return self.precision == "bf16-mixed"

    @property
    def network_config(self) -> NetworkConfig | UNetConfig | GanConfig:
        """The sizes of the network that is trained, if it restores pictures."""
        return self.unet or self.deblurgan or self.network

    @property
    def patch_sides(self) -> tuple[int, int]:
        """Height and width of the patches, px."""
        return self.patch if isinstance(self.patch, tuple) else (self.patch, self.patch)

    def progress_share(self, step: int, minutes: float) -> float:
        """Return which share of the training is done after so many steps and minutes."""
        return step / self.steps if self.steps else minutes / self.minutes if self.minutes else 1.0


def read_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a training's configuration from YAML; what it leaves out is as in `TrainConfig`.

    changes: NAME=VALUE, in place of the file's; SECTION.NAME=VALUE for network, unet, deblurgan
    and corrector.

    Raises
    ------
    DeepGyroError
        If it is no such file: the message names the entry.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
        if not isinstance(content, dict):
            raise DeepGyroError(f"{path}: entries such as pairs: FOLDER are needed")
        sections = {name: part for name in _SECTIONS if (part := content.pop(name, None)) is not None}
        for name, part in sections.items():
            if not isinstance(part, dict):
                raise DeepGyroError(f"{path}: {name} is {part!r}; entries such as width: 32 are needed")
        for change in changes:
            name, equals, value = change.partition("=")
            if not equals:
                raise DeepGyroError(f"--set {change}: NAME=VALUE is needed")
            if name in _BUDGET_KEYS:  # it replaces whichever is in the file
                content = {key: kept for key, kept in content.items() if key not in _BUDGET_KEYS}
            section, dot, entry = name.partition(".")
            if dot and section in _SECTIONS:
                sections.setdefault(section, {})[entry] = yaml.safe_load(value)
            else:
                content[name] = yaml.safe_load(value)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeepGyroError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    if "validation" not in content:
        raise DeepGyroError(f"{path}: validation is missing: a folder of deepgyro synth")
    try:
        config: TrainConfig = _convert_entries(TrainConfig, content | sections)
    except ValueError as error:
        raise DeepGyroError(f"{path}: {error}") from error
    return config


def read_saved_network_config(
    entries: Mapping[str, Any],
) -> NetworkConfig | UNetConfig | GanConfig | CorrectorConfig:
    """Return the sizes of the network in a configuration that was saved as JSON.

    A configuration of another version of this program is a KeyError or a ValueError.
    """
    section = next(name for name in _SECTIONS if entries.get(name) or name == "network")
    sizes: NetworkConfig | UNetConfig | GanConfig | CorrectorConfig
    sizes = _convert_entries(_SECTIONS[section], entries[section])
    return sizes


def _convert_entries(kind: type, entries: Mapping[str, Any]) -> Any:
    """Return a dataclass of entries in YAML or JSON; a wrong name or type is a ValueError."""
    annotations = {entry.name: entry.type for entry in fields(kind)}
    if unknown := set(map(str, entries)) - set(annotations):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such entry; is it misspelt?")
    types = get_type_hints(kind)
    values = {}
    for name, value in entries.items():
        try:
            values[name] = _convert_value(types[name], value)
        except TypeError:
            raise ValueError(f"{name} is {value!r}; {annotations[name]} is needed") from None
    return kind(**values)


def _convert_value(kind: Any, value: Any) -> Any:
    """Return a value as a type, or raise TypeError: whole numbers and texts as floats, lists as tuples."""
    if isinstance(kind, UnionType):
        for each in get_args(kind):
            try:
                return _convert_value(each, value)
            except TypeError:
                continue
    elif is_dataclass(kind) and isinstance(value, dict):
        return _convert_entries(kind, value)  # type: ignore[arg-type]  # it is a class
    elif get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)
        kinds = [inner[0]] * len(value) if inner[-1] is ... else inner
        if len(kinds) == len(value):
            return tuple(_convert_value(one, item) for one, item in zip(kinds, value, strict=True))
    elif kind is float and type(value) in (int, float, str):  # YAML takes 1e-4, without a point, for text
        try:
            return float(value)
        except ValueError:
            pass
    elif type(value) is kind:
        return value
    raise TypeError
