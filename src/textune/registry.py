"""One registry per role: the name of a component in a study file (its kind) to its config class.

The decorator is the only registration:

    @register("encoder", "rnn")
    class RnnConfig(EncoderConfig): ...

The modules of `PACKAGES`, installed entry points (group `textune.plugins`) and plug-in files named by a study are
imported on first look-up, so the schema, the reference page, "did you mean" and the contract suites see every kind.
Modules that stand directly in one of those packages import no torch; what needs it stands in a subpackage.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from textune.errors import TextuneError

__all__ = ["ROLES", "Role", "is_loaded", "kinds", "load_plugin", "lookup", "plugin_file", "register"]

C = TypeVar("C", bound=type)

PLUGIN = "textune_plugin_"
PACKAGES = ("data", "models", "training", "search", "execution", "tracking")
ENTRY_POINT_GROUP = "textune.plugins"


@dataclass
class Role:
    """A place in a study file that a component fills. `default` is the kind taken where none is named."""

    name: str
    default: str
    summary: str
    kinds: dict[str, type] = field(default_factory=dict)


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role("data", "files", "where texts and labels come from"),
            Role("split", "given", "which rows train, choose and test"),
            Role("tokenizer", "words", "text to token ids"),
            Role("embedding", "vectors", "token ids to vectors"),
            Role("encoder", "bag-of-words", "vectors to vectors that know their context"),
            Role("pooling", "mean", "the vectors of a text to one vector"),
            Role("head", "class", "one vector to outputs and their loss"),
            Role("optimizer", "adam", "how a step changes the weights"),
            Role("schedule", "constant", "how the learning rate changes over the steps"),
            Role("sampler", "random", "proposes params"),
            Role("pruner", "none", "stops a trial that is behind"),
            Role("executor", "processes", "where trials run"),
            Role("tracker", "table", "where numbers go"),
        )
    }
)


def register(role: str, kind: str) -> Callable[[C], C]:
    """Registers a config class as `kind` of `role`; the class learns both as `.role` and `.kind`.

    Raises:
        TextuneError: The role does not exist, or another class holds the kind already.
    """
    if role not in ROLES:
        raise TextuneError(f"there is no role '{role}'; roles are: {', '.join(ROLES)}")

    def add(cls: C) -> C:
        holder = ROLES[role].kinds.get(kind)
        if holder is not None and holder.__qualname__ != cls.__qualname__:
            raise TextuneError(
                f"{role} '{kind}' is already {holder.__module__}.{holder.__qualname__}; choose another kind"
            )
        cls.role, cls.kind = role, kind  # type: ignore[attr-defined]
        ROLES[role].kinds[kind] = cls
        return cls

    return add


def kinds(role: str) -> Mapping[str, type[Any]]:
    """Returns the config classes of a role by kind, sorted by kind."""
    _discover()
    return dict(sorted(ROLES[role].kinds.items()))


def lookup(role: str, kind: str | None = None) -> type[Any] | None:
    """Returns the config class of `kind` (of the role's default kind if None), or None if there is none."""
    _discover()
    return ROLES[role].kinds.get(ROLES[role].default if kind is None else kind)


def load_plugin(path: Path) -> str:
    """Imports a plug-in file, which registers its components, and returns the SHA-256 of its source."""
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    name = _module_name(digest)
    if name not in sys.modules:
        _discover()  # a plug-in must meet the built-in kinds, so that a clash is seen
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise TextuneError(f"plug-in {path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise TextuneError(
                f"plug-in {path} failed while it was imported: {type(error).__name__}: {error}"
            ) from error
    return digest


def is_loaded(digest: str) -> bool:
    """Whether a plug-in file of this SHA-256 was imported."""
    return _module_name(digest) in sys.modules


def plugin_file(cls: type) -> Path | None:
    """Returns the plug-in file that defines a class, None if another module does."""
    file = sys.modules[cls.__module__].__file__ if cls.__module__.startswith(PLUGIN) else None
    return Path(file) if file is not None else None


def _module_name(digest: str) -> str:
    return f"{PLUGIN}{digest[:16]}"


@functools.cache
def _discover() -> None:
    for package_name in PACKAGES:
        package = importlib.import_module(f"textune.{package_name}")
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                importlib.import_module(f"textune.{package_name}.{module.name}")
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry.load()
        except Exception as error:
            owner = entry.dist.name if entry.dist is not None else entry.value
            raise TextuneError(
                f"plug-in '{entry.name}' of the installed package {owner} failed while it was imported: "
                f"{type(error).__name__}: {error}"
            ) from error
