# %% [markdown] lang="en"
# # 1 · Remote actors
#
# **Aim.** Write tasks and actors in plain Ray, see where each of them runs and what it waits for, and recognise four
# habits that make parallel code slow. **Before:** notebook 00. **Time:** about 45 minutes, of which the cells compute
# for less than one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# | word | what it is |
# |---|---|
# | **task** | a function that runs once, in some worker process |
# | **actor** | an object that lives in a worker process and keeps its state between calls |
# | **future** | what a call gives back at once: a reference to a result that is still being made |
# | **object store** | shared memory of a node, where results and large arguments lie, read without being copied |

# %% [markdown] lang="es"
# # 1 · Actores remotos
#
# **Objetivo.** Escribir tareas y actores en Ray a secas, ver dónde se ejecuta cada uno y a qué espera, y reconocer
# cuatro costumbres que vuelven lento el código paralelo. **Antes:** cuaderno 00. **Tiempo:** unos 45 minutos; de ellos,
# las celdas calculan menos de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# | palabra | qué es |
# |---|---|
# | **tarea** | una función que se ejecuta una vez, en algún proceso de trabajo |
# | **actor** | un objeto que vive en un proceso de trabajo y conserva su estado entre llamadas |
# | **futuro** | lo que una llamada devuelve en el acto: una referencia a un resultado que aún se está calculando |
# | **almacén de objetos** | memoria de un nodo que todos leen sin copiar: resultados y argumentos grandes |

# %% tags=["parameters"]
days = 30
n_resamples = 3000
lang = None
home = None

# %%
import time

import labkit
import numpy as np
import ray
from labkit import check, hint, predict
from labkit.classroom.text import number
from labkit.classroom.widgets import gantt
from labkit.data.shards import read_shard

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
dataset = lab.prepare(days=days)
parts = [read_shard(shard)["arr_delay"].to_numpy() for shard in dataset.train]
print([len(part) for part in parts])

# %% [markdown] lang="en"
# These are real flights: eight shards of arrival delays in minutes, early arrivals below zero.
#
# ## 1 A task, and its future
#
# `@ray.remote` makes a function remote: `.remote(…)` sends the call away and returns at once. `ray.get` waits for the
# result. The function below asks how certain the mean delay of a shard is, by drawing the flights again and again (the
# bootstrap of Efron, 1979, doi:10.1214/aos/1176344552).

# %% [markdown] lang="es"
# Son vuelos reales: ocho fragmentos con los retrasos de llegada en minutos; los adelantos son negativos.
#
# ## 1 Una tarea y su futuro
#
# `@ray.remote` vuelve remota una función: `.remote(…)` envía la llamada y regresa al instante. `ray.get` espera el
# resultado. La función de abajo pregunta cuán cierto es el retraso medio de un fragmento, sorteando los vuelos una y
# otra vez (el *bootstrap* de Efron, 1979, doi:10.1214/aos/1176344552).


# %%
@ray.remote
def spread(delays, n_resamples):
    rng = np.random.default_rng(2013)
    means = [rng.choice(delays, len(delays)).mean() for _ in range(n_resamples)]
    return float(np.std(means))


ray.get([spread.remote(part, 1) for part in parts])  # the workers are there now: their start is not the task's time
begun = time.perf_counter()
future = spread.remote(parts[0], n_resamples)
sent_s = time.perf_counter() - begun
value = ray.get(future)
print(future)
got_s = time.perf_counter() - begun
sent_ms, got_ms = (number(1e3 * seconds, lang, 1) for seconds in (sent_s, got_s))
print(f"remote: {sent_ms} ms   get: {got_ms} ms   {number(value, lang, 3)} min")

# %% [markdown] lang="en"
# `labkit.observe()` watches Ray code without changing it. It tells the four times of every task: when it was
# **submitted**, when a worker **started** and **finished** it, and when its result was **received**. Between submitted
# and started a task waits; between finished and received its result travels.

# %% [markdown] lang="es"
# `labkit.observe()` mira código de Ray sin cambiarlo. Da los cuatro tiempos de cada tarea: cuándo se **envió**, cuándo
# la **empezó** y la **terminó** un proceso, y cuándo se **recibió** su resultado. Entre el envío y el inicio, la tarea
# espera; entre el fin y la recepción, viaja el resultado.

# %%
with labkit.observe() as seen:
    values = ray.get([spread.remote(part, n_resamples) for part in parts])
print(seen.counts)
gantt(seen.tasks)

# %% [markdown] lang="en"
# Each bar is a task, each row the process that ran it. On two cores two bars lie above one another at any time. Point
# at a bar, or choose its task from the list, to read its times.
#
# ## 2 Wait once, or again and again
#
# ### Predict, then measure
#
# The cell after the next calls `ray.get` inside the loop: it asks for each result before it sends the next task. How
# many times as long will that take? Commit to a number first.

