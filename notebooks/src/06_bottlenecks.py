# %% [markdown] lang="en"
# # 6 · Bottlenecks
#
# **Aim.** Provoke what makes parallel work slow, one cause at a time; measure it, name it from its traces, and relieve
# it. **Before:** notebooks 01 and 04. **Time:** about 60 minutes, of which the cells compute for about one (on 2 cores,
# with the values below). **Cores:** 2 or more.
#
# Two workers for ten seconds are twenty *worker-seconds*. Whatever is not computing at full speed is lost:
#
# | where a worker's time goes | what tells it | what relieves it |
# |---|---|---|
# | **CPU**: it computes | CPU time of the task | more cores, less work |
# | **memory**: it computes, but longer than alone | CPU time with a neighbour over CPU time alone | smaller data |
# | **I/O**: it is blocked in a read | wall-clock time less CPU time | reads that overlap |
# | **network, object store**: results travel | bytes, time from finished to received | send once, return less |
# | **waiting**: it has no task | gaps between tasks | smaller and more equal tasks |
#
# Ready to run, but no CPU is free: that is **queueing**, the trace of too many threads.

# %% [markdown] lang="es"
# # 6 · Cuellos de botella
#
# **Objetivo.** Provocar lo que vuelve lento el trabajo paralelo, una causa cada vez; medirla, reconocerla por sus
# huellas y aliviarla. **Antes:** cuadernos 01 y 04. **Tiempo:** unos 60 minutos; de ellos, las celdas calculan cerca de
# uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# Dos procesos de trabajo durante diez segundos son veinte *segundos de proceso*. Todo lo que no sea calcular a plena
# velocidad se pierde:
#
# | en qué se va el tiempo de un proceso | qué lo delata | qué lo alivia |
# |---|---|---|
# | **CPU**: calcula | tiempo de CPU de la tarea | más núcleos, menos trabajo |
# | **memoria**: calcula, pero tarda más que a solas | tiempo de CPU con un vecino entre el de a solas | menos datos |
# | **E/S**: está bloqueado en una lectura | tiempo de reloj menos tiempo de CPU | lecturas que se solapan |
# | **red, almacén de objetos**: viajan resultados | bytes, tiempo de fin a recepción | enviar una vez, devolver menos |
# | **espera**: no tiene tarea | huecos entre tareas | tareas más pequeñas y parejas |
#
# Listo para correr, pero sin CPU libre: eso es **hacer cola**, la huella de un exceso de hilos.

# %% tags=["parameters"]
days = 30
sizes = [32_000, 128_000, 262_000, 1_000_000]
walks_mb = [1, 8, 24, 96]
latency_s = 0.3
lang = None
home = None

# %%
from pathlib import Path

import labkit
import matplotlib.pyplot as plt
import numpy as np
import ray
from IPython.display import Markdown, display
from labkit import check, hint, host, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import explain, number, percent, t
from labkit.data.features import FeatureBlock
from labkit.learning.fitting import Fit
from labkit.learning.recipes import Recipe
from labkit.parallel.sampling import sample
from labkit.scaling.bottlenecks import diagnose
from labkit.scaling.latency import fetching_work, late_store
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
dataset = lab.prepare(days=days, n_shards=24)
job = labkit.plan(dataset, recipes=["forest-20"])
flights = job.blocks["train"]


def drawn(n_rows):
    """Return so many rows, drawn from the flights with replacement."""
    chosen = np.random.default_rng(2013).integers(flights.n_rows, size=n_rows)
    return FeatureBlock(flights.X[chosen], flights.y[chosen], flights.names)


def run(tasks, crew, n_workers=2, alone=()):
    """Run tasks on some workers of a crew; return their events, and what became of the workers' time."""
    events = []
    with sample() as seen:
        labkit.dispatch(tasks, crew, n_workers=n_workers, on_event=events.append)
    return events, diagnose(events, seen, n_workers=n_workers, alone=alone)


