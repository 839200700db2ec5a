# %% [markdown] lang="en"
# # 3 · Ensembles
#
# **Aim.** Train the members of an ensemble in parallel, by model and by shard; order their tasks so that nobody waits
# for the last; let the members vote, and see what each further member brings for its time. **Before:** notebooks 01
# and 02. **Time:** about 60 minutes, of which the cells compute for about one (on 2 cores, with the values below).
# **Cores:** 2 or more.
#
# | word | what it is |
# |---|---|
# | **member** | a fitted model that has a vote; here each follows a *recipe* of labkit's catalogue |
# | **by model** | each task fits another recipe on all rows |
# | **by shard** | each task fits a recipe on its own shard, and needs no other row in memory |
# | **makespan** | the time from the first task's submission to the last one's end |
# | **training days** | the days whose flights models are fitted on (`train`) |
# | **validation days** | other days, which tell how well each member does, and so how much it weighs (`valid`) |
# | **test days** | days that nothing was chosen by, and that only judge (`test`) |

# %% [markdown] lang="es"
# # 3 · Ensambles
#
# **Objetivo.** Entrenar en paralelo los miembros de un ensamble, por modelo y por fragmento; ordenar sus tareas para
# que nadie espere a la última; hacer que los miembros voten y ver qué aporta cada uno por el tiempo que cuesta.
# **Antes:** cuadernos 01 y 02. **Tiempo:** unos 60 minutos; de ellos, las celdas calculan cerca de uno (con 2 núcleos y
# los valores de abajo). **Núcleos:** 2 o más.
#
# | palabra | qué es |
# |---|---|
# | **miembro** | un modelo ajustado que tiene voto; aquí cada uno sigue una *receta* del catálogo de labkit |
# | **por modelo** | cada tarea ajusta una receta distinta con todas las filas |
# | **por fragmento** | cada tarea ajusta una receta con su propio fragmento, sin otras filas en memoria |
# | **duración total** | el tiempo desde el envío de la primera tarea hasta el final de la última (*makespan*) |
# | **días de entrenamiento** | los días con cuyos vuelos se ajustan los modelos (`train`) |
# | **días de validación** | otros días, que dicen qué tal lo hace cada miembro y, con ello, cuánto pesa (`valid`) |
# | **días de prueba** | días con los que no se eligió nada y que solo juzgan (`test`) |

# %% tags=["parameters"]
days = 60
rounds = 3
n_workers = 2
lang = None
home = None

# %%
import dataclasses
import statistics
import time

import labkit
import numpy as np
import ray
from IPython.display import HTML, Markdown, display
from labkit import check, hint, predict
from labkit.classroom.drawings import bars_of, gantt_svg
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, t
from labkit.learning.fitting import fit_model
from labkit.learning.scores import score
from labkit.parallel.actors import Trained
from labkit.pipeline import assemble, votes_digest

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
lab.attach()
dataset = lab.prepare(days=days)
recipes = ["hgb-small", "hgb-medium", "extra-20", "forest-60", "logistic-numeric", "logistic-onehot"]
job = labkit.plan(dataset, recipes=recipes)
costs = lab.calibration(job)
for task in job.tasks(costs):
    print(f"{task.key:18} {number(task.cost_s, lang):>6} s {'█' * max(1, round(20 * task.cost_s))}")

# %% [markdown] lang="en"
# Each line is a **fit**: what one task does, with its estimated cost on this machine. `forest-60` is cut into three
# fits of 20 trees. What is fitted, on which rows and by which seed stands fixed before any worker starts.
#
# ## 1 A member
#
# ### Exercise 3.1: train a model
#
# A worker holds the validation rows, `valid`: flights of days that no model is fitted on, so that they can tell how
# well it does. It is handed one fit after another. Write `train_model`: fit the model on the block by
# `fit_model(fit, block, categorical)`, which knows the recipes and their seeds, and return a
# `Trained(key, model, probability)`: the fit's key, the fitted model, and for each validation row the probability of
# being late. The class stays plain: it is made remote where it is used.

# %% [markdown] lang="es"
# Cada línea es un **ajuste**: lo que hace una tarea, con su coste estimado en esta máquina. `forest-60` está cortado en
# tres ajustes de 20 árboles. Qué se ajusta, con qué filas y con qué semilla queda fijado antes de que arranque ningún
# proceso.
#
# ## 1 Un miembro
#
# ### Ejercicio 3.1: entrenar un modelo
#
# Un proceso de trabajo guarda las filas de validación, `valid`: vuelos de días con los que no se ajusta ningún modelo,
# para que puedan decir qué tal lo hace. Recibe un ajuste tras otro. Escribe `train_model`: ajusta el
# modelo con el bloque mediante `fit_model(fit, block, categorical)`, que conoce las recetas y sus semillas, y devuelve
# un `Trained(key, model, probability)`: la clave del ajuste, el modelo ajustado y, para cada fila de validación, la
# probabilidad de llegar tarde. La clase sigue siendo corriente: se vuelve remota allí donde se usa.


