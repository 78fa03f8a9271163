"""Hooks of MkDocs (`make site`): the pages that stand beside docs/ are pages of the site, too.

The README is the first page. Links are written as they lead in the repository, and are turned into those of the site.
In the navigation, a folder (`decisions/`) stands for all its pages that the navigation does not name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
BESIDE = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace the folders in the navigation by their pages."""
    named = set(pages(config.nav))
    config.nav = expanded(config.nav, Path(config.docs_dir), named)
    return config


def pages(entry: Any) -> Iterator[str]:
    """Yield each page and folder below an entry of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry if isinstance(entry, list) else entry.values():
            yield from pages(below)


def expanded(entry: Any, docs: Path, named: set[str]) -> Any:
    """Return an entry of the navigation without folders."""
    if isinstance(entry, dict):
        return {title: expanded(below, docs, named) for title, below in entry.items()}
    if not isinstance(entry, list):
        return entry
    found: list[Any] = []
    for below in entry:
        if isinstance(below, str) and below.endswith("/"):
            all_pages = (path.relative_to(docs).as_posix() for path in sorted((docs / below).glob("*.md")))
            found += [page for page in all_pages if page not in named]
        else:
            found.append(expanded(below, docs, named))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand beside docs/."""
    for name, uri in BESIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page into those of the site."""
    uri = page.file.src_uri
    written = {place: name for name, place in BESIDE.items()}.get(uri, f"docs/{uri}")

    def of_the_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(written), link[2]))
        place = BESIDE.get(target, target.removeprefix("docs/"))
        return link[1] + posixpath.relpath(place, posixpath.dirname(uri) or ".") + link[3]

    return LINK.sub(of_the_site, markdown)