cases = {}
print(*(number(size, lang, 0) for size in flights.X.shape), sep=" × ")
print(f"{number(flights.X.nbytes / 1e6, lang, 1)} MB")

# %% [markdown] lang="en"
# ## 1 CPU: the bottleneck one wishes for
#
# Small forests on few rows: all is computing. Each event holds what its worker's kernel counted during the task:
# `cpu_s`, and `queued_s`, the time it was ready but had no CPU.

# %% [markdown] lang="es"
# ## 1 CPU: el cuello de botella que uno desea
#
# Bosques pequeños con pocas filas: todo es cálculo. Cada evento guarda lo que contó el núcleo del sistema durante la
# tarea: `cpu_s`, y `queued_s`, el tiempo en que el proceso estaba listo pero sin CPU.

# %%
forest = Recipe("forest-4", "forest", {"min_samples_leaf": 50, "max_samples": 0.5}, 0.7, n_trees=4)
blocks = {str(n_rows): drawn(n_rows) for n_rows in sizes}


def forests(n_rows):
    return [labkit.Task(f"{n_rows}-{seed}", "train_model", Fit(forest, seed), (str(n_rows),)) for seed in range(4)]


alone, together, found = {}, {}, {}
with labkit.engine("processes")(labkit.ModelTrainer, (job.valid.X, job.categorical), blocks, 2) as crew:
    labkit.dispatch(forests(sizes[0]), crew)  # the workers have imported all they need: that is not the tasks' time
    for n_rows in sizes:
        alone[n_rows], _ = run(forests(n_rows), crew, n_workers=1)
        together[n_rows], found[n_rows] = run(forests(n_rows), crew, alone=alone[n_rows])

cases["bottleneck.cpu", ""] = found[sizes[0]]
table = [["`worker`", "`task`", "`finished_s - started_s`", "`usage.cpu_s`", "`usage.queued_s`"]]
for event in together[sizes[0]]:
    times = (event.finished_s - event.started_s, event.usage.cpu_s, event.usage.queued_s)
    table.append([event.worker, event.task, *(number(seconds, lang, 3) for seconds in times)])
display(Markdown(markdown(table, "rlrrr")))
display(Markdown(explain(found[sizes[0]], lang)))

# %% [markdown] lang="en"
# Such a sentence names the bottleneck first. After it there may stand **marks**. *Other load* and *CPU steal* say that
# somebody else used the CPUs meanwhile: then the numbers below are theirs as well as yours, so measure again when the
# machine is quiet. *Over-subscribed* says that the workers' own threads were more than the CPUs, and queued for them:
# section 5 does that on purpose, and eight workers in section 3 may as well.
#
# ### Exercise 6.1: read the events
#
# Write `shares`: from the events of a run and its number of workers, return a dictionary of four shares of all
# worker-seconds, which sum to 1. The run lasts from the first `submitted_s` to the last `received_s`.
#
# - `"computing"`: `event.usage.cpu_s`
# - `"queued"`: `event.usage.queued_s`
# - `"blocked"`: the rest of the time from `started_s` to `finished_s`
# - `"idle"`: all the time in which a worker had no task

# %% [markdown] lang="es"
# Una frase así nombra primero el cuello de botella. Detrás puede haber **marcas**. *Otra carga* y *CPU robada* dicen
# que alguien más usó las CPU mientras tanto: entonces los números de abajo son tanto suyos como tuyos, así que vuelve a
# medir cuando la máquina esté tranquila. *Sobresuscrito* dice que los hilos de los propios procesos eran más que las
# CPU e hicieron cola: la sección 5 lo provoca a propósito, y los ocho procesos de la sección 3 pueden hacerlo también.
#
# ### Ejercicio 6.1: leer los eventos
#
# Escribe `shares`: a partir de los eventos de una ejecución y de su número de procesos, devuelve un diccionario con
# cuatro partes de todos los segundos de proceso, que suman 1. La ejecución dura desde el primer `submitted_s` hasta el
# último `received_s`.
#
# - `"computing"`: `event.usage.cpu_s`
# - `"queued"`: `event.usage.queued_s`
# - `"blocked"`: lo que queda del tiempo entre `started_s` y `finished_s`
# - `"idle"`: todo el tiempo en que un proceso no tuvo tarea


