"""One HTML page with its tables, and its pictures as JPEG, inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from ...files import write_atomically
from ..report import BenchReport, Row, format_cells

JPEG_QUALITY = 90
_CSS = """
body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 110em; padding: 0 1em }
html { color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: .15em .8em; text-align: left; border-bottom: 1px solid #ddd }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(22em, 1fr)); gap: 1em }
figure { margin: 0 }
figure.wide { grid-column: 1 / -1 }
img { width: 100%; height: auto }
figcaption { font-size: 13px; color: #555 }
"""


@dataclass(frozen=True, eq=False)
class CaptionedPicture:
    """A picture and its caption."""

    caption: str
    pixels: UInt8[ndarray, "h w 3"]
    wide: bool = False
    """It has the page's whole width."""


@dataclass(frozen=True, eq=False)
class PageSection:
    """A part of a page: a few words, a table, pictures side by side."""

    title: str
    text: str = ""
    rows: Sequence[Row] = ()
    panels: Sequence[CaptionedPicture] = ()
    level: int = 3
    """Of its heading."""


def write_page(
    path: Path, title: str, body: str, bench_report: BenchReport, *, overwrite: bool = False
) -> None:
    """Write a page that needs no other file: `body` of `sections_html`, and at its end machine and commit."""
    text = (
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{_CSS}</style>\n<h1>{escape(title)}</h1>\n{body}\n"
        f"<p>{escape(f'deepgyro {bench_report.commit}; {bench_report.machine_line()}')}</p>\n</html>\n"
    )
    write_atomically(path, lambda file: file.write(text.encode()), overwrite=overwrite)


def sections_html(sections: Sequence[PageSection]) -> str:
    """Return sections as HTML, pictures included."""
    return "\n".join(map(_section_html, sections))


def sections_markdown(sections: Sequence[PageSection]) -> str:
    """Return sections as Markdown, but for those of pictures alone."""
    lines: list[str] = []
    for section in sections:
        if section.rows or not section.panels:
            lines += [f"{'#' * section.level} {section.title}", ""]
            lines += [section.text, ""] if section.text else []
            lines += [_markdown_table(section.rows), ""] if section.rows else []
    return "\n".join(lines)


def _section_html(section: PageSection) -> str:
    parts = [f"<h{section.level}>{escape(section.title)}</h{section.level}>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    if section.rows:
        parts.append(_table_html(section.rows))
    if section.panels:
        parts += ['<div class="panels">', *map(_figure_html, section.panels), "</div>"]
    return "\n".join(parts)


def _table_html(rows: Sequence[Row]) -> str:
    lines = [[escape(cell) for cell in line] for line in format_cells(rows)]
    tags = ["th", *["td"] * len(rows)]
    cells = (
        "".join(f"<{tag}>{cell}</{tag}>" for cell in line) for tag, line in zip(tags, lines, strict=True)
    )
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in cells) + "\n</table>"


def _markdown_table(rows: Sequence[Row]) -> str:
    names, *lines = format_cells(rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in [names, ["---"] * len(names), *lines])


def _figure_html(panel: CaptionedPicture) -> str:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(panel.pixels, cv2.COLOR_RGB2BGR), options)
    source = "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
    caption = escape(panel.caption)
    kind = ' class="wide"' if panel.wide else ""
    return f'<figure{kind}><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
