"""Pictures of awkward shapes and modes, for whatever turns pictures into tensors."""

import numpy as np
from PIL import Image

SIZES = [(300, 200), (200, 301), (20, 11), (7, 90), (640, 33), (1, 1), (1, 300), (53, 37)]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]


def saved(folder):
    """A file of each size, in turn a PNG of each mode; one JPEG; one that EXIF turns."""
    paths = []
    for number, size in enumerate(SIZES):
        noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
        picture = Image.fromarray(noise) if number % 6 == 5 else Image.fromarray(noise[..., :3])
        paths.append(folder / f"{number}.png")
        picture.convert(MODES[number % 6]).save(paths[-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, more in (("a.jpg", {}), ("turned.jpg", {"exif": exif})):
        paths.append(folder / name)
        Image.fromarray(noise[..., :3]).save(paths[-1], **more)
    return paths
