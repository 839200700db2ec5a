# %% [markdown] lang="en"
# # 0 · Start here
#
# **Aim.** See the map of the course, look at the machine that you have, and train the first models in parallel.
# **Before:** a little Python and scikit-learn. **Time:** about 30 minutes, of which the cells compute for less than one
# (on 2 cores, with the values below). **Cores:** 2 or more.
#
# | notebook | what you learn, on real flights |
# |---|---|
# | 00 Start here | the map, your machine, the first parallel run |
# | [01 Remote actors](01_remote_actors.ipynb) | tasks, actors and futures, and four habits that make them slow |
# | [02 Sharding](02_sharding.ipynb) | cut data well, read it without copying, and work on more than fits in memory |
# | [03 Ensembles](03_ensembles.ipynb) | train by model and by shard, longest first, and let the models vote |
# | [04 Speedup tables](04_speedup_tables.ipynb) | measure honestly how much faster, and what the laws say of it |
# | [05 Engines](05_engines.ipynb) | Ray, processes, threads, joblib and Dask on the same work |
# | [06 Bottlenecks](06_bottlenecks.ipynb) | provoke, measure and relieve what keeps work from being faster |
# | [07 Faults](07_faults.ipynb) | kill workers on purpose, and count what is lost and what is recovered |
# | [08 Microservices](08_microservices.ipynb) | ask a service, exchange its model under load, add copies |
# | [09 Monitoring](09_monitoring.ipynb) | read metrics, logs and events, and find a planted fault |
# | [10 Scaling out](10_scaling_out.ipynb) | several nodes, a simulation put to the test, and what it costs |
# | [11 The report](11_the_report.ipynb) | your own technical report, traced, verified and tampered with |
#
# Every notebook has exercises. `check("0.1", answer)` says *not attempted*, *not yet, because …* or *right*, and the
# button below gives three hints, one after the other (so does `hint("0.1")`). Before something is measured you are
# asked to `predict` it: nobody marks that, but what surprises you is what you learn from. The first prediction is the
# one that your progress keeps.

# %% [markdown] lang="es"
# # 0 · Empieza aquí
#
# **Objetivo.** Ver el mapa del curso, conocer la máquina que tienes y entrenar los primeros modelos en paralelo.
# **Antes:** algo de Python y de scikit-learn. **Tiempo:** unos 30 minutos; de ellos, las celdas calculan menos de uno
# (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# | cuaderno | qué aprendes, con vuelos reales |
# |---|---|
# | 00 Empieza aquí | el mapa, tu máquina, la primera ejecución en paralelo |
# | [01 Actores remotos](01_remote_actors.ipynb) | tareas, actores y futuros, y cuatro costumbres que los frenan |
# | [02 Fragmentos](02_sharding.ipynb) | cortar bien los datos, leerlos sin copiar y tratar más de lo que cabe |
# | [03 Ensambles](03_ensembles.ipynb) | entrenar por modelo y por fragmento, lo más largo primero, y hacer votar |
# | [04 Tablas de aceleración](04_speedup_tables.ipynb) | medir con honestidad cuánto se gana, y qué dicen las leyes |
# | [05 Motores](05_engines.ipynb) | Ray, procesos, hilos, joblib y Dask con el mismo trabajo |
# | [06 Cuellos de botella](06_bottlenecks.ipynb) | provocar, medir y aliviar lo que impide ir más rápido |
# | [07 Fallos](07_faults.ipynb) | matar procesos a propósito y contar qué se pierde y qué se recupera |
# | [08 Microservicios](08_microservices.ipynb) | preguntar a un servicio, cambiar su modelo bajo carga, copiarlo |
# | [09 Monitorización](09_monitoring.ipynb) | leer métricas, registros y eventos, y encontrar un fallo plantado |
# | [10 Escalar a varias máquinas](10_scaling_out.ipynb) | varios nodos, una simulación a prueba y lo que cuesta |
# | [11 El informe](11_the_report.ipynb) | tu propio informe técnico, trazado, verificado y manipulado |
#
# Todos los cuadernos tienen ejercicios. `check("0.1", respuesta)` dice *sin empezar*, *todavía no, porque…* o
# *correcto*, y el botón de debajo da tres pistas, una tras otra (también `hint("0.1")`). Antes de medir algo se te pide
# predecirlo con `predict`: nadie lo califica, pero se aprende justo de lo que sorprende. La primera predicción es la
# que conserva tu progreso.

