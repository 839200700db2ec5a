# %% [markdown] lang="en"
# # 4 · Speedup tables
#
# **Aim.** Measure how much faster several workers train an ensemble on real flights, and say honestly how far the
# result can be trusted. Below that is one worker against two; with more cores, set `workers` to `[1, 2, 4, 8]` and it
# is all of those. **Before:** notebooks 01 to 03. **Time:** about 60 minutes, of which the cells compute for about one
# (on 2 cores, with the values below). **Cores:** 2 or more.
#
# You will see
# 1. the work: the same fits for everybody, fixed before any worker is chosen,
# 2. the measurement: rounds that take turns, and a limit that the hardware itself sets,
# 3. the table, with its spread and its marks,
# 4. the laws that speedups follow, and what your machine can say about them.

# %% [markdown] lang="es"
# # 4 · Tablas de aceleración
#
# **Objetivo.** Medir cuánto más rápido entrenan varios procesos un ensamble con vuelos reales, y decir con honestidad
# hasta dónde se puede confiar en el resultado. Abajo se compara un proceso con dos; si tienes más núcleos, pon
# `workers` a `[1, 2, 4, 8]` y se comparan todos. **Antes:** cuadernos 01 a 03. **Tiempo:** unos 60 minutos; de ellos,
# las celdas calculan cerca de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# Verás
# 1. el trabajo: los mismos ajustes para todos, fijados antes de elegir cuántos procesos habrá,
# 2. la medición: rondas que se alternan y un límite que pone el propio hardware,
# 3. la tabla, con su dispersión y sus marcas,
# 4. las leyes que sigue la aceleración, y qué puede decir tu máquina sobre ellas.

# %% tags=["parameters"]
workers = [1, 2]
rounds = 3
days = 30
scale = 1
engine = "ray"
recipes = None
latency_s = None
weak = False
data = None
target = None
time_column = None
key = None
lang = None
run_id = None
home = None

# %%
import json

import labkit
from IPython.display import Markdown, display
from labkit import check, hint, predict
from labkit.classroom.text import number, t
from labkit.runner import ROOT

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
n_shards = 8 if latency_s is None else 64
if key is not None:
    dataset = lab.load(key)
elif data is not None:
    dataset = lab.prepare(data=data, target=target, time_column=time_column, scale=scale, n_shards=n_shards)
else:
    dataset = lab.prepare(days=days, scale=scale, n_shards=n_shards)
rows = number(dataset.n_rows, lang, 0)
if dataset.origin:
    print(t("notebook.own", lang, **dataset.origin, rows=rows, shards=len(dataset.train)))
else:
    print(t("notebook.data", lang, days=dataset.n_days, rows=rows, shards=len(dataset.train)))

# %% [markdown] lang="en"
# ## 1 The work
#
# A flight is late when it arrives 15 minutes or more after schedule. Each recipe of the catalogue learns that from what
# is known before departure. Large forests are split into groups of trees, because a single long task at the end would
# leave all other workers idle. The list does not depend on the number of workers: otherwise two rows of the table would
# compare different work.

# %% [markdown] lang="es"
# ## 1 El trabajo
#
# Un vuelo llega tarde cuando aterriza 15 minutos o más después de lo previsto. Cada receta del catálogo lo aprende de
# lo que se sabe antes de la salida. Los bosques grandes se dividen en grupos de árboles, porque una sola tarea larga al
# final dejaría ociosos a los demás procesos. La lista no depende de cuántos procesos haya: de lo contrario, dos filas
# de la tabla compararían trabajos distintos.

# %%
if latency_s is None:
    job = labkit.plan(dataset, recipes=recipes, by="shard" if weak else "model")
    for task in sorted(job.tasks(lab.calibration(job)), key=lambda task: -task.cost_s):
        print(f"{task.key:22} {number(task.cost_s, lang):>6} s")
else:
    print(t("notebook.latency", lang, n=len(dataset.train), seconds=number(latency_s, lang, 2)))

