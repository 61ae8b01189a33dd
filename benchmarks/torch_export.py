"""torchvision's ResNet-50 through torch.onnx.export, as its users call it: the other side."""

from __future__ import annotations

import sys

import numpy as np
import torch


def declare_missing_operators() -> None:
    """Beside a CPU torch, torchvision's wheel lacks its own operators, which a ResNet never calls; once a process."""
    if "_kept" in globals():
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    globals()["_kept"] = library


def main(exporter: str, path: str, weights: str = "") -> None:
    """Export ResNet-50 to `path`, with random weights or those of an .npz."""
    declare_missing_operators()
    import torchvision

    model = torchvision.models.resnet50().eval()
    if weights:
        state = {name: torch.from_numpy(array) for name, array in np.load(weights).items()}
        model.load_state_dict(state, strict=False)
    image = torch.zeros(1, 3, 224, 224)
    if exporter == "dynamo":
        torch.onnx.export(model, (image,), path, dynamo=True, external_data=False, verbose=False)
    else:
        batch = {"input": {0: "N"}} if weights else None
        torch.onnx.export(model, (image,), path, dynamo=False, input_names=["input"], dynamic_axes=batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
