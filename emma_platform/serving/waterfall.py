"""A picture of a change: from the figure before, part by part, to the figure after.

Belongs here: drawing. Does not belong here: the amounts (`changes`).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from emma_platform.serving.changes import Change

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHOLE, _UP, _DOWN = "#64748b", "#15803d", "#b91c1c"
_ROOM = 0.25
"""Share of the axis left free on both sides of the parts, where the figures are far larger than their change."""


def waterfall(change: Change) -> bytes:
    """A PNG of the parts, the largest first, between the two figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    before, after, parts = change.shown()
    figure = Figure(figsize=(max(6.0, 2.4 + 1.15 * (len(parts) + 2)), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps = [(part.label, float(amount)) for part, amount in parts]
    _draw(axes, str(change.first), float(before), steps, str(change.second), float(after))
    name = change.kpi.replace("_", " ").capitalize()
    axes.set_title(f"{name}: {before:,} → {after:,} ({after - before:+,})", loc="left", fontweight="bold")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _draw(axes: Axes, first: str, before: float, steps: list[tuple[str, float]], second: str, after: float) -> None:
    levels = [before]
    for _, amount in steps:
        levels.append(levels[-1] + amount)
    spread = max(*levels, after) - min(*levels, after)
    floor = min(*levels, after) - _ROOM * spread
    if floor < spread or min(before, after) <= 0:
        floor = min(0.0, floor)
    last = len(steps) + 1
    axes.bar([0, last], [before - floor, after - floor], bottom=floor, color=_WHOLE, width=0.6)
    for place, ((_, amount), level) in enumerate(zip(steps, levels, strict=False), start=1):
        axes.bar(place, amount, bottom=level, color=_UP if amount > 0 else _DOWN, width=0.6)
        _write(axes, place, max(level, level + amount), f"{amount:+,.1f}")
    for place, level in enumerate(levels):
        axes.plot([place + 0.3, place + 0.7], [level, level], color="#999999", lw=0.8)
    _write(axes, 0, before, f"{before:,.0f}")
    _write(axes, last, after, f"{after:,.0f}")
    labels = [
        first.replace(" to ", "\nto "),
        *(name.replace(" ", "\n") for name, _ in steps),
        second.replace(" to ", "\nto "),
    ]
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    if spread:
        axes.set_ylim(floor, max(*levels, after) + 0.12 * spread)
    axes.spines[["top", "right"]].set_visible(False)
    if floor > 0:
        axes.set_ylabel(f"axis starts at {floor:,.0f}", fontsize=8, color="#666666")


def _write(axes: Axes, place: int, level: float, text: str) -> None:
    axes.annotate(text, (place, level), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8)
