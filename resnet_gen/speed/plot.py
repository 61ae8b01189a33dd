"""Pictures of measured times. The one room of matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from resnet_gen.problems import refuse
from resnet_gen.speed.benchmark import Result, Timing

FORMATS = (".svg", ".png")
_COLOURS = ("#2a6f97", "#e07a3f")
"""A blue and an orange that are told apart in grey, too, and by the colour-blind."""
_INK, _PALE = "#22303c", "#d5dbe1"
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "ytick.left": False,
    "xtick.bottom": False,
    "grid.color": "#e9edf1",
    "svg.hashsalt": "resnet-gen",  # so that one measurement gives the same bytes twice
    "svg.fonttype": "none",
}
_MARKS = ((50.0, "o", 7.0), (90.0, "D", 4.5), (99.0, "_", 12.0))
"""Percentile, marker and its size in points."""


def load_matplotlib() -> Any:
    """matplotlib; raises `Refused` where it is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise refuse(f"matplotlib cannot be loaded: {error}", hint="pip install 'resnet-gen[plot]'") from None
    return matplotlib


def draw(models: Sequence[str], results: Sequence[Result], form: str) -> bytes:
    """The picture of one or two models' latency and throughput over the batches, as the bytes of `form`."""
    matplotlib = load_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, wspace=0.04)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(max(8.2, 4.2 + 1.5 * len(results)), 4.6), layout=layout)
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        for which, model in enumerate(models):
            timings = [result.timings[which] for result in results]
            beside = (which - (len(models) - 1) / 2) * 0.36  # the middle of its batch
            places = [at + beside for at in range(len(results))]
            _draw_latency(left, places, timings, _COLOURS[which])
            _draw_throughput(right, places, timings, _COLOURS[which], model, (0.36 if len(models) > 1 else 0.45))
        _label_axes(left, right, results)
        _add_legends(figure, left, right)
        picture, undated = io.BytesIO(), {"Date": None} if form == ".svg" else {}
        figure.savefig(picture, format=form.removeprefix("."), dpi=160, metadata=undated)
    return picture.getvalue()


def _draw_latency(axes: Any, places: Sequence[float], timings: Sequence[Timing], colour: str) -> None:
    """A line from the median to the 99th percentile, and a mark at each percentile."""
    at = {p: [1000 * timing.percentile(p) for timing in timings] for p, _, _ in _MARKS}
    axes.vlines(places, at[50.0], at[99.0], color=colour, linewidth=2.2, alpha=0.35)
    for percent, marker, size in _MARKS:
        fill = colour if percent != 90.0 else "white"
        axes.plot(places, at[percent], marker, color=colour, markerfacecolor=fill, markersize=size, markeredgewidth=1.6)
    for place, milliseconds in zip(places, at[50.0], strict=True):
        text = _format_number(milliseconds)
        axes.annotate(
            text, (place, milliseconds), (0, -8), textcoords="offset points", ha="center", va="top", fontsize=8.5
        )


def _draw_throughput(
    axes: Any, places: Sequence[float], timings: Sequence[Timing], colour: str, model: str, width: float
) -> None:
    bars = axes.bar(places, [t.images_per_second for t in timings], width * 0.92, color=colour, label=model)
    axes.bar_label(bars, [_format_number(t.images_per_second) for t in timings], padding=3, fontsize=8)


def _format_number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _label_axes(left: Any, right: Any, results: Sequence[Result]) -> None:
    """Titles, units and ticks."""
    from matplotlib.ticker import LogLocator, NullLocator

    medians = [timing.percentile(50) for result in results for timing in result.timings]
    slowest = max(timing.percentile(99) for result in results for timing in result.timings)
    if slowest > 12 * min(medians):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        left.yaxis.set_major_formatter(lambda value, _: _format_number(value))
        left.yaxis.set_minor_locator(NullLocator())
        left.set_ylim(1000 * min(medians) / 1.6, 1000 * slowest * 1.3)
    else:
        left.set_ylim(0, 1000 * slowest * 1.15)
    left.set_ylabel("latency of a batch, ms")
    right.set_ylabel("throughput, images/s")
    right.margins(y=0.12)
    image = "x".join(map(str, results[0].shape[1:]))
    for axes, title in ((left, "Latency"), (right, "Throughput")):
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_xlabel(f"batch size (images of {image})")
        axes.set_xticks(range(len(results)), [str(result.shape[0]) for result in results])
        axes.set_xlim(-0.6, len(results) - 0.4)
        axes.grid(axis="y", which="major")


def _add_legends(figure: Any, left: Any, right: Any) -> None:
    """The models above both panels; what the marks mean, in the panel that has them."""
    from matplotlib.lines import Line2D

    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=1, frameon=False)
    marks = [
        Line2D(
            [], [], color=_INK, marker=marker, markersize=size * 0.8, linestyle="", label=f"p{percent:.0f}",
            markerfacecolor="white" if percent == 90.0 else _INK,
        )
        for percent, marker, size in _MARKS
    ]  # fmt: skip
    left.legend(handles=marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, handletextpad=0.1)
