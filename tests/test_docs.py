"""Links of the documentation lead somewhere, and its figures show what they say."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs/theory/figures/autocorrelation.py"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "checkpoints/*.md", "src/**/*.md")
    for page in ROOT.glob(pattern)
)


@cache
def prose(page):
    """Return a page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()#]", "", code[0]), text)


def anchors(page):
    """Return a page's anchors: its headings as GitHub writes them in addresses."""
    headings = re.findall(r"^#+ +(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_of_the_project_that_a_page_names_exists(page):
    named = re.findall(r"\b((?:src/deepgyro|tests|configs|docs|examples)/[\w./-]*\w)", page.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_page_is_left_without_a_link_to_it():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page))
    }

    assert [page.name for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in linked] == []


def test_the_autocorrelation_of_the_figure_is_least_one_blur_length_away():
    spec = importlib.util.spec_from_file_location("autocorrelation", FIGURE)
    figure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figure)

    for length in figure.LENGTHS_PX[1:]:
        lags, values = figure.along_path(figure.blurred_photo(length))
        beyond = lags > 6  # px: nearer are the filter's own lobes

        assert abs(lags[beyond][values[beyond].argmin()] - length) <= 1  # px
