"""The frame that pages share: head, notices, provenance, one style, nothing from outside."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass

from deciface.cases import RESEARCH_USE_ONLY

Pairs = tuple[tuple[str, str], ...]
"""Labels and values."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands around every result.

    Parameters
    ----------
    title
        What was asked.
    facts
        One line below it: labels and values.
    notices
        What must be known before anything is read, one sentence each: simulated people, warnings.
    provenance
        What a person needs to make the page again.
    """

    title: str
    facts: Pairs
    notices: tuple[str, ...]
    provenance: Pairs


def render_page(template: str, head: Head, *, now: dt.datetime, **shown: object) -> str:
    """Fill a template of this room into one self-contained HTML document.

    Parameters
    ----------
    template
        Name without its ending.
    head
        Title, notices, provenance.
    now
        Printed as the time of the report.
    shown
        What the template names; charts are ``<svg>`` text of `deciface.figures` and stand as they are, all other text
        is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deciface.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{template}.html.j2").render(
        head=head, notice=RESEARCH_USE_ONLY, now=now.strftime("%Y-%m-%d %H:%M %Z").strip(), **shown
    )


def png_uri(content: bytes) -> str:
    """Return a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