# %%
def shares(events, n_workers):
    # solution
    begun = min(event.submitted_s for event in events)
    ended = max(event.received_s for event in events)
    whole = n_workers * (ended - begun)
    busy = sum(event.finished_s - event.started_s for event in events)
    computing = sum(event.usage.cpu_s for event in events)
    queued = sum(event.usage.queued_s for event in events)
    parts = {"computing": computing, "queued": queued, "blocked": busy - computing - queued, "idle": whole - busy}
    return {name: seconds / whole for name, seconds in parts.items()}


# %%
check("6.1", shares)

# %% [markdown] lang="en"
# ## 2 Memory: neighbours share caches and bandwidth
#
# A core reads what lies in its own cache in about a nanosecond; from memory it takes near a hundred. A forest looks up
# rows in an order that no prefetcher foresees, so it matters whether its **working set**, the bytes it comes back to
# again and again, fits a cache. And the last cache is shared: what fits alone may not fit twice.
#
# The same forests were fitted on more and more rows, each alone and beside a neighbour. Sorting rows takes about
# $n \log n$ steps; what a step costs would be level if memory were free.

# %% [markdown] lang="es"
# ## 2 Memoria: los vecinos comparten cachés y ancho de banda
#
# Un núcleo lee lo que está en su propia caché en cosa de un nanosegundo; de la memoria tarda cerca de cien. Un bosque
# consulta filas en un orden que ningún mecanismo de precarga adivina, así que importa si su **conjunto de trabajo**,
# los bytes a los que vuelve una y otra vez, cabe en una caché. Y la última caché es compartida: lo que cabe a solas
# puede no caber dos veces.
#
# Los mismos bosques se ajustaron con cada vez más filas, a solas y junto a un vecino. Ordenar filas requiere unos
# $n \log n$ pasos; lo que cuesta un paso sería constante si la memoria fuese gratis.


# %%
def cpu_s(events):
    return sum(event.usage.cpu_s for event in events)


caches = {}
for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
    if int((index / "level").read_text()) > 1:
        caches[f"L{(index / 'level').read_text().strip()}"] = int((index / "size").read_text().strip()[:-1]) / 1e3
print(*(f"{name} {number(megabytes, lang)} MB" for name, megabytes in caches.items()), sep="   ")
table = [[t("shards.rows", lang), t("memory.data", lang), t("memory.slower", lang)]]
for n_rows in sizes:
    slower, megabytes = cpu_s(together[n_rows]) / cpu_s(alone[n_rows]), blocks[str(n_rows)].X.nbytes / 1e6
    table.append([number(n_rows, lang, 0), number(megabytes, lang, 1), f"{number(slower, lang)} ×"])
display(Markdown(markdown(table, "rrr")))

figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
for events, label, marker in ((alone, "1", "o-"), (together, "2", "s--")):
    steps = [cpu_s(events[n_rows]) / (16 * n_rows * np.log2(n_rows)) for n_rows in sizes]  # 4 forests of 4 trees
    axes.plot([blocks[str(n_rows)].X.nbytes / 1e6 for n_rows in sizes], 1e9 * np.array(steps), marker, label=label)
for name, megabytes in caches.items():
    axes.axvline(megabytes, color="#767676", ls=":")
    axes.annotate(name, (megabytes, 0.05), xycoords=("data", "axes fraction"))
axes.set(xscale="log", xlabel="MB", ylabel="ns / (n log₂ n)")
axes.xaxis.set_major_formatter(lambda value, _: number(value, lang, 0 if value >= 1 else 1))
axes.yaxis.set_major_formatter(lambda value, _: number(value, lang, 1))
axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
axes.legend(title=t("plot.workers", lang))
plt.show()

