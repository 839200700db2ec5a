# %% [markdown] lang="en"
# # 10 · Scaling out
#
# **Aim.** Add a second node to your cluster, see what travels between nodes, and predict from your own measurement what
# 1 to 1,024 workers would bring and cost. **Before:** notebooks 03 and 04. **Time:** about 60 minutes, of which the
# cells compute for about one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# You will see
# 1. two nodes, where tasks are placed, and what an object costs that lies on the other one,
# 2. why a second node on the same machine makes nothing faster,
# 3. a simulation, calibrated by your own events, judged by rounds that it has not seen,
# 4. where the curve saturates and why, and what a speedup costs.

# %% [markdown] lang="es"
# # 10 · Escalar a varias máquinas
#
# **Objetivo.** Añadir un segundo nodo a tu clúster, ver qué viaja entre nodos y predecir, a partir de tu propia
# medición, qué aportarían y qué costarían de 1 a 1024 procesos. **Antes:** cuadernos 03 y 04. **Tiempo:** unos 60
# minutos; de ellos, las celdas calculan cerca de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# Verás
# 1. dos nodos, dónde se colocan las tareas y qué cuesta un objeto que está en el otro,
# 2. por qué un segundo nodo en la misma máquina no acelera nada,
# 3. una simulación, calibrada con tus propios eventos y juzgada con rondas que no ha visto,
# 4. dónde se satura la curva y por qué, y cuánto cuesta una aceleración.

# %% tags=["parameters"]
days = 20
workers = [1, 2]
rounds = 4
recipes = None
sizes_mb = [1, 8, 64]
times = 64
instance = "c7i.4xlarge"
workers_per_instance = 8
price_per_hour = None
lang = None
home = None

# %%
import collections
import dataclasses
import io
import json
import math
import tempfile
import time
from pathlib import Path
from statistics import median

import labkit
import numpy as np
import ray
from cluster.node import own_address
from IPython.display import Image, Markdown, display
from labkit import check, hint, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, percent, t
from labkit.files.folder import LabFolder
from labkit.files.whole import write_whole
from labkit.parallel.head import split_address, start_head, stop_head, token
from labkit.runner import ROOT
from labkit.scaling.simulator import Machine, machine_of, prediction_error, simulate
from matplotlib.figure import Figure
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
address = lab.attach()
dataset = lab.prepare(days=days)
job = labkit.plan(dataset, recipes=recipes)
print(t("notebook.data", lang, days=dataset.n_days, rows=number(dataset.n_rows, lang, 0), shards=len(dataset.train)))

# %% [markdown] lang="en"
# ## 1 Two nodes
#
# With several machines you type `labkit cluster start --head` on one of them. It prints the line for the others:
# `labkit cluster join ADDRESS --token-file COPY`. The command checks that Ray and Python are of the same version and
# that the ports are open in both directions, then starts a **node**: a process that hands out this host's CPUs
# (*raylet*), with an object store of its own. `labkit cluster status` lists the nodes.
#
# You may have only one machine. Two nodes on it are two nodes all the same: separate object stores, and whatever one
# needs of the other goes through a connection. Only the wire is missing, so what you see below is the *least* that a
# real network costs. The next cell lets a second node join your cluster; it claims 2 CPUs, the ones that the first node
# hands out already.

# %% [markdown] lang="es"
# ## 1 Dos nodos
#
# Con varias máquinas, escribes en una de ellas `labkit cluster start --head`, que imprime la línea para las demás:
# `labkit cluster join DIRECCIÓN --token-file COPIA`. La orden comprueba que Ray y Python tengan la misma versión y que
# los puertos estén abiertos en ambos sentidos; después inicia un **nodo**: un proceso que reparte las CPU de esa
# máquina (*raylet*), con su propio almacén de objetos. `labkit cluster status` enumera los nodos.
#
# Quizá tengas una sola máquina. Dos nodos en ella siguen siendo dos nodos: almacenes separados, y lo que uno necesita
# del otro pasa por una conexión. Solo falta el cable, así que lo que verás es lo *mínimo* que cuesta una red real. La
# celda siguiente une un segundo nodo a tu clúster; declara 2 CPU, las mismas que ya reparte el primero.

