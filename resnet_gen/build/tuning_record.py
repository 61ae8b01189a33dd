"""What an engine is built with, and who said each of it: what comes of all that was said, and what manifests have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from resnet_gen.language.engine_options import ShapeProfile

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings

SettingSource: TypeAlias = Literal["option", "spec", "project", "device"]
"""Who says a setting: an option or an argument, or one of the files, each before those behind it."""


class EngineTuning(NamedTuple):
    """What an engine is built with, each with who said it, and the shapes that it takes, where those were said.

    `open_values` are the input and the outputs whose sides are symbolic in the ONNX file; `sizes` the least and
    the most (height, width) that a file without profiles was looked at for.
    """

    settings: EngineSettings | None = None
    sources: tuple[tuple[str, SettingSource], ...] = ()
    profiles: tuple[ShapeProfile, ...] = ()
    open_values: frozenset[str] = frozenset()
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def launches_graphs(self) -> bool:
        """Whether what runs the engine is to launch a batch's work as one CUDA graph."""
        return bool(self.settings and self.settings.cuda_graphs)

    @property
    def entry(self) -> dict[str, Any]:
        """What the manifest says of it: each value and where it is from; nothing where nothing was said."""
        found: dict[str, Any] = {}
        said = dict(self.settings.items()) if self.settings else {}
        for key, source in self.sources:
            value = said[key]
            if key == "timing_cache":
                value = value.replace("\\", "/").rpartition("/")[2]  # the folder is this machine's
            found[key] = {"value": plain_value(key, value), "from": source}
        return {"options": found} if found else {}


def plain_value(key: str, value: Any) -> Any:
    """The value of an option as a manifest has it."""
    if key == "profiles":
        return [shapes.data() for shapes in value]
    return list(value) if isinstance(value, tuple) else value


UNTUNED = EngineTuning()