# %%
class ModelTrainer:
    def __init__(self, valid, categorical):
        self._valid, self._categorical = valid, categorical

    def train_model(self, fit, block):
        # solution
        model = fit_model(fit, block, self._categorical)
        return Trained(fit.key, model, model.predict_proba(self._valid)[:, 1])


# %%
display(verdict := check("3.1", ModelTrainer))

# %% [markdown] lang="en"
# The same class now works in this process and in Ray's: `labkit.engine(name)` makes a crew of workers, each holding its
# own trainer, and `labkit.dispatch` hands them the tasks. (As long as yours is not right, labkit's trainer stands in.)
# The **digest** is a fingerprint of all validation probabilities: one bit of difference would change it.

# %% [markdown] lang="es"
# La misma clase trabaja ahora en este proceso y en los de Ray: `labkit.engine(name)` forma un equipo de procesos, cada
# uno con su entrenador, y `labkit.dispatch` les reparte las tareas. (Mientras el tuyo no sea correcto, lo sustituye el
# de labkit.) La **huella** resume todas las probabilidades de validación: un solo bit distinto la cambiaría.

# %%
trainer_class = ModelTrainer if verdict.state == "right" else labkit.ModelTrainer
small = labkit.plan(dataset, recipes=["hgb-small", "extra-20", "logistic-onehot"])
arguments = (small.valid.X, small.categorical)
for name, chosen, n in [("sequential", labkit.ModelTrainer, 1), ("ray", trainer_class, n_workers)]:
    with labkit.engine(name)(chosen, arguments, small.blocks, n) as crew:
        print(f"{name:12} {n} {votes_digest(labkit.dispatch(small.tasks(), crew))}")

# %% [markdown] lang="en"
# ## 2 By model, by shard
#
# *By model* every worker needs all rows. *By shard* a worker needs one shard at a time, however many there are: so the
# ensemble can learn from more rows than any machine holds. What does it cost?

# %% [markdown] lang="es"
# ## 2 Por modelo, por fragmento
#
# *Por modelo*, cada proceso necesita todas las filas. *Por fragmento*, necesita un solo fragmento a la vez, haya los
# que haya: así el ensamble puede aprender de más filas de las que caben en ninguna máquina. ¿Qué se paga por ello?


# %%
def train_warm(job):
    """Train twice on one crew; return the ensemble and the second pass's events, since the first pays for imports."""
    with labkit.engine("ray")(trainer_class, (job.valid.X, job.categorical), job.blocks, n_workers) as crew:
        labkit.dispatch(job.tasks(costs), crew)
        events = []
        trained = labkit.dispatch(job.tasks(costs), crew, on_event=events.append)
    return assemble(job.fits, trained, job.valid, job.categorical), events


ways = {}
rows = [["", *(t(f"ways.{name}", lang) for name in ("fits", "megabytes", "longest")), "ROC AUC"]]
for way in ("model", "shard"):
    planned = labkit.plan(dataset, recipes=["hgb-small", "extra-20", "logistic-onehot"], by=way)
    ensemble, events = train_warm(planned)
    ways[f'by="{way}"'] = planned, ensemble, events
    megabytes = max(block.X.nbytes for block in planned.blocks.values()) / 1e6
    longest_s = max(event.finished_s - event.started_s for event in events)
    auc = score(planned.test.y, ensemble.predict_proba(planned.test.X)).roc_auc
    figures = [len(planned.fits), number(megabytes, lang), number(longest_s, lang), number(auc, lang, 4)]
    rows.append([f'by="{way}"', *figures])
display(Markdown(markdown(rows, "lrrrr")))

# %% [markdown] lang="en"
# The columns: number of fits, megabytes of features that one task reads at most, the longest task, and the ROC AUC of
# the ensemble on the test days: the chance that a late flight is ranked above a punctual one (Fawcett, 2006,
# doi:10.1016/j.patrec.2005.10.010). Members of shards see fewer rows each; the vote of many makes up for part of it.
#
# ## 3 Who goes first?
#
# The recipes now arrive from the simplest to the largest, as people like to list them, and the forest is not split. In
# **order of arrival** the longest task starts last. **Longest first** (LPT) ends at most $4/3 - 1/(3n)$ times as late
# as the best order on $n$ workers (Graham, 1969, doi:10.1137/0117039).

