# %% [markdown] lang="en"
# # 7 · Faults
#
# **Aim.** Kill a worker, an actor and the driver while they work; see what notices it, what it costs, and what makes
# the result right all the same. **Before:** notebooks 01 and 03. **Time:** about 60 minutes, of which the cells compute
# for about one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# The more machines work, and the longer, the surer something dies. What is promised then has a name:
#
# | promise | how | what it may cost |
# |---|---|---|
# | **at most once** | never try again | work that nobody did |
# | **at least once** | try again until it is done | work that was done twice |
# | **effectively once** | try again, and let a second time change nothing | a key for every effect |
#
# *Exactly once* is not on the list: a worker that died just before it could answer cannot be told from one that died
# before it began.

# %% [markdown] lang="es"
# # 7 · Fallos
#
# **Objetivo.** Matar un proceso de trabajo, un actor y el programa principal mientras trabajan; ver quién lo nota, qué
# cuesta y qué hace que el resultado sea correcto de todos modos. **Antes:** cuadernos 01 y 03. **Tiempo:** unos 60
# minutos; de ellos, las celdas calculan cerca de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# Cuantas más máquinas trabajan, y cuanto más tiempo, más seguro es que algo muera. Lo que entonces se promete tiene
# nombre:
#
# | promesa | cómo | qué puede costar |
# |---|---|---|
# | **como mucho una vez** | no reintentar nunca | trabajo que nadie hizo |
# | **al menos una vez** | reintentar hasta que esté hecho | trabajo hecho dos veces |
# | **una vez en efecto** | reintentar, y que la segunda vez no cambie nada | una clave para cada efecto |
#
# *Exactamente una vez* no está en la lista: un proceso que murió justo antes de poder responder no se distingue de uno
# que murió antes de empezar.

# %% tags=["parameters"]
days = 90
nap_s = 0.6
lang = None
home = None

# %%
import collections
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import labkit
from IPython.display import display
from labkit import check, hint, predict
from labkit.classroom.text import number, percent, t
from labkit.classroom.widgets import chaos_panel, gantt
from labkit.errors import TaskFailed
from labkit.files.whole import write_whole
from labkit.parallel.faults import KillActor, KillWorker, SlowWorker, inject

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
kept = tempfile.TemporaryDirectory(prefix="faults-")
scratch = Path(kept.name)
recipes = ["hgb-medium", "forest-20", "extra-20", "logistic-onehot", "logistic-numeric"]
dataset = lab.prepare(days=days)
job = labkit.plan(dataset, recipes=recipes)

# %% [markdown] lang="en"
# ## 1 Undisturbed
#
# Five fits on two workers; the **digest** stands for every bit of what the models predict. Whatever dies below, it must
# come out again. The first task of each worker pays for its imports too.

# %% [markdown] lang="es"
# ## 1 Sin perturbar
#
# Cinco ajustes en dos procesos; la **huella** representa cada bit de lo que predicen los modelos. Muera lo que muera
# más abajo, debe volver a salir. La primera tarea de cada proceso paga además sus importaciones.

# %%
calm = []
_, digest = labkit.train(job, engine_name="ray", n_workers=2, on_event=calm.append)
print(digest)

longest = max(job.tasks(lab.calibration(job)), key=lambda task: task.cost_s)
third_s = longest.cost_s / 3  # of what it takes on a quiet machine
print(f"{longest.key} {number(longest.cost_s, lang)} s")
gantt(calm)

# %% [markdown] lang="en"
# ## 2 Kill a worker
#
# `inject(KillWorker(…))` sends SIGKILL to the process that has begun a task, at the moment you choose: here when a
# third of the longest one is done. Nobody is told, as when the system lacks memory. Ray sees the process gone and says
# so in colour; labkit's dispatch puts a new actor in its place and gives it the task again.
#
# ### Predict, then measure
#
# How many seconds pass from the shot until the task **runs again**? Commit to a number first.

# %% [markdown] lang="es"
# ## 2 Matar un proceso
#
# `inject(KillWorker(…))` envía SIGKILL al proceso que ha empezado una tarea, en el momento que elijas: aquí, cuando
# lleva un tercio de la más larga. No se avisa a nadie, como cuando al sistema le falta memoria. Ray ve que el proceso
# ya no está y lo dice en color; el despacho de labkit pone un actor nuevo en su lugar y le vuelve a dar la tarea.
#
# ### Predice y luego mide
#
# ¿Cuántos segundos pasan desde el disparo hasta que la tarea **vuelve a correr**? Comprométete antes con un número.

