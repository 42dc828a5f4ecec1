"""The documents speak of what is there: paths, tags, variables, and one word for each concept."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilience.wire import environment, tags

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
_SUFFIXES = "py|md|yaml|toml|json|jsonl|txt|ipynb|svg|lock|graphql"
_IN_TICKS = re.compile(rf"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:{_SUFFIXES}))`")
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_FOLDERS = ("functions", "training", "tests", "docs", "events", "local", "proofs", "bench")
_WITH_PAGES = [".", *(f"{folder}/**" for folder in _FOLDERS)]
PAGES = sorted(page for place in _WITH_PAGES for page in ROOT.glob(f"{place}/*.md"))


def named_in(page: Path) -> Iterator[str]:
    """The paths of this project that a page names."""
    for path in _IN_TICKS.findall(page.read_text()):
        if path.split("/")[0] in _FOLDERS and "/" in path:
            yield path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_path_that_a_page_names_is_there(page: Path) -> None:
    gone = [path for path in named_in(page) if not (ROOT / path).exists()]
    broken = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert (gone, broken) == ([], [])


def constants_of(module: str) -> set[str]:
    """The texts that a module of the wire gives a public name."""
    tree = ast.parse((ROOT / "functions" / "resilience" / "wire" / f"{module}.py").read_text())
    return {
        node.value
        for assigned in tree.body
        if isinstance(assigned, ast.Assign)
        for node in ast.walk(assigned.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_contract_names_each_tag_and_no_other() -> None:
    written = {word for word in constants_of("tags") if word.startswith(tags.PREFIX)} - {
        tags.PREFIX
    }
    assert written == set(re.findall(r"`(resilience:[a-z-]+)`", CONTRACT))


def test_the_contract_names_each_variable_and_no_other() -> None:
    prefix = environment.PREFIX
    written = {word for word in constants_of("environment") if word.startswith(prefix)} - {prefix}
    assert written == set(re.findall(r"\b(RESILIENCE_[A-Z_]+)\b", CONTRACT))


def test_the_training_side_reads_no_variable_that_the_contract_does_not_name() -> None:
    read = {
        word
        for path in (ROOT / "training").rglob("*.py")
        for word in re.findall(r"\bRESILIENCE_[A-Z_]+\b", path.read_text())
    }
    assert read <= set(re.findall(r"\b(RESILIENCE_[A-Z_]+)\b", CONTRACT))


_RETIRED_ROW = re.compile(r"^\| ([a-z_]+) \| [^|]+ \|$", re.MULTILINE)
RETIRED = set(_RETIRED_ROW.findall(GLOSSARY.partition("## Retired")[2])) - {"word"}


def identifiers() -> Iterator[tuple[str, str]]:
    """Each name that the functions' code gives, with the file that gives it."""
    for path in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield path.name, node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield path.name, node.id
            elif isinstance(node, ast.arg):
                yield path.name, node.arg


def words_of(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))


def test_no_identifier_uses_a_word_that_the_glossary_retired() -> None:
    assert RETIRED
    assert not [(file, name) for file, name in identifiers() if words_of(name) & RETIRED]
