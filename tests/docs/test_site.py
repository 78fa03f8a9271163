"""`make site` builds without a warning; the site has every page, as the repository shows it, and fetches nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
BESIDE = {"README": "index", "SECURITY": "security", "CHANGELOG": "changes", "CONTRIBUTING": "contributing"}
COUNTED = ("h2", "h3", "li", "table", "pre")


class Elements(HTMLParser):
    """The elements of a page, and what it makes a browser fetch; of the site's pages the article alone is counted."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.fetched: list[str] = []
        self._is_counted = isinstance(page, str)
        self.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self._is_counted = self._is_counted or tag == "article"
        if self._is_counted and tag in COUNTED:
            self.counts[tag] += 1
        wanted = "src" if tag in ("script", "img", "iframe", "source", "video") else "href" if tag == "link" else ""
        if wanted in told and told.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(told[wanted] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._is_counted = False


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False, errors="replace"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = built(folder)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said
    return folder


def source_of(page: str) -> Path:
    """The file that a page of the site was written in."""
    names = {f"{there}.html": f"{name}.md" for name, there in BESIDE.items()}
    if page in names:
        return ROOT / names[page]
    written = ROOT / "docs" / Path(page).with_suffix(".md")
    return written if written.exists() else written.with_name("README.md")


def test_the_site_has_every_page_of_the_documentation(site: Path) -> None:
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {"404.html"}
    written = set((ROOT / "docs").rglob("*.md")) | {ROOT / f"{name}.md" for name in BESIDE}
    assert {source_of(page) for page in pages} == written
    assert not list(site.rglob("*.py"))


def test_the_site_has_nothing_beside_the_documentation_and_its_menu_names_a_page_once(site: Path) -> None:
    assert [path for path in site.rglob("*") if path.suffix in (".py", ".pyc") or path.name == "__pycache__"] == []
    named = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, count in Counter(named).items() if count > 1] == []


def test_a_page_looks_as_it_does_in_the_repository(site: Path) -> None:
    """Python-Markdown, which the site is made by, takes no list that has no empty line before it, and the like."""
    markdown = MarkdownIt("commonmark").enable("table")
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            page = path.relative_to(site).as_posix()
            there = Elements(markdown.render(source_of(page).read_text(encoding="utf-8"))).counts
            assert Elements(path).counts == there, page


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        fetched = Elements(path).fetched
        assert fetched, path
        assert [each for each in fetched if re.match(r"(?:\w+:)?//", each)] == [], path
        assert 'class="mermaid"' not in path.read_text(encoding="utf-8"), "the theme fetches what draws it"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:\w+:)?//", style.read_text(encoding="utf-8")), style


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    broken = tmp_path / "docs"
    broken.mkdir()
    (broken / "page.md").write_text("[gone](nowhere.md) and [elsewhere](page.md#nothing)\n")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[0]
    settings = settings.replace("hooks: [docs/site_hooks.py]", f"hooks: [{ROOT}/docs/site_hooks.py]")
    (tmp_path / "mkdocs.yml").write_text(f"{settings}nav: [page.md, index.md]\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=600, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "nowhere.md" in said
    assert "#nothing" in said