# %%
seconds = 2.0  # solution
guess = predict("7.a", seconds)

# %%
with inject(KillWorker(at_task=longest.key, after_s=third_s)) as report:
    _, found = labkit.train(job, engine_name="ray", n_workers=2)
display(gantt(report.events))
print(report.said, found == digest)
guess.compare(report.recovered_s) if math.isfinite(report.recovered_s) else report.said

# %% [markdown] lang="en"
# The red bar is computing that was thrown away. Three numbers tell what a fault cost: until it was **noticed**, until
# the lost task **ran again**, and how much work was **lost**. Other faults, other numbers:

# %% [markdown] lang="es"
# La barra roja es cómputo que se tiró. Tres números dicen lo que costó un fallo: hasta que se **notó**, hasta que la
# tarea perdida **volvió a correr**, y cuánto trabajo se **perdió**. Otros fallos, otros números:

# %%
reports = {("KillWorker", "ray"): report}
for fault, engine in ((KillActor, "ray"), (KillWorker, "processes"), (SlowWorker, "processes")):
    with inject(fault(at_task=longest.key, after_s=third_s)) as report:
        _, found = labkit.train(job, engine_name=engine, n_workers=2)
    assert found == digest
    reports[fault.__name__, engine] = report

names = ("noticed_s", "recovered_s", "lost_s", "makespan_s")
print(" " * 22 + "".join(f"{name:>12}" for name in names))
for name, report in reports.items():
    makespan_s = max(event.received_s for event in report.events) - min(event.submitted_s for event in report.events)
    costs = (report.noticed_s, report.recovered_s, report.lost_s, makespan_s)
    print(f"{name[0]:12}{name[1]:10}" + "".join(f"{'–' if math.isnan(s) else number(s, lang):>12}" for s in costs))

# %% [markdown] lang="en"
# A dead actor costs mostly the **start of its successor**: a new process, its imports, its data. Bare processes are
# copies of one that has imported everything, so theirs is short. The slow worker is the sly one: it answers, so nothing
# was noticed and nothing was lost, and yet all wait for it.
#
# ### Exercise 7.1: lost work
#
# Write `lost_work`: from the events and the time at which a fault struck, how many seconds of computing were thrown
# away. An attempt that died with its worker has `event.node == "?"`, and the time at which this was noticed as its
# `started_s`, `finished_s` and `received_s`. Nobody tells when it had begun: when it was submitted, or when its worker
# had finished what lay before it, whichever is later. Attempts that had died before the fault are not its work.

# %% [markdown] lang="es"
# Un actor muerto cuesta sobre todo el **arranque de su sucesor**: un proceso nuevo, sus importaciones, sus datos. Los
# procesos desnudos son copias de uno que ya lo importó todo, y por eso el suyo es breve. El proceso lento es el
# taimado: responde, así que no se notó nada ni se perdió nada y, sin embargo, todos lo esperan.
#
# ### Ejercicio 7.1: trabajo perdido
#
# Escribe `lost_work`: a partir de los eventos y del instante en que golpeó un fallo, cuántos segundos de cómputo se
# tiraron. Un intento que murió con su proceso tiene `event.node == "?"`, y como `started_s`, `finished_s` y
# `received_s` el instante en que se notó. Nadie dice cuándo había empezado: cuando se envió, o cuando su proceso
# terminó lo que tenía delante; lo que ocurriera más tarde. Los intentos que habían muerto antes del fallo no son obra
# suya.


# %%
def lost_work(events, struck_s):
    # solution
    lost = 0.0
    for event in events:
        if event.node == "?" and event.received_s >= struck_s:
            before = [e.finished_s for e in events if e.worker == event.worker and e.received_s < event.received_s]
            lost += max(0.0, struck_s - max([event.submitted_s, *before]))
    return lost


# %%
check("7.1", lost_work)

# %% [markdown] lang="en"
# ## 3 By your own hand
#
# Run the next two cells, and while the second one computes press a button of the first. It names the task that dies,
# and then what that cost. Strike as often as you like: the digest at the end must be the same. If you let it run in
# peace, it just trains.