# %%
first = next(node["NodeID"] for node in ray.nodes() if node["Alive"])
second_folder = LabFolder(Path(tempfile.mkdtemp(prefix="node-")))
second_folder.ensure()
write_whole(second_folder.token, token(lab.folder).read_text(), mode=0o600)
given = {"n_cpus": 2, "store_bytes": max(100, 4 * max(sizes_mb)) * 1_000_000, "with_parent": True}
joined = []
try:
    start_head(second_folder, joins=address, host_address=own_address(split_address(address)[0]), **given)
    for _ in range(300):
        joined = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != first]
        if joined:
            break
        time.sleep(0.1)
except labkit.LabError as fault:  # a machine under load may not start one more node in time
    print(fault)
if not joined:
    print(t("nodes.alone", lang))
second = joined[0] if joined else first
rows = [
    [node["NodeID"][:8], node["NodeManagerAddress"], number(node["Resources"].get("CPU", 0), lang, 0),
     number(node["Resources"]["object_store_memory"] / 1e6, lang, 0)]
    for node in ray.nodes() if node["Alive"]
]  # fmt: skip
header = [t(f"nodes.{name}", lang) for name in ("node", "address", "cpus", "store_mb")]
display(Markdown(markdown([header, *rows], "llrr")))

# %% [markdown] lang="en"
# Where does a task run? By default Ray prefers the node of whoever calls, as long as it is not half full; `"SPREAD"`
# goes round; an affinity names the node. Eight short tasks each:

# %% [markdown] lang="es"
# ¿Dónde corre una tarea? De forma predeterminada, Ray prefiere el nodo de quien llama mientras no esté medio lleno;
# `"SPREAD"` usa todos; una afinidad nombra el nodo. Ocho tareas breves de cada clase:


# %%
@ray.remote
def where():
    time.sleep(0.05)
    return ray.get_runtime_context().get_node_id()[:8]


def at(node_id):
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


for name, strategy in {"DEFAULT": "DEFAULT", "SPREAD": "SPREAD", second[:8]: at(second)}.items():
    placed = ray.get([where.options(scheduling_strategy=strategy).remote() for _ in range(8)])
    print(f"{name:8}", dict(collections.Counter(placed)))

# %% [markdown] lang="en"
# Objects stay where they were made. A task that needs one of another node waits until it has been copied; then the copy
# is there for all tasks of that node.
#
# ### Predict, then measure
#
# The largest array lies in the first node's store. How many **milliseconds** does a task on the second node wait for
# it, the first time?

# %% [markdown] lang="es"
# Los objetos se quedan donde se crearon. Una tarea que necesita uno de otro nodo espera a que se copie; luego la copia
# sirve a todas las tareas de ese nodo.
#
# ### Predice y luego mide
#
# La matriz más grande está en el almacén del primer nodo. ¿Cuántos **milisegundos** la espera una tarea del segundo
# nodo la primera vez?

# %%
expected_ms = 60.0  # solution
guess = predict("10.a", expected_ms)


# %%
@ray.remote(num_cpus=0)
class Reader:
    def get_ms(self, refs):
        begun = time.perf_counter()
        found = ray.get(refs[0])
        return 1000 * (time.perf_counter() - begun) if found.sum() == 0 else math.nan  # read, not only mapped


readers = {node: Reader.options(scheduling_strategy=at(node)).remote() for node in {first, second}}
ray.get([reader.get_ms.remote([ray.put(np.zeros(8))]) for reader in readers.values()])  # imports paid for
rows = []
for size_mb in sizes_mb:
    given = [ray.put(np.zeros(size_mb * 125_000))]
    passes = [ray.get(readers[node].get_ms.remote(given)) for node in (first, second, second)]
    rows.append([size_mb, *(number(ms, lang, 1) for ms in passes)])
header = [t(f"nodes.{name}", lang) for name in ("size_mb", "same_ms", "other_ms", "again_ms")]
display(Markdown(markdown([header, *rows], "rrrr")))
guess.compare(passes[1])

# %% [markdown] lang="en"
# On its own node a reader only maps the memory. On the other one every byte is copied, once. Between two machines with
# 10 Gbit/s, 64 MB take 51 ms at the very least, besides the copying.
#
# ### Exercise 10.1: send the work to the data
#
# `parts` is a list of futures of arrays that lie on several nodes. Write `means`: a list with the mean of each. The
# arrays must not come to the notebook: send a task for each part and get the results, all at once.

