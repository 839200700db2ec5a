"""The files as readers and their programs meet them: tagged, described, self-contained, the same every time."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from labkit.store.runs import RunStore
from report.build import FORMATS, Report, compose, to_bytes, write_report
from report.diagrams import architecture, containers
from report.facts import read_facts
from report.text import tr
from report.writer import _boxes
from tests.report.conftest import BENCHMARK, WORDS
from tests.report.pages import read_html, text_of_docx, text_of_html, text_of_pdf

Content = Callable[[str, str], bytes]
OUTLINE = {
    "es": ["Introducción", "Arquitectura", "Paralelización con Ray", "Microservicios", "Despliegue en EC2",
           "Mediciones", "Monitorización", "Conclusiones", "Referencias", "Apéndice"],
    "en": ["Introduction", "Architecture", "Parallelisation with Ray", "Microservices", "Deployment on EC2",
           "Benchmarks", "Monitoring", "Conclusions", "References", "Appendix"],
}  # fmt: skip


@pytest.mark.parametrize("lang", ["es", "en"])
def test_all_sections_of_the_outline_are_there_in_their_order(content: Content, lang: str) -> None:
    page = content(lang, "html").decode()
    heads = [re.sub(r"<[^>]+>|^[\d.]+\s*", "", head).strip() for head in re.findall(r"<h1[^>]*>(.*?)</h1>", page)[1:]]
    assert [re.sub(r"^\d+\s*", "", head).partition(":")[0] for head in heads] == OUTLINE[lang]
    for format_, text_of in {"docx": text_of_docx, "pdf": text_of_pdf}.items():
        text = text_of(content(lang, format_))
        assert all(head in text for head in OUTLINE[lang])


def test_the_page_asks_nobody_for_anything_and_fits_a_phone(content: Content) -> None:
    page = content("es", "html").decode()
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://|mailto:)[^"]*"|<link|<iframe|url\(', page)
    assert not re.findall(r'<(?:img|script)[^>]+src="(?!data:)', page)
    assert 'name="viewport"' in page and '<html lang="es-ES">' in page and "<math" in page
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]{20,}", page)) == page.count("<img ") == 7
    assert "max-width: 100%" in page and page.count('class="wide"') == page.count("<table>")


def test_every_reference_leads_somewhere(content: Content) -> None:
    for lang in ("es", "en"):
        page = content(lang, "html").decode()
        targets, anchors = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'id="([^"]+)"', page))
        assert targets <= anchors and len(targets) > 40
        assert len(re.findall(r'href="https://doi\.org/10\.\d{4,}/[^"]+"', page)) >= 8
        assert "\ue000" not in page and "{{" not in page.partition("<script")[0]


def test_the_pdf_is_tagged_for_screen_readers(content: Content) -> None:
    for lang, code in {"es": "es-ES", "en": "en-GB"}.items():
        reader = pypdf.PdfReader(io.BytesIO(content(lang, "pdf")))
        root: Any = reader.trailer["/Root"]
        assert root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root and str(root["/Lang"]).lower() == code.lower()
        assert b"pdfuaid:part" in root["/Metadata"].get_data().replace(b"<pdfuaid:part>1", b"pdfuaid:part")
        assert reader.metadata is not None and reader.metadata.title.startswith(tr("title", lang))
        assert 8 <= len(reader.pages) <= 20
        assert list(reader.attachments) == ["labkit-report.json"]


def test_the_word_document_has_real_styles(content: Content) -> None:
    with zipfile.ZipFile(io.BytesIO(content("es", "docx"))) as archive:
        document, styles = (archive.read(f"word/{name}.xml").decode() for name in ("document", "styles"))
        assert sum(name.endswith(".png") for name in archive.namelist()) == 7
    used = set(re.findall(r'w:(?:pStyle|tblStyle|rStyle) w:val="([^"]+)"', document))
    assert {
        "Title",
        "Subtitle",
        "Author",
        "Heading1",
        "Heading2",
        "TableCaption",
        "ImageCaption",
        "Table",
        "SourceCode",
    } <= used
    defined = set(re.findall(r'w:styleId="([^"]+)"', styles))
    assert used <= defined, used - defined
    assert len(re.findall(r'<(?:wp:docPr|pic:cNvPr)[^>]*descr="[^"]{20,}"', document)) >= 6
    assert 'w:val="es-ES"' in styles or 'w:lang w:val="es' in styles


def test_the_same_records_give_the_same_bytes_in_another_process(
    store: RunStore, content: Content, tmp_path: Path
) -> None:
    anew = compose(store, lang="es", author="Ana García", words=WORDS)
    program = (
        "import sys; from tests.report.conftest import RECORDS, WORDS, store_of; from pathlib import Path\n"
        "from report.build import compose, write_report\n"
        "place = Path(sys.argv[1]); store = store_of(place, RECORDS)\n"
        "write_report(compose(store, lang='es', author='Ana García', words=WORDS), place)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=Path(__file__).parents[2])
    for format_ in FORMATS:
        assert (
            to_bytes(anew, format_) == content("es", format_) == (tmp_path / f"informe-tecnico.{format_}").read_bytes()
        )


def test_what_was_not_measured_is_said_with_the_command_that_measures_it(content: Content) -> None:
    for lang, word in {"es": "No medido", "en": "Not measured"}.items():
        page = re.sub(r"\s+", " ", text_of_html(content(lang, "html")))
        assert word in page and "make bench-serving" in page


def test_the_authors_words_are_marked_as_theirs(content: Content) -> None:
    told = read_html(content("es", "html")).parts["own"]
    assert "propias" in told and "mucho" in told
    assert "Sin escribir" not in content("es", "html").decode()


def test_diagrams_show_what_the_project_has() -> None:
    facts = read_facts()
    assert facts["services"] == ["health", "prediction", "training", "benchmark", "metrics"]
    assert facts["ports"] == {"api": 8000, "jupyter": 8888, "ray": 6379, "frontend": 3000}
    assert (
        len(facts["recipes"]) == 11
        and {"method": "POST", "path": "/predict"}.items()
        <= next(route for route in facts["routes"] if route["path"] == "/predict").items()
    )
    for lang in ("es", "en"):
        drawn = architecture(facts, _boxes(lang), 2)
        for service in facts["services"]:
            assert tr(f"box.service.{service}", lang) in drawn
        assert ":8000" in drawn and ":6379" in drawn


COMPOSE = """
services:
  proxy:
    image: nginx:1.27
    ports: ["${PORT:-3000}:80"]
    depends_on: [prediction]
  prediction:
    build: .
    depends_on: {database: {condition: service_healthy}}
    deploy: {replicas: 2}
  database:
    image: postgres:17
    healthcheck: {test: pg_isready}