# %% [markdown] lang="es"
# ## 3 Por tu propia mano
#
# Ejecuta las dos celdas siguientes y, mientras calcula la segunda, pulsa un botón de la primera. Dirá qué tarea muere
# y, después, lo que costó. Golpea cuantas veces quieras: la huella del final debe ser la misma. Si la dejas en paz,
# simplemente entrena.

# %%
chaos_panel()

# %%
_, found = labkit.train(job, engine_name="ray", n_workers=2)
print(found, found == digest)

# %% [markdown] lang="en"
# ## 4 Try again, but not for ever
#
# A lost connection may be there again in a second; a wrong argument is as wrong the third time. And what fails always
# must fail at last, with the error that says why.
#
# ### Exercise 7.2: retry
#
# Write `retry`: call `work()` and return its result. If it raises one of the exceptions in the tuple `retryable`, call
# it again, `max_attempts` calls in all; then let the last error out. Any other error goes out at once.

# %% [markdown] lang="es"
# ## 4 Reintentar, pero no para siempre
#
# Una conexión perdida puede volver en un segundo; un argumento erróneo lo es igual a la tercera. Y lo que falla siempre
# tiene que fallar al final, con el error que dice por qué.
#
# ### Ejercicio 7.2: reintentar
#
# Escribe `retry`: llama a `work()` y devuelve su resultado. Si lanza una de las excepciones de la tupla `retryable`,
# llámalo otra vez, `max_attempts` llamadas en total; después, deja salir el último error. Cualquier otro error sale en
# el acto.


# %%
def retry(work, max_attempts, retryable):
    # solution
    for attempt in range(1, max_attempts + 1):
        try:
            return work()
        except retryable:
            if attempt == max_attempts:
                raise


# %%
check("7.2", retry)

# %% [markdown] lang="en"
# ## 5 Once, twice, effectively once
#
# What if a task has an **effect** outside, and dies between the effect and its answer? Six bookings, `b0` to `b5`, go
# into a ledger; each task writes its name there and then goes on working. The worker of the third, `b2`, is killed
# while it does. Each line below is a ledger: how often every booking stands in it.

# %% [markdown] lang="es"
# ## 5 Una vez, dos veces, una vez en efecto
#
# ¿Y si una tarea tiene un **efecto** fuera, y muere entre el efecto y su respuesta? Seis apuntes, de `b0` a `b5`, van a
# un libro de cuentas; cada tarea escribe en él su nombre y luego sigue trabajando. El proceso de la tercera, `b2`,
# muere mientras lo hace. Cada línea de abajo es un libro: cuántas veces figura en él cada apunte.


# %%
class Teller:
    """Book, then work on; a plain class, made an actor by the crew."""

    def append(self, booking):
        place, key = booking
        with open(place, "a") as ledger:
            ledger.write(f"{key}\n")
        time.sleep(nap_s)

    def replace(self, booking):
        place, key = booking
        write_whole(Path(place) / key, f"{key}\n")
        time.sleep(nap_s)


