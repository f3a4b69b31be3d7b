"""`python -m deepgyro`."""

from .cli import run

run()
