"""Charts of days as inline SVG. Shapes are stretched to the page, words stand beside them as HTML, so that a
phone shows them as large as a desk does. Colours are the page's (`--c0` …)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape

COLOURS = 9
_HEIGHT = 100.0
_BAR = 0.72
"""Of the room of a day."""
_SPANS = (60, 120, 240, 600, 1200, 2400, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800)

Show = Callable[[float], str]


def render_bars(days: Sequence[date], series: Mapping[str, Sequence[float]], show: Show) -> str:
    """Stacked bars, one for each day; the first series is at the bottom."""
    top = nice_top(max((sum(values) for values in zip(*series.values(), strict=True)), default=0.0))
    shapes = []
    for number, day in enumerate(days):
        base = 0.0
        for colour, (name, values) in enumerate(series.items()):
            value = values[number]
            if not value:
                continue
            height = value / top * _HEIGHT
            x, y = number + (1 - _BAR) / 2, _HEIGHT - base - height
            shapes.append(
                f'<rect class="f{colour % COLOURS}" x="{x:.3f}" y="{y:.2f}" width="{_BAR}" '
                f'height="{height:.2f}"><title>{_day(day)}: {escape(name)} {show(value)}</title></rect>'
            )
            base += height
    return _chart(days, top, show, shapes, list(series))


def render_lines(
    days: Sequence[date],
    series: Mapping[str, Sequence[float | None]],
    show: Show,
    *,
    top: Callable[[float], float],
) -> str:
    """A line for each series, with a gap where a day has no value; `top` gives the end of the axis."""
    end = top(max((v for values in series.values() for v in values if v is not None), default=0.0))
    shapes = []
    for colour, (name, values) in enumerate(series.items()):
        path, pen_is_up = [], True
        for number, value in enumerate(values):
            if value is None:
                pen_is_up = True
                continue
            x, y = number + 0.5, _HEIGHT - value / end * _HEIGHT
            path.append(f"{'M' if pen_is_up else 'L'}{x:.2f} {y:.2f}")
            if pen_is_up:
                path.append(f"L{x + 0.01:.2f} {y:.2f}")  # a single day is a dot
            pen_is_up = False
        shapes.append(
            f'<path class="l{colour % COLOURS}" d="{" ".join(path)}"><title>{escape(name)}</title></path>'
        )
    return _chart(days, end, show, shapes, list(series))


def nice_top(value: float) -> float:
    """The end of an axis: a round number, at least 2, whose half is one too."""
    if value <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)


def nice_span(seconds: float) -> float:
    """The same for seconds: whole minutes, hours or days."""
    for span in _SPANS:
        if span >= seconds:
            return float(span)
    return math.ceil(seconds / 172_800) * 172_800.0


def _chart(days: Sequence[date], top: float, show: Show, shapes: Sequence[str], names: Sequence[str]) -> str:
    grid = "".join(f'<line x1="0" x2="{len(days)}" y1="{y}" y2="{y}"/>' for y in (0, 50, 100))
    legend = "".join(
        f'<li><i class="f{colour % COLOURS}"></i>{escape(name)}</li>' for colour, name in enumerate(names)
    )
    return (
        f'<div class="chart"><div class="axis"><span>{show(top)}</span><span>{show(top / 2)}</span>'
        f"<span>{show(0)}</span></div>"
        f'<svg viewBox="0 0 {len(days)} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img">'
        f'<g class="grid">{grid}</g>{"".join(shapes)}</svg>'
        f'<div class="days">{"".join(f"<span>{_day(day)}</span>" for day in _some(days))}</div></div>'
        f'<ul class="legend">{legend}</ul>'
    )


def _some(days: Sequence[date]) -> Sequence[date]:
    """First, middle and last: what fits on a phone."""
    if len(days) < 3:
        return days
    return (days[0], days[len(days) // 2], days[-1])


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