# %% [markdown] lang="en"
# ## 2 The measurement
#
# - The **sequential** baseline and every worker have one thread each; the baseline runs in a fresh process.
# - Rounds are interleaved: sequential, limit, one worker, two workers, and again. A slow minute of the machine falls on
#   all of them. The first round only warms up.
# - The **limit** is measured too: as many bare processes as workers, on a queue of the same tasks, without any engine.
#   Cores share caches and memory, so two of them seldom give 2.00×.
# - Every pass carries a digest of its predictions. Where one differs, there is no table.
#
# ### Predict, then measure
#
# How many times as fast will the largest number of workers in `workers` be?

# %% [markdown] lang="es"
# ## 2 La medición
#
# - La referencia **secuencial** y cada proceso usan un solo hilo; la referencia corre en un proceso nuevo.
# - Las rondas se alternan: secuencial, límite, un proceso, dos procesos, y otra vez. Un minuto lento de la máquina
#   afecta a todos por igual. La primera ronda solo calienta.
# - También se mide el **límite**: tantos procesos desnudos como trabajadores, con una cola de las mismas tareas y sin
#   ningún motor. Los núcleos comparten cachés y memoria, así que dos rara vez dan 2,00×.
# - Cada pasada lleva una huella de sus predicciones. Si una difiere, no hay tabla.
#
# ### Predice y luego mide
#
# ¿Cuántas veces más rápido será el mayor número de procesos de `workers`?

# %%
expected_speedup = 1.75  # solution
guess = predict("4.a", expected_speedup)

# %%
record = lab.measure(
    dataset,
    engines=(engine,),
    workers=workers,
    rounds=rounds,
    recipes=recipes,
    latency_s=latency_s,
    weak=weak,
    run_id=run_id,
)
results = record["results"]
here = record["fingerprints"][0]["digest"]
display(Markdown(t("notebook.run", lang, run=record["id"], digest=results["digest"], host=here)))

# %% [markdown] lang="en"
# ## 3 The table
#
# *Speedup* is the median of the ratios within each round, *spread of speedup* their range (from 6 rounds on an
# interval, with its coverage); *efficiency* is speedup per worker. *Of hardware limit* says what the engine keeps of
# what this hardware can give. It may be above 100%: the limit is a measurement as well, of other seconds than the
# engine's, and both scatter. A few percent above say only that the engine costs too little to be seen. *Marks*:
# **SMT**, workers share a core; **over-subscribed**, more workers than CPUs; **unstable**, times scatter by more than
# 5%; **other load** and **CPU steal**, somebody else used the CPUs.

# %% [markdown] lang="es"
# ## 3 La tabla
#
# La *aceleración* es la mediana de los cocientes dentro de cada ronda; la *dispersión de la aceleración*, su rango (a
# partir de 6 rondas, un intervalo con su cobertura); la *eficiencia*, la aceleración por proceso. *Del límite del
# hardware* dice cuánto conserva el motor de lo que este hardware puede dar. Puede pasar del 100 %: también el límite es
# una medida, de otros segundos que los del motor, y ambas varían. Unos puntos por encima solo dicen que el motor cuesta
# demasiado poco para verse. *Marcas*: **SMT**, los procesos comparten un núcleo; **sobresuscrito**, más procesos que
# CPU; **inestable**, los tiempos se dispersan más de un 5 %; **otra carga** y **CPU robada**, otro usó las CPU.

# %%
rows = labkit.rows_of(results, engine)
display(Markdown(labkit.table_markdown(rows, lang)))

# %%
machine = record["fingerprints"][0]
laws = labkit.laws_of(results, engine)
labkit.plot_speedup(rows, laws, lang, f"{machine['cpu_model']}, {machine['usable_cpus']} CPU")

# %% [markdown] lang="en"
# Who did what when, in the last round with the most workers? Point at a bar, or choose a task from the list, to read
# its times; drag or use the arrow keys to zoom.

# %% [markdown] lang="es"
# ¿Quién hizo qué y cuándo, en la última ronda con más procesos? Señala una barra, o elige una tarea de la lista, para
# leer sus tiempos; arrastra o usa las flechas del teclado para acercarte.

# %%
from labkit.classroom.widgets import gantt, speedup_explorer

gantt(record["events"])

# %% [markdown] lang="en"
# Where did the workers' time go? Every task tells what CPU time it used, how long it was queued for a CPU and how long
# it was blocked; the rest is hand-overs and waiting. What takes 15% or more, computing apart, is the bottleneck.

