"""Checks of annotated shapes, for the first calls of each function: they are most of a test's time."""

import functools
import operator
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from beartype import beartype

CHECKED_CALLS = 200


def check_first_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function's first calls by beartype; then tell jaxtyping to call it unchecked."""
    checked = beartype(function)
    count = 0

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == CHECKED_CALLS:
            with suppress(AttributeError):  # a function in a function, a property: checked at every call
                find = operator.attrgetter(function.__qualname__)
                find(sys.modules[function.__module__]).__no_type_check__ = True
        return checked(*args, **kwargs)

    return counted
