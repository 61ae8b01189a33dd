"""What a stream is given, captured once as a CUDA graph and launched as a whole from then on."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CapturedGraphs:
    """CUDA graphs by what they depend on: shapes, and addresses on the GPU; `cuda` is a `tensorrt_run.Cuda`."""

    cuda: Any
    graphs: dict[Hashable, Any] = field(default_factory=dict)

    def run(self, key: Hashable, enqueue: Callable[[], None]) -> None:
        """Launch the graph of `key`; the first time `enqueue` runs as it is, and is then captured.

        What a library does once for a shape, such as compiling kernels, cannot be captured and is over by then.
        """
        if key in self.graphs:
            self.cuda.call("cudaGraphLaunch", self.graphs[key], self.cuda.stream)
            return
        enqueue()
        self.cuda.wait()
        mode = self.cuda.runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.cuda.call("cudaStreamBeginCapture", self.cuda.stream, mode)
        try:
            enqueue()
        finally:
            graph = self.cuda.call("cudaStreamEndCapture", self.cuda.stream)
        self.graphs[key] = self.cuda.call("cudaGraphInstantiate", graph, 0)
