"""The builds of a project: its tables multiplied out, each network for each device in each precision, and checked.

What is wrong with the project file is refused at its place, before anything is built; what is wrong with a spec is
said of that spec, and the others are built.
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PureWindowsPath

from resnet_gen.build.build import locate_model
from resnet_gen.build.manifest import file_name
from resnet_gen.build.request import Request
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.source import SETTING
from resnet_gen.language.yaml_writer import UnwrittenError, dump_inline
from resnet_gen.problems import Loc, Problem, Refused, Span, refuse, shorten, suggest
from resnet_gen.project.build_places import Places, find_place, list_places
from resnet_gen.project.build_table import MOST_BUILDS, BuildTable
from resnet_gen.project.build_wishes import Wishes, drop_idle, find_key, load_device, make_request, spell_keys
from resnet_gen.project.project_file import Project
from resnet_gen.quantization.calibration.images import RANDOM, confine_pictures
from resnet_gen.speed.targets import is_file_of_device
from resnet_gen.system.links import check_named, shown_path
from resnet_gen.weights.downloads.names import LIBRARIES

_LONGEST_SETTINGS = 10_000
_LONGEST_PATH, _LONGEST_NAME = 1_000, 200


@dataclass(frozen=True)
class PlannedBuild:
    """One network for one device in one precision: what is to be built, and where."""

    build: str
    """The name of its table."""
    spec: str
    """The spec as commands take it."""
    settings: tuple[str, ...]
    """Texts of `--set`."""
    wishes: Wishes
    device: str | None
    precision: str
    target: str
    folder: Path
    """Where it is built; without a network's name where `refused` says that it cannot be read."""
    generate: tuple[str, ...] = ()
    loaded: Loaded | None = None
    refused: tuple[Problem, ...] = ()
    """Why the spec cannot be read."""
    where: Span | None = None
    serve: str | None = None
    """What its `serve` is called, if it has one."""
    places: Places = field(default_factory=dict)
    """Where the keys of its table stand."""

    @property
    def name(self) -> str:
        """The network's name, or what the project calls a spec that cannot be read."""
        return self.loaded.spec.name if self.loaded else self.spec

    @property
    def place(self) -> tuple[str, str, str | None, str, str, str | None]:
        """What a row begins with: table, network, device, precision, target, and what `serve` is called."""
        return self.build, self.name, self.device, self.precision, self.target, self.serve

    def require_loaded(self) -> Loaded:
        """Its spec; raises `Refused` where that cannot be read."""
        if self.loaded is None:
            raise Refused(self.refused)
        return self.loaded

    def request(self) -> Request:
        """What is asked of `build`; raises `Refused`."""
        return make_request(self.wishes)

    def locate(self, problem: Problem) -> Problem:
        """What is wrong with it in the words of its table and at its place, where no file but the project's says it."""
        where = problem.where
        hint = problem.hint and spell_keys(problem.hint)
        if where is not None and not (isinstance(where, Span) and where.document.name == SETTING):
            images = self.wishes.get("calibration", {}).get("source")
            return replace(problem, hint=hint) if images is not None and where == images else problem
        message = spell_keys(problem.message, one=True)
        where = find_place(problem, message, self.places) or self.where or where
        return replace(problem, message=f"builds.{self.build}: {message}", where=where, hint=hint)

    def manifest(self) -> Path:
        """Where its manifest lies, or would."""
        folder, _ = locate_model(self.folder, self.name, self.request())
        return folder / file_name(self.name)


def plan_builds(project: Project, names: Sequence[str] = ()) -> tuple[PlannedBuild, ...]:
    """Everything that the project's builds, or those of some names, come to, in the order of the file.

    Raises `Refused` for a name that there is not, and for every fault of the file: devices and options that do not go
    together, folders and files outside the project, two that would write the same file.
    """
    tables = _choose_tables(project, names)
    specs = {name: project.list_build_specs(name) for name in tables}
    _check_number(project, tables, specs)
    planned, faults = list[PlannedBuild](), list[Problem]()
    read = cache(_load_spec)
    for name, table in tables.items():
        try:
            planned += _TablePlan(project, name, table, read).expand(specs[name])
        except Refused as refused:
            faults += refused.problems
    if faults:
        raise Refused(dict.fromkeys(faults))
    _check_apart(planned)
    return tuple(planned)


