"""torchvision's ResNet-50 through torch.onnx.export, as its users call it: the other side."""

from __future__ import annotations

import sys

import torch


def _declare_missing_operators() -> None:
    """Beside a CPU torch, torchvision's wheel lacks its own operators, which a ResNet never calls."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    globals()["_kept"] = library


def main(exporter: str, path: str) -> None:
    """Export ResNet-50 with random weights to `path`."""
    _declare_missing_operators()
    import torchvision

    model = torchvision.models.resnet50().eval()
    image = torch.zeros(1, 3, 224, 224)
    if exporter == "dynamo":
        torch.onnx.export(model, (image,), path, dynamo=True, external_data=False, verbose=False)
    else:
        torch.onnx.export(model, (image,), path, dynamo=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