# %% [markdown] lang="es"
# En su propio nodo, un lector solo proyecta la memoria. En el otro se copia cada byte, una vez. Entre dos máquinas a
# 10 Gbit/s, 64 MB tardan como mínimo 51 ms, además de la copia.
#
# ### Ejercicio 10.1: lleva el trabajo a los datos
#
# `parts` es una lista de futuros de matrices que están en varios nodos. Escribe `means`: una lista con la media de cada
# una. Las matrices no deben venir al cuaderno: envía una tarea por parte y recoge los resultados, todos a la vez.


# %%
def means(parts):
    # solution
    mean = ray.remote(lambda part: float(part.mean()))
    return ray.get([mean.remote(part) for part in parts])


# %%
check("10.1", means)

# %% [markdown] lang="en"
# ## 2 Twice the nodes, the same cores
#
# Two actors fit three small models each, on the same flights: both actors on the first node, then one on each. The
# passes take turns; the first of each kind pays for imports and, on the second node, for the flights to be copied.

# %% [markdown] lang="es"
# ## 2 El doble de nodos, los mismos núcleos
#
# Dos actores ajustan tres modelos pequeños cada uno, con los mismos vuelos: ambos en el primer nodo y, después, uno en
# cada nodo. Las pasadas se alternan; la primera de cada clase paga las importaciones y, en el segundo nodo, la copia de
# los vuelos.


# %%
@ray.remote(num_cpus=0)
class Fitter:
    def fit(self, block, seeds):
        from sklearn.ensemble import ExtraTreesClassifier

        X, y = np.nan_to_num(block[0]), block[1]
        models = [ExtraTreesClassifier(20, max_depth=12, random_state=seed, n_jobs=1).fit(X, y) for seed in seeds]
        return sum(float(model.predict_proba(X[:1000])[:, 1].sum()) for model in models)


block = next(iter(job.blocks.values()))
flights = ray.put((block.X, block.y))
crews = {
    1: [Fitter.options(scheduling_strategy=at(node)).remote() for node in (first, first)],
    2: [Fitter.options(scheduling_strategy=at(node)).remote() for node in (first, second)],
}
seconds, votes = {1: [], 2: []}, set()
for _ in range(4):
    for n_nodes, crew in crews.items():
        begun = time.perf_counter()
        votes.add(tuple(ray.get([fitter.fit.remote(flights, [i, i + 2, i + 4]) for i, fitter in enumerate(crew)])))
        seconds[n_nodes].append(time.perf_counter() - begun)
header = [t(f"nodes.{name}", lang) for name in ("nodes", "first_s", "later_s", "range_s")]
rows = [
    [n, number(all_s[0], lang), number(median(later), lang),
     f"{number(min(later), lang)} – {number(max(later), lang)}"]
    for n, all_s in seconds.items()
    for later in [all_s[1:]]
]  # fmt: skip
display(Markdown(markdown([header, *rows], "rrrr")))
print(len(votes) == 1)

# %% [markdown] lang="en"
# The votes are the same to the last bit: *True*. The second node brought **no core**, so it cannot be faster: the two
# processes compute on the CPUs that they had before. It only costs: one more object store with one more copy of the
# flights, and the time to fill it. A node pays when it comes with cores, memory and bandwidth of its own. Nothing here
# measures that; for a cluster of real machines run this same notebook on its head.
#
# The second node leaves, as after `labkit cluster leave`:

# %% [markdown] lang="es"
# Los votos coinciden hasta el último bit: *True*. El segundo nodo no trajo **ningún núcleo**, así que no puede ir más
# rápido: los dos procesos calculan en las CPU que ya tenían. Solo cuesta: otro almacén con otra copia de los vuelos, y
# el tiempo de llenarlo. Un nodo compensa cuando trae núcleos, memoria y ancho de banda propios. Aquí nada mide eso; con
# un clúster de máquinas reales, ejecuta este mismo cuaderno en su nodo principal.
#
# El segundo nodo se va, como tras `labkit cluster leave`:

# %%
for actor in [*readers.values(), *crews[1], *crews[2]]:
    ray.kill(actor)
del given, flights
print(stop_head(second_folder))
for _ in range(600 if joined else 0):
    if second not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
        break
    time.sleep(0.1)

# %% [markdown] lang="en"
# ## 3 A simulation, and how far it is off
#
# You measure again, with few workers. From **one worker's** task events the simulation takes how long each task runs
# and how long the driver is busy with each result; from the bare processes of the *limit*, how much workers slow each
# other down (**contention**). Then simulated workers take the tasks, longest first, as dispatch does.
#
# A model that was fitted to all the data proves nothing. So every second round calibrates, and the others judge. The
# error is predicted over measured, minus one. `labkit runs predict RUN` says the same of any run.
#
# ### Predict, then measure
#
# This work has as many tasks as you see below. Which **speedup** would 1,024 workers reach, by the simulation?