# %% [markdown] lang="es"
# ¿En qué se fue el tiempo de los procesos? Cada tarea dice cuánto tiempo de CPU usó, cuánto esperó una CPU y cuánto
# estuvo bloqueada; el resto son entregas y esperas. Lo que ocupa un 15 % o más, sin contar el cálculo, es el cuello de
# botella.

# %%
from labkit.classroom.text import explain
from labkit.scaling.benchmark import diagnoses_of

for found in diagnoses_of(results, engine):
    display(Markdown(explain(found, lang)))

# %%
guess.compare(max(rows, key=lambda row: row.n_workers).speedup, run=record["id"])

# %% [markdown] lang="en"
# And on other machines? Below are **reference runs**: real runs of this notebook that somebody recorded elsewhere, each
# under the fingerprint of its host. They stand beside yours and are never merged with it: other cores, often other rows
# too, so compare the shape, not the seconds.

# %% [markdown] lang="es"
# ¿Y en otras máquinas? Abajo están las **ejecuciones de referencia**: ejecuciones reales de este cuaderno que alguien
# registró en otra parte, cada una bajo la huella de su máquina. Están junto a la tuya y nunca se mezclan con ella:
# otros núcleos, a menudo también otras filas; compara la forma, no los segundos.

# %%
references = [
    json.loads(path.read_text("utf-8")) for path in sorted((ROOT / "notebooks/reference_runs").glob("*.json"))
]
for other in references:
    there, its = other["fingerprints"][0], other["results"]
    about = {"host": there["digest"], "cpu": there["cpu_model"], "cpus": there["usable_cpus"]}
    about |= {"cores": there["physical_cores"], "rows": number(its["n_rows"], lang, 0), "digest": its["digest"]}
    display(Markdown(t("notebook.reference", lang, run=other["id"], rounds=other["parameters"]["rounds"], **about)))
    for its_engine in its["tables"]:
        display(Markdown(labkit.table_markdown(labkit.rows_of(its, its_engine), lang)))
if all(other["fingerprints"][0]["physical_cores"] < 16 for other in references):
    display(Markdown(t("notebook.no_reference", lang, n=16)))

# %% [markdown] lang="en"
# ### Exercise 4.1: the median of what?
#
# A round gives one pair of times, sequential and parallel, taken within seconds of each other. Write `speedup`: from
# the lists `sequential_s` and `parallel_s`, a time of each round in their order, the median of the rounds' ratios. The
# ratio of two medians is another number: it compares a slow minute with a fast one.

# %% [markdown] lang="es"
# ### Ejercicio 4.1: ¿la mediana de qué?
#
# Cada ronda da un par de tiempos, secuencial y paralelo, tomados con segundos de diferencia. Escribe `speedup`: a
# partir de las listas `sequential_s` y `parallel_s`, con un tiempo por ronda y en su orden, la mediana de los cocientes
# de las rondas. El cociente de dos medianas es otro número: compara un minuto lento con uno rápido.


# %%
def speedup(sequential_s, parallel_s):
    # solution
    from statistics import median

    return median(before / after for before, after in zip(sequential_s, parallel_s, strict=True))


# %%
check("4.1", speedup)

# %% [markdown] lang="en"
# ### Exercise 4.2: how far can it be trusted?
#
# Of $n$ rounds, sorted, the true median lies between the smallest and the largest ratio unless all ratios fell on one
# side of it, which happens with probability $2 \cdot 2^{-n}$. Write `coverage`: the probability that the interval from
# the smallest to the largest of `n_rounds` ratios holds the median. From which number of rounds on is it 95%?

# %% [markdown] lang="es"
# ### Ejercicio 4.2: ¿hasta dónde se puede confiar?
#
# De $n$ rondas, ordenadas, la mediana verdadera está entre el cociente menor y el mayor salvo que todos hayan caído al
# mismo lado de ella, lo que ocurre con probabilidad $2 \cdot 2^{-n}$. Escribe `coverage`: la probabilidad de que el
# intervalo del menor al mayor de `n_rounds` cocientes contenga la mediana. ¿A partir de cuántas rondas es del 95 %?


# %%
def coverage(n_rounds):
    # solution
    return 1 - 2 * 0.5**n_rounds


rounds_for_95_percent = 6  # solution

# %%
check("4.2", coverage, rounds_for_95_percent)

