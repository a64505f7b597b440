"""Tests whose input is the whole repository: what holds for every file, setting and endpoint."""

import ast
import importlib.util
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.environment import Environment
from dashboard.words import STATUSES
from registry.log.models import RoutingEvent
from tests.longest import SECONDS

ROOT = Path(__file__).resolve().parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
TOP_LEVEL = {
    ".ci", ".git-blame-ignore-revs", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "agents", "benchmarks",
    "config", "dashboard", "docs", "manage.py", "pyproject.toml", "registry", "requirements-dev.in",
    "requirements-dev.txt", "requirements.in", "requirements.txt", "static", "templates", "tests",
}  # fmt: skip
MAX_TEMPLATE_LINE = 160
# Classes that no file writes out, because they are put together where they are used.
COMPOSED_CLASSES = {f"is-{tone}" for tone, _ in STATUSES.values()} | {  # class="status is-{{ tone }}"
    "is-table",  # how a part of the editor looks, "is-{{ block.look }}": dashboard/definition/layout.py
    "add", "del",  # "l {{ line.kind }}": dashboard/differences.py
    "htmx-request",  # htmx's own, while it asks
}  # fmt: skip
# Names of the hosts that packages come from, put together so that this file does not have them.
REGISTRY_HOSTS = [f"{host}.{domain}" for host, domain in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org")]]


def run(tool: str, *arguments: str) -> None:
    """Run a tool that is installed beside Python; its output is the failure's message."""
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_house_is_as_drawn():
    assert {name.partition("/")[0] for name in TRACKED} <= TOP_LEVEL


APPLICATION = [
    ROOT / name for name in TRACKED if re.match(r"(agents|registry|dashboard|config)/(?!.*migrations/).*\.py$", name)
]
# What all packages of the registry stand on, or all of its doors share: docs/developing.md has a sentence for each.
BESIDE_PACKAGES = {
    "__init__", "apps", "environment", "heartbeats", "installation", "models", "policy", "requests", "secret_key",
    "triggers",
}  # fmt: skip
DEVELOPING = (ROOT / "docs/developing.md").read_text()


def test_the_package_is_the_boundary():
    beside = {path.stem for path in APPLICATION if path.parent == ROOT / "registry"}
    assert beside == BESIDE_PACKAGES
    for name in beside - {"__init__", "apps"}:
        assert f"`{name}.py` (" in DEVELOPING, name


def test_every_package_says_what_it_is_for_and_the_page_for_developers_says_the_same():
    for init in [path for path in APPLICATION if path.name == "__init__.py"]:
        name = init.parent.relative_to(ROOT).as_posix()
        if re.search(r"/(management/commands|templatetags)$|^config/management$", name):
            continue  # Django's own folders
        sentence = (ast.get_docstring(ast.parse(init.read_text())) or "").partition("\n")[0]
        assert sentence.endswith((".", ")")), name
        if re.match(r"(registry|agents)/\w+$", name):
            assert f"| `{name}/` | {sentence} |" in DEVELOPING, name


def test_a_module_of_the_application_fits_on_a_few_screens():
    long = {str(path): lines for path in APPLICATION if (lines := len(path.read_text().splitlines())) > 350}
    assert not long


def test_what_the_page_for_developers_names_is_there():
    for name in re.findall(
        r"`((?:agents|registry|dashboard|config|tests|benchmarks|static|templates)/[\w/.]*)`", DEVELOPING
    ):
        assert (ROOT / name).exists(), name


def test_statements_are_composed_and_texts_searched_in_one_place():
    for path in APPLICATION:
        text = path.read_text()
        assert not re.search(r"noqa: S608|\.extra\(where|objects\.raw\(", text), f"{path}: see registry/base/sql.py"
        assert not re.search("ILIKE|__icontains", text) or path.match("registry/base/contains.py"), (
            f"{path}: has_text does it"
        )
        assert "fmt: skip" not in text or path.match("config/settings.py"), f"{path}: ruff's own format will do"


def test_programs_in_strings_name_what_is_there():
    """What another process is given to run is read by no checker; tests and benchmarks hold modules of ours in it."""
    line = re.compile(
        r"^\s*from ((?:agents|registry|dashboard|config)[\w.]*) import ([\w, ]+?)(?:;|\s*#|$)", re.MULTILINE
    )
    for name in TRACKED:
        if not re.match(r"(tests|benchmarks)/.*\.py$", name):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for module, things in line.findall(node.value.replace("; ", "\n")):
                    found = importlib.import_module(module)
                    for thing in things.split(","):
                        known = hasattr(found, thing.strip()) or importlib.util.find_spec(f"{module}.{thing.strip()}")
                        assert known, f"{name}: {module}.{thing.strip()}"


def test_what_is_asked_for_twice_at_once_is_one_step_back():
    """Enter in a field that was typed in is a change and a submit: without hx-sync both would go into the history."""
    tag = re.compile(r"<[a-z]+\b(?:[^>{]|\{\{.*?\}\}|\{%.*?%\}|\{(?![{%]))*>", re.DOTALL)
    for name in TRACKED:
        if name.endswith(".html"):
            for element in tag.findall((ROOT / name).read_text()):
                trigger = re.search(r'hx-trigger="([^"]*)"', element)
                if 'hx-push-url="true"' in element and trigger and "," in trigger[1]:
                    assert "hx-sync" in element, f"{name}: {element}"


def test_code_is_clean():
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")
    run("djade", "--check", "--target-version", "5.2", *(name for name in TRACKED if name.endswith(".html")))


def test_types_hold():
    run("mypy", "agents", "registry", "dashboard", "config")


def test_imports_go_one_way():
    run("lint-imports")


def table_of_settings() -> list[str]:
    """What docs/settings.md has to say: the fields of the model, their defaults and their docstrings."""
    text = (ROOT / "config/environment.py").read_text()
    [model] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "Environment"]
    words = {
        field.target.id: " ".join(said.value.value.split())
        for field, said in pairwise(model.body)
        if isinstance(field, ast.AnnAssign) and isinstance(said, ast.Expr)
    }
    assert words.keys() == Environment.model_fields.keys(), "a field has no docstring"
    return [f"| `{name}` | {default_of(name)} | {words[name]} |" for name in words]


