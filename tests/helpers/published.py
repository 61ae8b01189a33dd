"""Predictions compared with what others measured, and the tables of docs/predict.md that say so."""

import json
import math
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median, pstdev

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.speed import prediction as model
from resnet_gen.speed.targets import load_target

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "predict.md"
DATA = json.loads((ROOT / "tests" / "reference" / "published_throughput.json").read_text(encoding="utf-8"))
SEED, TORCH2TRT = DATA["seed_table"], DATA["torch2trt"]
NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
FITTED = "resnet50"
DEVICES = {"jetson-nano": "jetson-nano", "jetson-tx2": "jetson-tx2", "rtx": "rtx-2080-ti", "gtx-1650": "gtx-1650"}
"""The target that each column of the seed table is taken for; it names no model of its RTX."""


@cache
def graph(network):
    return lower(load(network))


def images_per_second(network, device, precision="fp16", batch=1):
    return model.predict(graph(network), load_target(device), precision, batch).images_per_second


def seed_cells():
    """(column, network, images/s) of the seed table, its author's corrections in place of what they correct."""
    for column in DEVICES:
        for network in NETWORKS:
            printed = {**SEED["as_printed"][network], **SEED["later_corrections_by_its_author"].get(network, {})}
            if column in printed and column not in SEED["suspect"].get(network, {}):
                yield column, network, printed[column]


def xavier_cells():
    return [("agx-xavier", network, TORCH2TRT["agx-xavier"][network]) for network in NETWORKS]


def error(column, network, measured):
    """Predicted over measured throughput, less one."""
    return images_per_second(network, DEVICES.get(column, column)) / measured - 1


def errors(cells):
    """The errors of the cells that no efficiency was solved from."""
    return {(column, network): error(column, network, n) for column, network, n in cells if network != FITTED}


def medians():
    """Median absolute errors: of the seed table's cells, and of torch2trt's AGX Xavier."""
    return tuple(median(map(abs, errors(cells).values())) for cells in (seed_cells(), xavier_cells()))


def efficiencies():
    """The solved efficiencies, by the device."""
    targets = map(load_target, (*DEVICES.values(), "agx-xavier"))
    return {target.name: model.find_efficiency(target).value for target in targets}


def error_table():
    lines = ["| device | " + " | ".join(NETWORKS) + " |", "|---|" + "--:|" * len(NETWORKS)]
    found = {(c, n): value for c, n, value in (*seed_cells(), *xavier_cells())}
    for column in (*DEVICES, "agx-xavier"):
        cells = [cell(column, n, found.get((column, n))) for n in NETWORKS]
        device = DEVICES.get(column, column)
        lines.append(f"| {device} ({efficiencies()[device]:.2f}) | " + " | ".join(cells) + " |")
    seed, xavier = medians()
    worst = max(map(abs, errors([*seed_cells(), *xavier_cells()]).values()))
    count = len(errors(seed_cells()))
    lines += ["", f"Median absolute error: **{seed:.1%}** of the {count} cells of the seed table that are not fitted,"]
    lines += [f"**{xavier:.1%}** of torch2trt's four on AGX Xavier. The largest is {worst:.0%}."]
    return "\n".join(lines)


def cell(column, network, measured):
    if measured is None:
        return "-"
    predicted = images_per_second(network, DEVICES.get(column, column))
    error = "fitted" if network == FITTED else f"{predicted / measured - 1:+.0%}"
    return f"{measured:g} / {predicted:.0f} ({error})"


SUSPECT = ("resnet152", "rtx")


def suspect_sentence():
    network, column = SUSPECT
    printed, predicted = SEED["as_printed"][network][column], images_per_second(network, DEVICES[column])
    return f"Listed apart: it prints {printed} images/s for {network} on its RTX, where {predicted:.0f} are predicted."


OTHERS = {
    "as it is": {},
    "no fixed time a kernel": {"FIXED_SECONDS": 0.0},
    "twice the fixed time": {"FIXED_SECONDS": 8e-6},
    "0.6 of the bandwidth": {"SUSTAINED_BANDWIDTH": 0.6},
    "the whole bandwidth": {"SUSTAINED_BANDWIDTH": 1.0},
    "Winograd saves 1.5": {"WINOGRAD": 1.5},
    "no Winograd": {"WINOGRAD": 1.0},
    "tiles of 32": {"TILE": 32},
    "tiles of 128": {"TILE": 128},
    "tiles of any size (no idle multiprocessors)": {"TILE": 1},
}
"""Other constants, to see how much hangs on each."""


@contextmanager
def constants(values):
    before = {name: getattr(model, name) for name in values}
    try:
        for name, value in values.items():
            setattr(model, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)


def sensitivity():
    """By the change: spread of the efficiencies (standard deviation of their logarithms), and both medians."""
    found = {}
    for words, values in OTHERS.items():
        with constants(values):
            found[words] = (pstdev(map(math.log, efficiencies().values())), *medians())
    return found


def sensitivity_table():
    lines = ["| constants | spread of efficiencies | seed table | AGX Xavier |", "|---|--:|--:|--:|"]
    lines += [f"| {words} | {s:.2f} | {a:.1%} | {b:.1%} |" for words, (s, a, b) in sensitivity().items()]
    return "\n".join(lines)


BATCH = 256


def mlperf_ratios():
    """Predicted INT8 throughput of a large batch over MLPerf's, by device; Jetsons had their DLAs' help there."""
    cells = {name: n for name, n in DATA["mlperf_resnet50_int8_offline"].items() if " " not in name}
    cells = {name: n for name, n in cells.items() if name not in ("source", "unit")}
    return {name: images_per_second("resnet50", name, "int8", BATCH) / n for name, n in cells.items()}


def mlperf_table():
    ratios = mlperf_ratios()
    lines = ["| " + " | ".join(ratios) + " |", "|" + "--:|" * len(ratios)]
    return "\n".join([*lines, "| " + " | ".join(f"{ratio:.2f}" for ratio in ratios.values()) + " |"])


TABLES = {"errors": error_table, "suspect": suspect_sentence, "sensitivity": sensitivity_table, "mlperf": mlperf_table}


def shown(page, name):
    """What the page shows between the marks of a table."""
    return page.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]


def refresh():
    """Write today's tables into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        page = page.replace(f"{first}{shown(page, name)}{last}", f"{first}{table()}{last}")
    PAGE.write_text(page, encoding="utf-8")