# %% [markdown] lang="en"
# ## 4 The laws
#
# **Amdahl** (1967): a part $s$ of the work is serial, so $S(n) = 1 / (s + (1-s)/n)$. **Karp and Flatt** (1990) turn it
# round: from a measured speedup follows the serial fraction that would explain it. If it grows with $n$, something else
# than serial work costs time. The **Universal Scalability Law** (USL; Gunther, 2007) adds what workers cost each other:
# $S(n) = n / (1 + \sigma(n-1) + \kappa n(n-1))$, where $\sigma$ is *contention*, waiting for what only one can use, and
# $\kappa$ *coherency*, what every pair of workers has to exchange. **Gustafson** (1988) lets the work grow with the
# workers instead: $S(n) = n - s(n-1)$, which is weak scaling.
#
# A law is only fitted where at least two more numbers of workers are *usable* than it has parameters: 3 for Amdahl,
# 4 for the USL. Usable is a row of the table without any mark, of no more workers than there are CPUs. With one and two
# workers that is never enough, and one mark, such as *other load*, takes its row away: below you may then read that 0
# are usable. That is no fault of yours; measure more numbers of workers, on a quiet machine.

# %% [markdown] lang="es"
# ## 4 Las leyes
#
# **Amdahl** (1967): una parte $s$ del trabajo es secuencial, luego $S(n) = 1 / (s + (1-s)/n)$. **Karp y Flatt** (1990)
# le dan la vuelta: de una aceleración medida se deduce la fracción secuencial que la explicaría. Si crece con $n$, algo
# distinto del trabajo secuencial cuesta tiempo. La **ley universal de escalabilidad** (USL; Gunther, 2007) añade lo que
# los procesos se cuestan unos a otros: $S(n) = n / (1 + \sigma(n-1) + \kappa n(n-1))$, donde $\sigma$ es la
# *contención*, esperar a lo que solo uno puede usar, y $\kappa$ la *coherencia*, lo que cada par de procesos tiene que
# intercambiar. **Gustafson** (1988), en cambio, deja crecer el trabajo con los procesos: $S(n) = n - s(n-1)$, la
# escalabilidad débil.
#
# Una ley solo se ajusta si hay al menos dos cantidades de procesos *utilizables* más que parámetros tiene: 3 para
# Amdahl, 4 para la USL. Utilizable es una fila de la tabla sin ninguna marca y con no más procesos que CPU. Con uno y
# dos procesos nunca bastan, y una marca, como *otra carga*, descarta su fila: abajo puede entonces decir que son
# utilizables 0. No es culpa tuya; mide más cantidades de procesos, en una máquina tranquila.

# %% [markdown] lang="en"
# Move the sliders until the curves meet your points. With $\kappa = 0$ both laws are one; what does $\kappa$ add?

# %% [markdown] lang="es"
# Mueve los controles hasta que las curvas pasen por tus puntos. Con $\kappa = 0$ ambas leyes son una sola; ¿qué añade
# $\kappa$?

# %%
speedup_explorer(rows)

# %%
for row in rows:
    if row.n_workers > 1:
        fraction = labkit.serial_fraction(row.sequential_s, row.parallel_s, row.n_workers)
        display(Markdown(t("notebook.karp_flatt", lang, n=row.n_workers, fraction=number(fraction, lang, 3))))
for law in laws:
    if hasattr(law, "parameters"):
        found = ", ".join(
            f"{name} = {number(value, lang, 3)} ± {number(law.std_errors[name], lang, 3)}"
            for name, value in law.parameters.items()
        )
        display(Markdown(f"{t(f'law.{law.law}', lang)}: {found}"))
        for name in ("knee", "saturation"):  # None where a law would speak beyond what was measured
            if n := getattr(law, name)(machine["usable_cpus"]):
                display(Markdown(t(f"notebook.{name}", lang, n=n).strip()))
    else:
        lacking = {"law": t(f"law.{law.law}", lang), "needed": law.n_cores_needed, "found": law.n_eligible}
        display(Markdown(t("notebook.unfitted", lang, **lacking)))

# %% [markdown] lang="en"
# ### Exercise 4.3: a fair comparison
#
# Two engines are worth comparing only if they did the same work. Write `compare`: given the passes of a benchmark, a
# list of dictionaries with `engine`, `seconds` and `digest`, return for each engine its **median** time, and raise a
# `ValueError` where the digests are not all equal.