def booked(method, max_attempts):
    """Book six times with a fault at the third; return how often each booking is there."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    place = folder / "ledger.txt" if method == "append" else folder
    tasks = [labkit.Task(f"b{i}", method, (str(place), f"b{i}")) for i in range(6)]
    with labkit.engine("ray")(Teller, (), {}, 2) as crew, inject(KillWorker(at_task="b2", after_s=nap_s / 2)):
        try:
            labkit.dispatch(tasks, crew, max_attempts=max_attempts)
        except TaskFailed as fault:
            print(type(fault).__name__, str(fault).partition(" with ")[0])
    files = [place] if place.is_file() else sorted(place.iterdir())
    return dict(sorted(collections.Counter(line for file in files for line in file.read_text().split()).items()))


print(booked("append", max_attempts=1))
print(booked("append", max_attempts=3))

# %% [markdown] lang="en"
# With one attempt the work stops with an error (`TaskFailed`): what was not begun is missing. With three all is there,
# and `b2` **twice**: the attempt that died had written it already, and the second attempt wrote it again. Retries alone
# only trade one fault for another; the effect itself must be **idempotent**: done again, it changes nothing.
#
# ### Exercise 7.3: an idempotent booking
#
# Write `book`: a booking is a file in `folder`, named `key`, that holds `amount` as text. A retry books the same key
# with the same amount once more: afterwards the file holds what it held before. The process may be killed at any
# moment: a file under its final name must be whole. So write under another name **in the same folder**, close the file,
# and only then rename it: `os.replace` is all or nothing. (Against a power cut, not only a killed process, labkit's
# `write_whole` calls `os.fsync` before it renames.)

# %% [markdown] lang="es"
# Con un solo intento el trabajo se para con un error (`TaskFailed`): falta lo que no se había empezado. Con tres está
# todo, y `b2` **dos veces**: el intento que murió ya lo había escrito, y el segundo lo escribió otra vez. Reintentar
# sin más cambia un fallo por otro; el propio efecto tiene que ser **idempotente**: repetido, no cambia nada.
#
# ### Ejercicio 7.3: un apunte idempotente
#
# Escribe `book`: un apunte es un archivo de `folder`, llamado `key`, que contiene `amount` como texto. Un reintento
# apunta otra vez la misma clave con el mismo importe: después, el archivo contiene lo que contenía antes. El proceso
# puede morir en cualquier momento: un archivo con su nombre definitivo debe estar entero. Por eso escribe con otro
# nombre **en la misma carpeta**, cierra el archivo y solo entonces renómbralo: `os.replace` es todo o nada. (Contra un
# corte de luz, y no solo contra la muerte del proceso, `write_whole`, de labkit, llama a `os.fsync` antes de
# renombrar.)


# %%
def book(folder, key, amount):
    # solution
    unfinished = Path(folder) / f".{key}.part"
    unfinished.write_text(str(amount))
    os.replace(unfinished, Path(folder) / key)


# %%
check("7.3", book)

# %% [markdown] lang="en"
# The same six bookings, the same fault, three attempts, and a key for each effect:

# %% [markdown] lang="es"
# Los mismos seis apuntes, el mismo fallo, tres intentos y una clave para cada efecto:

# %%
print(booked("replace", max_attempts=3))

# %% [markdown] lang="en"
# ## 6 Kill the driver
#
# Nobody retries for the driver: with it dies all that it knew. What it has written down remains. A **checkpoint** keeps
# each finished result, so that the next process begins where this one ended.
#
# ### Exercise 7.4: a checkpoint
#
# Write `load` and `save` of `FolderCheckpoint`: one file a key, at `self.path(key)`, the value as JSON. `load` returns
# None for what was never saved. However the process ends, what `load` finds must be whole.

# %% [markdown] lang="es"
# ## 6 Matar el programa principal
#
# Nadie reintenta por el programa principal: con él muere todo lo que sabía. Lo que dejó escrito permanece. Un **punto
# de control** conserva cada resultado terminado, para que el proceso siguiente empiece donde acabó este.
#
# ### Ejercicio 7.4: un punto de control
#
# Escribe `load` y `save` de `FolderCheckpoint`: un archivo por clave, en `self.path(key)`, con el valor en JSON. `load`
# devuelve None para lo que nunca se guardó. Acabe como acabe el proceso, lo que `load` encuentre debe estar entero.


# %%
class FolderCheckpoint:
    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, key):
        return self.folder / quote(key, safe="")  # keys such as forest-60#1/3 are no file names

    def load(self, key):
        # solution
        path = self.path(key)
        return json.loads(path.read_text()) if path.exists() else None

    def save(self, key, value):
        # solution
        unfinished = self.path(key).with_name(f".{self.path(key).name}.part")
        unfinished.write_text(json.dumps(value))
        os.replace(unfinished, self.path(key))


# %%
check("7.4", FolderCheckpoint)

# %% [markdown] lang="en"
# `lab.train` keeps every finished model so. The cell after the next starts a driver of its own, in a process of its
# own, which kills itself as the last of the five fits begins; then a second one that resumes its run.
#
# ### Predict, then measure
#
# How many fits will the second driver do?

# %% [markdown] lang="es"
# `lab.train` conserva así cada modelo terminado. La celda que sigue a la próxima inicia un programa principal aparte,
# en un proceso propio, que se mata cuando empieza el último de los cinco ajustes; y luego otro que reanuda su
# ejecución.
#
# ### Predice y luego mide
#
# ¿Cuántos ajustes hará el segundo programa principal?

# %%
n_fits = 2  # solution
guess = predict("7.b", n_fits)

# %%
DRIVER = """
import json, sys
from pathlib import Path
import labkit
from labkit.parallel.faults import KillDriver, inject

