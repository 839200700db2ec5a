# %% [markdown] lang="en"
# # 2 · Sharding
#
# **Aim.** Cut flights into shards, judge a cut before anything runs, read arrays that several processes share, and
# compute over data that is never whole in memory. **Before:** notebook 01. **Time:** about 60 minutes, of which the
# cells compute for less than one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# | word | what it is |
# |---|---|
# | **shard** | a part of the rows, in a file of its own |
# | **plan** | which days go into which shard; days are never cut in two |
# | **makespan** | the time until the last worker has finished |
# | **skew** | a few shards are much larger than the others |
# | **out of core** | working on data that does not fit into memory, a part at a time |

# %% [markdown] lang="es"
# # 2 · Fragmentos
#
# **Objetivo.** Cortar los vuelos en fragmentos, juzgar un corte antes de ejecutar nada, leer vectores que comparten
# varios procesos y calcular sobre datos que nunca están enteros en memoria. **Antes:** cuaderno 01. **Tiempo:** unos 60
# minutos; de ellos, las celdas calculan menos de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# | palabra | qué es |
# |---|---|
# | **fragmento** (*shard*) | una parte de las filas, en su propio archivo |
# | **plan** | qué días van a qué fragmento; los días nunca se parten |
# | **makespan** | el tiempo hasta que termina el último proceso |
# | **sesgo** (*skew*) | unos pocos fragmentos son mucho mayores que los demás |
# | **fuera de memoria** (*out of core*) | tratar por partes datos que no caben en la memoria |

# %% tags=["parameters"]
days = 180
n_shards = 8
copies = 20
lang = None
home = None

# %%
import time
import tracemalloc

import labkit
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import psutil
import ray
from IPython.display import Markdown, display
from labkit import check, hint, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, t
from labkit.classroom.widgets import shard_map
from labkit.data.flights import clean
from labkit.data.shards import PLANS, read_shard

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
dataset = lab.prepare(days=days, n_shards=n_shards)
for shard in dataset.train:
    size = f"{number(shard.n_rows, lang, 0):>7} {number(shard.n_bytes / 1e6, lang):>6} MB"
    print(f"{size}  {shard.digest[:12]}  {shard.url[-60:]}")
print(read_shard(dataset.train[0]).select("day", "carrier", "origin", "dest", "sched_dep_time", "arr_delay").head(3))

# %% [markdown] lang="en"
# ## 1 What is done to a shard
#
# A shard is a file that says nothing of the others: how many rows it has, and a digest by which `read_shard` notices
# when its content was changed. Three steps make numbers of its rows:
#
# - `read_shard(shard)` reads the raw rows;
# - `clean(rows)` validates them, drops duplicates and derives weekday, minutes after midnight and the plane's age;
# - `encoder.transform(rows)` returns a block: `X` (float32) and `y`. The **encoder** was fitted once, on all training
#   days, before any worker started. So code 3 stands for the same airline in every shard.
#
# ### Exercise 2.1: one shard at a time
#
# Write `process_chunk`: it returns the block of a shard. It is compared with `labkit.DataProcessor`, bit by bit.

# %% [markdown] lang="es"
# ## 1 Qué se hace con un fragmento
#
# Un fragmento es un archivo que no sabe nada de los demás: tantas filas, y una huella con la que `read_shard` nota si
# alguien cambió su contenido. Tres pasos convierten sus filas en números:
#
# - `read_shard(shard)` lee las filas tal como están;
# - `clean(rows)` las valida, quita duplicados y deduce el día de la semana, los minutos desde medianoche y la edad del
#   avión;
# - `encoder.transform(rows)` devuelve un bloque: `X` (float32) e `y`. El **codificador** se ajustó una sola vez, con
#   todos los días de entrenamiento y antes de que empezara ningún proceso. Por eso el código 3 es la misma aerolínea en
#   todos los fragmentos.
#
# ### Ejercicio 2.1: un fragmento cada vez
#
# Escribe `process_chunk`: devuelve el bloque de un fragmento. Se compara bit a bit con `labkit.DataProcessor`.


# %%
class DataProcessor:
    def __init__(self, encoder):
        self.encoder = encoder

    def process_chunk(self, shard):
        # solution
        return self.encoder.transform(clean(read_shard(shard)))