# %% [markdown] lang="es"
# ### Ejercicio 4.3: una comparación justa
#
# Solo vale la pena comparar dos motores si hicieron el mismo trabajo. Escribe `compare`: dadas las pasadas de una
# medición, una lista de diccionarios con `engine`, `seconds` y `digest`, devuelve el tiempo **mediano** de cada motor,
# y lanza un `ValueError` si las huellas no son todas iguales.


# %%
def compare(passes):
    # solution
    from statistics import median

    if len({each["digest"] for each in passes}) > 1:
        raise ValueError("the passes did not do the same work")
    engines = {each["engine"] for each in passes}
    return {name: median(each["seconds"] for each in passes if each["engine"] == name) for name in engines}


# %%
check("4.3", compare)

# %% [markdown] lang="en"
# ### Exercise 4.4: what Karp and Flatt saw
#
# Write `karp_flatt`: from a measured speedup and its number of workers, the serial fraction that would explain it,
# $e = (1/S - 1/n) / (1 - 1/n)$. Then look at the values above: does $e$ grow with the number of workers here?

# %% [markdown] lang="es"
# ### Ejercicio 4.4: lo que vieron Karp y Flatt
#
# Escribe `karp_flatt`: a partir de una aceleración medida y su número de procesos, la fracción secuencial que la
# explicaría, $e = (1/S - 1/n) / (1 - 1/n)$. Después mira los valores de arriba: ¿crece aquí $e$ con los procesos?


# %%
def karp_flatt(speedup, n_workers):
    # solution
    return (1 / speedup - 1 / n_workers) / (1 - 1 / n_workers)


# %%
check("4.4", karp_flatt)

# %% [markdown] lang="en"
# ## 5 Try it
#
# 1. Give `recipes` only `["hgb-large"]`. What limits the speedup now?
# 2. Set `engine` to "processes", "threads", "joblib" or "dask". Who wins on this machine, and by how much?
# 3. Measure more workers than you have CPUs. What do the marks say, and what does the limit do?
# 4. Set `latency_s = 0.5`: nothing is trained then, shards are fetched from a store that answers half a second late.
#    Why do 8 workers help now, whatever the number of your cores?
# 5. Set `weak = True`: each worker now brings a shard of its own. Which law describes that, and why is it kinder?
# 6. Set `data` to a CSV or Parquet file of your own and `target` to its column of classes. Does it speed up as well?

# %% [markdown] lang="es"
# ## 5 Pruébalo
#
# 1. Deja en `recipes` solo `["hgb-large"]`. ¿Qué limita ahora la aceleración?
# 2. Pon en `engine` "processes", "threads", "joblib" o "dask". ¿Quién gana en esta máquina, y por cuánto?
# 3. Mide más procesos que CPU tengas. ¿Qué dicen las marcas, y qué hace el límite?
# 4. Pon `latency_s = 0.5`: entonces no se entrena nada; se piden fragmentos a un almacén que responde medio segundo
#    tarde. ¿Por qué ayudan ahora 8 procesos, tengas los núcleos que tengas?
# 5. Pon `weak = True`: ahora cada proceso trae su propio fragmento. ¿Qué ley lo describe, y por qué es más benévola?
# 6. Pon en `data` un archivo CSV o Parquet tuyo y en `target` su columna de clases. ¿Se acelera igual?

# %% [markdown] lang="en"
# ## Summary
#
# Same work, proved by a digest; interleaved rounds; paired ratios; the hardware's own limit beside the
# ideal.
#
# **Work it out.** Your table says $S$ for 2 workers. If Amdahl's law held with that serial fraction, how many workers
# would be needed for a speedup of 4, and which speedup could no number of workers exceed?

# %% [markdown] lang="es"
# ## Resumen
#
# El mismo trabajo, probado por una huella; rondas alternadas; cocientes por pares; el límite del propio
# hardware junto al ideal.
#
# **Calcúlalo.** Tu tabla dice $S$ para 2 procesos. Si valiera la ley de Amdahl con esa fracción secuencial, ¿cuántos
# procesos harían falta para una aceleración de 4, y qué aceleración no podría superar ningún número de procesos?
