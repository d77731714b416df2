"""The rules that keep the house in shape: who imports whom, and what every registered variant must bring."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from studio import registries
from studio.lib import params as params_lib
from studio.lib.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["studio.lib", "studio", "vault", "pipelines", "evaluation"]
ASSEMBLY = {"studio.urls", "studio.api"}
"""The two modules that put the apps together and therefore import all of them."""

PURE = [
    "studio.lib",
    "studio.registries",
    "vault.rows",
    "vault.agreement",
    "vault.readers",
    "vault.query",
    "vault.exporters",
    "vault.search_index",
    "vault.row_blocks",
    "vault.browse_index",
    "vault.word_diff",
    "vault.markdown",
    "vault.quality",
    "pipelines.specs.spec",
    "pipelines.specs.text",
    "pipelines.specs.migrating",
    "pipelines.building.pictures",
    "pipelines.teachers",
    "pipelines.recipes",
    "pipelines.exporters",
    "evaluation.metrics",
    "evaluation.expressions",
    "evaluation.statistics",
]
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "llama_cpp"}
HEAVY_HOMES = ["pipelines.recipes", "pipelines.exporters"]
TABLES = [registries.READERS, registries.STEPS, registries.TEACHERS, registries.METRICS, registries.EXPORTERS]
LEAST = {name: {"model": "a-model"} for name in ("generate", "judge", "judge_answers", "ask_model", "more_like_these")}
"""What a person must at least fill in where the defaults are, on purpose, not enough."""

ENTRIES = [pytest.param(table, name, id=f"{table.what}-{name}") for table in TABLES for name in table]


def is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def modules() -> Iterator[tuple[str, Path]]:
    """``(dotted name, file)`` of every module of ours."""
    for top in ("studio", "vault", "pipelines", "evaluation"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(module: str, path: Path) -> Iterator[tuple[str, int]]:
    """``(imported name, line)`` of every import in the file, those inside functions too."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


def layer(module: str) -> int | None:
    """Place in the order of layers, or None for a module that is not ours."""
    fitting = [number for number, name in enumerate(LAYERS) if is_inside(module, name)]
    return fitting[0] if fitting else None


def test_imports_go_one_way() -> None:
    wrong = []
    for module, path in modules():
        mine = layer(module)
        assert mine is not None
        for name, line in imports(module, path):
            theirs = layer(name)
            if theirs is not None and theirs > mine and module not in ASSEMBLY:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_pure_packages_do_not_know_django() -> None:
    wrong = []
    for module, path in modules():
        if any(is_inside(module, pure) for pure in PURE):
            for name, line in imports(module, path):
                impure = layer(name) is not None and not any(is_inside(name, pure) for pure in PURE)
                if is_inside(name, "django") or (impure and name not in {"vault", "pipelines", "evaluation", "studio"}):
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_only_child_processes_import_what_is_heavy() -> None:
    wrong = []
    for module, path in modules():
        if not any(is_inside(module, home) for home in HEAVY_HOMES):
            wrong += [
                f"{path.relative_to(ROOT)}:{line} imports {name}"
                for name, line in imports(module, path)
                if name.partition(".")[0] in HEAVY
            ]
    assert wrong == []


def test_web_and_steps_load_nothing_heavy() -> None:
    """Measured, not read: an import may bring others."""
    script = (
        "import django, sys; django.setup(); import studio.urls; from studio import registries as r\n"
        "for t in (r.READERS, r.STEPS, r.TEACHERS, r.METRICS, r.EXPORTERS): list(t.items())\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    env = {"DJANGO_SETTINGS_MODULE": "studio.settings", "PATH": "", "STUDIO_DATA_ROOT": str(ROOT / "data")}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_variant_resolves_and_says_what_it_is(table: Registry, name: str) -> None:
    variant = table[name]
    own = vars(variant).get("__doc__")
    assert own, f"{variant.__qualname__} has no docstring"
    assert len(own.strip()) > 20


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_variants_params_make_a_form_and_survive_json(table: Registry, name: str) -> None:
    model = getattr(table[name], "Params", None)
    if model is None:
        pytest.skip("takes no parameters")
    fields = params_lib.describe(model)
    assert all(field.label and field.kind for field in fields)
    values = {field.name: example(field) for field in fields if field.required} | LEAST.get(name, {})
    try:
        params = model.model_validate(values)
    except ValidationError as error:
        pytest.fail(f"The defaults of {name} are not valid: {params_lib.problems(error)}")
    stored = json.loads(json.dumps(params.model_dump(mode="json")))
    assert model.model_validate(stored) == params


def example(field: params_lib.ParamField) -> Any:
    """A value for a field that has no default."""
    if field.choices:
        return [field.choices[0]] if field.kind == "choices" else field.choices[0]
    if field.kind in {"integer", "number"}:
        return field.minimum if field.minimum is not None else 1
    return {"boolean": True, "lines": ["one"]}.get(field.kind, "example")


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_variant_has_a_test_file_of_its_own_name(table: Registry, name: str) -> None:
    module = table.table[name].partition(":")[0]
    stem = module.rpartition(".")[2]
    assert list((ROOT / "tests").rglob(f"test_{stem}.py")), f"there is no test_{stem}.py for {module}"


def test_every_public_module_says_what_it_is() -> None:
    silent = [module for module, path in modules() if path.read_text().strip() and not module_doc(path)]
    assert silent == []


def module_doc(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


def test_the_tables_import_no_variant() -> None:
    assert [name for name, _ in imports("studio.registries", Path(registries.__file__))] == [
        "__future__.annotations",
        "studio.lib.registry.Registry",
    ]


def _workspace_views() -> list[tuple[str, Any]]:
    """Address and view of every URL below ``/w/<workspace>/``."""
    from django.urls import URLPattern, URLResolver, get_resolver

    found: list[tuple[str, Any]] = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for entry in resolver.url_patterns:
            address = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                walk(entry, address)
            elif isinstance(entry, URLPattern) and address.startswith("w/"):
                found.append((address, entry.callback))

    walk(get_resolver(), "")
    return found


def test_every_view_of_a_workspace_checks_the_role() -> None:
    views = _workspace_views()
    assert len(views) > 30
    unguarded = [address for address, view in views if not _required_role(view)]
    assert unguarded == []


def _required_role(view: Any) -> Any:
    """The role a view demands, through whatever decorators stand around it."""
    while view is not None:
        role = getattr(view, "required_role", None)
        if role is not None:
            return role
        view = getattr(view, "__wrapped__", None)
    return None