# %% [markdown] lang="es"
# ## 3 Una simulación, y cuánto se equivoca
#
# Mides otra vez, con pocos procesos. De los eventos de **un solo proceso** la simulación toma cuánto dura cada tarea y
# cuánto ocupa cada resultado al programa principal; de los procesos desnudos del *límite*, cuánto se frenan unos a
# otros (**contención**). Después, procesos simulados toman las tareas, la más larga primero, como hace el despacho.
#
# Un modelo ajustado a todos los datos no demuestra nada. Por eso una de cada dos rondas calibra y las demás juzgan. El
# error es lo predicho entre lo medido, menos uno. `labkit runs predict RUN` lo dice de cualquier ejecución.
#
# ### Predice y luego mide
#
# Este trabajo tiene tantas tareas como ves abajo. ¿Qué **aceleración** alcanzarían 1024 procesos según la simulación?

# %%
for task in sorted(job.tasks(lab.calibration(job)), key=lambda task: -task.cost_s):
    print(f"{task.key:22} {number(task.cost_s, lang):>6} s")

# %%
expected_speedup = 5.0  # solution
many = predict("10.b", expected_speedup)

# %%
record = lab.measure(dataset, workers=workers, rounds=rounds, recipes=recipes)
results, here = record["results"], record["fingerprints"][0]
display(Markdown(t("notebook.run", lang, run=record["id"], digest=results["digest"], host=here["digest"])))
measured = labkit.rows_of(results, "ray")
display(Markdown(labkit.table_markdown(measured, lang)))

machine = machine_of(results, "ray", here["usable_cpus"], range(1, rounds + 1))
errors = prediction_error(results, "ray", here["usable_cpus"])
rows = [
    [n, number(row.parallel_s, lang), number(simulate(machine, n), lang),
     t("simulated.between", lang, low=percent(spread.low, lang), high=percent(spread.high, lang))]
    for row in measured for n, spread in errors.items() if n == row.n_workers
]  # fmt: skip
header = [t(f"simulated.{name}", lang) for name in ("workers", "measured_s", "predicted_s", "error")]
display(Markdown(markdown([header, *rows], "rrrr")))
about = {"driver_ms": number(1000 * machine.driver_s, lang, 1), "contention": percent(machine.contention, lang)}
print(t("simulated.machine", lang, n=len(machine.service_s), **about))

# %% [markdown] lang="en"
# ## 4 From 1 to 1,024 workers
#
# Three things bound every schedule from below, whatever its order:
# - all the work, divided among the workers,
# - the **longest task**, which nobody can share,
# - the **driver**, which takes the results one after the other.
#
# ### Exercise 10.2: no faster than this
#
# Write `lower_bound`: from the tasks' times `service_s`, the driver's time on each result and the number of workers,
# the time in seconds below which no schedule can be. Which of the three holds decides what would help.

# %% [markdown] lang="es"
# ## 4 De 1 a 1024 procesos
#
# Tres cosas acotan por debajo cualquier planificación, sea cual sea su orden:
# - todo el trabajo, repartido entre los procesos,
# - la **tarea más larga**, que nadie puede compartir,
# - el **programa principal**, que recoge los resultados uno tras otro.
#
# ### Ejercicio 10.2: no más rápido que esto
#
# Escribe `lower_bound`: a partir de los tiempos de las tareas `service_s`, del tiempo que cada resultado ocupa al
# programa principal y del número de procesos, el tiempo en segundos que ninguna planificación puede mejorar. Cuál de
# las tres manda decide qué ayudaría.


# %%
def lower_bound(service_s, driver_s, n_workers):
    # solution
    return max(sum(service_s) / n_workers, max(service_s), len(service_s) * driver_s)


# %%
check("10.2", lower_bound)

# %% [markdown] lang="en"
# Now the simulation on nodes like yours: a worker is slowed down by the others of its own node alone, and the network
# costs nothing. Both are assumptions, and kind ones: **everything beyond your own cores is simulated, not measured**.
# The right half has the same tasks, `times` times as many.

# %% [markdown] lang="es"
# Ahora la simulación con nodos como el tuyo: a cada proceso solo lo frenan los de su propio nodo, y la red no cuesta
# nada. Ambas son suposiciones, y benévolas: **todo lo que pasa de tus núcleos está simulado, no medido**. La mitad
# derecha tiene las mismas tareas, `times` veces tantas.