# %% tags=["parameters"]
days = 60
lang = None
home = None

# %%
import json
import os
import subprocess
import sys
import time

import labkit
from IPython.display import Markdown, display
from labkit import check, hint, host, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, t
from labkit.classroom.widgets import cluster_panel, gantt, run_progress
from labkit.pipeline import votes_digest

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
fingerprint = host.fingerprint()
print(json.dumps(fingerprint, indent=1))

# %% [markdown] lang="en"
# ## 1 Your machine
#
# This is your machine's **fingerprint**. It goes into the record of everything that you measure, because a time without
# the machine it was taken on says nothing. `usable_cpus` is how many CPUs your programs may use at once. That can be
# fewer than the machine has (in a container, or on a shared server), and it can be more than there are
# `physical_cores`, where one core runs two hardware threads.
#
# `labkit doctor` looks at more than that, and says what to do where something is not well. On the command line you type
# just these two words; here is what it finds. Ports are left out: this running lab holds its own.

# %% [markdown] lang="es"
# ## 1 Tu máquina
#
# Esta es la **huella** de tu máquina. Acompaña al registro de todo lo que midas, porque un tiempo sin la máquina en la
# que se tomó no dice nada. `usable_cpus` es cuántas CPU pueden usar a la vez tus programas. Pueden ser menos de las que
# tiene la máquina (en un contenedor o en un servidor compartido) y más que los núcleos, `physical_cores`, si un núcleo
# ejecuta dos hilos de hardware.
#
# `labkit doctor` mira más que eso y dice qué hacer si algo no está bien. En la línea de órdenes basta escribir esas dos
# palabras; aquí tienes lo que encuentra (las órdenes hablan inglés). Los puertos no aparecen: este mismo laboratorio
# ocupa los suyos.

# %%
command = [sys.executable, "-m", "labkit.cli", "doctor", "--json"]
environment = {**os.environ, "LABKIT_HOME": str(lab.settings.home)}
said = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
found = [each for each in json.loads(said) if not each["what"].startswith("port")]
rows = [["✔" if each["well"] else "✘", each["what"], each["found"], each["fix"]] for each in found]
display(Markdown(markdown([["", "labkit doctor", "", ""], *rows], "llll")))

# %% [markdown] lang="en"
# ### Exercise 0.1: how many workers?
#
# A **worker** is a process that does one task at a time. For tasks that only compute, more workers than usable CPUs do
# not help, and more workers than tasks have nothing to do. Write `sensible_workers(fingerprint, n_tasks)`: the largest
# number of workers that are all of use. It must be right for *any* machine's fingerprint, not only for yours.

# %% [markdown] lang="es"
# ### Ejercicio 0.1: ¿cuántos procesos?
#
# Un **proceso de trabajo** hace una tarea cada vez. Si las tareas solo calculan, más procesos que CPU utilizables no
# ayudan, y si hay más procesos que tareas, a algunos no les queda nada que hacer. Escribe
# `sensible_workers(fingerprint, n_tasks)`: el mayor número de procesos con el que todos sirven de algo. Debe acertar
# con la huella de *cualquier* máquina, no solo de la tuya.


# %%
def sensible_workers(fingerprint, n_tasks):
    # solution
    return min(fingerprint["usable_cpus"], n_tasks)


# %%
check("0.1", sensible_workers)

# %% [markdown] lang="en"
# ## 2 The first parallel run
#
# A flight is *late* when it arrives 15 minutes or more after schedule. Seven models learn that from what is known
# before departure; each is a **task**. First one worker does them all, one after the other. The work is done twice, and
# the second time counts: the first pays for what is loaded only once.

# %% [markdown] lang="es"
# ## 2 La primera ejecución en paralelo
#
# Un vuelo llega *tarde* si aterriza 15 minutos o más después de lo previsto. Siete modelos lo aprenden de lo que se
# sabe antes de la salida; cada uno es una **tarea**. Primero las hace todas un solo proceso, una tras otra. El trabajo
# se hace dos veces y cuenta la segunda: la primera paga lo que se carga una sola vez.

# %%
recipes = ["hgb-small", "hgb-medium", "hgb-large", "hgb-slow", "logistic-numeric", "forest-20", "extra-20"]
dataset = lab.prepare(days=days)
job = labkit.plan(dataset, recipes=recipes)
tasks = job.tasks(lab.calibration(job))
print(t("notebook.data", lang, days=dataset.n_days, rows=number(dataset.n_rows, lang, 0), shards=len(dataset.train)))