def _choose_tables(project: Project, names: Sequence[str]) -> dict[str, BuildTable]:
    known = project.settings.builds
    if not known:
        raise refuse("has no [builds]", shown_path(project.path), "docs/projects.md shows how they are written")
    for name in names:
        if name not in known:
            raise refuse(f"there is no build '{shorten(name)}'", shown_path(project.path), suggest(name, known))
    return {name: table for name, table in known.items() if not names or name in names}


def _check_number(project: Project, tables: Mapping[str, BuildTable], specs: Mapping[str, Sequence[str]]) -> None:
    """Refuse more than a project builds, and a table that builds nothing."""
    total = 0
    for name, table in tables.items():
        where = project.source.span(("builds", name), key=True)
        if not specs[name]:
            raise refuse(f"builds.{name}: no specs", where, "add specs = [...] here, or to the project")
        choices = (table.devices, table.precisions, table.targets, table.serve)
        number = len(specs[name])
        for some in choices:
            number *= len(some or (None,))
        total += number
        if total > MOST_BUILDS:
            hint = "specs, devices, precisions, targets and serve are multiplied; take fewer"
            raise refuse(f"builds.{name}: {total:,} builds with those before, at most {MOST_BUILDS:,}", where, hint)


def _check_apart(planned: Sequence[PlannedBuild]) -> None:
    """Refuse two builds that write the same file, with the places of both."""
    first: dict[str, PlannedBuild] = {}
    faults = list[Problem]()
    for one in planned:
        if one.loaded is None:
            continue
        path = os.path.abspath(one.manifest())  # noqa: PTH100 - as it is written
        other = first.setdefault(unicodedata.normalize("NFC", path).casefold(), one)
        if other is not one:
            words = f"builds.{one.build}: {_describe(one)} is written where {_describe(other)} of {_place(other)} is"
            if path != os.path.abspath(other.manifest()):  # noqa: PTH100
                words += ", where capital letters and small ones are the same"
            missing = ", ".join(
                f"{{{key}}}" for key in ("device", "precision", "target", "serve") if _differ(one, other, key)
            )
            hint = f"put {missing} into its folder" if missing else "give one of them another folder, or spec a name"
            faults.append(Problem(words, one.where, hint))
    if faults:
        raise Refused(faults[:50])


def _differ(one: PlannedBuild, other: PlannedBuild, key: str) -> bool:
    return bool(getattr(one, key) != getattr(other, key))


def _describe(one: PlannedBuild) -> str:
    return " ".join(filter(None, (one.name, one.device, one.precision, one.target, one.serve)))


def _place(one: PlannedBuild) -> str:
    return f"builds.{one.build} ({one.where})"