# %%
check("2.1", DataProcessor)

# %% [markdown] lang="en"
# ## 2 Five plans
#
# Rows of a day stay together, since they share their weather. The rest is free. Each plan below cuts the same days:
#
# - **balanced** gives the largest day left to the smallest shard; **contiguous** cuts the calendar into equal numbers
#   of days; **round-robin** deals the days out like cards;
# - **hashed** puts each day where a hash of its name says, so that anybody can find it without asking;
# - **skewed** is bad on purpose: the shard in place $k$ gets days in proportion to $1/k$, as words and users come
#   (Zipf, 1949).
#
# Three figures judge a plan before anything runs. **Max/mean** is 1 where all shards are alike. The **Gini
# coefficient** is 0 where they are, and tends to 1 where one holds all (Sen, 1973, doi:10.1093/0198281935.001.0001).
# The **bound** is what the busiest of two workers handles at least: half of all rows, or the largest shard (Graham,
# 1969, doi:10.1137/0117039).

# %% [markdown] lang="es"
# ## 2 Cinco planes
#
# Las filas de un mismo día van juntas, porque comparten el tiempo que hizo. Lo demás es libre. Cada uno de estos planes
# corta los mismos días:
#
# - **balanced** da el mayor de los días que quedan al fragmento más pequeño; **contiguous** corta el calendario en
#   tramos de igual número de días; **round-robin** reparte los días como naipes;
# - **hashed** pone cada día donde dice el *hash* de su nombre, y así cualquiera lo encuentra sin preguntar;
# - **skewed** es malo a propósito: el fragmento en el puesto $k$ recibe días en proporción a $1/k$, como se reparten
#   las palabras y los usuarios (Zipf, 1949).
#
# Tres cifras juzgan un plan antes de ejecutar nada. **Máx./media** vale 1 si todos los fragmentos son iguales. El
# **coeficiente de Gini** vale 0 en ese caso y tiende a 1 si uno solo lo tiene todo (Sen, 1973,
# doi:10.1093/0198281935.001.0001). La **cota** es lo mínimo que le toca al más ocupado de dos procesos: la mitad de las
# filas o el fragmento mayor (Graham, 1969, doi:10.1137/0117039).

# %%
every_day = pl.concat([read_shard(shard).select("day") for shard in dataset.train])
rows_by_day = dict(every_day.group_by("day").len().sort("day").iter_rows())
plans = {name: plan(rows_by_day, n_shards) for name, plan in PLANS.items()}
header = [t(f"shards.{name}", lang) for name in ("plan", "smallest", "largest", "max_over_mean", "gini", "bound")]
rows = [
    [
        name,
        number(min(plan.rows), lang, 0),
        number(max(plan.rows), lang, 0),
        number(plan.max_over_mean, lang),
        number(plan.gini, lang, 3),
        number(plan.makespan_bound_rows(2), lang, 0),
    ]
    for name, plan in plans.items()
]
display(Markdown(markdown([header, *rows], "lrrrrr")))

figure, panels = plt.subplots(1, len(plans), figsize=(9, 2.2), sharey=True, layout="constrained")
for panel, (name, plan) in zip(panels, plans.items(), strict=True):
    panel.bar(range(1, n_shards + 1), plan.rows, color="#0072B2")
    panel.axhline(np.mean(plan.rows), color="#D55E00", lw=1, ls="--")
    panel.set_title(name, fontsize=10)
    panel.locator_params(axis="x", integer=True)
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel(t("shards.rows", lang))
plt.show()

# %% [markdown] lang="en"
# Each bar is a shard, the dashed line their mean. Which days lie where? Choose a plan, and how many shards it makes:

# %% [markdown] lang="es"
# Cada barra es un fragmento, y la línea discontinua, su media. ¿Qué días están dónde? Elige un plan y en cuántos
# fragmentos corta:

# %%
shard_map(rows_by_day, n_shards)

# %% [markdown] lang="en"
# ### Exercise 2.2: a measure of your own
#
# Those figures forget the schedule. Write `balance(rows, n_workers)`: the share of the workers' time that is work. Hand
# out the shards, the largest first, each to the worker with the fewest rows so far. Then `balance` is all rows divided
# by `n_workers` times the rows of the busiest worker: 1 where all end together. `rows` is a list that you only read.