def trained(engine, n_workers):
    """Return how long the second pass took, its events, and the digest of what all models say."""
    given = (job.valid.X, job.categorical)
    with labkit.engine(engine)(labkit.ModelTrainer, given, job.blocks, n_workers) as crew:
        crew.ready()
        for _ in range(2):
            events, begun = [], time.perf_counter()
            results = labkit.dispatch(tasks, crew, on_event=events.append)
            seconds = time.perf_counter() - begun
    return seconds, events, votes_digest(results)


sequential_s, sequential, digest_of_one = trained("sequential", 1)
gantt(sequential)

# %% [markdown] lang="en"
# Each bar is a task: its name, and when the worker was busy with it. Point at a bar, or choose its task from the list,
# to read its times.
#
# ### Predict, then measure
#
# Now the same tasks go to two workers, the longest first, and each next one to whoever is free. How many times as fast
# will that be? Commit to a number first, in the place of the `...`, and run the cell before you go on.

# %% [markdown] lang="es"
# Cada barra es una tarea: su nombre y cuándo estuvo su proceso ocupado con ella. Señala una barra, o elige su tarea en
# la lista, para leer sus tiempos.
#
# ### Predice y luego mide
#
# Ahora las mismas tareas van a dos procesos, la más larga primero, y cada una de las siguientes a quien esté libre.
# ¿Cuántas veces más rápido irá? Comprométete antes con un número, en lugar de los `...`, y ejecuta la celda antes de
# seguir.

# %%
times_as_fast = 1.8  # solution
guess = predict("0.a", times_as_fast)

# %%
parallel_s, parallel, digest_of_two = trained("ray", 2)
print(digest_of_one, digest_of_two, digest_of_one == digest_of_two)
gantt(parallel)

# %%
guess.compare(sequential_s / parallel_s)

# %% [markdown] lang="en"
# The two digests above are one: the models of both runs say the same of every flight, bit by bit. Parallel work that
# gives another answer is no speedup. If you measured less than 2: the end, where one worker has nothing left to do,
# costs time, and so do cores that share memory. Notebook 04 measures that properly; a single run like this one
# scatters.
#
# ### Exercise 0.2: the longest task
#
# Each event has four times, in seconds: `submitted_s`, `started_s`, `finished_s`, `received_s`. Between submitted and
# started a task waits for its worker. Write `longest_task(events)`: the name (`event.task`) of the task that its worker
# was busy with for longest. The list is handed to you only to be read.

# %% [markdown] lang="es"
# Las dos huellas de arriba coinciden: los modelos de ambas ejecuciones dicen lo mismo de cada vuelo, bit a bit. Un
# trabajo paralelo que da otra respuesta no es aceleración. Si mediste menos de 2: cuesta tiempo el final, cuando a un
# proceso ya no le queda nada que hacer, y también que los núcleos compartan memoria. El cuaderno 04 lo mide como es
# debido; una sola ejecución como esta varía.
#
# ### Ejercicio 0.2: la tarea más larga
#
# Cada evento tiene cuatro tiempos, en segundos: `submitted_s` (enviada), `started_s` (iniciada), `finished_s`
# (terminada) y `received_s` (recibida). Entre el envío y el inicio, la tarea espera a su proceso. Escribe
# `longest_task(events)`: el nombre (`event.task`) de la tarea que ocupó más tiempo a su proceso. La lista se te da solo
# para leerla.


# %%
def longest_task(events):
    # solution
    return max(events, key=lambda event: event.finished_s - event.started_s).task


# %%
check("0.2", longest_task)

# %% [markdown] lang="en"
# ### Exercise 0.3: speedup and efficiency
#
# **Speedup** is how many times as fast the parallel run was; **efficiency** is the speedup of each worker, 1 where
# nothing is lost. Write `gain(sequential, parallel)`: from the events of both runs return the two numbers. A run lasts
# from its first `submitted_s` to its last `received_s`, its workers are those that appear in `event.worker`, and events
# come in any order.

# %% [markdown] lang="es"
# ### Ejercicio 0.3: aceleración y eficiencia
#
# La **aceleración** es cuántas veces más rápida fue la ejecución paralela; la **eficiencia**, la aceleración por
# proceso, que es 1 cuando nada se pierde. Escribe `gain(sequential, parallel)`: devuelve los dos números a partir de
# los eventos de ambas ejecuciones. Una ejecución dura desde su primer `submitted_s` hasta su último `received_s`, sus
# procesos son los que aparecen en `event.worker`, y los eventos vienen en cualquier orden.


