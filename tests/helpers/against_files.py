"""Files for `verify --against`: an engine that nothing here can open, and what breaks each of its rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resnet_gen import wrap
from resnet_gen.cli import main
from resnet_gen.compare.against import choose_file_rules
from resnet_gen.system.digest import digest_file
from resnet_gen.verify.rules.base import Rule

DIGITS = Path(__file__).parents[1] / "accuracy" / "resnet8-digits.safetensors"


def build(spec: str, folder: Path, *options: object) -> Path:
    """The file of a shipped spec, or of the spec at a path."""
    with pytest.raises(SystemExit) as left:
        main(["build", spec, "-o", str(folder), "--force", *map(str, options)])
    assert left.value.code == 0
    return folder / f"{Path(spec).stem}.onnx"


def engine_beside(model: Path) -> Path:
    """An engine beside a model, named by the manifest that was written with that."""
    path, manifest = model.with_suffix(".fp16.sm86.engine"), model.with_suffix(".manifest.json")
    path.write_bytes(b"ftrt" + bytes(100))
    told = json.loads(manifest.read_text())
    told["files"][path.name] = digest_file(path)
    told["engine"] = {"file": path.name, "library": "tensorrt-rtx", "version": "1.7", "compute_capabilities": ["8.6"]}
    manifest.write_text(json.dumps(told))
    return path


def wrap_pixels(model: Path) -> Path:
    """The model with pixels before it, normalized as the spec in it says."""
    made = wrap(model, model.with_name("wrapped.onnx"), input_type="uint8", layout="NHWC", proof=False, replace=True)
    return made.path


def breaking(rule: str, folder: Path) -> tuple[Rule, ...]:
    """The rules that the example of this one is to break, with the file that it speaks of; none for other rules."""
    if rule == "against-weight":
        return choose_file_rules(build("resnet8-digits", folder, "--weights", DIGITS, "--fold-bn"), DIGITS)
    if rule == "against-engine":
        return choose_file_rules(engine_beside(build("cifar-resnet20", folder)), None)
    if rule == "against-surroundings":
        return choose_file_rules(wrap_pixels(build("cifar-resnet20", folder)), None)
    return choose_file_rules(build("resnet50", folder), None) if rule.startswith("against-") else ()