# %% [markdown] lang="es"
# ### Ejercicio 2.2: una medida propia
#
# Esas cifras olvidan el reparto. Escribe `balance(rows, n_workers)`: qué parte del tiempo de los procesos es trabajo.
# Reparte los fragmentos, el mayor primero, cada uno al proceso que menos filas lleve. Entonces `balance` es el total de
# filas dividido por `n_workers` veces las filas del proceso más ocupado: 1 si todos acaban a la vez. `rows` es una
# lista que solo debes leer.


# %%
def balance(rows, n_workers):
    # solution
    loads = [0] * n_workers
    for n_rows in sorted(rows, reverse=True):
        loads[loads.index(min(loads))] += n_rows
    return sum(rows) / (n_workers * max(loads))


# %%
check("2.2", balance)

# %% [markdown] lang="en"
# ### Predict, then measure
#
# Two workers clean and encode the shards of the skewed plan, then those of the balanced one. How many times as large as
# the mean the largest shard of the skewed plan is, the table above says (max/mean). How many times as long will the
# skewed plan take?

# %% [markdown] lang="es"
# ### Predice y luego mide
#
# Dos procesos limpian y codifican los fragmentos del plan *skewed* y luego los del *balanced*. Cuántas veces la media
# es el fragmento mayor del plan sesgado lo dice la tabla de arriba (máx./media). ¿Cuántas veces más tardará el plan
# sesgado?

# %%
times_as_long = 1.0  # solution
guess = predict("2.a", times_as_long)

# %%
skewed = lab.prepare(days=days, n_shards=n_shards, plan="skewed")
tasks = {
    name: [labkit.Task(shard.url, "process_chunk", shard, cost_s=shard.n_rows / 1e6) for shard in data.train]
    for name, data in (("skewed", skewed), ("balanced", dataset))
}
seconds = {name: [] for name in tasks}
with labkit.engine("ray")(labkit.DataProcessor, (dataset.encoder,), {}, 2) as crew:
    for turn in range(6):  # in turns, so that a slow moment falls on both; the first turn only warms up
        for name in tasks:
            begun = time.perf_counter()
            labkit.dispatch(tasks[name], crew)
            seconds[name] += [time.perf_counter() - begun] * (turn > 0)
ratios = np.divide(seconds["skewed"], seconds["balanced"])
print(", ".join(f"{number(ratio, lang)} ×" for ratio in sorted(ratios)))
guess.compare(float(np.median(ratios)))

# %% [markdown] lang="en"
# The largest shard goes first, to one worker; meanwhile the other takes several small ones. As long as no shard holds
# more rows than one worker's fair share, skew costs next to nothing. So cut into several times as many shards as there
# are workers. What the bound says of more workers:

# %% [markdown] lang="es"
# El fragmento mayor va primero, a un proceso; mientras tanto, el otro se lleva varios pequeños. Mientras ningún
# fragmento tenga más filas que la parte que le tocaría a un proceso, el sesgo apenas cuesta. Por eso conviene cortar en
# varias veces más fragmentos que procesos haya. Lo que dice la cota con más procesos:

# %%
counts = [1, 2, 3, 4, n_shards]
rows = [
    [n, *(number(plans[name].makespan_bound_rows(n), lang, 0) for name in ("balanced", "skewed")),
     f"{number(plans['skewed'].makespan_bound_rows(n) / plans['balanced'].makespan_bound_rows(n), lang)} ×"]
    for n in counts
]  # fmt: skip
display(Markdown(markdown([[t("plot.workers", lang), "balanced", "skewed", "skewed / balanced"], *rows], "rrrr")))

# %% [markdown] lang="en"
# ## 3 Zero-copy: many readers, one array
#
# A NumPy array in Ray's object store is not copied when it is read: `ray.get` maps the store's memory into the process.
# So nobody may write to it, or everybody would see that.

# %% [markdown] lang="es"
# ## 3 Sin copiar: muchos lectores, un vector
#
# Un vector de NumPy que está en el almacén de objetos de Ray no se copia al leerlo: `ray.get` proyecta la memoria del
# almacén en el proceso. Por eso nadie puede escribir en él: lo verían todos.

