"""The command line: each command parses, calls one function, prints."""

from __future__ import annotations

import logging
import sys

from cyclopts import CycloptsError

from ..errors import DeepGyroError
from .app import app
from .benches import bench
from .clips import sync, video
from .learning import export, train
from .output import print_message
from .pairs import fetch, synth
from .photos import deblur, demo, field

__all__ = [
    "app",
    "bench",
    "deblur",
    "demo",
    "export",
    "fetch",
    "field",
    "main",
    "run",
    "sync",
    "synth",
    "train",
    "video",
]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 1 unusable input, 2 wrong usage."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs) or 0
    except CycloptsError as error:
        print_message(f"{' '.join(str(error).split())} (deepgyro --help)")
        return 2
    except ValueError as error:
        print_message(f"error: {error}")
        return 2
    except DeepGyroError as error:
        print_message(f"error: {error}")
        return 1
    except OSError as error:
        print_message(f"error: {error.filename or 'the system'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt as stopped:
        message = "stopped: what was finished is kept; the same command goes on from there"
        print_message(str(stopped) or message)
        return 130


def run() -> None:
    """Run the command line and leave Python."""
    sys.exit(main())
