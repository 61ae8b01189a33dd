"""How published networks round a number of channels."""


def round_to_multiple(channels: float, divisor: int, *, least: int = 0, floor: float = 0.9) -> int:
    """The multiple of `divisor` nearest to `channels`, at least `least` or one divisor, not below `floor` of it.

    The rule of the MobileNets, which torchvision and timm share (Sandler et al. 2018, code).
    """
    rounded = max(least or divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < floor * channels else rounded
