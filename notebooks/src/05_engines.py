# %% [markdown] lang="en"
# # 5 · Engines
#
# **Aim.** Run the same work on Ray, processes, threads, joblib and Dask, prove that all did the same, and find out who
# wins when, and why: what it costs to start, to hand over a task, to share data, and what Python's lock does.
# **Before:** notebooks 01 and 04. **Time:** about 60 minutes, of which the cells compute for about one (on 2 cores,
# with the values below). **Cores:** 2 or more.
#
# | engine | workers | how work reaches them |
# |---|---|---|
# | `sequential` | this process | a call |
# | `threads` | threads of this process | a queue; nothing is copied |
# | `processes` | forked from a server with all imports done | a pipe; large data in shared memory |
# | `joblib` | processes of joblib's pool (loky) | the pool's queue |
# | `dask` | processes, with a scheduler in between | sockets |
# | `ray` | actors, on this or any other node of the cluster | sockets; large data in the object store |

# %% [markdown] lang="es"
# # 5 · Motores
#
# **Objetivo.** Ejecutar el mismo trabajo con Ray, procesos, hilos, joblib y Dask, demostrar que todos hicieron lo mismo
# y averiguar quién gana cuándo y por qué: qué cuesta arrancar, entregar una tarea, compartir datos, y qué hace el
# cerrojo de Python. **Antes:** cuadernos 01 y 04. **Tiempo:** unos 60 minutos; de ellos, las celdas calculan cerca de
# uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# | motor | quién trabaja | cómo le llega el trabajo |
# |---|---|---|
# | `sequential` | este proceso | una llamada |
# | `threads` | hilos de este proceso | una cola; nada se copia |
# | `processes` | bifurcados de un servidor con todo importado | una tubería; lo grande, en memoria compartida |
# | `joblib` | procesos del grupo de joblib (loky) | la cola del grupo |
# | `dask` | procesos, con un planificador en medio | sockets |
# | `ray` | actores, en este o en otro nodo del clúster | sockets; lo grande, en el almacén de objetos |

# %% tags=["parameters"]
days = 20
rounds = 3
n_workers = 2
asked = ["ray", "processes", "threads", "joblib", "dask"]
lang = None
home = None

# %%
import contextlib
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import labkit
import numpy as np
import ray
from IPython.display import Markdown, display
from labkit import Task, check, hint, predict
from labkit.classroom.text import number, percent, t
from labkit.parallel.faults import KillWorker, inject
from labkit.parallel.processes import start_server

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
server = start_server()  # the fork server's imports go on meanwhile
engines = []
for name in asked:
    try:
        labkit.engine(name)
        engines.append(name)
    except labkit.LabError as fault:  # joblib and Dask are optional
        print(fault)
print(engines)

# %% [markdown] lang="en"
# ## 1 Work that every process can import
#
# A class typed into a notebook exists in this process alone. Ray sends its code along; processes, joblib and Dask send
# its *name*, and import it on the other side. So the work goes into a file. Four methods, four kinds of work: nothing
# at all; pure Python, which holds the interpreter's lock (the **GIL**); NumPy, which lets go of it while it sorts; and
# a look at large data.

# %% [markdown] lang="es"
# ## 1 Un trabajo que cualquier proceso puede importar
#
# Una clase escrita en un cuaderno solo existe en este proceso. Ray envía su código; los procesos, joblib y Dask envían
# su *nombre* y la importan al otro lado. Por eso el trabajo va a un archivo. Cuatro métodos, cuatro clases de trabajo:
# nada de nada; Python puro, que retiene el cerrojo del intérprete (el **GIL**); NumPy, que lo suelta mientras ordena; y
# una mirada a datos grandes.