if __name__ == "__main__":
    home, days, recipes, record, resume = json.loads(sys.argv[1])
    lab = labkit.start(home=home)
    dataset = lab.prepare(days=days)
    with inject(KillDriver(record=Path(record), at_task="logistic-numeric")) as report:
        run = lab.train(dataset, recipes=recipes, engine="processes", n_workers=2, resume=resume)
    print(json.dumps([run["results"], report.noticed_s, report.recovered_s, report.lost_s]))
"""


def drive(resume=None):
    """Run a driver to its end, whatever that is."""
    given = json.dumps([str(lab.settings.home), days, recipes, str(scratch / "fault.json"), resume])
    return subprocess.run([sys.executable, "-c", DRIVER, given], capture_output=True, text=True, timeout=300)


first = drive()
left = lab.runs.list(kind="training", limit=1)[0]
lab.runs.reconcile()  # as `labkit runs list` does
run = lab.runs.get(left.id)
said = [t(f"run.{each.status}", lang) for each in (left, run)]
print(f"{run.id}: {first.returncode}, {percent(run.progress, lang)}, {said[0]} → {said[1]}")
second = drive(resume=run.id)
results, *costs = json.loads(second.stdout)
print(f"{run.id}: {second.returncode}, fitted = {results['fitted']}, {results['digest'] == digest}")
for name, cost in zip(("noticed_s", "recovered_s", "lost_s"), costs, strict=True):
    print(f"{name:12}{number(cost, lang):>6}")
guess.compare(results["fitted"], run=run.id)

# %% [markdown] lang="en"
# −9 is the mark of SIGKILL. The first driver's record still said *running*, with the share that was done by then:
# nobody was left to write anything else. Whoever looks next (`labkit runs list`, or `reconcile` above) sees that its
# process is gone, and marks the run as *interrupted*. The second driver read the finished models from that run, fitted
# the rest, and the digest is that of the undisturbed run: *True*. Time to recover is now mostly **your** time: somebody
# must start it again.
#
# ## Summary
#
# A fault costs the time to notice it, the time to start anew, and the work since the last thing that was kept. Retry
# with a limit, and only what may be retried. Give every effect a key. Keep results whole, or not at all.
#
# **Work it out.** A run lasts 10 hours; its machine dies on average every 50 hours. A checkpoint takes 30 s. Young's
# rule (1974, doi:10.1145/361147.361115) sets the interval between two at $\sqrt{2 \cdot 30\,\mathrm{s} \cdot
# 50\,\mathrm{h}}$. How long is that? How much work is lost on average when the machine dies, and what do the
# checkpoints cost in all?

# %% [markdown] lang="es"
# −9 es la marca de SIGKILL. El registro del primer programa aún decía *en marcha*, con la parte hecha hasta entonces:
# no quedaba nadie para escribir otra cosa. Quien mira después (`labkit runs list`, o el `reconcile` de arriba) ve que
# su proceso ya no existe y marca la ejecución como *interrumpida*. El segundo programa leyó los modelos terminados de
# esa ejecución, ajustó el resto, y la huella es la de la ejecución sin perturbar: *True*. Recuperarse cuesta ahora
# sobre todo **tu** tiempo: alguien tiene que iniciarlo de nuevo.
#
# ## Resumen
#
# Un fallo cuesta el tiempo hasta notarlo, el tiempo de volver a empezar y el trabajo hecho desde lo último que se
# conservó. Reintenta con un límite, y solo lo que puede reintentarse. Da una clave a cada efecto. Guarda resultados
# enteros, o ninguno.
#
# **Calcúlalo.** Una ejecución dura 10 horas; su máquina muere de media cada 50. Un punto de control tarda 30 s. La
# regla de Young (1974, doi:10.1145/361147.361115) fija el intervalo entre dos en $\sqrt{2 \cdot 30\,\mathrm{s} \cdot
# 50\,\mathrm{h}}$. ¿Cuánto es eso? ¿Cuánto trabajo se pierde de media cuando la máquina muere, y cuánto cuestan en
# total los puntos de control?