# %% [markdown] lang="es"
# Las columnas: número de ajustes, megabytes de atributos que lee como mucho una tarea, la tarea más larga y la ROC AUC
# del ensamble en los días de prueba: la probabilidad de que un vuelo tardío quede por encima de uno puntual (Fawcett,
# 2006, doi:10.1016/j.patrec.2005.10.010). Los miembros por fragmento ven menos filas cada uno; el voto de muchos
# compensa una parte.
#
# ## 3 ¿Quién va primero?
#
# Ahora las recetas llegan de la más sencilla a la mayor, como se suelen enumerar, y el bosque no está dividido. Por
# **orden de llegada**, la tarea más larga empieza la última. **La más larga primero** (LPT) acaba como mucho
# $4/3 - 1/(3n)$ veces más tarde que el mejor orden con $n$ procesos (Graham, 1969, doi:10.1137/0117039).

# %%
whole = [dataclasses.replace(fit, part=0, n_parts=1) for fit in job.fits if fit.part == 0]
tasks = sorted(dataclasses.replace(job, fits=tuple(whole)).tasks(costs), key=lambda task: task.cost_s)
for task in tasks:
    print(f"{task.key:18} {number(task.cost_s, lang):>6} s {'█' * max(1, round(20 * task.cost_s))}")

# %% [markdown] lang="en"
# ### Exercise 3.2: the longest first
#
# Write `schedule`: given the tasks' costs in seconds and the number of workers, hand out the tasks, the longest first,
# each to the worker that is free first. Return the plan (a list a worker, with the numbers of its tasks in their order)
# and the makespan.

# %% [markdown] lang="es"
# ### Ejercicio 3.2: la más larga primero
#
# Escribe `schedule`: dados los costes de las tareas en segundos y el número de procesos, reparte las tareas, la más
# larga primero, cada una al proceso que antes quede libre. Devuelve el plan (una lista por proceso, con los números de
# sus tareas en orden) y la duración total.


# %%
def schedule(costs_s, n_workers):
    # solution
    plan, busy_s = [[] for _ in range(n_workers)], [0.0] * n_workers
    for task in sorted(range(len(costs_s)), key=lambda task: -costs_s[task]):
        worker = busy_s.index(min(busy_s))
        plan[worker].append(task)
        busy_s[worker] += costs_s[task]
    return plan, max(busy_s)


# %%
display(verdict := check("3.2", schedule))

# %%
if verdict.state == "right":
    plan, makespan_s = schedule([task.cost_s for task in tasks], n_workers)
    for worker, held in enumerate(plan):
        print(worker, [tasks[place].key for place in held])
    print(f"{number(makespan_s, lang)} s")

# %% [markdown] lang="en"
# ### Predict, then measure
#
# How many times as long does the order of arrival take as the longest first, on these tasks? Work it out from the
# costs above before you say a number.

# %% [markdown] lang="es"
# ### Predice y luego mide
#
# ¿Cuántas veces más tarda el orden de llegada que la más larga primero, con estas tareas? Calcúlalo con los costes de
# arriba antes de decir un número.

# %%
times_as_long = 1.4  # solution
guess = predict("3.a", times_as_long)

# %%
orders = {
    "arrival": [dataclasses.replace(task, cost_s=0.0) for task in tasks],  # of equal cost: they stay as they stand
    "longest": tasks,
    "split": job.tasks(costs),
}
seconds, charts = {name: [] for name in orders}, {}
with labkit.engine("ray")(trainer_class, (job.valid.X, job.categorical), job.blocks, n_workers) as crew:
    for turn in range(rounds + 1):  # rounds are interleaved, and the first only warms up
        for name, ordered in orders.items():
            charts[name] = []
            begun = time.perf_counter()
            labkit.dispatch(ordered, crew, on_event=charts[name].append)
            if turn:
                seconds[name].append(time.perf_counter() - begun)
for name, each in seconds.items():
    own = "  ".join(number(one, lang) for one in each)
    print(f"{t(f'orders.{name}', lang):32} {number(statistics.median(each), lang)} s  ({own})")
ratios = [late / early for late, early in zip(seconds["arrival"], seconds["longest"], strict=True)]
guess.compare(statistics.median(ratios))

# %% [markdown] lang="en"
# The last round as a Gantt chart, on one time axis: in order of arrival, with the longest first, and with the forest
# split into three. Look at the right end: how long is a worker idle?
#
# Longest first is a rule of thumb that goes by **estimated** costs; it does not know the best order. Where the
# estimates miss, or the order of arrival happens to be a good one, that is as fast or faster, and your ratio is 1 or
# less. That is a result too. What the rule promises is that it is never far from the best.