# %%
def slowed(service_s, n_workers):
    """Return the tasks' times on a node like this one, as full as so many workers make it."""
    neighbours = min(n_workers, here["usable_cpus"]) - 1
    return tuple(each * (1 + machine.contention * neighbours) for each in service_s)


def on_nodes(service_s, n_workers):
    """Return the seconds that nodes like this one would take."""
    return simulate(Machine(slowed(service_s, n_workers), machine.driver_s, 0.0), n_workers)


def bound_by(service_s, n_workers):
    """Name the bound that holds."""
    each_s = slowed(service_s, n_workers)
    driver_s = len(each_s) * machine.driver_s
    bounds = {"workers": sum(each_s) / n_workers, "longest": max(each_s), "driver": driver_s}
    return t(f"simulated.by_{max(bounds, key=bounds.get)}", lang)


counts = [2**power for power in range(11)]
works = {1: machine.service_s, times: machine.service_s * times}
predicted = {k: {n: on_nodes(service_s, n) for n in counts} for k, service_s in works.items()}
speedups = {k: {n: sum(works[k]) / predicted[k][n] for n in counts} for k in works}
rows = [
    [n, *(cell for k in works for cell in (number(predicted[k][n], lang), number(speedups[k][n], lang),
                                           bound_by(works[k], n)))]
    for n in counts
]  # fmt: skip
header = [t("simulated.workers", lang)]
for k in works:
    header += [t(f"simulated.{name}", lang, k=k) for name in ("seconds_of", "speedup_of", "bound_of")]
display(Markdown(markdown([header, *rows], "rrrlrrl")))

# %%
figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
axes = figure.subplots()
axes.plot(counts, counts, ":", color="#767676", label=t("plot.ideal", lang))
for k, colour in zip(works, ("#0072B2", "#D55E00"), strict=True):
    axes.plot(counts, list(speedups[k].values()), "--", color=colour, label=t("simulated.curve", lang, k=k))
axes.plot(
    [row.n_workers for row in measured], [row.speedup for row in measured], "o", color="#000000",
    label=t("simulated.measured", lang),
)  # fmt: skip
axes.set(
    xscale="log", yscale="log", xlabel=t("simulated.workers", lang), ylabel=t("table.speedup", lang),
    ylim=(0.7 * min(speedups[1].values()), 2 * max(speedups[times].values())),
)  # fmt: skip
axes.legend(frameon=False)
content = io.BytesIO()
figure.savefig(content, format="png", dpi=110)
display(Image(content.getvalue(), alt=t("simulated.alt", lang)))
many.compare(speedups[1][1024], run=record["id"])

# %% [markdown] lang="en"
# The first curve is flat as soon as the longest task is all that is left: more workers than tasks have nothing to do.
# What helps is to cut the long tasks, or more tasks. With more tasks the curve goes on, until they all have a worker or
# the driver, which takes results one by one, has no time left: then larger tasks or a second driver would help, and
# more workers would not.
#
# Others have measured further than you can here. These are their records, not yours:

# %% [markdown] lang="es"
# La primera curva es plana en cuanto solo queda la tarea más larga: si hay más procesos que tareas, a algunos no les
# queda nada que hacer. Ayudaría cortar las tareas largas, o tener más. Con más tareas la curva sigue, hasta que todas
# tienen un proceso o el programa principal, que recoge los resultados uno a uno, ya no da abasto: entonces ayudarían
# tareas mayores o un segundo programa principal, y no más procesos.
#
# Otros han medido más allá de lo que puedes medir aquí. Son sus registros, no los tuyos:

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
# ## 5 What does it cost?
#
# A cloud sells whole instances. On EC2 a Linux instance is paid by the second, 60 seconds at least, whether its cores
# work or wait.
#
# ### Exercise 10.3: the bill
#
# Write `cost_usd`: from the seconds that a run takes, its number of workers, the workers that one instance holds and
# the price of an instance-hour, what the run costs in dollars. Take whole instances and the 60 seconds into account.

