"""Which classes of the installed torchattacks can be mounted, and with which keyword arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from torch import nn

from benchmark.core.errors import UsageError
from benchmark.core.threat import Intent

Argument = bool | int | float | str | None

BUDGET_ARGUMENTS = ("eps", "max_epsilon")
"""Names under which classes take their budget."""

INSTALL = (
    "pip install 'reid-robustbench[torchattacks]', or, to keep the requests of other packages, "
    "pip install --no-deps torchattacks and pip install scipy tqdm"
)
"""How to mend that torchattacks is missing."""

NEEDS_BOTH_LABELS = frozenset({"FAB"})
"""Classes whose targeted mode asks for the own label beside the target, which no scenario gives."""

_MEASURE = re.compile(r"Distance Measure\s*:\s*(.*)")
_FRACTION = re.compile(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)")
_WORDS: dict[str, Argument] = {"true": True, "false": False, "none": None}


def library() -> ModuleType:
    """Return torchattacks, which the core dependencies leave out.

    Raises:
        UsageError: It, or a package that it imports, is not installed.
    """
    try:
        import torchattacks
    except ImportError as error:
        raise UsageError(f"attacks of torchattacks cannot be used: {error}", INSTALL) from error
    module: ModuleType = torchattacks
    return module


def class_names() -> list[str]:
    """Return the names of all attack classes that torchattacks exports."""
    return sorted(library().__all__)


def parameters_of(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the keyword arguments of a class, without the model."""
    parameters = dict(inspect.signature(cls).parameters)
    parameters.pop("model", None)
    return parameters


def budget_argument(cls: type[Any]) -> str | None:
    """Return the name under which a class takes its budget; None if it takes none."""
    parameters = parameters_of(cls)
    return next((name for name in BUDGET_ARGUMENTS if name in parameters), None)


def why_not(cls: type[Any]) -> str | None:
    """Return why a class cannot be mounted; None if it can."""
    parameters = inspect.signature(cls).parameters
    if "model" not in parameters:
        return f"it is built from {next(iter(parameters))}, not from a model"
    needed = [n for n, p in parameters_of(cls).items() if p.default is p.empty]
    if needed:
        return f"it needs {needed[0]} beside the model"
    found = _MEASURE.search(inspect.getdoc(cls) or "")
    measure = found[1].strip() if found else None
    if measure is not None and "Linf" not in measure:
        return (
            f"it is bounded in {measure} and the benchmark bounds each pixel: "
            "its result, projected, would measure another attack"
        )
    if budget_argument(cls) is None:
        return "it takes no budget"
    return None if measure is not None else "it does not state the norm of its budget"


def class_named(name: str) -> type[Any]:
    """Return a class that can be mounted.

    Raises:
        UsageError: torchattacks has no such class, or it cannot be mounted.
    """
    torchattacks, names = library(), class_names()
    if name not in names:
        lower = {one.lower(): one for one in names}
        close = [lower[one] for one in get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
        raise UsageError(
            f"torchattacks {torchattacks.__version__} has no attack {name!r}",
            f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(names)}",
        )
    cls: type[Any] = getattr(torchattacks, name)
    reason = why_not(cls)
    if reason is not None:
        able = [one for one in names if why_not(getattr(torchattacks, one)) is None]
        raise UsageError(
            f"{name} of torchattacks cannot be mounted: {reason}", f"these can: {', '.join(able)}"
        )
    return cls


def built(name: str, model: nn.Module, arguments: Mapping[str, Argument]) -> Any:
    """Return an object of a class.

    Raises:
        UsageError: The class refuses its arguments.
    """
    try:
        return class_named(name)(model, **arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} of torchattacks refuses its arguments: {error}", "correct its options"
        ) from error


def intents_of(attack: Any) -> frozenset[Intent]:
    """Return what an object of a class can be told to do."""
    if inspect.signature(attack.forward).parameters["labels"].default is None:
        return frozenset({"dodge"})  # it looks at no label
    if "targeted" in attack.supported_mode and type(attack).__name__ not in NEEDS_BOTH_LABELS:
        return frozenset({"dodge", "impersonate", "rank-down"})
    return frozenset({"dodge", "rank-down"})


def check_arguments(name: str, arguments: Mapping[str, Argument]) -> None:
    """Refuse keyword arguments that a class does not take, or not with this value.

    Raises:
        UsageError: An unknown name, a wrong type, the budget, or a norm other than Linf.
    """
    cls = class_named(name)
    parameters = parameters_of(cls)
    budget = budget_argument(cls)
    for key, value in arguments.items():
        if key == budget:
            raise UsageError(f"{name}: {key} is the budget of the run", "set it with --eps")
        if key not in parameters:
            known = [one for one in parameters if one != budget]
            close = get_close_matches(key, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known)}"
            raise UsageError(f"{name} of torchattacks has no argument {key!r}", hint)
        if key == "norm" and value != "Linf":
            raise UsageError(
                f"{name}: norm {value} is not the benchmark's, which bounds each pixel",
                "leave norm out",
            )
        if not _fits(value, parameters[key].default):
            kind = type(parameters[key].default).__name__
            raise UsageError(f"{name}: {key} = {value!r} is not of type {kind}", f"correct {key}")


def _fits(value: Argument, default: object) -> bool:
    """Whether a value has the type of a default; an integer is a float, too."""
    if default is None:
        return True
    allowed = (int, float) if type(default) is float else (type(default),)
    return type(value) in allowed


def parse_arguments(text: str) -> dict[str, Argument]:
    """Return what ``key=value,key=value`` says; values are read as Python would, or ``2/255``.

    Raises:
        UsageError: A part is not ``key=value``, or a key comes twice.
    """
    found: dict[str, Argument] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value) or key in found:
            raise UsageError(
                f"{part!r} is not one key=value", "write it as in torchattacks:PGD,steps=20"
            )
        found[key] = _value(value)
    return found


def _value(text: str) -> Argument:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    fraction = _FRACTION.fullmatch(text)
    if fraction and float(fraction[2]):
        return float(fraction[1]) / float(fraction[2])
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