# %%
block = labkit.DataProcessor(dataset.encoder).process_chunk(dataset.train[0])
matrix = np.tile(block.X, (copies, 1))
stored = ray.put(matrix)
first, second = ray.get(stored), ray.get(stored)
print(f"{number(matrix.nbytes / 1e6, lang, 1)} MB")
print("writeable:", matrix.flags.writeable, first.flags.writeable)
print("one memory:", first.ctypes.data == second.ctypes.data, np.shares_memory(first, second))
try:
    first[0, 0] = 1.0
except ValueError as fault:
    print(fault)


@ray.remote
def private_mb(array, copied):
    """Return how many MB of this worker's own memory (its USS: pages that no other process has) the sum took."""
    me = psutil.Process()
    before = me.memory_full_info().uss
    array = array.copy() if copied else array
    array.sum()
    return (me.memory_full_info().uss - before) / 1e6


ray.get([private_mb.remote(np.zeros(1), copied) for copied in (False, True)])  # NumPy is loaded now
rows = [
    ["array.sum()" if not copied else "array.copy().sum()",
     *(f"{number(mb, lang, 1)} MB" for mb in ray.get([private_mb.remote(stored, copied) for _ in range(2)]))]
    for copied in (False, True)
]  # fmt: skip
display(Markdown(markdown([["", t("shards.uss", lang, n=1), t("shards.uss", lang, n=2)], *rows], "lrr")))

# %% [markdown] lang="en"
# ### Exercise 2.3: copy only what you need
#
# Write `fill(X, column)`: return the values of one column of `X`, each NaN replaced by the mean of that column's other
# values. `X` comes from the object store. Copy no more of it than you change: memory is measured.

# %% [markdown] lang="es"
# ### Ejercicio 2.3: copia solo lo necesario
#
# Escribe `fill(X, column)`: devuelve los valores de una columna de `X`, con cada NaN sustituido por la media de los
# demás valores de esa columna. `X` viene del almacén de objetos. No copies más de lo que cambias: se mide la memoria.


# %%
def fill(X, column):
    # solution
    values = X[:, column].copy()
    values[np.isnan(values)] = np.nanmean(values)
    return values


# %%
check("2.3", fill)

# %% [markdown] lang="en"
# ### Exercise 2.4: the data stay where they are
#
# `load` leaves a shard's numbers in the object store and gives you a reference. Write `missing_shares(shards)`: for
# each shard the share of numbers that are missing, by one task `load` and one task `missing` a shard. The numbers
# themselves must not come into this process, and nothing needs to be put: a task can be handed another task's future.

# %% [markdown] lang="es"
# ### Ejercicio 2.4: los datos se quedan donde están
#
# `load` deja los números de un fragmento en el almacén de objetos y te da una referencia. Escribe
# `missing_shares(shards)`: para cada fragmento, la proporción de números que faltan, con una tarea `load` y una tarea
# `missing` por fragmento. Los números no deben venir a este proceso, y no hace falta ningún `put`: una tarea puede
# recibir el futuro de otra.


# %%
@ray.remote
def load(shard):
    return read_shard(shard).select(pl.selectors.numeric().cast(pl.Float32)).to_numpy()


@ray.remote
def missing(numbers):
    return float(np.isnan(numbers).mean())


def missing_shares(shards):
    # solution
    return ray.get([missing.remote(load.remote(shard)) for shard in shards])


# %%
check("2.4", missing_shares)

# %% [markdown] lang="en"
# ## 4 Out of core
#
# How much memory does the mean of all delays need? If all shards are joined first, as much as there are rows. If one
# shard follows another, as much as one or two shards, however many there are.

# %% [markdown] lang="es"
# ## 4 Fuera de memoria
#
# ¿Cuánta memoria necesita la media de todos los retrasos? Si antes se juntan todos los fragmentos, tanta como filas
# haya. Si se tratan uno tras otro, la de uno o dos fragmentos, sean cuantos sean.


# %%
def read(shard):
    return read_shard(shard)["arr_delay"].to_numpy().astype(np.float64)


def mean_of_all_at_once(shards):
    return np.concatenate([read(shard) for shard in shards]).mean()


