# %% [markdown] lang="en"
# # 11 · The report
#
# **Aim.** Write a technical report of your own runs in which every number can be traced to a measurement, add your own
# words, and have it verified, also after somebody has tampered with it. **Before:** notebooks 04 and 10. **Time:**
# about
# 45 minutes, of which the cells compute for less than one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# A number in a report is a claim. Whoever reads it should be able to ask: which run, which machine, which computation?
# The report of this kit is written from run records alone, holds the answer for each of its numbers, and names what
# nobody has measured together with the command that would.

# %% [markdown] lang="es"
# # 11 · El informe
#
# **Objetivo.** Escribir un informe técnico de tus propias ejecuciones en el que cada número lleve a una medición,
# añadir tus propias palabras y hacer que se verifique, también después de que alguien lo haya manipulado. **Antes:**
# cuadernos 04 y 10. **Tiempo:** unos 45 minutos; de ellos, las celdas calculan menos de uno (con 2 núcleos y los
# valores de abajo). **Núcleos:** 2 o más.
#
# Un número en un informe es una afirmación. Quien lo lee debería poder preguntar: ¿de qué ejecución, de qué máquina,
# con qué cálculo? El informe de este kit se escribe solo a partir de los registros de las ejecuciones, guarda la
# respuesta para cada número y nombra lo que nadie ha medido junto con la orden que lo mediría.

# %% tags=["parameters"]
days = 30
rounds = 3
recipes = None
formats = ["html"]
author = ""
lang = None
home = None

# %%
import json

import labkit
from IPython.display import Markdown, display
from labkit import check, hint, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, t
from report.build import compose, write_report
from report.records import collect
from report.verify import verify
from report.words import ensure_files, read_words

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
place = lab.settings.home / "report"
if collect(lab.runs).first("benchmark") is None:  # notebooks 04 and 10 have left some
    lab.measure(lab.prepare(days=days), workers=[1, 2], rounds=rounds, recipes=recipes)
record = collect(lab.runs).first("benchmark")
engine = next(iter(record["results"]["tables"]))
print(
    t(
        "notebook.run",
        lang,
        run=record["id"],
        digest=record["results"]["digest"],
        host=record["fingerprints"][0]["digest"],
    )
)

# %% [markdown] lang="en"
# ## 1 Which runs
#
# These are the benchmarks that you have measured. Some were taken of other days, some perhaps on other machines. Times
# of different machines or of different data say nothing about each other: such tables stand **side by side** in a
# report and are never merged into one.

# %% [markdown] lang="es"
# ## 1 Qué ejecuciones
#
# Estos son los estudios de rendimiento que has medido. Algunos son de otros días; otros, quizá, de otras máquinas. Los
# tiempos de máquinas o datos distintos no dicen nada unos de otros: en un informe, esas tablas van **una junto a otra**
# y nunca se funden en una sola.

# %%
mine = [lab.runs.export(run.id, events=False) for run in lab.runs.list(kind="benchmark", status="finished")]
rows = [
    [each["id"], each["created"][:16], ", ".join(host["digest"] for host in each["fingerprints"]),
     each["data_digest"][:12]]
    for each in mine
]  # fmt: skip
header = [t(f"runs.{name}", lang) for name in ("run", "created", "hosts", "data")]
display(Markdown(markdown([header, *rows], "llll")))

# %% [markdown] lang="en"
# ### Exercise 11.1: side by side
#
# Write `groups`: from a list of records, a list of lists of their ids. Two runs are in one list only if they are of the
# same **set** of hosts (`record["fingerprints"]`, each with a `digest`; which host comes first means nothing) and of
# the same data (`record["data_digest"]`).

# %% [markdown] lang="es"
# ### Ejercicio 11.1: una junto a otra
#
# Escribe `groups`: a partir de una lista de registros, una lista de listas de sus identificadores. Dos ejecuciones
# están en la misma lista solo si son del mismo **conjunto** de máquinas (`record["fingerprints"]`, cada una con su
# `digest`; cuál va primero no significa nada) y de los mismos datos (`record["data_digest"]`).


# %%
def groups(records):
    # solution
    found = {}
    for record in records:
        hosts = frozenset(host["digest"] for host in record["fingerprints"])
        found.setdefault((hosts, record["data_digest"]), []).append(record["id"])
    return list(found.values())


# %%
check("11.1", groups)

# %%
for together in groups(mine) or []:
    print(together)

# %% [markdown] lang="en"
# ## 2 Build it
#
# On the command line this is `labkit report build --lang en`; it takes the newest finished run of each kind. Here you
# do the same with functions, in order to look inside.
#
# ### Predict, then measure
#
# Every number and name that comes from a record is an entry of the report's **manifest**. How many entries will your
# report have?

# %% [markdown] lang="es"
# ## 2 Construirlo
#
# En la línea de órdenes es `labkit report build --lang es`, que toma la última ejecución terminada de cada clase. Aquí
# haces lo mismo con funciones, para mirar dentro.
#
# ### Predice y luego mide
#
# Cada número y cada nombre que sale de un registro es una entrada del **manifiesto** del informe. ¿Cuántas entradas
# tendrá el tuyo?