# %% [markdown] lang="es"
# ## 5 ¿Cuánto cuesta?
#
# Una nube vende instancias enteras. En EC2, una instancia con Linux se paga por segundos, como mínimo 60, tanto si sus
# núcleos trabajan como si esperan.
#
# ### Ejercicio 10.3: la factura
#
# Escribe `cost_usd`: a partir de los segundos que dura una ejecución, de su número de procesos, de cuántos caben en una
# instancia y del precio de una hora de instancia, lo que cuesta la ejecución en dólares. Ten en cuenta las instancias
# enteras y los 60 segundos.


# %%
def cost_usd(seconds, n_workers, workers_per_instance, usd_per_hour):
    # solution
    n_instances = -(-n_workers // workers_per_instance)
    return n_instances * max(seconds, 60.0) / 3600 * usd_per_hour


# %%
check("10.3", cost_usd)

# %% [markdown] lang="en"
# The larger work from above, on instances that hold `workers_per_instance` workers each, as if their cores were yours.
# The price is the one in `price_per_hour`; without it, the one that this kit's `ec2/prices.json` holds, with its date
# and source. Where there is none either, nobody invents one: the table counts instance-hours.

# %% [markdown] lang="es"
# El trabajo mayor de arriba, en instancias con `workers_per_instance` procesos cada una, como si sus núcleos fueran los
# tuyos. El precio es el de `price_per_hour`; si falta, el que tenga `ec2/prices.json` de este kit, con fecha y fuente.
# Si tampoco está allí, nadie lo inventa: la tabla cuenta horas de instancia.

# %%
usd, price_list = price_per_hour, ROOT / "ec2" / "prices.json"
if usd is not None:
    print(t("cost.given", lang, instance=instance, usd=number(usd, lang, 4)))
elif price_list.exists():
    listed = json.loads(price_list.read_text("utf-8"))
    for price in listed["prices"]:
        if (price["what"], price["unit"]) == (instance, "hour") and price["usd"] is not None:
            usd = price["usd"]
            about = {"date": listed["date"], "region": price["region"], "source": price["source"]}
            print(t("cost.listed", lang, instance=instance, usd=number(usd, lang, 4), **about))
if usd is None:
    print(t("cost.unknown", lang, instance=instance))

rows = []
for n, run_s in predicted[times].items():
    n_instances = math.ceil(n / workers_per_instance)
    hours = n_instances * max(run_s, 60.0) / 3600
    per = speedups[times][n] / (hours if usd is None else hours * usd)
    paid = "–" if usd is None else number(hours * usd, lang, 4)
    rows.append([n, n_instances, number(run_s, lang, 1), number(speedups[times][n], lang), number(hours, lang, 3),
                 paid, number(per, lang, 1)])  # fmt: skip
names = ("instances", "seconds", "speedup", "hours", "usd", "per_hour" if usd is None else "per_usd")
display(
    Markdown(markdown([[t("simulated.workers", lang), *(t(f"cost.{name}", lang) for name in names)], *rows], "rrrrrrr"))
)

# %% [markdown] lang="en"
# As long as the speedup grows with the instances, a run costs about the same and only ends sooner. Half-empty instances
# and the 60 seconds are paid for nothing. Beyond saturation every instance costs and none helps. Not in this table: the
# minutes in which instances start, disks, and traffic between zones.
#
# ## Summary
#
# A node brings cores, memory and a store of its own, and a distance. Send the work to the data. A simulation is worth
# as much as the rounds that it has not seen say. Longest task, number of tasks and driver decide where more workers
# stop to help; the price decides before that.
#
# **Work it out.** From your table: which number of workers gives the most speedup per dollar, or per instance-hour, and
# which is the largest that costs at most twice as much as the cheapest? How much sooner is it done?

# %% [markdown] lang="es"
# Mientras la aceleración crece con las instancias, una ejecución cuesta casi lo mismo y solo acaba antes. Las
# instancias medio vacías y los 60 segundos se pagan a cambio de nada. Tras la saturación cada instancia cuesta y
# ninguna ayuda. No están en la tabla los minutos en que arrancan las instancias, los discos ni el tráfico entre zonas.
#
# ## Resumen
#
# Un nodo trae núcleos, memoria y un almacén propios, y una distancia. Lleva el trabajo a los datos. Una simulación vale
# lo que digan las rondas que no ha visto. La tarea más larga, el número de tareas y el programa principal deciden dónde
# dejan de ayudar más procesos; el precio lo decide antes.
#
# **Calcúlalo.** Con tu tabla: ¿qué número de procesos da más aceleración por dólar, o por hora de instancia? ¿Cuál es
# el mayor que cuesta como mucho el doble que el más barato? ¿Cuánto antes acaba?