# %% [markdown] lang="es"
# Cada barra es una tarea y cada fila, el proceso que la ejecutó. Con dos núcleos hay en todo momento dos barras a la
# vez. Señala una barra, o elige su tarea en la lista, para leer sus tiempos.
#
# ## 2 Esperar una vez, o una y otra
#
# ### Predice y luego mide
#
# La celda que sigue a la próxima llama a `ray.get` dentro del bucle: pide cada resultado antes de enviar la tarea
# siguiente. ¿Cuántas veces más tardará? Comprométete antes con un número.

# %%
times_as_long = 2.0  # solution
guess = predict("1.a", times_as_long)


# %%
def timed(work):
    """Return the median time of three runs, in seconds."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds))


one_by_one_s = timed(lambda: [ray.get(spread.remote(part, n_resamples)) for part in parts])
together_s = timed(lambda: ray.get([spread.remote(part, n_resamples) for part in parts]))
print(f"ray.get × {len(parts)}: {number(one_by_one_s, lang)} s   ray.get × 1: {number(together_s, lang)} s")
guess.compare(one_by_one_s / together_s)

# %% [markdown] lang="en"
# ## 3 Send everything, then wait
#
# ### Exercise 1.1: all at once
#
# Write `late_shares`: for each shard the share of flights that arrive 15 minutes late or more, in the order of the
# shards. Start one task `late_share` a shard, and wait once, for all of them.

# %% [markdown] lang="es"
# ## 3 Enviarlo todo y luego esperar
#
# ### Ejercicio 1.1: todas a la vez
#
# Escribe `late_shares`: para cada fragmento, la proporción de vuelos que llegan con 15 minutos de retraso o más, en el
# orden de los fragmentos. Inicia una tarea `late_share` por fragmento y espera una sola vez, a todas.


# %%
@ray.remote
def late_share(delays):
    return float((delays >= 15).mean())


def late_shares(parts):
    # solution
    return ray.get([late_share.remote(part) for part in parts])


# %%
check("1.1", late_shares)

# %% [markdown] lang="en"
# ## 4 An actor keeps its state
#
# A task forgets everything when it ends. An **actor** is an object in a process of its own: calls reach it one after
# the other, and what it keeps in `self` is there at the next call.
#
# ### Exercise 1.2: a mean that grows
#
# Write the actor `DelayMeter`. `add(delays)` takes in one shard and returns nothing; `mean()` returns the mean delay of
# **all flights** added so far. Shards differ in size, so a mean of means is another number.

# %% [markdown] lang="es"
# ## 4 Un actor conserva su estado
#
# Una tarea lo olvida todo al terminar. Un **actor** es un objeto en un proceso propio: las llamadas le llegan una tras
# otra, y lo que guarda en `self` sigue ahí en la siguiente.
#
# ### Ejercicio 1.2: una media que crece
#
# Escribe el actor `DelayMeter`. `add(delays)` incorpora un fragmento y no devuelve nada; `mean()` devuelve el retraso
# medio de **todos los vuelos** añadidos hasta entonces. Los fragmentos difieren en tamaño: la media de las medias es
# otro número.


# %%
@ray.remote
class DelayMeter:
    def __init__(self):
        self.total, self.n = 0.0, 0

    def add(self, delays):
        # solution
        self.total += float(delays.sum())
        self.n += len(delays)

    def mean(self):
        # solution
        return self.total / self.n


# %%
check("1.2", DelayMeter)

# %% [markdown] lang="en"
# ## 5 Large arguments: put them once
#
# Every argument is serialised with its call. A large one that many tasks need belongs into the object store **once**:
# `ray.put` returns a reference, and tasks that are handed it read the same memory.
#
# ### Exercise 1.3: one table, many tasks
#
# Write `above`: for each threshold how many of `delays` lie above it, one task `count_above` a threshold. The array
# must travel once, whatever the number of thresholds.

# %% [markdown] lang="es"
# ## 5 Argumentos grandes: una sola vez
#
# Cada argumento se serializa con su llamada. Uno grande que necesitan muchas tareas debe ir **una vez** al almacén de
# objetos: `ray.put` devuelve una referencia, y las tareas que la reciben leen la misma memoria.
#
# ### Ejercicio 1.3: una tabla, muchas tareas
#
# Escribe `above`: para cada umbral, cuántos de `delays` lo superan, con una tarea `count_above` por umbral. El vector
# debe viajar una sola vez, sean cuantos sean los umbrales.


# %%
@ray.remote
def count_above(delays, threshold):
    return int((delays > threshold).sum())


def above(delays, thresholds):
    # solution
    shared = ray.put(delays)
    return ray.get([count_above.remote(shared, threshold) for threshold in thresholds])


# %%
check("1.3", above)

# %% [markdown] lang="en"
# ## 6 Results as they come
#
# `ray.wait(futures)` returns two lists as soon as one result is there: that one, and the futures that are left. So a
# result can be used while others are still being made.
#
# ### Exercise 1.4: first come, first served
#
# Write `in_order_of_arrival`: given futures, return their results in the order in which they become ready. Each result
# must be fetched as soon as it is there. The list `futures` belongs to the caller: leave it as it is.

# %% [markdown] lang="es"
# ## 6 Los resultados, según llegan
#
# `ray.wait(futures)` devuelve dos listas en cuanto hay un resultado: ese, y los futuros que quedan. Así puede usarse un
# resultado mientras los demás aún se calculan.
#
# ### Ejercicio 1.4: por orden de llegada
#
# Escribe `in_order_of_arrival`: dados unos futuros, devuelve sus resultados en el orden en que van estando listos. Cada
# resultado debe recogerse en cuanto esté. La lista `futures` es de quien llama: déjala como está.


# %%
def in_order_of_arrival(futures):
    # solution
    results = []
    while futures:
        ready, futures = ray.wait(futures)
        results += ray.get(ready)
    return results


# %%
check("1.4", in_order_of_arrival)

# %% [markdown] lang="en"
# ## 7 Four habits, measured
#
# Each pair does the same work twice: first as one should not, then as one should. The last column is how many times as
# long the bad habit takes **on this machine**.

# %% [markdown] lang="es"
# ## 7 Cuatro costumbres, medidas
#
# Cada par hace dos veces el mismo trabajo: primero como no se debe y luego como se debe. La última columna dice cuántas
# veces más tarda la mala costumbre **en esta máquina**.

# %%
everything = np.concatenate(parts * 20).astype(np.float64)  # a few megabytes
stored = ray.put(everything)
numbers = list(range(1000))


@ray.remote
def double(number):
    return 2 * number


@ray.remote
def double_all(numbers):
    return [2 * number for number in numbers]


@ray.remote
def largest(delays, _):
    return float(delays.max())


def captured(array):
    """Return a task that carries the array along in its code."""

    @ray.remote
    def largest_captured(_):
        return float(array.max())

    return largest_captured


pairs = {
    "ray.get × n": (
        lambda: [ray.get(spread.remote(part, n_resamples)) for part in parts],
        lambda: ray.get([spread.remote(part, n_resamples) for part in parts]),
    ),
    f"task × {number(len(numbers), lang, 0)}": (
        lambda: ray.get([double.remote(number) for number in numbers]),
        lambda: ray.get([double_all.remote(numbers[start::2]) for start in range(2)]),
    ),
    "argument × 20": (
        lambda: ray.get([largest.remote(everything, number) for number in range(20)]),
        lambda: ray.get([largest.remote(stored, number) for number in range(20)]),
    ),
    "closure": (
        lambda: ray.get([captured(everything).remote(number) for number in range(5)]),
        lambda: ray.get([largest.remote(stored, number) for number in range(5)]),
    ),
}
ratios = {}
for name, (bad, good) in pairs.items():
    bad_s, good_s = timed(bad), timed(good)
    ratios[name] = bad_s / good_s
    bad_ms, good_ms = (number(1e3 * seconds, lang, 1) for seconds in (bad_s, good_s))
    print(f"{name:14} {bad_ms:>9} ms {good_ms:>9} ms {number(ratios[name], lang, 1):>8} ×")

# %% [markdown] lang="en"
# 1. `ray.get` in a loop leaves all workers but one without work.
# 2. A task costs some tenths of a millisecond before it does anything: give it more to do than that.
# 3. An array that is passed twenty times is serialised and stored twenty times.
# 4. An array caught in a function's closure is pickled with its code, whenever that function is exported anew.
#
# ## Summary
#
# Send everything first, wait once. Keep state in actors. Put what is large once. Make tasks long enough.
#
# **Work it out.** Two workers, eight tasks of 0.3 s each, and each `.remote()` costs 1 ms. How long do all of them take
# together, and how long with `ray.get` in the loop? From which length of task on is the loop less than 1% slower?

# %% [markdown] lang="es"
# 1. `ray.get` en un bucle deja sin trabajo a todos los procesos menos uno.
# 2. Una tarea cuesta unas décimas de milisegundo antes de hacer nada: dale más trabajo que eso.
# 3. Un vector que se pasa veinte veces se serializa y se guarda veinte veces.
# 4. Un vector atrapado en la clausura de una función viaja con su código cada vez que la función se exporta de nuevo.
#
# ## Resumen
#
# Envíalo todo primero y espera una vez. Guarda el estado en actores. Pon lo grande una sola vez. Haz tareas
# suficientemente largas.
#
# **Calcúlalo.** Dos procesos, ocho tareas de 0,3 s cada una, y cada `.remote()` cuesta 1 ms. ¿Cuánto tardan todas
# juntas, y cuánto con `ray.get` en el bucle? ¿A partir de qué duración de tarea el bucle es menos de un 1 % más lento?
