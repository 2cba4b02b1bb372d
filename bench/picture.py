"""Horizontal bars as SVG, readable on light and on dark pages."""

from dataclasses import dataclass
from html import escape

_WIDTH, _LABELS, _VALUES = 880, 370, 80
_TOP, _STEP, _THICKNESS = 64, 30, 18

_STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #24292f; }
    .title { font-size: 16px; font-weight: 600; }
    .note { fill: #57606a; font-size: 12px; }
    .ours { fill: #1a6b4f; }
    .other { fill: #8c959f; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .note { fill: #9198a1; }
      .ours { fill: #3fb985; }
      .other { fill: #6e7681; }
    }
"""


@dataclass(frozen=True)
class Row:
    label: str
    value: float
    is_ours: bool


def draw(title: str, note: str, rows: list[Row]) -> str:
    """In the order given; the longest bar fills the width."""
    height = _TOP + _STEP * len(rows) + 10
    longest = max((row.value for row in rows), default=0) or 1
    scale = (_WIDTH - _LABELS - _VALUES) / longest
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"  <style>{_STYLE}  </style>",
        f'  <text class="title" x="0" y="20">{escape(title)}</text>',
        f'  <text class="note" x="0" y="42">{escape(note)}</text>',
        *(_bar(row, _TOP + _STEP * number, scale) for number, row in enumerate(rows)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bar(row: Row, top: int, scale: float) -> str:
    length = row.value * scale
    baseline = top + _THICKNESS - 4
    kind = "ours" if row.is_ours else "other"
    return (
        f'  <text x="{_LABELS - 12}" y="{baseline}" text-anchor="end">{escape(row.label)}</text>\n'
        f'  <rect class="{kind}" x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_THICKNESS}"/>\n'
        f'  <text x="{_LABELS + length + 8:.1f}" y="{baseline}">{row.value:,.0f}</text>'
    )
