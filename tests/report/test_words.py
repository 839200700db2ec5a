"""The author's own words: kept, placed, and refused with line and reason where a file is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import InvalidData, StorageError
from labkit.store.runs import RunStore
from report.build import compose, to_bytes
from report.pandoc import own_blocks
from report.words import SECTIONS, ensure_files, faults, read_words
from tests.report.pages import text_of_html


def test_files_are_made_once_and_no_build_changes_what_was_written(tmp_path: Path) -> None:
    ensure_files(tmp_path, "es")
    assert {path.stem for path in tmp_path.glob("*.md")} == set(SECTIONS)
    assert read_words(tmp_path, "es") == {}
    (tmp_path / "lessons.md").write_text("Lo que aprendí.\n", "utf-8")
    ensure_files(tmp_path, "en")
    assert (tmp_path / "lessons.md").read_text("utf-8") == "Lo que aprendí.\n"
    assert read_words(tmp_path, "es") == {"lessons": "Lo que aprendí.\n"}


def test_a_file_of_one_language_goes_before_that_of_both(tmp_path: Path) -> None:
    for name, text in {"lessons": "both", "lessons.en": "English", "future.es": "español"}.items():
        (tmp_path / f"{name}.md").write_text(text)
    assert read_words(tmp_path, "en") == {"lessons": "English"}
    assert read_words(tmp_path, "es") == {"lessons": "both", "future": "español"}


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("lessons", b"one\n\n```python\nx = 1\n", 3, "never ends"), ("lessons", b"a\n~~~\nb\n```\n", 2, "never ends"),
        ("lessons", b"ok\nbad \xff byte\n", 2, "not UTF-8"), ("lessons", b"a\nb\x07c\n", 2, "U\\+0007"),
        ("lessons", "a\n\nb\u202ec\n".encode(), 3, "U\\+202E"),
        ("lessons", b"a\n![x](../../etc/passwd)\n", 2, "picture"),
        ("lessons", b"[x](javascript:alert(1))\n", 1, "link of the kind javascript"),
        ("lesons", b"text\n", 1, "no section"),
        ("lessons.fr", b"text\n", 1, "no section"), ("lessons", b"a\n<!-- b\n", 2, "comment"),
        ("lessons", b"x" * 200_001, 1, "longer"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_by_its_line_and_reason(
    tmp_path: Path, name: str, content: bytes, line: int, reason: str
) -> None:
    (tmp_path / f"{name}.md").write_bytes(content)
    with pytest.raises(InvalidData, match=f"{name}.md, line {line}: .*{reason}"):
        read_words(tmp_path, "es")


def test_comments_keep_the_lines_that_faults_name_and_code_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "lessons.md").write_text("<!-- a\nb -->\n```\nx\n")
    with pytest.raises(InvalidData, match="line 3"):
        read_words(tmp_path, "es")
    assert faults("```\n![x](y) [z](javascript:1)\n```\nand `![x](y)`") == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"introduction\.md"):
        read_words(tmp_path / "none", "es")
    assert read_words(None, "es") == {}


HOSTILE = """
# Top

<script>alert(1)</script> #panic("typst") {{ 7*7 }} {% raw %} \\input{x} [x]{typst:text:fill="red"}

::: {.own}
never closed

`#raw`{=typst} $#panic("x")$ and $\\notacommand{x}$ 😀

```{=typst}
#panic("y")
```
"""


@pytest.mark.parametrize("format_", ["html", "docx", "pdf"])
def test_no_words_reach_beyond_their_place(store: RunStore, format_: str) -> None:
    made = to_bytes(compose(store, lang="es", words={"introduction": HOSTILE, "lessons": HOSTILE}), format_)
    if format_ == "html":
        assert b"<script>alert" not in made and "{{ 7*7 }}" in text_of_html(made)
        assert made.count(b'<section id="sec-') == 10


def test_headings_of_the_author_stand_below_the_section() -> None:
    levels = [block["c"][0] for block in own_blocks("# a\n\n###### b\n") if block["t"] == "Header"]
    assert levels == [3, 6]