# %% [markdown] lang="en"
# Forests compute a lot for every byte. The next work does nothing but look up: it follows a random permutation through
# a table. Its working set is what you choose; the number of look-ups is always the same.
#
# ### Predict, then measure
#
# At the worst of the sizes in `walks_mb`, how many times the CPU time do the same tasks take when two run at once?

# %% [markdown] lang="es"
# Los bosques calculan mucho por cada byte. El trabajo siguiente no hace más que consultar: recorre una tabla siguiendo
# una permutación aleatoria. Su conjunto de trabajo lo eliges tú; el número de consultas es siempre el mismo.
#
# ### Predice y luego mide
#
# Con el peor de los tamaños de `walks_mb`, ¿cuántas veces el tiempo de CPU consumen las mismas tareas cuando corren dos
# a la vez?

# %%
times_the_cpu_time = 1.3  # solution
guess = predict("6.a", times_the_cpu_time)


# %%
class Walker:
    """Look up numbers of a table in random order: a plain class, made an actor by the crew."""

    def walk(self, megabytes, n_lookups=24_000_000):
        n = int(megabytes * 1e6) // 24  # the table, the order and the result take 8 bytes each
        table, order = np.ones(n), np.random.default_rng(0).permutation(n)
        return sum(float(table[order].sum()) for _ in range(n_lookups // n))


walks, table = {}, [[t(f"memory.{name}", lang) for name in ("data", "alone", "together", "slower")]]
with labkit.engine("ray")(Walker, (), {}, 2) as crew:
    for megabytes in walks_mb:
        tasks = [labkit.Task(f"walk-{number}", "walk", megabytes) for number in range(4)]
        labkit.dispatch(tasks[:2], crew)
        by_itself, _ = run(tasks, crew, n_workers=1)
        events, walks[megabytes] = run(tasks, crew, alone=by_itself)
        each = [1e3 * cpu_s(seen) / len(tasks) for seen in (by_itself, events)]
        figures = [number(ms, lang, 0) for ms in each]
        table.append([number(megabytes, lang, 0), *figures, f"{number(each[1] / each[0], lang)} ×"])
display(Markdown(markdown(table, "rrrr")))
worst = max(walks.values(), key=lambda found: found.figures["slowdown"])
guess.compare(worst.figures["slowdown"])

# %%
cases["bottleneck.memory", ""] = worst
cases["bottleneck.memory", "relieved"] = walks[walks_mb[0]]
display(Markdown(explain(worst, lang)))
display(Markdown(explain(walks[walks_mb[0]], lang)))

# %% [markdown] lang="en"
# CPU time alone grows with the working set: look-ups leave one cache after the other. The last column is above 1 where
# two workers fight for what one had to itself: often most where the working set fits the shared cache once, but not
# twice; beyond that, for the way to memory. Whether it reaches the 15% from which on it is called a bottleneck depends
# on your machine; many cores on few memory channels get there soon.
#
# The relief is in the same table: **smaller working sets**. Train by shard and each worker's rows fit its cache. Halve
# the bytes of a number. Histogram gradient boosting goes furthest: it keeps one byte for each value.
#
# ## 3 I/O: blocked, while the CPU idles
#
# Each task below fetches a shard from a store on this machine that holds every answer back. The bytes are real, the
# lateness is injected.

# %% [markdown] lang="es"
# El tiempo de CPU a solas crece con el conjunto de trabajo: las consultas van saliendo de una caché tras otra. La
# última columna supera 1 donde dos procesos se disputan lo que uno tenía para sí: a menudo, sobre todo, donde el
# conjunto de trabajo cabe una vez en la caché compartida, pero no dos; más allá, por el camino a la memoria. Que llegue
# al 15 % a partir del cual se llama cuello de botella depende de tu máquina; muchos núcleos con pocos canales de
# memoria llegan pronto.
#
# El alivio está en la misma tabla: **conjuntos de trabajo más pequeños**. Entrena por fragmentos y las filas de cada
# proceso cabrán en su caché. Reduce a la mitad los bytes de cada número. El *gradient boosting* por histogramas es el
# que llega más lejos: guarda un solo byte por valor.
#
# ## 3 E/S: bloqueado, con la CPU ociosa
#
# Cada tarea pide un fragmento a un almacén de esta máquina que retiene todas sus respuestas. Los bytes son reales; la
# demora, inyectada.

# %%
makespans_s = {}
with late_store(Path(dataset.train[0].url).parent, latency_s) as address:
    work = fetching_work(dataset, address)
    with labkit.engine("processes")(work.actor, work.arguments, work.shared, 8) as crew:
        labkit.dispatch(work.tasks[:8], crew)
        for n_workers, kind in ((2, ""), (8, "relieved")):
            _, cases["bottleneck.io", kind] = run(work.tasks, crew, n_workers)
            makespans_s[n_workers] = cases["bottleneck.io", kind].figures["makespan_s"]
            display(Markdown(explain(cases["bottleneck.io", kind], lang)))
table = [[t("table.workers", lang), t("threads.lasted", lang)]]
table += [[n_workers, number(seconds, lang, 1)] for n_workers, seconds in makespans_s.items()]
display(Markdown(markdown(table, "rr")))

# %% [markdown] lang="en"
# Eight workers are still blocked most of their time, and yet the work is done much sooner: what counts is that more
# reads are **in flight** at once. For that one needs no processes; threads wait just as well.
#
# ### Exercise 6.2: overlap the reads
#
# Write `read_all`: return what `read(url)` gives for each URL, in the order of the URLs, with up to `n_at_once` reads
# in flight. A store has other guests: never more than that. Nor fewer, as long as some are left: where one read is
# slow, the others go on. If a read fails, so does `read_all`.

# %% [markdown] lang="es"
# Los ocho procesos siguen bloqueados casi todo su tiempo y, sin embargo, el trabajo termina mucho antes: lo que cuenta
# es que haya más lecturas **en vuelo** a la vez. Para eso no hacen falta procesos; los hilos saben esperar igual de
# bien.
#
# ### Ejercicio 6.2: solapar las lecturas
#
# Escribe `read_all`: devuelve lo que `read(url)` da para cada URL, en el orden de las URL, con hasta `n_at_once`
# lecturas en vuelo. Un almacén tiene otros huéspedes: nunca más que esas. Tampoco menos mientras quede alguna: si una
# lectura va lenta, las demás siguen. Si una lectura falla, `read_all` también.


# %%
from concurrent.futures import ThreadPoolExecutor


def read_all(urls, read, n_at_once):
    # solution
    with ThreadPoolExecutor(n_at_once) as pool:
        return list(pool.map(read, urls))


# %%
check("6.2", read_all)

# %% [markdown] lang="en"
# ## 4 The object store: results that travel
#
# The bootstrap again: each task draws rows with replacement. In the first run it returns them all, and the driver could
# take their mean; in the second the mean is taken where the rows are.

# %% [markdown] lang="es"
# ## 4 El almacén de objetos: resultados que viajan
#
# Otra vez el *bootstrap*: cada tarea sortea filas con reemplazo. En la primera ejecución las devuelve todas, y la media
# podría hacerla el programa principal; en la segunda, la media se hace donde están las filas.


# %%
def resampled(table, seed):
    return table[np.random.default_rng(seed).integers(len(table), size=len(table))]


class Resampler:
    """Draw rows; a plain class, made an actor by the crew."""

    def rows(self, seed, table):
        return resampled(table, seed)

    def mean(self, seed, table):
        return np.nanmean(resampled(table, seed), axis=0)


table = [["", t("transfer.returned", lang), t("transfer.travelled", lang)]]
with labkit.engine("ray")(Resampler, (), {"table": blocks[str(sizes[-1])].X}, 2) as crew:
    for method, kind in (("rows", ""), ("mean", "relieved")):
        tasks = [labkit.Task(str(seed), method, seed, ("table",)) for seed in range(8)]
        labkit.dispatch(tasks[:2], crew)
        events, cases["bottleneck.transfer", kind] = run(tasks, crew)
        travelled_s = sum(event.received_s - event.finished_s for event in events) / len(events)
        megabytes = sum(event.bytes_out for event in events) / 1e6
        table.append([f"`{method}`", number(megabytes, lang, 3), number(1e3 * travelled_s, lang, 1)])
        display(Markdown(explain(cases["bottleneck.transfer", kind], lang)))
display(Markdown(markdown(table, "lrr")))

# %% [markdown] lang="en"
# ### Exercise 6.3: put once, return little
#
# Write the task `mean_of_resample` and `means`, which returns for each seed the mean of each column of
# `resampled(table, seed)`, missing values left out, with one task for each seed. The table must travel once, and only
# the means come back.

# %% [markdown] lang="es"
# ### Ejercicio 6.3: poner una vez, devolver poco
#
# Escribe la tarea `mean_of_resample` y `means`, que devuelve para cada semilla la media de cada columna de
# `resampled(table, seed)`, sin contar los valores ausentes y con una tarea por semilla. La tabla debe viajar una sola
# vez, y solo deben volver las medias.


# %%
@ray.remote
def mean_of_resample(table, seed):
    # solution
    return np.nanmean(resampled(table, seed), axis=0)


def means(table, seeds):
    # solution
    shared = ray.put(table)
    return ray.get([mean_of_resample.remote(shared, seed) for seed in seeds])


# %%
check("6.3", means)

# %% [markdown] lang="en"
# ## 5 Too many threads
#
# Many libraries start a thread for every CPU they see. Two workers that both do so have twice as many threads as there
# are CPUs, and threads that must meet at a barrier wait for those that have no CPU. Below, each worker takes first
# twice the machine, then its share.

# %% [markdown] lang="es"
# ## 5 Demasiados hilos
#
# Muchas bibliotecas inician un hilo por cada CPU que ven. Dos procesos que hacen lo mismo tienen el doble de hilos que
# CPU hay, y los hilos que deben encontrarse en una barrera esperan a los que no tienen CPU. Abajo, cada proceso toma
# primero dos veces la máquina y luego la parte que le toca.


# %%
class Booster:
    """Fit histogram gradient boosting with so many threads; a plain class, made an actor by the crew."""

    def fit(self, n_threads, rows):
        with threadpool_limits(n_threads):
            return HistGradientBoostingClassifier(max_iter=20).fit(rows.X, rows.y).n_iter_


cpus = host.usable_cpus()
table = [[t(f"threads.{name}", lang) for name in ("each", "lasted", "cpu")]]
with labkit.engine("ray")(Booster, (), {"rows": blocks[str(sizes[0])]}, 2) as crew:
    for n_threads, kind in ((2 * cpus, ""), (max(1, cpus // 2), "relieved")):
        tasks = [labkit.Task(str(number), "fit", n_threads, ("rows",)) for number in range(6)]
        labkit.dispatch(tasks[:2], crew)
        events, found_threads = run(tasks, crew)
        cases["mark.over-subscribed", kind] = found_threads
        table.append([n_threads, number(found_threads.figures["makespan_s"], lang), number(cpu_s(events), lang)])
        display(Markdown(explain(found_threads, lang)))
display(Markdown(markdown(table, "rrr")))

# %% [markdown] lang="en"
# The work is the same, and so is its result. What grew is the time, and often the CPU time as well: threads that spin
# at a barrier compute nothing.
#
# ### Exercise 6.4: a fair share of threads
#
# Write `in_share`: call `work()` with as many threads as fall to one of `n_workers` on `n_cpus` CPUs, at least 1, and
# all together no more than there are CPUs if that can be; return its result. Afterwards the number of threads must be
# what it was. `threadpool_limits` changes it for libraries that are loaded already, those of BLAS and those of OpenMP.

# %% [markdown] lang="es"
# El trabajo es el mismo, y su resultado también. Lo que creció es el tiempo, y a menudo también el tiempo de CPU: los
# hilos que dan vueltas ante una barrera no calculan nada.
#
# ### Ejercicio 6.4: los hilos que te tocan
#
# Escribe `in_share`: llama a `work()` con los hilos que tocan a uno de `n_workers` procesos en `n_cpus` CPU, al menos
# 1, y entre todos no más que CPU haya, si es posible; devuelve su resultado. Después, el número de hilos debe ser el
# que era. `threadpool_limits` lo cambia en bibliotecas que ya están cargadas, las de BLAS y las de OpenMP.


# %%
def in_share(work, n_cpus, n_workers):
    # solution
    with threadpool_limits(max(1, n_cpus // n_workers)):
        return work()


# %%
check("6.4", in_share)

# %% [markdown] lang="en"
# ## 6 All of them, side by side

# %% [markdown] lang="es"
# ## 6 Todos, uno al lado del otro

# %%
COLOURS = {
    "bottleneck.cpu": "#0072B2",
    "notebook.queued": "#F0E442",
    "bottleneck.memory": "#D55E00",
    "bottleneck.io": "#009E73",
    "bottleneck.transfer": "#CC79A7",
    "bottleneck.waiting": "#DDDDDD",
}


def widths(found):
    """Return the shares of a diagnosis by their texts, queueing apart from computing."""
    parts = {f"bottleneck.{name}": share or 0.0 for name, share in found.shares.items()}
    queued = found.figures["queued_share"]
    return {**parts, "bottleneck.cpu": parts["bottleneck.cpu"] - queued, "notebook.queued": queued}


labels = [t(what, lang) + (f" → {t('notebook.relieved', lang)}" if kind else "") for what, kind in cases]
figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
left = np.zeros(len(cases))
for text, colour in COLOURS.items():
    parts = [widths(found)[text] for found in cases.values()]
    axes.barh(labels, parts, left=left, color=colour, edgecolor="#444444", label=t(text, lang))
    left += parts
axes.invert_yaxis()
axes.set_xlim(0, 1)
axes.xaxis.set_major_formatter(lambda x, _: percent(x, lang))
figure.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %% [markdown] lang="en"
# ## Summary
#
# Measure before you guess: CPU time, queueing, blocking, bytes and gaps tell the causes apart. More workers help where
# they wait for I/O; they hurt where memory or CPUs are scarce. A relieved bottleneck uncovers the next one, and the
# last one should be the CPU.
#
# **Work it out.** A shard takes 0.5 s of waiting for a late store and then 0.05 s of CPU. From how many workers on do
# two cores become the bottleneck? How long do 64 shards take at least, whatever the number of workers? And with the
# latency and the CPU time that you measured above?

# %% [markdown] lang="es"
# ## Resumen
#
# Mide antes de adivinar: el tiempo de CPU, la cola, el bloqueo, los bytes y los huecos distinguen las causas. Más
# procesos ayudan cuando esperan E/S; estorban cuando escasean la memoria o las CPU. Aliviado un cuello de botella,
# asoma el siguiente, y el último debería ser la CPU.
#
# **Calcúlalo.** Un fragmento requiere 0,5 s de espera a un almacén lento y después 0,05 s de CPU. ¿A partir de cuántos
# procesos pasan a ser dos núcleos el cuello de botella? ¿Cuánto tardan como mínimo 64 fragmentos, haya los procesos que
# haya? ¿Y con la latencia y el tiempo de CPU que mediste arriba?
