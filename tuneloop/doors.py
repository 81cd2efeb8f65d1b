"""A door: what varies in one place, by name. Built-in parts and those of installed packages come through it alike.

A package brings a part through an entry point, ``name = module:attribute``, in the door's group. A built-in name cannot
be taken. A part is loaded when it is asked for, and looked at then; one that cannot be loaded, or is not what the door
takes, is named with its package and left out, and everything else works as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _, joined
from tuneloop.nearest import meant

T = TypeVar("T")


class Unfit(TuneloopError):
    """A part of an installed package that cannot be used: the fault is the package's."""

    def __init__(self, declared: Declared, reason: str) -> None:
        super().__init__(
            _("{name!r} of the package {package} cannot be used: {reason}").format(
                name=declared.name, package=declared.package or "tuneloop", reason=reason
            ),
            hint=_("Repair the package, or remove it: pip uninstall {package}").format(package=declared.package),
        )
        self.declared, self.reason = declared, reason


class Faulty(TuneloopError):
    """What a package's part did wrong while it was used: the fault is the package's."""

    status = 500

    def __init__(self, name: str, package: str, error: BaseException) -> None:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = _("{name!r} of the package {package} has failed: {reason}")
        super().__init__(
            message.format(name=name, package=package, reason=" ".join(said.split())),
            hint=_("This is a bug of the package {package}, not of Tuneloop.").format(package=package),
        )


@dataclass(frozen=True)
class Declared:
    """A part by where it is, not yet loaded."""

    name: str
    target: str  # module:attribute
    package: str = ""  # the installed package that brings it; "" for a built-in part
    version: str = ""  # of the package


class Door(Generic[T]):
    """The parts of one sort, in the order: built-in ones as they are listed, then those of packages by name.

    ``check`` raises ``ValueError`` with one line where a part that was loaded is not what the door takes.
    """

    def __init__(
        self,
        group: str,
        built_in: Mapping[str, str],
        *,
        absent: Callable[[str], str],
        check: Callable[[str, Any], None] | None = None,
        shared: bool = False,
    ) -> None:
        """``shared``: packages may use one name, and each has its part; it is found by ``PACKAGE NAME``."""
        self.group, self.built_in, self.absent, self.check = group, dict(built_in), absent, check
        self.shared = shared
        self.parts: dict[str, T] = {}
        self.unfit: dict[str, Unfit] = {}
        self._declared: dict[str, Declared] | None = None
        DOORS[group] = self

    def declared(self) -> dict[str, Declared]:
        """Every part by its name, without loading any."""
        if self._declared is None:
            ours = [Declared(name, target) for name, target in self.built_in.items()]
            theirs = [
                Declared(point.name, point.value, *((point.dist.name, point.dist.version) if point.dist else ("?",)))
                for point in sorted(entry_points(group=self.group), key=lambda point: point.name)
            ]
            self._declared = {}
            for part in [*ours, *theirs]:
                self._declared.setdefault(f"{part.package} {part.name}" if self.shared else part.name, part)
        return self._declared

    def names(self) -> list[str]:
        """The names of all parts, without those that were found to be unfit."""
        return [name for name in self.declared() if name not in self.unfit]

    def __contains__(self, name: str) -> bool:
        return name in self.declared() and name not in self.unfit

    def find(self, name: str) -> T:
        """The part of a name, loaded once. Raises ``NotFound`` with the names there are, or ``Unfit``."""
        if name in self.parts:
            return self.parts[name]
        if name in self.unfit:
            raise self.unfit[name]
        declared = self.declared().get(name)
        if declared is None:
            hint = meant(name, self.names()) or _("There are: {names}.").format(names=joined(self.names()))
            raise NotFound(self.absent(name), hint=hint)
        if not declared.package:
            part = self._load(declared)
        else:
            try:
                part = self._load(declared)
            except Exception as error:  # whatever a package does when it is imported is its own affair
                reason = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
                self.unfit[name] = Unfit(declared, " ".join(reason.split()))
                raise self.unfit[name] from error
        self.parts[name] = part
        return part

    def _load(self, declared: Declared) -> T:
        module, _colon, attribute = declared.target.partition(":")
        found = import_module(module)
        part: Any = getattr(found, attribute) if attribute else found
        if self.check:
            self.check(declared.name, part)
        return part

    def usable(self, name: str) -> T | None:
        """The part of a name, or ``None`` where it is unfit. Raises ``NotFound``."""
        try:
            return self.find(name)
        except Unfit:
            return None

    def all(self) -> dict[str, T]:
        """Every part that can be used, by its name; what cannot is in ``unfit``."""
        return {name: part for name in self.declared() if (part := self.usable(name)) is not None}

    @contextmanager
    def blamed(self, name: str) -> Iterator[None]:
        """A block that uses a part: what a package's own raises unforeseen is said to be the package's."""
        try:
            yield
        except TuneloopError:
            raise
        except Exception as error:
            if package := self.package(name):
                raise Faulty(name, package, error) from error
            raise

    def brought(self) -> list[str]:
        """The names of the parts that packages bring, those that are unfit too."""
        return [name for name, part in self.declared().items() if part.package]

    def package(self, name: str) -> str:
        """The installed package that brings a part; ``""`` for a built-in one, and for a name that is not there."""
        return self.declared()[name].package if name in self.declared() else ""

    def edition(self, name: str) -> str:
        """What changes when a package brings a part anew, ``package 1.0``; ``""`` for a built-in part: it has ours."""
        declared = self.declared().get(name)
        return f"{declared.package} {declared.version}" if declared and declared.package else ""

    def editions(self, names: Iterable[str]) -> str:
        """Those of several parts, for the key of a run that uses them; ``""`` where all are built in."""
        return ", ".join(sorted({edition for name in names if (edition := self.edition(name))}))


DOORS: dict[str, Door[Any]] = {}  # by group; a door is in it once its room has been imported
