from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

SOURCE = """\
# %% [markdown] lang="en"
# # Speedup

# %% [markdown] lang="es"
# # Aceleración

# %% tags=["parameters"]
workers = [1, 2]

# %%
print("same")

# %%
print("same")
"""


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_speedup.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


def read(root: Path, lang: str) -> nbformat.NotebookNode:
    return nbformat.read(root / lang / "01_speedup.ipynb", as_version=4)


def test_the_committed_notebooks_are_in_step_with_their_sources(builder: ModuleType) -> None:
    assert builder.out_of_step(NOTEBOOKS) == []


def test_a_cell_with_a_language_goes_there_and_others_to_both(builder: ModuleType, root: Path) -> None:
    assert builder.main([], root) == 0
    assert [c.source for c in read(root, "en").cells] == ["# Speedup", "workers = [1, 2]", *['print("same")'] * 2]
    assert read(root, "es").cells[0].source == "# Aceleración"
    assert len(read(root, "es").cells) == 4


def test_only_papermills_tag_stays_and_nothing_was_run(builder: ModuleType, root: Path) -> None:
    builder.build(root)
    cells = read(root, "en").cells
    assert [dict(c.metadata) for c in cells] == [{}, {"tags": ["parameters"]}, {}, {}]
    assert all(c.outputs == [] and c.execution_count is None for c in cells if c.cell_type == "code")


def test_building_twice_gives_the_same_bytes(builder: ModuleType, root: Path) -> None:
    first = {path: path.read_bytes() for path in builder.build(root)}
    assert len(first) == 2
    assert builder.build(root) == []
    for path in first:
        path.unlink()
    assert {path: path.read_bytes() for path in builder.build(root)} == first


def test_cell_ids_are_unique_and_outlast_a_new_cell(builder: ModuleType, root: Path) -> None:
    builder.build(root)
    before = [c.id for c in read(root, "en").cells]
    assert len(set(before)) == 4
    source = root / "src" / "01_speedup.py"
    source.write_text("# %%\nnew = True\n" + SOURCE, encoding="utf-8")
    builder.build(root)
    assert [c.id for c in read(root, "en").cells][1:] == before


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [
        ("es/01_speedup.ipynb", lambda p: p.unlink(), "missing"),
        ("en/01_speedup.ipynb", lambda p: p.write_bytes(p.read_bytes().replace(b"same", b"else")), "differs"),
        ("en/01_speedup.ipynb", lambda p: p.write_bytes(p.read_bytes().replace(b"\n", b"\r\n")), "differs"),
        ("es/old.ipynb", lambda p: p.write_text("{}"), "no source"),
    ],
)
def test_the_check_names_what_is_out_of_step(builder, root, capsys, path, change, named) -> None:
    builder.build(root)
    assert builder.main(["--check"], root) == 0
    change(root / path)
    assert builder.main(["--check"], root) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert path in line and named in line


@pytest.mark.parametrize("header", ['# %% lan="en"', '# %% lang="fr"'])
def test_a_misspelt_tag_is_refused_and_its_source_named(builder: ModuleType, root: Path, header: str) -> None:
    (root / "src" / "02_typo.py").write_text(f"{header}\nx = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"02_typo\.py.*x = 1"):
        builder.build(root)
    assert not (root / "en").exists()