def default_of(name: str) -> str:
    """A variable's default as an operator would write it."""
    if name == "SIGNALWIRE_SWAIG_SECRET":  # config/secret_key.py
        return "from the secret key"
    made_of = {"DATA_DIR": Path("/DATA_DIR")}
    default = Environment.model_fields[name].get_default(call_default_factory=True, validated_data=made_of)
    if default in (None, "", []):
        return "none"
    if isinstance(default, bool | int):
        return str(default).lower()
    text = ", ".join(default) if isinstance(default, list) else str(default)
    return f"`{text.removeprefix(f'{ROOT}/').removeprefix('/')}`"


def test_every_setting_is_documented_as_the_code_has_it():
    rows = re.findall(r"^\| `.*", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert rows == table_of_settings()


def test_every_variable_that_is_read_is_a_setting_and_every_setting_is_used():
    code = {path: path.read_text() for folder in ("config", "registry") for path in (ROOT / folder).rglob("*.py")}
    read = set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", "".join(code.values())))
    internal = {
        "SWITCHBOARD_EMBEDDED", "SWITCHBOARD_REPLICA", "SWITCHBOARD_RUN", "DJANGO_SETTINGS_MODULE", "XDG_RUNTIME_DIR",
        "HOME", "PATH",
    }  # fmt: skip
    assert read - internal <= Environment.model_fields.keys()
    used = re.findall(
        r"\benvironment\.([A-Z_]+)", code[ROOT / "config/settings.py"] + code[ROOT / "config/secret_key.py"]
    )
    assert set(used) == Environment.model_fields.keys()


def test_no_file_names_the_host_of_a_package_registry():
    for name in TRACKED:
        text = (ROOT / name).read_text(errors="replace")
        assert not [host for host in REGISTRY_HOSTS if host in text], name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_its_hash(name):
    for requirement in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def requirements_of(name: str) -> dict[str, Requirement]:
    """The lines of a .in file, by distribution."""
    lines = [line.partition(" #")[0] for line in (ROOT / name).read_text().splitlines() if line[:1].isalpha()]
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def imports_of(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever it does."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}


def test_what_is_imported_is_declared_and_what_is_declared_is_needed():
    application = ("agents", "config", "dashboard", "registry")
    files = [ROOT / name for name in TRACKED if name.startswith((*application, "tests")) and name.endswith(".py")]
    distributions = packages_distributions()
    declared = requirements_of("requirements.in")
    with_tests = declared | requirements_of("requirements-dev.in")
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}  # in no package: tests import them as they do
    own = {*application, "tests", "switchboard_host", *scripts, *sys.stdlib_module_names}
    for path in files:
        allowed = with_tests if path.is_relative_to(ROOT / "tests") or path.name == "test_plugin.py" else declared
        for name in imports_of(path) - own - {""}:
            found = map(canonicalize_name, distributions[name])
            assert allowed.keys() & set(found), f"{path}: {name}"
    code = "\n".join(path.read_text() for path in files if not path.is_relative_to(ROOT / "tests"))
    for name in declared:
        modules = [module for module, found in distributions.items() if name in map(canonicalize_name, found)]
        # Django is told of some by name, and uvicorn of its parser.
        assert any(re.search(rf"\b{module}(\b|_impl\b)", code) for module in modules), name


def test_a_library_whose_private_names_are_used_has_a_bound_above():
    assert "self._factory = " in (ROOT / "agents/outbound/transport.py").read_text()
    bounds = requirements_of("requirements.in")["aiohttp"].specifier
    assert [bound for bound in bounds if bound.operator == "<"]


def test_ci_runs_the_test_command_of_the_readme():
    command = "python3 manage.py test"
    assert f"    {command}\n" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci/run").read_text().rstrip().endswith(f"\n{command}")


def test_links_between_the_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_documents_that_the_code_names_exist_with_the_sections_that_it_names():
    named = re.compile(r"([\w./-]+\.md)\b(?:, (\d+(?:\.\d+)*)|, \"([^\"]+)\")?")
    for name in [name for name in TRACKED if name.endswith(".py")]:
        text = re.sub(r"\n\s*(?:# )?", " ", text_of(name))
        for document, section, title in named.findall(text):
            if document.startswith("_docs/"):  # the SDK's
                continue
            path = next((each for each in (document, f"docs/{document}") if each in TRACKED), None)
            assert path, f"{name}: {document}"
            heading = rf"^#+ {re.escape(section or title)}\b"
            assert re.search(heading, text_of(path), re.MULTILINE), f"{name}: {document}, {section or title}"


def test_lines_of_templates_can_be_read():
    for name in [name for name in TRACKED if name.endswith(".html")]:
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            assert len(line) <= MAX_TEMPLATE_LINE, f"{name}:{number}"
            assert len(re.findall(r"<t[dh]\b", line)) <= 1, f"{name}:{number} has more than one cell"


def test_every_class_of_the_style_sheets_is_used():
    sheets = "".join(text_of(name) for name in TRACKED if name.endswith(".css"))
    sheets = re.sub(r"/\*.*?\*/", "", sheets, flags=re.DOTALL)
    styled = set(re.findall(r"\.([a-zA-Z_][\w-]*)", re.sub(r"\{[^{}]*\}", "", sheets)))
    used = set(COMPOSED_CLASSES)
    for name in TRACKED:
        if name.startswith(("templates/", "static/js/", "dashboard/")):
            used |= classes_in(text_of(name))
    assert sorted(styled - used) == []


def classes_in(text: str) -> set[str]:
    """What a template, a script or a module of Python gives elements as classes, as far as it is written out."""
    given = re.findall(r"class=\"([^\"]*)\"", re.sub(r"\{[%{].*?[%}]\}", " ", text))
    given += re.findall(r"\{% block body_class %\}([^{]*)", text)
    for line in re.findall(r".*\bclass(?:es|Name|List)\b.*", text):
        given += re.findall(r"[\"'`]([^\"'`]*)[\"'`]", line)
    return set(re.findall(r"[\w-]+", " ".join(given)))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(errors="replace")


def test_migrations_import_no_code_of_ours_and_have_names():
    for path in [*ROOT.glob("*/migrations/0*.py")]:
        assert not re.search(r"^(from|import) (agents|registry|dashboard|config)\b", path.read_text(), re.MULTILINE), (
            path
        )
        assert not re.search(r"\d{4}_(auto|alter|initial|remove|add)_", path.name), path


@pytest.mark.django_db
def test_migrations_are_complete():
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_files_that_take_longest_are_there():
    assert [name for name in SECONDS if not (ROOT / name).exists()] == []


def test_tests_skip_nothing():
    marks = re.compile(r"pytest\.(skip|importorskip|mark\.(skip|skipif|xfail))\b")
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name != "test_repository.py":
            assert not marks.search(path.read_text()), path


@pytest.mark.django_db
def test_the_unmanaged_model_of_the_routing_log_is_its_table():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s",
            [RoutingEvent._meta.db_table],
        )
        table = {name: (kind, nullable == "YES") for name, kind, nullable in cursor.fetchall()}
    fields = RoutingEvent._meta.concrete_fields
    assert table == {field.column: (field.db_type(connection), field.null) for field in fields}