# %% [markdown] lang="es"
# La última ronda como diagrama de Gantt, con un mismo eje de tiempo: por orden de llegada, con la más larga primero, y
# con el bosque dividido en tres. Mira el extremo derecho: ¿cuánto tiempo pasa ocioso un proceso?
#
# La más larga primero es una regla práctica que se guía por costes **estimados**; no conoce el mejor orden. Si las
# estimaciones fallan, o si el orden de llegada resulta ser bueno, este tarda lo mismo o menos, y tu cociente es 1 o
# menor. También eso es un resultado. Lo que promete la regla es no estar nunca lejos del mejor.

# %%
until_s = max(
    max(event.received_s for event in events) - min(event.submitted_s for event in events) for events in charts.values()
)
for name in orders:
    print(t(f"orders.{name}", lang))
    display(HTML(gantt_svg(bars_of(charts[name], lang), lang, 0.0, 1.05 * until_s)))

# %% [markdown] lang="en"
# ## 4 The vote
#
# A **soft vote** is a weighted mean of probabilities. A member weighs by how much better than guessing it ranks the
# validation rows, $w_i \propto \max(\mathrm{AUC}_i - 0.5,\ 0)$, and the weights sum to 1. If no member is better than
# guessing, there is nothing to choose by: all weigh the same.
#
# ### Exercise 3.3: a vote that weighs
#
# Write `soft_vote`. Both `valid` and `test` have `probability`, of shape (members, rows), and the labels `y`. Return
# the ensemble's probability for each test row. `score(y, probability).roc_auc` gives a ROC AUC.

# %% [markdown] lang="es"
# ## 4 El voto
#
# El **voto suave** es una media ponderada de probabilidades. Un miembro pesa según cuánto mejor que al azar ordena las
# filas de validación, $w_i \propto \max(\mathrm{AUC}_i - 0{,}5,\ 0)$, y los pesos suman 1. Si ningún miembro supera al
# azar, no hay por qué elegir: todos pesan lo mismo.
#
# ### Ejercicio 3.3: un voto que pesa
#
# Escribe `soft_vote`. Tanto `valid` como `test` tienen `probability`, de forma (miembros, filas), y las etiquetas `y`.
# Devuelve la probabilidad del ensamble para cada fila de prueba. `score(y, probability).roc_auc` da una ROC AUC.


# %%
def soft_vote(valid, test):
    # solution
    gains = np.array([max(score(valid.y, each).roc_auc - 0.5, 0.0) for each in valid.probability])
    if not gains.any():
        gains += 1.0
    return gains / gains.sum() @ test.probability


# %%
check("3.3", soft_vote)

# %% [markdown] lang="en"
# ### Predict, then measure
#
# By how many thousandths of ROC AUC will the vote of all six recipes beat its best member on the test days? A negative
# number says that it will not.

# %% [markdown] lang="es"
# ### Predice y luego mide
#
# ¿Por cuántas milésimas de ROC AUC superará el voto de las seis recetas a su mejor miembro en los días de prueba? Un
# número negativo dice que no lo superará.

# %%
thousandths_more = 2.0  # solution
guess = predict("3.b", thousandths_more)

# %%
ensemble, events = train_warm(job)
ways['by="model", 6'] = job, ensemble, events
alone = {
    name: score(job.test.y, model.predict_proba(job.test.X)[:, 1]).roc_auc
    for name, model in zip(ensemble.names, ensemble.models, strict=True)
}
rows = [["", t("notebook.weight", lang), "ROC AUC"]]
for name, weight in zip(ensemble.names, ensemble.weights, strict=True):
    rows.append([name, number(weight, lang, 3), number(alone[name], lang, 4)])
together = score(job.test.y, ensemble.predict_proba(job.test.X)).roc_auc
rows.append(["Σ", number(sum(ensemble.weights), lang, 3), number(together, lang, 4)])
display(Markdown(markdown(rows, "lrr")))
guess.compare(1000 * (together - max(alone.values())))

# %% [markdown] lang="en"
# ## 5 Accuracy against time
#
# An ensemble can vote as soon as its first member is there. Each step below is a member that has arrived, with the
# vote of all that are there by then: three recipes by model, the same three by shard, and all six by model.

# %% [markdown] lang="es"
# ## 5 Exactitud frente a tiempo
#
# Un ensamble puede votar en cuanto llega su primer miembro. Cada escalón es un miembro que ha llegado, con el voto de
# todos los que ya están: tres recetas por modelo, las mismas tres por fragmento, y las seis por modelo.