# %%
def gain(sequential, parallel):
    # solution
    def span(events):
        return max(event.received_s for event in events) - min(event.submitted_s for event in events)

    speedup = span(sequential) / span(parallel)
    return speedup, speedup / len({event.worker for event in parallel})


# %%
check("0.3", gain)

# %% [markdown] lang="en"
# ## 3 Where to see the cluster
#
# Ray runs as a **cluster** of nodes; yours has one, this machine, and other machines can join. Each node says itself
# what it is. The **object store** is the memory of a node that all its workers read.
#
# Work that is kept is a **run**: `lab.train` trains as above, and records parameters, events, scores and fingerprint.
# `labkit runs list` lists all runs, `labkit runs show` with the beginning of a run's name shows one,
# and `labkit cluster status` shows the nodes.
#
# The two pictures below the table are **live**: keep them in view while the next cell trains. They follow the cluster
# and the newest run until you close them.

# %% [markdown] lang="es"
# ## 3 Dónde se ve el clúster
#
# Ray funciona como un **clúster** de nodos; el tuyo tiene uno, esta máquina, y pueden sumarse otras. Cada nodo dice por
# sí mismo qué es. El **almacén de objetos** es la memoria de un nodo que leen todos sus procesos.
#
# El trabajo que se conserva es una **ejecución** (*run*): `lab.train` entrena como arriba y registra parámetros,
# eventos, puntuaciones y huella. `labkit runs list` las enumera todas, `labkit runs show` con el principio de su nombre
# muestra una, y `labkit cluster status` muestra los nodos.
#
# Las dos imágenes bajo la tabla están **en vivo**: no las pierdas de vista mientras entrena la celda siguiente. Siguen
# al clúster y a la ejecución más reciente hasta que las cierres.

# %%
from labkit.parallel.cluster import nodes

header = [t(f"nodes.{name}", lang) for name in ("node", "cpu", "cpus", "memory", "store")]
rows = [
    [
        node["node"],
        node["fingerprint"]["cpu_model"],
        number(node["cpus"], lang, 0),
        f"{number(node['memory_bytes'] / 1e9, lang, 1)} GB",
        f"{number(node['object_store_bytes'] / 1e9, lang, 1)} GB",
    ]
    for node in nodes()
]
display(Markdown(markdown([header, *rows], "llrrr")), cluster_panel(), run_progress())

# %%
record = lab.train(dataset, recipes=recipes[:3], engine="ray", n_workers=2)
scores = (f"{name} {number(value, lang, 3)}" for name, value in record["results"]["scores"].items())
print(record["id"], t(f"run.{record['status']}", lang), *scores, sep="   ")

# %% [markdown] lang="en"
# ## 4 How far you are
#
# What you check, predict and look up in hints is kept in this lab. Come back to this cell at any time, or type
# `labkit progress`.

# %% [markdown] lang="es"
# ## 4 Hasta dónde has llegado
#
# Lo que compruebas, lo que predices y las pistas que consultas se guardan en este laboratorio. Vuelve a esta celda
# cuando quieras, o escribe `labkit progress`.

# %%
from labkit.classroom.exercises import format_progress, progress_of

display(Markdown(markdown(format_progress(progress_of(lab), lang), "lllrrrr")))

# %% [markdown] lang="en"
# ## Summary
#
# A time belongs to a machine. A task tells when it waited and when it was worked on. Speedup compares runs of the same
# work with the same answer; efficiency says what each worker brought.
#
# **Work it out.** Take the times of your own seven tasks, and as many workers as you like, each as fast as the one
# above. What is the largest speedup that you can ever reach without cutting a task in two, and how many workers do you
# need for it?

# %% [markdown] lang="es"
# ## Resumen
#
# Un tiempo pertenece a una máquina. Una tarea dice cuándo esperó y cuándo se trabajó en ella. La aceleración compara
# ejecuciones del mismo trabajo con la misma respuesta; la eficiencia dice qué aportó cada proceso.
#
# **Calcúlalo.** Toma los tiempos de tus siete tareas y tantos procesos como quieras, cada uno tan rápido como el de
# arriba. ¿Cuál es la mayor aceleración que puedes alcanzar sin partir ninguna tarea, y cuántos procesos te hacen falta
# para ella?
