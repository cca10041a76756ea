"""How every chart is made: one look, sizes in CSS pixels, the same text for the same result.

Charts are SVG to stand inside an HTML page. Letters stay letters and are not turned into paths: they can be searched,
copied and read aloud, and the reader's own fonts draw names in scripts that the font of the drawing program lacks.
"""

from __future__ import annotations

import io
import re
import threading
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GREY, LINE, GRID = "#1d2733", "#5b6775", "#8a97a6", "#b9c3ce", "#e3e8ee"
BLUE, PALE, ORANGE, TEAL, PLUM = "#2f5f96", "#a9bdd6", "#b0662a", "#2a8577", "#8c4a7d"
STYLES: Sequence[tuple[str, Any, str]] = (
    (BLUE, "-", "o"),
    (ORANGE, (0, (5, 2)), "s"),
    (TEAL, (0, (1.5, 1.5)), "^"),
    (PLUM, (0, (7, 2, 1.5, 2)), "D"),
)
"""Colour, line and marker of the first, second .. series: apart in lightness and shape too, for any colour vision."""
TEXT_PX, SMALL_PX = 12.0, 11.0
WIDTH_PX = 480
"""Of a chart: two stand side by side on a screen, one fits a phone."""

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": TEXT_PX,
    "axes.unicode_minus": True,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 1.0,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 1.0,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": SMALL_PX,
    "ytick.labelsize": SMALL_PX,
    "text.parse_math": False,
}
_one_at_a_time = threading.Lock()
_TAG = re.compile(r"<[^>]+>")
_OWN_NAMES = re.compile(r'\b(id="|(?:xlink:)?href="#|url\(#)')


def draw(
    paint: Callable[[Figure], None],
    *,
    name: str,
    title: str,
    description: str,
    width_px: float = WIDTH_PX,
    height_px: float = 300,
) -> str:
    """Paint on an empty sheet and return it as one ``<svg>`` element for an HTML page.

    Parameters
    ----------
    paint
        Called with a figure of 72 units an inch, so that sizes of letters and lines are pixels.
    name
        Of the chart, once on a page: all ids in it begin with it.
    title, description
        What it is and what can be read from it, for those who do not see it.

    Returns
    -------
    Text that is the same for the same input and version of matplotlib: no date, no random ids.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    out = io.StringIO()
    with _one_at_a_time, rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # Letters that the measuring font lacks are drawn by the reader's browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72, facecolor="none")
        paint(figure)
        figure.savefig(out, format="svg", dpi=144, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = out.getvalue()
    inside = drawn[drawn.index("</defs>") + len("</defs>") : drawn.rindex("</svg>")]
    return svg_element(
        _TAG.sub(lambda tag: _named(tag[0], name), inside),
        name=name,
        title=title,
        description=description,
        size_px=(width_px, height_px),
        style='stroke-linejoin="round" stroke-linecap="butt"',
    )


def svg_element(
    inside: str, *, name: str, title: str, description: str, size_px: tuple[float, float], style: str
) -> str:
    """Put drawn parts into one ``<svg>`` element, see `draw`; `style` are attributes of its own."""
    width, height = size_px
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-text" {style}>\n'
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-text">{escape(description)}</desc>'
        f"{inside}</svg>"
    )


def _named(tag: str, name: str) -> str:
    """Put the name of the chart before every id that a tag has or points to."""
    return _OWN_NAMES.sub(rf"\g<1>{name}-", tag).replace(" xlink:href=", " href=")


def axes_in(
    figure: Figure,
    *,
    left: float,
    top: float,
    width: float,
    height: float,
    grid: str | None = "both",
    box: bool = False,
) -> Axes:
    """Axes at a place in px from the upper left corner, without the upper and right line unless `box`."""
    across, down = figure.get_figwidth() * 72, figure.get_figheight() * 72
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_facecolor("none")
    axes.tick_params(length=0, pad=5)
    if not box:
        axes.spines[["top", "right"]].set_visible(False)
    if grid is not None:
        axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    return axes


def width_of(text: str, size_px: float = SMALL_PX) -> float:
    """Upper estimate of the width of a text in px, whatever the reader's font; East Asian letters are twice as wide."""
    return sum(1.02 if unicodedata.east_asian_width(letter) in "WF" else 0.6 for letter in text) * size_px


def shortened(text: str, most: int = 34) -> str:
    """Return the text, with its end left out where it is longer."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def percent(share: float) -> str:
    """E.g. ``62 %``; one decimal below 10 %."""
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def interval_text(interval: tuple[float, float] | None) -> str:
    """E.g. `` (48-74 %)``, or nothing."""
    return "" if interval is None else f" ({100 * interval[0]:.0f}–{100 * interval[1]:.0f} %)"