# %%
folder = lab.folder.root / "course"
folder.mkdir(exist_ok=True)
(folder / "engine_work.py").write_text('''"""Four kinds of work for notebook 05."""

import time

import numpy as np


class Work:
    def nothing(self, number):
        return None

    def python(self, n):
        total = 0
        for number in range(n):
            total += number % 7
        return total

    def numpy(self, n):
        return float(np.sort(np.random.default_rng(2013).random(n))[n // 2])

    def look(self, number, block):
        return float(block[number])

    def carry(self, block):
        return float(block[0])

    def wait(self, seconds):
        time.sleep(seconds)
''')
sys.path.insert(0, str(folder))  # processes, joblib and Dask hand it on to their workers
import engine_work

lab.attach()
ray.cloudpickle.register_pickle_by_value(engine_work)  # Ray sends the code itself, as for a class of the notebook
Work = engine_work.Work
print([Work().python(1_000_000), Work().numpy(1_000_000)])

# %% [markdown] lang="en"
# ## 2 Python's own pools
#
# ### Exercise 5.1: the smallest engine
#
# Python's own pools, `ThreadPoolExecutor` and `ProcessPoolExecutor`, are engines already. Write `run_all`: `tasks` is a
# list of `(function, argument)`. Open a pool of `n_workers` by `pool_class(n_workers)`, and return the results in the
# order of the tasks. No worker may wait for work while there is some, and no worker may be left behind.

# %% [markdown] lang="es"
# ## 2 Los grupos del propio Python
#
# ### Ejercicio 5.1: el motor más pequeño
#
# Los grupos del propio Python, `ThreadPoolExecutor` y `ProcessPoolExecutor`, ya son motores. Escribe `run_all`: `tasks`
# es una lista de `(function, argument)`. Abre un grupo de `n_workers` con `pool_class(n_workers)` y devuelve los
# resultados en el orden de las tareas. Nadie debe quedarse sin trabajo mientras lo haya, ni quedar atrás al terminar.


# %%
def run_all(tasks, n_workers, pool_class):
    # solution
    with pool_class(n_workers) as pool:
        futures = [pool.submit(function, argument) for function, argument in tasks]
        return [future.result() for future in futures]


# %%
display(verdict := check("5.1", run_all))

# %%
if verdict.state == "right":
    for pool_class in (ThreadPoolExecutor, partial(ProcessPoolExecutor, mp_context=server)):
        print(run_all([(Work().python, n) for n in (1000, 2000, 3000)], n_workers, pool_class))

# %% [markdown] lang="en"
# ## 3 What an engine costs before it does anything
#
# A crew is started, handed 200 tasks that do nothing, then 8 tasks with an array of 8 MB each as argument, and 8 tasks
# that look at an array of 64 MB which was shared once.

# %% [markdown] lang="es"
# ## 3 Lo que cuesta un motor antes de hacer nada
#
# Se arranca un equipo y se le entregan 200 tareas que no hacen nada, luego 8 tareas con un vector de 8 MB cada una
# como argumento, y 8 tareas que miran un vector de 64 MB compartido una sola vez.


# %%
def timed(crew, tasks):
    """Return the seconds that a crew takes for some tasks."""
    begun = time.perf_counter()
    labkit.dispatch(tasks, crew)
    return time.perf_counter() - begun