# %%
def auc_by_time(job, ensemble, events):
    """Return (seconds, ROC AUC on the test rows) whenever another member is whole."""
    begun_s = min(event.submitted_s for event in events)
    there_s = {}
    for event in events:  # of a member in parts, the last part counts
        there_s[event.task.partition("#")[0]] = event.received_s - begun_s
    votes = {
        name: weight * model.predict_proba(job.test.X)[:, 1]
        for name, weight, model in zip(ensemble.names, ensemble.weights, ensemble.models, strict=True)
    }
    points, total = [], 0.0
    for name in sorted(there_s, key=there_s.get):
        total = total + votes[name]
        points.append((there_s[name], score(job.test.y, total).roc_auc))  # ranks do not change with the sum of weights
    return points


# %%
from matplotlib import pyplot

figure, axes = pyplot.subplots(figsize=(8, 3.6), layout="constrained")
for mark, (way, trained) in zip("o^s", ways.items(), strict=True):
    axes.step(*zip(*auc_by_time(*trained), strict=True), where="post", marker=mark, label=way)
axes.set(xlabel=t("timeline.axis", lang), ylabel="ROC AUC")
for axis, digits in ((axes.xaxis, 1), (axes.yaxis, 3)):
    axis.set_major_formatter(lambda value, _, digits=digits: number(value, lang, digits))
axes.legend(frameon=False)
pyplot.show()

# %% [markdown] lang="en"
# ## 6 Without labkit's dispatch
#
# ### Exercise 3.4: all fits on their way
#
# Now without labkit's dispatch. Write `train_all`: given remote trainers (Ray actors), a list of fits and the rows they
# all are fitted on, return the results in the order of the fits. Share the fits out evenly, send **everything** before
# you wait, and let the rows travel once.

# %% [markdown] lang="es"
# ## 6 Sin el despacho de labkit
#
# ### Ejercicio 3.4: todos los ajustes en camino
#
# Ahora sin el reparto de labkit. Escribe `train_all`: dados unos entrenadores remotos (actores de Ray), una lista de
# ajustes y las filas con las que se ajustan todos, devuelve los resultados en el orden de los ajustes. Reparte los
# ajustes por igual, envíalo **todo** antes de esperar y haz que las filas viajen una sola vez.


# %%
def train_all(trainers, fits, block):
    # solution
    shared = ray.put(block)
    futures = [trainers[i % len(trainers)].train_model.remote(fit, shared) for i, fit in enumerate(fits)]
    return ray.get(futures)


# %%
display(verdict := check("3.4", train_all))

# %%
if verdict.state == "right":
    remote = ray.remote(trainer_class)
    trainers = [remote.remote(small.valid.X, small.categorical) for _ in range(n_workers)]
    with labkit.observe() as seen:
        trained = train_all(trainers, small.fits, small.blocks["train"])
    print(seen.counts, votes_digest(trained))
    for trainer in trainers:
        ray.kill(trainer)

# %% [markdown] lang="en"
# The same digest as in section 1, from a dozen lines of your own. What they lack is what section 3 was about: a trainer
# that is done early gets nothing more, and one that dies takes its fits along. `labkit.dispatch` sees to both.
#
# ## Summary
#
# A plain class, made remote at the edge. By model for speed, by shard for memory. The longest first, and what is too
# long is split. Weights come from the validation rows; the test rows only judge.
#
# **Work it out.** Take the costs at the beginning of section 3. From how many workers on does the makespan not fall any
# more, and which task is it then? Into how many parts must that task be cut, so that four workers are busy to the end?
# Your `schedule` can tell.

# %% [markdown] lang="es"
# La misma huella que en la sección 1, con una docena de líneas tuyas. Les falta aquello de lo que trataba la sección 3:
# un entrenador que acaba pronto no recibe nada más, y uno que muere se lleva sus ajustes. `labkit.dispatch` cuida de
# ambas cosas.
#
# ## Resumen
#
# Una clase corriente, que se vuelve remota donde se usa. Por modelo, para ir rápido; por fragmento, para no llenar la
# memoria. La más larga primero, y lo que es demasiado largo se divide. Los pesos salen de las filas de validación; las
# de prueba solo juzgan.
#
# **Calcúlalo.** Toma los costes del comienzo de la sección 3. ¿A partir de cuántos procesos deja de bajar la duración
# total, y qué tarea es entonces? ¿En cuántas partes hay que cortar esa tarea para que cuatro procesos estén ocupados
# hasta el final? Tu `schedule` lo puede decir.
