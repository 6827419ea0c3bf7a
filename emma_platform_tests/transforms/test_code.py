"""The digest of a transform: it changes with every module that its transform imports."""

from __future__ import annotations

import ast
from functools import partial
from importlib import resources

import pytest

from emma_platform.transforms import code

MODULES = {
    path.name.removesuffix(".py"): path.read_text("utf-8")
    for path in resources.files(code.TRANSFORMS).iterdir()
    if path.name.endswith(".py")
}


def _imported(module: str) -> set[str]:
    """The transforms that Python says a module and those below it import."""
    found, wanted = {module}, [module]
    while wanted:
        for node in ast.walk(ast.parse(MODULES[wanted.pop()])):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            below = {n.removeprefix(f"{code.TRANSFORMS}.") for n in names if n.startswith(code.TRANSFORMS)} - found
            found |= below
            wanted += below
    return found


@pytest.mark.parametrize("module", ["forecast", "clean_sales", "kpi_changes", "price_recommendations", "stock_outs"])
def test_a_digest_changes_with_each_module_that_is_imported_and_no_other(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = dict(MODULES)
    monkeypatch.setattr(code, "_text", texts.__getitem__)
    digest = partial(code.source.__wrapped__, module)
    before = digest()
    changed = set()
    for name, text in MODULES.items():
        texts[name] = text + "\n"
        changed |= {name} if digest() != before else set()
        texts[name] = text
    assert changed == _imported(module)
