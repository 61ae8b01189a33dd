"""What fvcore, thop, ptflops, torchinfo and PyTorch's own counter print for published networks: `counters.json`.

Run by hand where torch, torchvision, timm and the counters are installed, from the project's root:
`python -m tests.reference.make_counters`; what is in the table already is kept. Each counter is called as its README
says, with its default settings. Weights do not matter, so none are drawn. Networks of `VARIANTS` in `make_outputs.py`,
which timm builds and does not publish, are counted too, and `DILATED`.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

from resnet_gen.language.load import load
from resnet_gen.system.resources import shipped_specs
from tests.reference.make_outputs import VARIANTS

TABLE = Path(__file__).parent / "counters.json"
TOOLS = ("torch", "fvcore", "thop", "ptflops", "torchinfo")
"""The packages that count, of those that are looked at."""
DILATED = {
    "dilated from stage 4": (
        ("timm/resnet50d", {"output_stride": 16}, (3, 224, 224)),
        ("resnet50d", "stages.output_stride=16"),
    )
}


def published() -> dict[str, int]:
    """The side of the image that each published network is counted for, the smallest network first."""
    found = {loaded.spec.reference: loaded for loaded in map(load, shipped_specs()) if loaded.spec.reference}
    references = Path(__file__).parents[2] / "specs" / "references"
    sizes = {name: json.loads((references / f"{name}.json").read_text(encoding="utf-8"))["params"] for name in found}
    return {name: found[name].spec.input.size[0] for name in sorted(found, key=sizes.__getitem__)}


def built(name: str, **settings):
    """A network of either library, its weights whatever was in the memory."""
    import timm
    import torch
    import torchvision

    library, network = name.split("/")
    if library == "torchvision":
        return getattr(torchvision.models, network)(weights=None).eval()
    with torch.device("meta"):
        model = timm.create_model(network, pretrained=False, **settings)
    return model.to_empty(device="cpu").eval()


def figures(name: str, shape: tuple[int, int, int], **settings) -> dict[str, int]:
    """What each counter says of one image; every counter gets a network that none has touched."""
    import ptflops
    import thop
    import torch
    import torchinfo
    from fvcore.nn import FlopCountAnalysis
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(1, *shape)

    def network():
        return built(name, **settings)

    def in_torch():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network()(x)
        return counter.get_total_flops()

    def in_ptflops():
        settings = {"as_strings": False, "print_per_layer_stat": False}
        return ptflops.get_model_complexity_info(network(), shape, **settings)[0]

    with contextlib.redirect_stdout(io.StringIO()):
        found = {
            "2xmacs": in_torch(),
            "fvcore": FlopCountAnalysis(network(), (x,)).total(),
            "thop": thop.profile(network(), (x,), verbose=False)[0],
            "ptflops": in_ptflops(),
            "torchinfo": torchinfo.summary(network(), input_data=x, verbose=0, device="cpu").total_mult_adds,
        }
    gc.collect()
    return {counter: int(count) for counter, count in found.items()}


def prepared() -> None:
    """Let torchvision be imported beside a CPU torch, and the counters say nothing of what they leave out."""
    from benchmarks.torch_export import declare_missing_operators

    declare_missing_operators()
    logging.getLogger("fvcore").setLevel(logging.ERROR)


def versions() -> dict[str, str]:
    """What is installed of what counts, and of what is counted."""
    return {name: str(Version(version(name))) for name in (*TOOLS, "torchvision", "timm")}


def kept() -> dict:
    """What the table says already, if it is of these versions."""
    if TABLE.is_file() and (table := json.loads(TABLE.read_text(encoding="utf-8")))["versions"] == versions():
        return table
    return {"versions": versions(), "networks": {}, "variants": {}}


def write(table: dict) -> None:
    """Write the table, a network a line."""

    def lines(entries: dict) -> str:
        return ",\n".join(f"  {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries))

    parts = [f' "versions": {json.dumps(table["versions"])}']
    parts += [f' "{name}": {{\n{lines(table[name])}\n }}' for name in ("networks", "variants")]
    TABLE.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Count those that the table does not have; it is written after each, so that this may be stopped."""
    prepared()
    table = kept()
    for variant, ((name, settings, shape), _) in {**VARIANTS, **DILATED}.items():
        if variant not in table["variants"]:
            table["variants"][variant] = figures(name, shape, **settings)
            write(table)
    for name, side in published().items():
        if name not in table["networks"]:
            table["networks"][name] = {"side": side, **figures(name, (3, side, side))}
            write(table)


if __name__ == "__main__":
    main()
