from __future__ import annotations

import ast
import importlib
import io
import re
import subprocess
import tokenize
import tomllib
import types
from pathlib import Path

import pytest
import yaml

import labkit

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {name: (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8") for name in ("uv", "lab", "image", "dev")}
MODULES = sorted((ROOT / "labkit").rglob("*.py"))


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions of each package; a package has several where they differ from Python to Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", lock, flags=re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def split_requirement(requirement: str) -> tuple[str, str]:
    name, specifier = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?(.*)", requirement).groups()
    return re.sub(r"[-_.]+", "-", name).lower(), specifier


def direct_requirements() -> list[tuple[str, str]]:
    project = PYPROJECT["project"]
    return (
        [("uv", requirement) for requirement in PYPROJECT["dependency-groups"]["setup"]]
        + [(lock, requirement) for requirement in project["dependencies"] for lock in ("lab", "dev")]
        + [("dev", requirement) for requirement in project["optional-dependencies"]["dev"]]
    )


@pytest.mark.parametrize(("lock", "requirement"), direct_requirements())
def test_lock_pins_what_pyproject_asks_for(lock: str, requirement: str) -> None:
    name, specifier = split_requirement(requirement)
    pinned = pins(LOCKS[lock]).get(name)
    assert pinned, f"locks/{lock}.txt does not hold {name}; run `make lock`"
    operator, asked = specifier[:2], specifier[2:]
    for version in pinned:
        if operator == "==":
            assert version == asked
        elif operator == ">=":
            assert release(version) >= release(asked)
        else:
            assert not specifier, f"{requirement}: write ==, >= or nothing"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_has_a_hash_and_no_address(lock: str) -> None:
    entries = LOCKS[lock].replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry), entry[:80]
    assert "://" not in LOCKS[lock]


@pytest.mark.parametrize(("larger", "smaller"), [("dev", "image"), ("image", "lab")])
def test_a_larger_lock_holds_the_smaller_one(larger: str, smaller: str) -> None:
    pinned = pins(LOCKS[larger])
    assert {name: pinned.get(name) for name in pins(LOCKS[smaller])} == pins(LOCKS[smaller])


def test_the_images_lock_holds_the_drivers_of_databases_and_stores() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    for requirement in extras["postgresql"] + extras["s3"]:
        assert split_requirement(requirement)[0] in pins(LOCKS["image"])


def test_build_backend_is_the_one_inside_the_locked_uv() -> None:
    [version] = pins(LOCKS["uv"])["uv"]
    major, minor, _ = release(version)
    assert PYPROJECT["build-system"]["requires"] == [f"uv_build>={major}.{minor},<{major}.{minor + 1}"]


def test_conda_environment_agrees_with_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    project = PYPROJECT["project"]
    assert environment["name"] == project["name"]
    python, pip, packages = environment["dependencies"]
    assert python == f"python {project['requires-python']}"
    assert pip == "pip"
    assert packages == {"pip": ["-r locks/lab.txt"]}


def test_set_up_takes_the_pythons_that_pyproject_takes() -> None:
    text = (ROOT / "setup" / "install.py").read_text(encoding="utf-8")
    low, high = re.search(r"not \((\d+, \d+)\) <= sys.version_info\[:2\] < \((\d+, \d+)\)", text).groups()
    assert PYPROJECT["project"]["requires-python"] == f">={low},<{high}".replace(", ", ".")


def count_lines_of_code(source: str) -> int:
    """Count the lines that are neither blank nor comment nor docstring."""
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        owner = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if owner and ast.get_docstring(node, clean=False) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_a_line_of_code_is_no_comment_no_blank_and_no_docstring() -> None:
    source = '"""A module.\n\nIts text.\n"""\n\n# why\nx = """one\ntwo"""  # said\n'
    source += '\n\ndef f():\n    """Do."""\n    return (\n        x\n    )\n'
    assert count_lines_of_code(source) == 6


def test_labkit_grows_no_further_beyond_its_budget_of_5000_lines_of_code() -> None:
    sizes = {path: count_lines_of_code(path.read_text(encoding="utf-8")) for path in MODULES}
    largest = sorted(sizes, key=sizes.__getitem__)[-3:]
    assert sum(sizes.values()) <= 7751, [f"{path.relative_to(ROOT)}: {sizes[path]}" for path in largest]


def test_every_module_says_what_it_is() -> None:
    modules = [*MODULES, ROOT / "conftest.py", ROOT / "setup" / "install.py", *(ROOT / "notebooks").glob("*.py")]
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_public_names_are_few_sorted_and_complete() -> None:
    names = list(labkit.__all__)
    assert names == sorted(set(names))
    assert 0 < len(names) <= 20
    for name in names:
        assert not isinstance(getattr(labkit, name), types.ModuleType), f"{name} is a module"
    public = {
        name
        for name, value in vars(labkit).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert public <= set(names), "labkit shows what its __all__ does not name"


def test_the_command_of_pyproject_is_there() -> None:
    module, _, function = PYPROJECT["project"]["scripts"]["labkit"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def tracked_texts() -> dict[Path, str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    texts = {}
    for path in (ROOT / name for name in listed if name):
        content = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in content:
            texts[path.relative_to(ROOT)] = content.decode("utf-8")
    return texts


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("a folder of one machine", r"(?<![\w.~])/(?:home|root|Users|work|opt)/\w"),
        ("the host of a package registry", r"pypi\.org|python[h]osted|registry\.npmjs|conda\.anaconda"),
    ],
)
def test_no_text_names_one_machine_or_one_registry(kind: str, pattern: str) -> None:
    texts = tracked_texts()
    assert Path("pyproject.toml") in texts
    named = [f"{path}: {found[0]}" for path, text in texts.items() if (found := re.search(pattern, text))]
    assert not named, f"{kind} is named"


def test_readme_says_the_same_in_both_languages() -> None:
    def levels(name: str) -> list[int]:
        text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        return [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]

    assert levels("README.md") == levels("README.es.md") != []


def test_every_command_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"\.PHONY: ((?:.*\\\n)*.*)", makefile)[1].replace("\\\n", " ").split())
    assert set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE)) == phony
    inner = {name for name in phony if name.startswith("check-")} | {"install", "install-dev"}
    assert set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE)) == phony - inner
