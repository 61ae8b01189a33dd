"""What heads that classify output."""

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Softmax


def add_score_outputs(net: Net, x: Value, softmax: bool) -> dict[str, Value]:
    """The outputs `logits`, or with a softmax `probabilities`."""
    return {"probabilities": net.add("softmax", Softmax(), x)} if softmax else {"logits": x}