"""


def test_containers_and_ec2_are_described_where_the_project_has_them(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "ec2").mkdir()
    (tmp_path / "ec2" / "stack.yaml").write_text(
        "Parameters:\n  Image:\n    Type: AWS::EC2::Image::Id\nResources:\n  Head:\n    Type: AWS::EC2::Instance\n"
        "Outputs:\n  Id:\n    Value: !Ref Head\n"
    )
    (tmp_path / "ec2" / "cli.py").touch()
    facts = read_facts(tmp_path)
    assert [service["name"] for service in facts["compose"]["services"]] == ["proxy", "prediction", "database"]
    assert facts["compose"]["services"][0]["ports"] == ["3000:80"] and facts["ec2"]["files"] == ["ec2/stack.yaml"]
    assert facts["ec2"]["resources"] == [{"name": "Head", "type": "AWS::EC2::Instance"}]
    drawn = containers(facts["compose"], _boxes("es"))
    assert "prediction ×2" in drawn and drawn.count("marker-end") == 2
    page = to_bytes(compose(store, lang="es", facts=facts), "html")
    text = text_of_html(page)
    assert "nginx:1.27" in text and "AWS::EC2::Instance" in text and "falta compose.yaml" not in text


def test_files_get_the_names_of_their_language(reports: dict[str, Report], tmp_path: Path) -> None:
    (path,) = write_report(reports["en"], tmp_path / "new" / "folder", ["html"])
    assert path.name == "technical-report.html" and BENCHMARK in path.read_text("utf-8")
