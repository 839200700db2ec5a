from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import labkit
from labkit.errors import InvalidArgument
from labkit.runner import notebook


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_notebook_in_jupyterlab_speaks_its_own_language(tmp_path: Path, monkeypatch, lang: str) -> None:
    monkeypatch.setenv("LABKIT_LANG", "en")
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook("00", lang)))
    assert labkit.start(home=tmp_path).settings.lang == lang


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_notebook_in_vs_code_speaks_its_own_language(tmp_path: Path, monkeypatch, lang: str) -> None:
    shell = SimpleNamespace(user_ns={"__vsc_ipynb_file__": str(notebook("00", lang))})
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert labkit.start(home=tmp_path).settings.lang == lang


@pytest.mark.parametrize("content", ["", "{}", '{"metadata": {"labkit": {"lang": "fr"}}}', '{"metadata": []}'])
def test_what_says_no_language_leaves_that_of_the_settings(tmp_path: Path, monkeypatch, content: str) -> None:
    (tmp_path / "mine.ipynb").write_text(content)
    monkeypatch.setenv("LABKIT_LANG", "es")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    assert labkit.start(home=tmp_path / "lab").settings.lang == "es"


def test_a_language_that_is_asked_for_goes_before_the_notebooks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook("00", "es")))
    assert labkit.start(home=tmp_path, lang="en").settings.lang == "en"
    with pytest.raises(InvalidArgument, match="en or es"):
        labkit.start(home=tmp_path, lang="fr")