@dataclass(frozen=True)
class _TablePlan:
    """A table of the project file, multiplied out."""

    project: Project
    name: str
    table: BuildTable
    read: Callable[[str, tuple[str, ...]], tuple[Loaded | None, tuple[Problem, ...]]]
    """A spec under settings, or why there is none."""

    def expand(self, specs: Sequence[str]) -> Iterator[PlannedBuild]:
        """What it comes to; raises `Refused` with every fault of the table."""
        settings = self._list_settings()
        kinds, served = self._list_kinds(), self._list_served()
        places = [list_places(self.project.source, self.name, index) for index in range(len(served))]
        for spec, (index, (serve, more)) in itertools.product(specs, enumerate(served.items())):
            loaded, problems = self.read(spec, own := (*settings, *more))
            for one in kinds:
                read = replace(
                    one, spec=spec, settings=own, loaded=loaded, refused=problems, serve=serve, places=places[index]
                )
                yield self._place_one(read)

    def _list_served(self) -> dict[str | None, tuple[str, ...]]:
        """The settings of each `serve`, by its name."""
        found: dict[str | None, tuple[str, ...]] = {}
        for index, form in enumerate(self.table.serve or ()):
            name = form.name or str(index + 1)
            where = self._find("serve", index)
            if name in found:
                raise refuse(f"builds.{self.name}.serve: '{name}' twice", where, "give each a name of its own")
            given = form.model_dump(mode="json", exclude_unset=True, exclude={"name"})
            if isinstance(form.labels, str):
                in_list = ("builds", self.name, "serve", index) in self.project.source.marks
                own = ("serve", index, "labels") if in_list else ("serve", "labels")
                given["labels"] = self._check_path(form.labels, self._find(*own), ".".join(map(str, own)))
            found[name] = (f"serve={dump_inline(given)}",)
            if len(found[name][0]) > _LONGEST_SETTINGS:
                words = f"builds.{self.name}.serve: more than {_LONGEST_SETTINGS:,} characters"
                raise refuse(words, where, "write the labels to a text file, and name that")
        return found or {None: ()}

    def _find(self, *steps: str | int) -> Span | None:
        """The place of a key of the table, else of the one that it is in; that of the table where it has neither."""
        source = self.project.source
        locs: list[Loc] = [("builds", self.name, *steps[:length]) for length in range(len(steps), 0, -1)]
        return next((source.span(loc) for loc in locs if loc in source.marks), self._find_table())

    def _find_table(self) -> Span | None:
        return self.project.source.span(("builds", self.name), key=True)

    def _list_settings(self) -> tuple[str, ...]:
        if len(str(self.table.set)) > _LONGEST_SETTINGS:  # which each spec reads anew
            words = f"builds.{self.name}.set: more than {_LONGEST_SETTINGS:,} characters"
            raise refuse(words, self._find("set"), "write a spec that extends another")
        try:
            return tuple(f"{key}={dump_inline(value)}" for key, value in self.table.set.items())
        except UnwrittenError as error:
            raise refuse(f"builds.{self.name}.set: {error}", self._find("set")) from None

    def _list_kinds(self) -> list[PlannedBuild]:
        """Each device in each precision for each target, of no network yet."""
        table = self.table
        axes = {"device": table.devices, "precision": table.precisions, "target": table.targets}
        choices = [[(key, index, word) for index, word in enumerate(words)] for key, words in axes.items() if words]
        combined = list(itertools.product(*choices))
        common = self._find_files(table.wishes())
        every = [{**common, **{key: self._find_device(word, i, key) for key, i, word in chosen}} for chosen in combined]
        drop_idle(every)
        kinds, faults = list[PlannedBuild](), list[Problem]()
        for wishes, chosen in zip(every, combined, strict=True):
            try:
                kinds.append(self._resolve(wishes))
            except Refused as refused:
                faults += (self._locate(problem, {key: i for key, i, _ in chosen}) for problem in refused.problems)
        if faults:
            raise Refused(dict.fromkeys(faults))
        return kinds

    def _resolve(self, wishes: Wishes) -> PlannedBuild:
        request = make_request(wishes)
        device = request.device.name if request.device else None
        return PlannedBuild(
            self.name, "", (), wishes, device, request.precision, request.target, Path(), self.table.generate,
            where=self._find_table(),
        )  # fmt: skip

    def _find_device(self, word: str, index: int, key: str) -> str:
        """A device's file by its path from here; other words as they are. Raises `Refused` for a device unknown."""
        if key != "device":
            return word
        where = self._find("devices", index)
        if is_file_of_device(word):
            word = self._check_path(word, where, f"devices.{index}")
        try:
            load_device(word)
        except Refused as refused:
            if is_file_of_device(word) and Path(word).is_file():
                raise  # at the line of the device that is wrong
            key = f"builds.{self.name}.devices.{index}"
            raise Refused(
                replace(problem, message=f"{key}: {problem.message}", where=where) for problem in refused.problems
            ) from None
        return word

    def _find_files(self, wishes: Wishes) -> Wishes:
        """What is wished, with paths from here, and as another process can be told."""
        found: Wishes = {key: list(value) if isinstance(value, tuple) else value for key, value in wishes.items()}
        if table := found.get("calibration"):
            given = table.model_dump(exclude_none=True)
            if given["source"] != RANDOM:
                given["source"] = self._check_images(given["source"])
            found["calibration"] = given
        for key, settings in (("engine", found.get("engine")), ("project_engine", self.project.settings.engine)):
            found[key] = settings.model_dump(mode="json", exclude_unset=True) if settings else None
        return {key: value for key, value in found.items() if value is not None}

    def _check_images(self, source: str) -> str:
        """The path of images to calibrate with as commands take it, none of which leads out."""
        where = self._find("calibration")
        path = self._check_path(source, where, "calibration")
        confine_pictures(Path(path), lambda picture: self._check_named(picture, where, "calibration", str(picture)))
        return path

    def _check_named(self, path: Path, where: Span | None, key: str, called: str) -> None:
        check_named(path, self.project.path, where, f"builds.{self.name}.{key}: '{shorten(called)}'")

    def _check_path(self, path: str, where: Span | None, key: str) -> str:
        """A path from the project file as commands take it; raises `Refused` for one that leads out."""
        full = self.project.folder / path
        self._check_named(full, where, key, path)
        return shown_path(full)

    def _check_file(self, weights: str) -> None:
        """Refuse the name of published weights, unless a file is called so: nothing is fetched for a project."""
        if weights.partition(":")[0] in LIBRARIES and ":" in weights and not (self.project.folder / weights).exists():
            words = f"builds.{self.name}.weights: there is no file '{shorten(weights)}', and a project fetches nothing"
            hint = "fetch and write it once: resnet-gen weights convert SPEC NAME -o FILE"
            raise refuse(words, self._find("weights"), hint)

    def _place_one(self, one: PlannedBuild) -> PlannedBuild:
        """With its folder and its weights."""
        names = {"build": self.name, "spec": one.name if one.loaded else "?", "device": one.device,
                 "precision": one.precision, "target": one.target, "serve": one.serve}  # fmt: skip
        folder = self._fill("folder", self.table.folder or self._default_folder(one), names)
        self._check_folder(folder)
        wishes = one.wishes
        if one.loaded and self.table.weights:
            weights = self._fill("weights", self.table.weights, names)
            self._check_file(weights)
            wishes = {**wishes, "weights": self._check_path(weights, self._find("weights"), "weights")}
        return replace(one, folder=Path(shown_path(self.project.folder / folder)), wishes=wishes)

    def _default_folder(self, one: PlannedBuild) -> str:
        several = len(self.table.serve or ()) > 1
        steps = ["build/{build}", *(["{device}"] if one.device else []), "{precision}", "{target}"]
        return "/".join([*steps, *(["{serve}"] if several else [])])

    def _fill(self, key: str, pattern: str, names: Mapping[str, str | None]) -> str:
        for name, missing in (("device", "no devices are named"), ("serve", "there is no serve")):
            if names[name] is None and f"{{{name}}}" in pattern:
                words = f"builds.{self.name}.{key}: {{{name}}} means nothing where {missing}"
                raise refuse(words, self._find(key), f"leave it away, or add {_ADDED[name]}")
        return pattern.format(**names)

    def _check_folder(self, folder: str) -> None:
        """Refuse a folder outside the project's, as it is written; links are refused where something is written."""
        steps = PureWindowsPath(folder).parts  # which takes both kinds of slashes
        inside = not (Path(folder).is_absolute() or PureWindowsPath(folder).anchor or ".." in steps)
        if not inside:
            words = f"builds.{self.name}.folder: '{shorten(folder)}' leads out of the project's folder"
            raise refuse(words, self._find("folder"), "write a path below this file, without '..'")
        if len(folder) > _LONGEST_PATH or max(map(len, steps), default=0) > _LONGEST_NAME:
            raise refuse(f"builds.{self.name}.folder: too long a path", self._find("folder"), "write a shorter one")
        if ".git" in (step.lower().rstrip(". ") for step in steps):
            raise refuse(f"builds.{self.name}.folder: '.git' is git's", self._find("folder"), "take another folder")

    def _locate(self, problem: Problem, chosen: Mapping[str, int]) -> Problem:
        """What is wrong with wishes, in the words of the table and at the key that it is about."""
        message, hint = spell_keys(problem.message, one=True), problem.hint and spell_keys(problem.hint)
        key = find_key(problem.message)
        steps: tuple[str | int, ...] = tuple(key.split(".")) if key else ()
        if key.removesuffix("s") in chosen:
            steps = (key, chosen[key.removesuffix("s")])
        return Problem(f"builds.{self.name}: {message}", self._find(*steps), hint)


_ADDED = {"device": "devices = [...]", "serve": "serve = {...}"}


def _load_spec(spec: str, settings: tuple[str, ...]) -> tuple[Loaded | None, tuple[Problem, ...]]:
    try:
        return load(spec, settings), ()
    except Refused as refused:
        return None, refused.problems
