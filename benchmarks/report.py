"""A benchmark's report: a table for the terminal, a chart, and the figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from rich.console import Console
from rich.table import Table

WIDTH, BAR, GAP, LEFT, RIGHT = 760, 26, 10, 230, 130
COLOURS = ("#2563eb", "#94a3b8")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ours have another colour than the peers'."""

    label: str
    value: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one benchmark.

    Attributes:
        title: What was measured, in a line.
        columns, rows: The table; figures as text, rounded for people.
        bars: The chart: one figure per row.
        unit: Of the bars.
        notes: How to read it.
        figures: For programs.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar]
    unit: str
    notes: Sequence[str] = ()
    figures: Mapping[str, object] = field(default_factory=dict)


def show(report: Report, console: Console) -> None:
    """Print the table and its notes."""
    table = Table(title=report.title, title_justify="left", title_style="bold")
    for place, column in enumerate(report.columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=not place)
    for row in report.rows:
        table.add_row(*row)
    console.print(table)
    for note in report.notes:
        console.print(f"  {note}", style="dim", highlight=False)
    console.print()


def markdown(report: Report) -> str:
    """The table as Markdown."""
    lines = [f"**{report.title}**", "", "| " + " | ".join(report.columns) + " |"]
    lines.append("|---|" + "---:|" * (len(report.columns) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in report.rows]
    return "\n".join([*lines, "", *report.notes, ""])


def svg(report: Report) -> str:
    """The bars as a self-contained SVG: no script, font or library."""
    height = 60 + len(report.bars) * (BAR + GAP)
    most = max((bar.value for bar in report.bars), default=1.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<style>text { font: 13px system-ui, sans-serif; fill: #0f172a } .title { font-size: 15px }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" class="title">{escape(report.title)}</text>',
    ]
    for place, bar in enumerate(report.bars):
        top = 46 + place * (BAR + GAP)
        length = max(1.0, bar.value / most * (WIDTH - LEFT - RIGHT))
        middle, end = round(top + BAR * 0.68), LEFT + length + 8
        colour = COLOURS[0 if bar.ours else 1]
        value = f"{number(bar.value)} {report.unit}"
        parts += [
            f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="3" fill="{colour}"/>',
            f'<text x="{end:.1f}" y="{middle}">{escape(value)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def number(value: float) -> str:
    """Formatted with the significant digits only."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004


def ratio(value: float, of: float) -> str:
    """``value`` as a multiple of ``of``."""
    return f"{value / of:.1f} ×" if of else "–"