def mean_one_by_one(shards):
    total, n = 0.0, 0
    for shard in shards:
        delays = read(shard)
        total, n = total + delays.sum(), n + len(delays)
    return total / n


for mean in (mean_of_all_at_once, mean_one_by_one):
    tracemalloc.start()
    value = mean(dataset.train)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    print(f"{mean.__name__:20} {number(value, lang, 6)} min {number(peak_mb, lang):>8} MB")
    tracemalloc.stop()

# %% [markdown] lang="en"
# Means are easily added up, variances are not. The textbook's $E[x^2] - E[x]^2$ subtracts two large numbers that are
# nearly equal, and loses the digits in which they differ. Chan, Golub and LeVeque (1983,
# doi:10.1080/00031305.1983.10483115) keep of each part its number $n$, its mean $m$ and its sum of squares about the
# mean $M$. Two parts $a$ and $b$, with $\delta = m_b - m_a$, join into
#
# $$n = n_a + n_b, \qquad m = m_a + \delta\,\frac{n_b}{n}, \qquad M = M_a + M_b + \delta^2\,\frac{n_a n_b}{n}.$$
#
# ### Exercise 2.5: mean and variance, a shard at a time
#
# Write `moments(shards, read)`: return the number of all values, their mean and their variance $M/n$. `read(shard)`
# returns a shard's values, and each call costs: read every shard **once**. Never hold more than the shard that you have
# just finished while the next one is read.

# %% [markdown] lang="es"
# Las medias se suman con facilidad; las varianzas, no. La fórmula de los manuales, $E[x^2] - E[x]^2$, resta dos números
# grandes casi iguales y pierde justo las cifras en que difieren. Chan, Golub y LeVeque (1983,
# doi:10.1080/00031305.1983.10483115) guardan de cada parte su número $n$, su media $m$ y su suma de cuadrados respecto
# a la media $M$. Dos partes $a$ y $b$, con $\delta = m_b - m_a$, se unen así:
#
# $$n = n_a + n_b, \qquad m = m_a + \delta\,\frac{n_b}{n}, \qquad M = M_a + M_b + \delta^2\,\frac{n_a n_b}{n}.$$
#
# ### Ejercicio 2.5: media y varianza, de fragmento en fragmento
#
# Escribe `moments(shards, read)`: devuelve el número total de valores, su media y su varianza $M/n$. `read(shard)`
# devuelve los valores de un fragmento, y cada llamada cuesta: lee cada fragmento **una vez**. Mientras se lee el
# siguiente, no retengas más que el que acabas de terminar.


# %%
def moments(shards, read):
    # solution
    n, mean, squares = 0, 0.0, 0.0
    for shard in shards:
        values = read(shard)
        n_new, delta = len(values), values.mean() - mean
        squares += ((values - values.mean()) ** 2).sum() + delta**2 * n * n_new / (n + n_new)
        mean += delta * n_new / (n + n_new)
        n += n_new
    return n, mean, squares / n


# %%
check("2.5", moments)

# %% [markdown] lang="en"
# ## Summary
#
# An encoder is fitted before the data are cut. A plan is judged before it runs, and many shards forgive a bad one.
# Readers share one array; copy only what you change, and hand on references instead of data. What is kept of a shard
# can be small and still be enough.
#
# **Work it out.** Eight shards have rows in proportion to $1, 1/2, 1/3, …, 1/8$. From how many workers on does the
# largest shard alone set the makespan, so that further workers bring nothing? And how does that number change with 64
# such shards?

# %% [markdown] lang="es"
# ## Resumen
#
# El codificador se ajusta antes de cortar los datos. Un plan se juzga antes de ejecutarlo, y muchos fragmentos perdonan
# un mal plan. Los lectores comparten un solo vector; copia solo lo que cambias y pasa referencias en vez de datos. Lo
# que se guarda de un fragmento puede ser poco y bastar.
#
# **Calcúlalo.** Ocho fragmentos tienen filas en proporción a $1, 1/2, 1/3, …, 1/8$. ¿A partir de cuántos procesos fija
# el makespan el fragmento mayor por sí solo, de modo que más procesos no aportan nada? ¿Y cómo cambia ese número con 64
# fragmentos así?