def show(header, rows):
    """Show a table, numbers as the reader's language writes them."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[cell if isinstance(cell, str) else number(cell, lang) for cell in row] for row in rows]
    display(Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines)))


large, shared = np.ones(1_000_000), {"block": np.ones(8_000_000)}
costs = {
    "empty": [Task(f"n{i}", "nothing", i) for i in range(200)],
    "sent": [Task(f"c{i}", "carry", large) for i in range(8)],
    "shared": [Task(f"l{i}", "look", i, ("block",)) for i in range(8)],
}
rows, overhead_s = [], {}
for name in ["sequential", *engines]:
    begun = time.perf_counter()
    with labkit.engine(name)(Work, (), shared, 1 if name == "sequential" else n_workers) as crew:
        crew.ready()
        start_up_s = time.perf_counter() - begun
        timed(crew, costs["empty"][:20])  # warms up
        found = {kind: timed(crew, tasks) for kind, tasks in costs.items()}
    overhead_s[name] = found["empty"] / 200
    rows.append([name, start_up_s, 1e3 * overhead_s[name], 1e3 * found["sent"], 1e3 * found["shared"]])
show(["", *(t(f"engines.{column}", lang) for column in ("start_up", "empty", "sent", "shared"))], rows)

# %% [markdown] lang="en"
# Read it by columns. *Start-up*: Ray's workers, joblib's and Dask's start a Python and import NumPy first; the fork
# server has that behind it; threads have nothing to start. *Empty task*: there and back; `sequential` also pins its
# libraries to one thread, anew for each task. *Sent*: arguments travel with each task (and labkit pickles each once to
# know its size, in threads too). *Shared*: data are mapped, not sent.

# %% [markdown] lang="es"
# Lee por columnas. *Arranque*: los procesos de Ray, joblib y Dask arrancan un Python e importan NumPy; el servidor de
# bifurcación ya lo tiene hecho; los hilos no tienen nada que arrancar. *Tarea vacía*: ida y vuelta;
# `sequential` fija además sus bibliotecas a un hilo, de nuevo en cada tarea. *Enviados*: los argumentos viajan con cada
# tarea (y labkit los serializa una vez para saber su tamaño, también con hilos). *Compartidos*: cada proceso ve los
# mismos datos en su memoria; no se envían.

# %% [markdown] lang="en"
# ### Exercise 5.2: long enough
#
# Each task costs `overhead_s`, whatever it does; a piece of work takes `task_s`. Write `n_together`: how many pieces at
# least must go into one task, so that overhead is at most the fraction `share` of all the time that a worker spends? A
# task holds one piece at least, also where `overhead_s` is 0.

# %% [markdown] lang="es"
# ### Ejercicio 5.2: suficientemente largas
#
# Cada tarea cuesta `overhead_s`, haga lo que haga; una pieza de trabajo dura `task_s`. Escribe `n_together`: ¿cuántas
# piezas como mínimo deben ir en una tarea para que la sobrecarga sea a lo sumo la fracción `share` de todo el tiempo
# que emplea un proceso? Una tarea contiene al menos una pieza, también si `overhead_s` es 0.

# %%
import math


def n_together(overhead_s, task_s, share):
    # solution
    return max(1, math.ceil(overhead_s * (1 - share) / share / task_s))


# %%
display(verdict := check("5.2", n_together))

# %%
if verdict.state == "right":  # pieces of 1 ms, at most a twentieth of overhead
    show(
        ["", f"1 ms, {percent(0.05, lang)}"],
        [[name, str(n_together(overhead_s[name], 0.001, 0.05))] for name in engines],
    )

# %% [markdown] lang="en"
# ## 4 The lock
#
# One thread at a time runs Python code. Compiled code may let go of the lock while it computes, and whoever waits for a
# disk or a network lets go of it too.
#
# ### Predict, then measure
#
# How many times as fast will two threads be as one loop, on pure Python?

# %% [markdown] lang="es"
# ## 4 El cerrojo
#
# Solo un hilo a la vez ejecuta código de Python. El código compilado puede soltar el cerrojo mientras calcula, y quien
# espera a un disco o a una red también lo suelta.
#
# ### Predice y luego mide
#
# ¿Cuántas veces más rápidos que un bucle serán dos hilos, con Python puro?

# %%
threads_speedup = 1.0  # solution
guess = predict("5.a", threads_speedup)

# %%
kinds = {
    "Python": [Task(f"p{i}", "python", 1_000_000) for i in range(8)],
    "NumPy": [Task(f"s{i}", "numpy", 1_000_000) for i in range(8)],
}
seconds = {(kind, name): [] for kind in kinds for name in ["sequential", *engines]}
with contextlib.ExitStack() as stack:
    crews = {
        name: stack.enter_context(labkit.engine(name)(Work, (), {}, 1 if name == "sequential" else n_workers))
        for name in ["sequential", *engines]
    }
    for turn in range(rounds + 1):  # rounds are interleaved, and the first only warms up
        for (kind, name), each in seconds.items():
            took_s = timed(crews[name], kinds[kind])
            if turn:
                each.append(took_s)
speedup = {
    (kind, name): statistics.median(one / two for one, two in zip(seconds[kind, "sequential"], each, strict=True))
    for (kind, name), each in seconds.items()
}
show(["", *kinds], [[name, *(speedup[kind, name] for kind in kinds)] for name in engines])
guess.compare(speedup["Python", "threads"])

# %%
from matplotlib import pyplot

figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
for place, kind in enumerate(kinds):
    heights = [speedup[kind, name] for name in engines]
    axes.bar(np.arange(len(engines)) + 0.4 * place, heights, 0.38, label=kind, color=("#0072B2", "#D55E00")[place])
axes.axhline(1, color="#767676", lw=1, ls=":")
axes.set_xticks(np.arange(len(engines)) + 0.2, engines)
axes.set_ylabel(t("plot.speedup", lang))
axes.yaxis.set_major_formatter(lambda value, _: number(value, lang))
axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
pyplot.show()

# %% [markdown] lang="en"
# ### Exercise 5.3: two clocks
#
# Whether a piece of work holds the lock can be measured before any engine is chosen. Write `time_threads`: let
# `n_threads` threads call `work()` at the same time, once each, and return `(wall_s, cpu_s)`: how long it took until
# all had ended, and the CPU time of all these threads together. `time.thread_time()` is the CPU time of the thread that
# calls it.

# %% [markdown] lang="es"
# ### Ejercicio 5.3: dos relojes
#
# Si un trabajo retiene el cerrojo se puede medir antes de elegir motor. Escribe `time_threads`: haz que `n_threads`
# hilos llamen a `work()` al mismo tiempo, una vez cada uno, y devuelve `(wall_s, cpu_s)`: cuánto se tardó hasta que
# acabaron todos, y el tiempo de CPU de todos esos hilos juntos. `time.thread_time()` es el tiempo de CPU del hilo que
# lo llama.

# %%
import threading


def time_threads(work, n_threads):
    # solution
    cpu_s = []

    def timed_work():
        begun = time.thread_time()
        work()
        cpu_s.append(time.thread_time() - begun)

    threads = [threading.Thread(target=timed_work) for _ in range(n_threads)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun, sum(cpu_s)


# %%
display(clocks := check("5.3", time_threads))

# %% [markdown] lang="en"
# ### Exercise 5.4: threads or processes
#
# Write `engine_for`: given `(wall_s, cpu_s)` of one thread alone and of two threads together, say "threads" where they
# are enough, for they are the cheapest, and "processes" where only those help. Think of these:
#
# - work that holds the lock, that lets go of it, that only waits;
# - work that the memory slows down: two at once take more CPU time than twice what one takes alone. No lock is to
#   blame, and processes would share the same memory: threads are enough;
# - work that holds the lock, on a machine where something else takes CPUs away while the two run: its wall time grows,
#   its CPU time does not. Work that lets go of the lock can look the same there; "processes" is then the safe answer.

# %% [markdown] lang="es"
# ### Ejercicio 5.4: hilos o procesos
#
# Escribe `engine_for`: dados `(wall_s, cpu_s)` de un hilo a solas y de dos hilos juntos, di "threads" donde los hilos
# basten, pues son lo más barato, y "processes" donde solo ayuden los procesos. Piensa en estos casos:
#
# - el trabajo que retiene el cerrojo, el que lo suelta, el que solo espera;
# - el trabajo que frena la memoria: dos a la vez consumen más CPU que el doble de uno a solas. Ningún cerrojo tiene la
#   culpa, y los procesos compartirían la misma memoria: bastan los hilos;
# - el trabajo que retiene el cerrojo, en una máquina en la que algo más quita CPU mientras corren los dos: su tiempo de
#   reloj crece, su tiempo de CPU no. Un trabajo que suelta el cerrojo puede dar lo mismo ahí; lo seguro es entonces
#   responder "processes".


# %%
def engine_for(alone, together):
    # solution
    waits = alone[1] < 0.5 * alone[0]
    lets_go = together[1] > 1.5 * together[0]
    return "threads" if waits or lets_go else "processes"


# %%
display(verdict := check("5.4", engine_for))

# %%
if clocks.state == "right":
    rows = []
    for kind, amount in (("python", 3_000_000), ("numpy", 3_000_000), ("wait", 0.2)):
        work = partial(getattr(Work(), kind), amount)
        pairs = [time_threads(work, n) for n in (1, 2)]
        ratios = [cpu_s / wall_s for wall_s, cpu_s in pairs]
        rows.append([kind, *ratios, engine_for(*pairs) if verdict.state == "right" else "–"])
    show(["", *(t(f"engines.{column}", lang) for column in ("one_thread", "two_threads", "choice"))], rows)

# %% [markdown] lang="en"
# The two numbers are CPU time over wall time. On a machine that is busy with something else all of them are too small:
# a thread that waits for a CPU looks like one that waits for a disk, and no rule can tell. If `python` did not get
# "processes", or `numpy` not "threads", measure again when the machine is quiet.

# %% [markdown] lang="es"
# Los dos números son tiempo de CPU entre tiempo de reloj. En una máquina ocupada con otra cosa, todos salen demasiado
# pequeños: un hilo que espera una CPU parece uno que espera a un disco, y ninguna regla los distingue. Si a `python` no
# le tocó "processes", o a `numpy` "threads", mide de nuevo cuando la máquina esté tranquila.

# %% [markdown] lang="en"
# ## 5 Real work, the same for all
#
# Now the training of an ensemble: scikit-learn, which lets go of the lock for most of its time. First the proof that
# every engine computes the same: the digest of all validation probabilities.

# %% [markdown] lang="es"
# ## 5 Un trabajo real, el mismo para todos
#
# Ahora, el entrenamiento de un ensamble: scikit-learn, que suelta el cerrojo casi todo el tiempo. Primero, la prueba de
# que cada motor calcula lo mismo: la huella de todas las probabilidades de validación.

# %%
recipes = ["hgb-small", "forest-20", "extra-20", "logistic-onehot"]
dataset = lab.prepare(days=days)
job = labkit.plan(dataset, recipes=recipes)
for name in ["sequential", *engines]:
    _, digest = labkit.train(job, engine_name=name, n_workers=1 if name == "sequential" else n_workers)
    print(f"{name:12} {digest}")

# %% [markdown] lang="en"
# Who is faster? The protocol of notebook 04: interleaved rounds, the first one a warm-up, start-up apart, each pass
# with its digest, and the hardware's own limit beside them.
#
# ### Predict, then measure
#
# How will processes compare with Ray: their time over Ray's?

# %% [markdown] lang="es"
# ¿Quién es más rápido? El protocolo del cuaderno 04: rondas alternadas, la primera de calentamiento, el arranque
# aparte, cada pasada con su huella, y al lado el límite del propio hardware.
#
# ### Predice y luego mide
#
# ¿Cómo quedarán los procesos frente a Ray: su tiempo entre el de Ray?

# %%
processes_over_ray = 1.0  # solution
guess = predict("5.b", processes_over_ray)

# %%
from labkit.classroom.plots import format_table

record = lab.measure(dataset, engines=tuple(engines), workers=(n_workers,), rounds=rounds, recipes=recipes)
results = record["results"]
here = record["fingerprints"][0]["digest"]
display(Markdown(t("notebook.run", lang, run=record["id"], digest=results["digest"], host=here)))
tables = {name: format_table(labkit.rows_of(results, name), lang) for name in engines}
show(["", *tables["ray"][0][2:]], [[name, *cells[2:]] for name, (_, cells) in tables.items()])

# %%
passes = {
    name: [each["seconds"] for each in results["timings"] if each["subject"] == name and each["round"]]
    for name in engines
}
ratios = {
    name: [own / ray for own, ray in zip(passes[name], passes["ray"], strict=True)] for name in engines if name != "ray"
}
show(
    ["÷ ray", *(t(f"engines.{column}", lang) for column in ("least", "median", "most"))],
    [[n, min(each), statistics.median(each), max(each)] for n, each in ratios.items()],
)
guess.compare(statistics.median(ratios["processes"]), run=record["id"])

# %% [markdown] lang="en"
# Where the ranges include 1, this measurement cannot tell the engines apart: say so, rather than name a winner. Tasks
# this long hide what section 3 showed.
#
# ## 6 When a worker dies
#
# The third task begins, and its worker is killed. Every engine of processes goes on, since dispatch sends again what
# was lost. But how much was lost? A thread has no process of its own that could die: what ends it ends this notebook
# too.

# %% [markdown] lang="es"
# Donde los intervalos incluyen el 1, esta medición no distingue los motores: dilo así, en vez de nombrar un ganador.
# Tareas tan largas ocultan lo que mostró la sección 3.
#
# ## 6 Cuando muere un proceso de trabajo
#
# Empieza la tercera tarea y se mata a su proceso. Todos los motores con procesos siguen adelante, porque se reenvía lo
# perdido. Pero ¿cuánto se perdió? Un hilo no tiene un proceso propio que pueda morir: lo que acaba con él acaba también
# con este cuaderno.

# %%
rows = []
for name in [name for name in engines if name != "threads"]:
    with labkit.engine(name)(Work, (), {}, n_workers) as crew:
        crew.ready()
        with inject(KillWorker(at_task=3, after_s=0.1)) as report:
            labkit.dispatch([Task(f"w{i}", "wait", 0.4) for i in range(6)], crew)
    n_lost = sum(event.error is not None for event in report.events)
    told = (report.lost_s, report.noticed_s, report.recovered_s)
    rows.append([name, str(n_lost), *("–" if value is None else value for value in told)])
show(["", *(t(f"engines.{column}", lang) for column in ("n_lost", "lost", "noticed", "again"))], rows)

# %% [markdown] lang="en"
# joblib's pool breaks as a whole when one of its processes dies, and with it every task that runs in it.
#
# ## Summary
#
# | | take | because |
# |---|---|---|
# | tasks wait, or their compiled code lets go of the lock | threads | nothing to start, nothing to copy |
# | pure Python on one machine | processes, joblib | a lock for each |
# | long tasks on one machine | any | overhead vanishes |
# | large data for many tasks | what shares memory | sent once, mapped by all |
# | several machines, state that lives on, workers that may die | Ray, Dask | a cluster is what they are for |
#
# **Work it out.** 10,000 pieces of 1 ms of pure Python on two workers. Add up for every engine: its start-up, its
# overhead per task (once with a piece a task, once with `n_together` pieces) and the work itself. Who wins, and from
# how many pieces on does it pay to leave the sequential loop?

# %% [markdown] lang="es"
# El grupo de joblib se rompe entero cuando muere uno de sus procesos, y con él toda tarea que se ejecute en él.
#
# ## Resumen
#
# | | elige | porque |
# |---|---|---|
# | las tareas esperan, o su código compilado suelta el cerrojo | hilos | nada que arrancar, nada que copiar |
# | Python puro en una sola máquina | procesos, joblib | un cerrojo para cada uno |
# | tareas largas en una sola máquina | cualquiera | la sobrecarga se diluye |
# | datos grandes para muchas tareas | lo que comparta memoria | se envían una vez y todos los leen |
# | varias máquinas, estado que perdura, procesos que pueden morir | Ray, Dask | para eso es un clúster |
#
# **Calcúlalo.** 10.000 piezas de 1 ms de Python puro con dos procesos. Suma para cada motor su arranque, su sobrecarga
# por tarea (una vez con una pieza por tarea y otra con `n_together` piezas) y el propio trabajo. ¿Quién gana, y a
# partir de cuántas piezas compensa dejar el bucle secuencial?