# %%
expected_entries = 150  # solution
guess = predict("11.a", expected_entries)


# %%
def build():
    """Write the report of this lab's runs with the words that lie in its folder; return it and its first file."""
    ensure_files(place / "sections", lang)
    words = read_words(place / "sections", lang)
    made = compose(lab.runs, names=[record["id"]], lang=lang, author=author, words=words)
    return made, write_report(made, place, formats)[0]


made, file = build()
print(file, f"{number(file.stat().st_size / 1e3, lang, 0)} kB")
guess.compare(len(made.entries))

# %% [markdown] lang="en"
# Open the file: in JupyterLab it lies in the lab's folder, and in the dashboard each run has a button for it. Some of
# its numbers, each with where it comes from. `at` is a place in the record; other words name a computation over it:

# %% [markdown] lang="es"
# Abre el archivo: en JupyterLab está en la carpeta del laboratorio y, en el panel web, cada ejecución tiene un botón
# para él. Algunos de sus números, cada uno con su procedencia. `at` es un lugar del registro; otras palabras nombran un
# cálculo sobre él:

# %%
traced = [entry for entry in made.entries if entry.source == record["id"] and entry.kind in ("number", "percent")]
rows = [[entry.shown, entry.how, "/".join(map(str, entry.of))] for entry in traced[:: max(1, len(traced) // 12)]]
header = [t(f"ledger.{name}", lang) for name in ("shown", "how", "of")]
display(Markdown(markdown([header, *rows], "rll")))

# %% [markdown] lang="en"
# ## 3 Your own words
#
# What the numbers mean you have to say yourself. `report/sections/` in the lab's folder holds a Markdown file for each
# section: `introduction.md`, `lessons.md` and others. They are yours; no build ever changes them. Only text goes into
# them: no pictures, and code is closed where it was opened.
#
# ### Exercise 11.2: your lessons
#
# Write `lessons`: from a record, your section as Markdown, of at least 20 words. It names the run by its id and gives
# the speedup of the most workers with two decimals. Take both **from the record**: a typed number is already wrong when
# you measure again. `labkit.rows_of(record["results"], engine)` gives the rows, where `engine` is the first key of
# `record["results"]["tables"]`.

# %% [markdown] lang="es"
# ## 3 Tus propias palabras
#
# Qué significan los números lo tienes que decir tú. `report/sections/`, en la carpeta del laboratorio, tiene un archivo
# Markdown por sección: `introduction.md`, `lessons.md` y otros. Son tuyos; ninguna construcción los cambia. Solo llevan
# texto: sin imágenes, y con el código cerrado allí donde se abrió.
#
# ### Ejercicio 11.2: tus lecciones
#
# Escribe `lessons`: a partir de un registro, tu sección en Markdown, de al menos 20 palabras. Nombra la ejecución por
# su identificador y da la aceleración con más procesos, con dos decimales. Toma ambos **del registro**: un número
# tecleado ya es falso cuando vuelves a medir. `labkit.rows_of(record["results"], engine)` da las filas; `engine` es la
# primera clave de `record["results"]["tables"]`.


# %%
def lessons(record):
    # solution
    engine = next(iter(record["results"]["tables"]))
    last = max(labkit.rows_of(record["results"], engine), key=lambda row: row.n_workers)
    said = {
        "en": "In run {run} the largest number of workers, {n}, was {speedup} times as fast as one thread. What is"
        " missing to the ideal I would look for first in the hardware's own limit, which was measured too.",
        "es": "En la ejecución {run}, el mayor número de procesos, {n}, fue {speedup} veces más rápido que un solo"
        " hilo. Lo que falta hasta el ideal lo buscaría antes en el límite del propio hardware, que también se midió.",
    }
    return said[lang].format(run=record["id"], n=last.n_workers, speedup=number(last.speedup, lang))


# %%
check("11.2", lessons)

# %% [markdown] lang="en"
# The next cell writes what you say into `lessons.md` (it alone, each time you run it; the other files are left to your
# editor) and builds the report twice.

# %% [markdown] lang="es"
# La celda siguiente escribe lo que dices en `lessons.md` (solo ese, cada vez que la ejecutas; los demás archivos quedan
# para tu editor) y construye el informe dos veces.

# %%
own = place / "sections" / "lessons.md"
if text := lessons(record):
    own.write_text(text + "\n", "utf-8")
before = own.read_bytes()
contents = []
for _ in range(2):
    made, file = build()
    contents.append(file.read_bytes())
print(contents[0] == contents[1], own.read_bytes() == before)
print(", ".join(made.manifest["inputs"]["words"]) or "–")

# %% [markdown] lang="en"
# The same records and the same words give the same bytes (first *True*), and your file is as it was (second *True*).
#
# ## 4 Verify it
#
# `labkit report verify FILE` reads the manifest out of the file, computes every number anew from the records, writes
# the report anew and compares the letters. Who holds your records can do that, on another machine and next year.

# %% [markdown] lang="es"
# Los mismos registros y las mismas palabras dan los mismos bytes (primer *True*), y tu archivo sigue como estaba
# (segundo *True*).
#
# ## 4 Verificarlo
#
# `labkit report verify ARCHIVO` lee el manifiesto que lleva el archivo, calcula de nuevo cada número a partir de los
# registros, escribe otra vez el informe y compara las letras. Puede hacerlo quien tenga tus registros, en otra máquina
# y dentro de un año (las órdenes hablan inglés).

# %%
found = verify(lab.runs, file)
print(found.n_numbers, found.faults)
for note in found.notes:
    print(note)

# %% [markdown] lang="en"
# ### Exercise 11.3: a verifier of your own
#
# Write `differing`: which numbers are not those of the record? Each entry is a dictionary with `of`, the path into the
# record (keys and places, such as `["results", "tables", "ray", 1, "speedup"]`), `digits` and `shown`, the text that
# stands in the report, with a decimal point. Return the list of the **places** of all entries whose text is not what
# the record gives, written with so many digits. A path that leads nowhere proves nothing: its entry differs too. The
# record must be afterwards what it was before.

# %% [markdown] lang="es"
# ### Ejercicio 11.3: tu propio verificador
#
# Escribe `differing`: ¿qué números no son los del registro? Cada entrada es un diccionario con `of`, la ruta dentro del
# registro (claves y lugares, como `["results", "tables", "ray", 1, "speedup"]`), `digits` y `shown`, el texto que
# figura en el informe, con punto decimal. Devuelve la lista de los **lugares** de todas las entradas cuyo texto no es
# lo que da el registro, escrito con esas cifras. Una ruta que no lleva a nada no prueba nada: su entrada también
# difiere. Después, el registro debe ser el que era.


# %%
def differing(entries, record):
    # solution
    found = []
    for place, entry in enumerate(entries):
        value = record
        try:
            for step in entry["of"]:
                value = value[step]
            same = f"{value:.{entry['digits']}f}" == entry["shown"]
        except (LookupError, TypeError, ValueError):
            same = False
        if not same:
            found.append(place)
    return found


# %%
check("11.3", differing)

# %% [markdown] lang="en"
# ## 5 Tamper with it
#
# Somebody makes the result prettier: the speedup becomes 0.50 larger. First in the text alone; then the same in the
# manifest, so that text and manifest agree.

# %% [markdown] lang="es"
# ## 5 Manipularlo
#
# Alguien embellece el resultado: la aceleración crece 0,50. Primero solo en el texto; después también en el manifiesto,
# para que texto y manifiesto coincidan.

# %%
most = max(range(len(rows := labkit.rows_of(record["results"], engine))), key=lambda i: rows[i].n_workers)
true, false = number(rows[most].speedup, lang), number(rows[most].speedup + 0.5, lang)
page = file.read_text("utf-8")
body, mark, manifest = page.rpartition('<script type="application/json"')
for name, forged in {
    "text": body.replace(f">{true}<", f">{false}<") + mark + manifest,
    "manifest": body.replace(f">{true}<", f">{false}<") + mark + manifest.replace(f'"{true}"', f'"{false}"'),
}.items():
    forgery = place / f"forged-{name}.html"
    forgery.write_text(forged, "utf-8")
    found = verify(lab.runs, forgery)
    print(f"{name}: {true} → {false}: {len(found.faults)}")
    for fault in found.faults[:3]:
        print("   ", fault[:200])
    assert found.faults
    forgery.unlink()

# %% [markdown] lang="en"
# Both are found: the first because the text is not what the manifest gives, the second because the manifest is not what
# the record gives. Not found would be: a forged **record**. Against that helps only what others hold: the digest of the
# predictions, the record handed in before, or to measure again (`labkit bench --verify RUN`).
#
# ## Summary
#
# A report is as good as the way back from each number to a measurement. Runs of different hosts or data stand side by
# side. Numbers come from records, meaning comes from you, and both are kept apart.
#
# **Work it out.** The table of your report shows speedups with two decimals. Between which two values does the true
# quotient lie for the number that you see? Compare that with the spread next to it: how many decimals are worth
# printing?

# %% [markdown] lang="es"
# Se descubren ambas: la primera porque el texto no es lo que da el manifiesto; la segunda, porque el manifiesto no es
# lo que da el registro. No se descubriría un **registro** falsificado. Contra eso solo ayuda lo que tienen otros: la
# huella de las predicciones, el registro entregado antes, o volver a medir (`labkit bench --verify EJECUCIÓN`).
#
# ## Resumen
#
# Un informe vale lo que valga el camino de vuelta de cada número a una medición. Las ejecuciones de máquinas o datos
# distintos van una junto a otra. Los números salen de los registros, el significado lo pones tú, y ambos se mantienen
# separados.
#
# **Calcúlalo.** La tabla de tu informe muestra aceleraciones con dos decimales. ¿Entre qué dos valores está el cociente
# verdadero del número que ves? Compáralo con la dispersión que tiene al lado: ¿cuántos decimales vale la pena imprimir?
