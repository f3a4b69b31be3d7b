"""Camera files: our own YAML, Kalibr's camera chains, Gyroflow's lens profiles."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import DeepGyroError
from ..files import read_text_bytes
from .camera import Camera
from .gyroflow import is_gyroflow, settings_from_gyroflow
from .kalibr import is_kalibr, settings_from_kalibr
from .settings import (
    CAMERA_KEYS,
    Settings,
    camera_from_settings,
    check_keys,
    format_value,
    require_pixel_count,
    value_error,
)

_ACCEPTED_FORMATS = "a camera file (YAML), a Kalibr camera chain or a Gyroflow lens profile"


def read_camera(path: str | PathLike[str], *, cam: str | None = None) -> Camera:
    """Read a camera from our own YAML, from Kalibr's camchain-imucam.yaml or from a Gyroflow lens profile.

    A readout_time or cam_from_imu that the file lacks stays None. A camera file may take keys that it lacks
    from another program's file, named by ``lens:``, relative to itself.

    Parameters
    ----------
    path
        The file; its content decides the format. A .gyroflow project, gzipped or not, counts as the lens
        profile in it.
    cam
        Which camera of a Kalibr chain, such as "cam1"; needed where there are several.

    Raises
    ------
    DeepGyroError
        If the file cannot be used; one line that says what is wrong and what to do.
    """
    path = Path(path)
    try:
        document = _parse_mapping(_read_text(path), path)
        return camera_from_settings(_detect_settings(document, path, cam), str(path))
    except ValueError as error:
        raise DeepGyroError(f"{path}: {error}") from error


def write_camera(path: str | PathLike[str], camera: Camera) -> None:
    """Write a camera as a camera file that `read_camera` reads back, over one that is there."""
    import yaml

    K = camera.K
    settings: Settings = {
        "width": camera.width,
        "height": camera.height,
        "K": [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])],
        "distortion": asdict(camera.distortion) | {"coefficients": list(camera.distortion.coefficients)},
        "readout_direction": camera.readout_direction,
    }
    if camera.time_offset_known:
        settings["time_offset"] = camera.time_offset
    if camera.readout_time is not None:
        settings["readout_time"] = camera.readout_time
    if camera.cam_from_imu is not None:
        settings["cam_from_imu"] = camera.cam_from_imu.tolist()
    Path(path).write_text(
        yaml.safe_dump(settings, sort_keys=False, default_flow_style=None), encoding="utf-8"
    )


def _detect_settings(document: Mapping[Any, Any], path: Path, cam: str | None) -> Settings:
    if is_kalibr(document):
        return settings_from_kalibr(document, cam)
    if cam is not None:
        raise value_error("cam", cam, "only a Kalibr camera chain has cameras to choose from; leave it out")
    if is_gyroflow(document):
        return settings_from_gyroflow(document)
    check_keys(document, (*CAMERA_KEYS, "lens", "cam"))
    own = {key: document[key] for key in CAMERA_KEYS if key in document}
    for key, value in own.items():
        if value is None and key not in ("readout_time", "cam_from_imu"):
            raise ValueError(f"{key} has no value; give one or leave the key out")
    if "lens" not in document:
        if "cam" in document:
            raise ValueError("cam is given without lens; cam picks a camera of the Kalibr file named by lens")
        return own
    return _merge_lens_file(own, document["lens"], document.get("cam"), path)


def _merge_lens_file(settings: Settings, name: object, cam: str | None, path: Path) -> Settings:
    """Return the settings of the file named by `lens`, overridden by the camera file's own."""
    if not isinstance(name, str):
        raise value_error("lens", name, "needed is the name of a Kalibr or Gyroflow file")
    lens_path = path.parent / name
    try:
        document = _parse_mapping(_read_text(lens_path), lens_path)
        if not (is_kalibr(document) or is_gyroflow(document)):
            raise ValueError("needed is a Kalibr camera chain or a Gyroflow lens profile")
        lens = _detect_settings(document, lens_path, cam)
    except DeepGyroError as error:
        raise ValueError(f"lens: {error}") from error
    except ValueError as error:
        raise ValueError(f"lens {name}: {error}") from error
    for key in ("width", "height"):
        if key in settings and "K" not in settings and require_pixel_count(settings[key], key) != lens[key]:
            raise value_error(
                key,
                settings[key],
                f"the K of lens {name} is for {lens['width']:g} x {lens['height']:g} px; leave {key} out "
                "(pictures of another size are allowed for) or give K as well",
            )
    return lens | settings


def _read_text(path: Path) -> str:
    """Return a file's text, unpacked if it is gzipped."""
    data = read_text_bytes(path)
    try:
        if data is not None:
            return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise DeepGyroError(f"{path}: no text file in UTF-8; needed is {_ACCEPTED_FORMATS}")


def _parse_mapping(text: str, path: Path) -> Mapping[Any, Any]:
    """Return the mapping that a YAML or JSON text holds."""
    import yaml

    if not text.strip():
        raise ValueError(f"the file is empty; needed is {_ACCEPTED_FORMATS}")
    try:
        if text.lstrip().startswith("{") and path.suffix not in (".yaml", ".yml"):
            document = json.loads(text)
        else:
            document = yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is no JSON: {error.msg}; mend that line") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "the file" if mark is None else f"line {mark.line + 1}"
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{where} is no YAML: {problem}; mend it") from error
    if not isinstance(document, Mapping):
        raise ValueError(
            f"the file holds {format_value(document)}; needed are keys and values: {_ACCEPTED_FORMATS}"
        )
    return document
