# %% [markdown] lang="en"
# # 9 · Monitoring
#
# **Aim.** Read what a service says of itself: metrics, logs and events; then find a fault that was planted, from these
# alone. **Before:** notebooks 07 and 08. **Time:** about 60 minutes, of which the cells compute for less than one (on
# 2 cores, with the values below). **Cores:** 2 or more.
#
# Nobody can look into a process that serves. It must tell, and it does so in three ways:
#
# | | says | good for | costs |
# |---|---|---|---|
# | **metrics** | how much, how often, how long | seeing that something is wrong, and since when | always the same |
# | **logs** | what happened, line by line | seeing why | grow with the work |
# | **events** | what happens now, as it does | following one piece of work | one open connection |

# %% [markdown] lang="es"
# # 9 · Monitorización
#
# **Objetivo.** Leer lo que un servicio dice de sí mismo: métricas, registros (*logs*) y eventos; y después encontrar un
# fallo plantado, solo con eso. **Antes:** cuadernos 07 y 08. **Tiempo:** unos 60 minutos; de ellos, las celdas calculan
# menos de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o más.
#
# Nadie puede mirar dentro de un proceso que sirve. Tiene que contarlo él, y lo hace de tres maneras:
#
# | | dice | sirve para | cuesta |
# |---|---|---|---|
# | **métricas** | cuánto, cuántas veces, cuánto tiempo | ver que algo va mal, y desde cuándo | siempre lo mismo |
# | **registros** | qué pasó, línea a línea | ver por qué | crecen con el trabajo |
# | **eventos** | qué pasa ahora, mientras pasa | seguir un trabajo concreto | una conexión abierta |

# %% tags=["parameters"]
days = 30
recipes = ["hgb-small", "logistic-numeric", "hgb-medium"]
seconds = 2.0
lang = None
home = None

# %%
import collections
import concurrent.futures
import itertools
import json
import math
import re
import tempfile
import time
from pathlib import Path

import httpx
import labkit
import numpy as np
from api.lesson import own_lab, plant_fault, start_server
from IPython.display import Markdown, display
from labkit import check, hint, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number, percent
from labkit.parallel.faults import KillWorker, inject
from prometheus_client.parser import text_string_to_metric_families

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
dataset = lab.prepare(days=days)

# %% [markdown] lang="en"
# Something will be broken below. So this notebook has a lab and a server **of its own**, in a temporary folder; the
# last cell ends them. A first model is trained there, and promoted, since it is the first.

# %% [markdown] lang="es"
# Más abajo se romperá algo. Por eso este cuaderno tiene un laboratorio y un servidor **propios**, en una carpeta
# temporal; la última celda los termina. Allí se entrena un primer modelo, que queda promovido por ser el primero.

# %%
kept = tempfile.TemporaryDirectory(prefix="monitoring-")
own = own_lab(lab, Path(kept.name) / "lab")
own.train(dataset, recipes=recipes[:1], engine="sequential")
server = start_server(own)
client = server.client()
flights = client.get("/flights/sample", params={"n": 20, "seed": 9}).json()
print(client.post("/predict", json=flights[:1]).json())

# %% [markdown] lang="en"
# ## 1 Metrics
#
# `GET /metrics` shows all meters as they stand **now**, in the text format of Prometheus. A server keeps no past:
# whoever wants one asks again and again, and keeps the answers; that is what Prometheus does. Some of its lines:

# %% [markdown] lang="es"
# ## 1 Métricas
#
# `GET /metrics` muestra todos los contadores tal como están **ahora**, en el formato de texto de Prometheus. Un
# servidor no guarda el pasado: quien lo quiera pregunta una y otra vez y guarda las respuestas; eso hace Prometheus.
# Algunas de sus líneas:

# %%
text = client.get("/metrics").text
shown = [line for line in text.splitlines() if "request_seconds" in line or "host_ratio" in line]
print(len(text.splitlines()))
print("\n".join(line for line in shown if 'le="' not in line or "/predict" in line))

# %% [markdown] lang="en"
# A **counter** only grows, until its process starts anew and it begins at 0 again (`…_count`, `…_total`); what counts
# is how fast. A **gauge** goes up and down (`labkit_host_ratio`); what counts is its value. A **histogram** is several
# counters: `…_bucket{le="0.01"}` counts the answers that took **at most** 0.01 s, `…_sum` adds their seconds up.
#
# ### Exercise 9.1: read the format
#
# Write `parse`: from such a text, the list of its samples, each a tuple of name (a string), labels (a dictionary, empty
# where there are none) and value (a float; Python's `float` reads `+Inf` and `NaN` as well). Lines that begin with `#`
# are comments. Label values stand in quotes and may hold spaces, commas and braces (`route="/train/{run_id}"`). After
# the value a time may follow, which is not asked for.

# %% [markdown] lang="es"
# Un **contador** (*counter*) solo crece, hasta que su proceso arranca de nuevo y vuelve a empezar en 0 (`…_count`,
# `…_total`); importa lo rápido que crece. Un **indicador** (*gauge*) sube y baja (`labkit_host_ratio`); importa su
# valor. Un **histograma** son varios contadores: `…_bucket{le="0.01"}` cuenta las respuestas que tardaron **como
# mucho** 0,01 s, y `…_sum` suma sus segundos.
#
# ### Ejercicio 9.1: leer el formato
#
# Escribe `parse`: a partir de un texto así, la lista de sus muestras, cada una una tupla de nombre (una cadena),
# etiquetas (un diccionario, vacío si no las hay) y valor (un `float`; el de Python lee también `+Inf` y `NaN`). Las
# líneas que empiezan por `#` son comentarios. Los valores de las etiquetas van entre comillas y pueden contener
# espacios, comas y llaves (`route="/train/{run_id}"`). Tras el valor puede venir una hora, que no se pide.


# %%
def parse(text):
    # solution
    samples = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, labels, value = re.match(r"([\w:]+)(?:\{(.*)\})?\s+(\S+)", line).groups()
            samples.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
    return samples


# %%
check("9.1", parse)

# %% [markdown] lang="en"
# ## 2 How fast does it grow?
#
# Below, four clients ask for predictions, while `/metrics` is asked a few times. Prometheus' own library reads the
# answers from here on.
#
# ### Predict, then measure
#
# The server notes how long it took for each answer; so do the clients. How many **times** as long as the server says
# does an answer take for the client that waits for it, on average?

# %% [markdown] lang="es"
# ## 2 ¿A qué ritmo crece?
#
# Abajo, cuatro clientes piden predicciones mientras se consulta `/metrics` unas cuantas veces. Desde aquí, las
# respuestas las lee la propia biblioteca de Prometheus.
#
# ### Predice y luego mide
#
# El servidor anota cuánto tardó en cada respuesta; los clientes también. ¿Cuántas **veces** más de lo que dice el
# servidor tarda de media una respuesta para el cliente que la espera?

# %%
times_as_long = 2.0  # solution
guess = predict("9.a", times_as_long)


# %%
def scrape():
    """Return when it was, and the samples of /metrics as `parse` would."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return time.perf_counter(), [(each.name, each.labels, each.value) for family in families for each in family.samples]


def value_of(samples, name, **labels):
    """Return the sum of the samples with a name and labels."""
    return sum(value for found, given, value in samples if found == name and labels.items() <= given.items())


def ask(seconds, flights):
    """Ask for predictions one after the other; return how long each took, in seconds."""
    until_s, took_s = time.perf_counter() + seconds, []
    while (begun_s := time.perf_counter()) < until_s:
        client.post("/predict", json=flights)
        took_s.append(time.perf_counter() - begun_s)
    return took_s


ask(0.2, flights)
predicting = {"route": "/predict", "status": "200"}
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    scrapes = [scrape()]
    asking = [pool.submit(ask, seconds, flights) for _ in range(4)]
    for _ in range(3):
        time.sleep(seconds / 4)
        scrapes.append(scrape())
    took_s = [each for one in asking for each in one.result()]
scrapes.append(scrape())
before, after = scrapes[0][1], scrapes[-1][1]
n, sum_s = (
    value_of(after, f"labkit_request_seconds_{what}", **predicting)
    - value_of(before, f"labkit_request_seconds_{what}", **predicting)
    for what in ("count", "sum")
)
print(f"{len(took_s)} = {int(n)}")
print(f"{number(1e3 * np.mean(took_s), lang)} ms / {number(1e3 * sum_s / n, lang)} ms")
guess.compare(float(np.mean(took_s) / (sum_s / n)))

# %% [markdown] lang="en"
# Both counted the same requests. What the server does not see is what happens before it is told of a request, and after
# it has handed over the answer: the way, the queue of the connection, and the client's own work. Whoever measures only
# in the server believes in a faster service than its users have.
#
# ### Exercise 9.2: a rate
#
# Write `rate`: from the values of one counter, a list of pairs (`at_s`, `value`) in the order of time, by how much it
# grew a second on average, from the first to the last. Where a value is lower than the one before, the process started
# anew and has counted from 0 up to it since.

# %% [markdown] lang="es"
# Ambos contaron las mismas peticiones. Lo que el servidor no ve es lo que ocurre antes de que le llegue una petición y
# después de entregar la respuesta: el camino, la cola de la conexión y el trabajo del propio cliente. Quien solo mide
# en el servidor cree tener un servicio más rápido que el que tienen sus usuarios.
#
# ### Ejercicio 9.2: un ritmo
#
# Escribe `rate`: a partir de los valores de un contador, una lista de pares (`at_s`, `value`) en orden de tiempo,
# cuánto creció por segundo de media, del primero al último. Si un valor es menor que el anterior, el proceso arrancó de
# nuevo y desde entonces ha contado de 0 hasta él.


# %%
def rate(samples):
    # solution
    grown = 0.0
    for (_, earlier), (_, later) in itertools.pairwise(samples):
        grown += later - earlier if later >= earlier else later
    return grown / (samples[-1][0] - samples[0][0])


# %%
check("9.2", rate)

# %%
counted = [(at_s, value_of(samples, "labkit_request_seconds_count", **predicting)) for at_s, samples in scrapes]
for at_s, value in counted:
    print(f"{number(at_s - counted[0][0], lang, 1):>6} s{int(value):>6}")
if (found_per_s := rate(counted)) is not None:
    print(f"{number(found_per_s, lang, 1):>6} / s")

# %% [markdown] lang="en"
# ## 3 Percentiles from buckets
#
# A server cannot keep every latency. The buckets of a histogram are few, and those of several copies can be **added
# up**, which percentiles cannot. The price: within a bucket nobody knows where the values lie.
#
# ### Exercise 9.3: a quantile
#
# Write `quantile`: `before` and `after` are two looks at a histogram, dictionaries from the bucket's upper bound `le`
# (a float, ascending, the last one `math.inf`) to its count; `q` is between 0 and 1. What happened **between** the
# looks counts. Go to rank `q` times the number of values: the bucket in which it falls has a lower and an upper bound
# (the lowest begins at 0); take the values within it as spread evenly, and return the value at the rank. Where it falls
# into the last bucket, return the highest finite bound: more is not known.

# %% [markdown] lang="es"
# ## 3 Percentiles a partir de cubetas
#
# Un servidor no puede guardar cada latencia. Las cubetas (*buckets*) de un histograma son pocas, y las de varias copias
# se pueden **sumar**, lo que no se puede con los percentiles. El precio: dentro de una cubeta nadie sabe dónde están
# los valores.
#
# ### Ejercicio 9.3: un cuantil
#
# Escribe `quantile`: `before` y `after` son dos miradas a un histograma, diccionarios del límite superior `le` de cada
# cubeta (un `float`, de menor a mayor, el último `math.inf`) a su cuenta; `q` está entre 0 y 1. Cuenta lo que ocurrió
# **entre** las dos miradas. Ve al rango `q` por el número de valores: la cubeta en la que cae tiene un límite inferior
# y uno superior (la primera empieza en 0); supón que sus valores se reparten por igual y devuelve el valor en ese
# rango. Si cae en la última cubeta, devuelve el mayor límite finito: más no se sabe.


# %%
def quantile(before, after, q):
    # solution
    counts = {le: after[le] - before[le] for le in after}
    rank, lower, below = q * counts[math.inf], 0.0, 0.0
    for le, count in counts.items():
        if count >= rank:
            return lower if le == math.inf else lower + (le - lower) * (rank - below) / (count - below)
        lower, below = le, count


# %%
check("9.3", quantile)

# %% [markdown] lang="en"
# Between the first and the last look above: what the server's buckets say (`server_ms`), and what the clients measured
# (`clients_ms`).

# %% [markdown] lang="es"
# Entre la primera y la última mirada de arriba: lo que dicen las cubetas del servidor (`server_ms`) y lo que midieron
# los clientes (`clients_ms`).


# %%
def buckets(samples):
    """Return the counts of the predictions' buckets by their upper bounds."""
    bounds = {float(labels["le"]): labels["le"] for name, labels, _ in samples if name.endswith("seconds_bucket")}
    name = "labkit_request_seconds_bucket"
    return {bound: value_of(samples, name, le=bounds[bound], **predicting) for bound in sorted(bounds)}


rows = [["", "`server_ms`", "`clients_ms`"]]
for q in (0.5, 0.99):
    found_s = quantile(buckets(before), buckets(after), q)
    said = "–" if found_s is None else number(1e3 * found_s, lang, 1)
    rows.append([f"p{100 * q:g}", said, number(1e3 * float(np.quantile(took_s, q)), lang, 1)])
display(Markdown(markdown(rows, "lrr")))

# %% [markdown] lang="en"
# ## 4 Logs: follow one request
#
# Every request has a name, `X-Request-Id`: its client chooses one, or the service does. It stands in the answer, and in
# each line that the log has of it, across all services. `GET /logs` shows the lines of all of them; each has a time, a
# level, who writes, and then: verb, path, status, **whose** token, **which** request. What changes something leaves a
# line, and so does what fails. Below one request is followed that way.

# %% [markdown] lang="es"
# ## 4 Registros: seguir una petición
#
# Toda petición tiene un nombre, `X-Request-Id`: lo elige su cliente o, si no, el servicio. Figura en la respuesta y en
# cada línea que el registro tiene de ella, en todos los servicios. `GET /logs` muestra las líneas de todos; cada una
# tiene hora, nivel, quién escribe, y después: verbo, ruta, estado, ficha **de quién** y **qué** petición. Deja una
# línea lo que cambia algo, y también lo que falla. Abajo se sigue así una petición.


# %%
def events(answer):
    """Yield kind and content of each event of an answer that goes on (server-sent events)."""
    kind = None
    for line in answer.iter_lines():
        field, _, content = line.partition(": ")
        if field == "event":
            kind = content
        elif field == "data":
            yield kind, json.loads(content)


def log():
    """Return the last lines of the services' log."""
    with client.stream("GET", "/logs", params={"service": "api", "follow": False}) as answer:
        return [content["text"] for _, content in events(answer)]


answer = client.post("/models/none/promote", headers={"X-Request-Id": "lesson-9"})
print(answer.status_code, answer.headers["x-request-id"], answer.json()["detail"])
print([line for line in log() if line.endswith(f"request {answer.headers['x-request-id']}")])

# %% [markdown] lang="en"
# ## 5 Events: hear what happens
#
# `GET /train/{id}/events` stays open, and tells each fit of a training as it ends. Whoever was cut off says which event
# was the last (`Last-Event-ID`) and misses none. Below one model is trained for each of the `recipes` above, and the
# worker of the last of them is killed, as in notebook 07.
#
# ### Predict, then measure
#
# How many `task` events will come for these fits?

# %% [markdown] lang="es"
# ## 5 Eventos: oír lo que pasa
#
# `GET /train/{id}/events` queda abierto y cuenta cada ajuste de un entrenamiento según acaba. Quien perdió la conexión
# dice cuál fue el último evento (`Last-Event-ID`) y no se pierde ninguno. Abajo se entrena un modelo por cada una de
# las `recipes` de arriba, y el proceso del último de ellos muere, como en el cuaderno 07.
#
# ### Predice y luego mide
#
# ¿Cuántos eventos `task` llegarán por estos ajustes?

# %%
n_events = len(recipes) + 1.0  # solution
guess = predict("9.b", n_events)

# %%
known = {run["id"] for run in client.get("/train").json()}


def follow():
    """Wait for a new training, and return all that it tells, each with the time at which it came."""
    until_s = time.perf_counter() + 120
    while not (new := [run["id"] for run in client.get("/train").json() if run["id"] not in known]):
        assert time.perf_counter() < until_s
        time.sleep(0.05)
    with client.stream("GET", f"/train/{new[0]}/events", timeout=120) as answer:
        return [(time.perf_counter(), kind, content) for kind, content in events(answer)]


with concurrent.futures.ThreadPoolExecutor(1) as pool:
    begun_s, following = time.perf_counter(), pool.submit(follow)
    with inject(KillWorker(at_task=recipes[-1], after_s=0.02)):
        record = own.train(dataset, recipes=recipes, engine="processes", n_workers=2)
    heard = following.result()
for at_s, kind, content in heard:
    told = (content.get(name) for name in ("task", "attempt", "error", "status"))
    print(f"{number(at_s - begun_s, lang, 1):>6} s  {kind:6}", *(each for each in told if each is not None))
guess.compare(sum(kind == "task" for _, kind, _ in heard), run=record["id"])

# %% [markdown] lang="en"
# An attempt that died is told too, with its error: the event is of an **attempt**, not of a fit. The result alone shows
# nothing of it; whoever counts only results never sees that workers die.
#
# ## 6 Find the fault
#
# The next cell breaks something in this notebook's lab, and does not say what. Then users do what users do: most ask
# for predictions, some look at the models, and some mistype. They complain that *it does not work*.

# %% [markdown] lang="es"
# Un intento que murió también se cuenta, con su error: el evento es de un **intento**, no de un ajuste. El resultado
# por sí solo no muestra nada de eso; quien cuente solo resultados no verá nunca que mueren procesos.
#
# ## 6 Encontrar el fallo
#
# La celda siguiente rompe algo en el laboratorio de este cuaderno y no dice qué. Después, los usuarios hacen lo que
# hacen los usuarios: los más piden predicciones, algunos miran los modelos y otros se equivocan al escribir. Se quejan
# de que *no funciona*.


# %%
def users(n):
    """Do what users do, n times over."""
    for turn in range(n):
        client.post("/predict", json=flights[turn % 20 : turn % 20 + 1])
        client.get("/models")
        if turn % 3 == 0:
            client.post("/predict", json=[{**flights[0], "sched_dep_time": 2575}])
            client.get("/train/none")


_, before = scrape()
plant_fault(own)
time.sleep(2.0)  # as long as it may take until every copy of a service has noticed
users(30)
_, after = scrape()

# %% [markdown] lang="en"
# ### Exercise 9.4: what fails, and how often?
#
# Write `failing`: from the samples of two looks, as `parse` returns them, a dictionary from each `route` that answered
# anything **between** the looks to the share of these answers (0 to 1) that were the **server's** fault, status 500 and
# above. The counter is `labkit_request_seconds_count`; a series (one combination of labels) may be missing from the
# first look, and was 0 then. A route has several series: one for each `method` and `status`.

# %% [markdown] lang="es"
# ### Ejercicio 9.4: ¿qué falla, y cuánto?
#
# Escribe `failing`: a partir de las muestras de dos miradas, tal como las devuelve `parse`, un diccionario de cada
# `route` que respondió algo **entre** ambas a la parte de esas respuestas (de 0 a 1) que fue culpa **del servidor**,
# con estado 500 o superior. El contador es `labkit_request_seconds_count`; una serie (una combinación de etiquetas)
# puede faltar en la primera mirada, y entonces valía 0. Una ruta tiene varias series: una por cada `method` y `status`.


# %%
def failing(before, after):
    # solution
    answers, failures = collections.Counter(), collections.Counter()
    for sign, samples in ((-1, before), (1, after)):
        for name, labels, value in samples:
            if name == "labkit_request_seconds_count":
                answers[labels["route"]] += sign * value
                if int(labels["status"]) >= 500:
                    failures[labels["route"]] += sign * value
    return {route: failures[route] / n for route, n in answers.items() if n > 0}


# %%
check("9.4", failing)

# %% [markdown] lang="en"
# Now look at the place that the metrics point at. The log has the failed requests, each with its name; `/health/ready`
# says what the service lacks; an answer says why, for a person. What is the cause, and what brings predictions back?

# %% [markdown] lang="es"
# Mira ahora el sitio que señalan las métricas. El registro tiene las peticiones fallidas, cada una con su nombre;
# `/health/ready` dice qué le falta al servicio; una respuesta dice por qué, para una persona. ¿Cuál es la causa, y qué
# devuelve las predicciones?

# %%
for route, share in (failing(before, after) or {}).items():
    print(f"{route:24}{percent(share, lang):>8}")
print("\n".join(log()[-3:]))
for part in client.get("/health/ready").json()["parts"]:
    print(f"{'✔' if part['ready'] else '✘'} {part['name']:10}{part['reason'] or ''}")
answer = client.post("/predict", json=flights[:1])
print(answer.status_code, answer.headers["x-request-id"], answer.json().get("detail"))

# %% [markdown] lang="en"
# The lab of this notebook has no Ray cluster, which is no fault here: it was so before. But the **model** is not well.
# Its file is not what was saved, so the service refuses it rather than answer with it. `POST /models/{id}/promote`
# would never have promoted it, since it loads a model first; somebody went past it. The old model is still there:

# %% [markdown] lang="es"
# El laboratorio de este cuaderno no tiene clúster de Ray, y eso no es el fallo: ya era así. Pero el **modelo** no está
# bien. Su archivo no es lo que se guardó, así que el servicio lo rechaza en vez de responder con él. `POST
# /models/{id}/promote` nunca lo habría promovido, porque antes carga el modelo; alguien se lo saltó. El modelo anterior
# sigue ahí:

# %%
print(client.post("/models/rollback").json()["id"])
_, before = scrape()
users(10)
_, after = scrape()
statuses = collections.Counter()
for sign, samples in ((-1, before), (1, after)):
    for name, labels, value in samples:
        if name == "labkit_request_seconds_count" and labels["route"] == "/predict":
            statuses[labels["status"]] += int(sign * value)
print({status: n for status, n in statuses.items() if n})

# %% [markdown] lang="en"
# ## 7 Prometheus
#
# In Compose (`docker compose --profile monitoring up`) Prometheus asks every copy each 5 s, and answers questions in
# **PromQL**. `rate(…[1m])` is your `rate` over the last minute, series by series; `sum by (route)` adds series up;
# `histogram_quantile` is your `quantile`. Where no Prometheus runs, you have just computed the same by hand, from two
# looks.

# %% [markdown] lang="es"
# ## 7 Prometheus
#
# En Compose (`docker compose --profile monitoring up`), Prometheus pregunta a cada copia cada 5 s y responde a
# consultas en **PromQL**. `rate(…[1m])` es tu `rate` del último minuto, serie a serie; `sum by (route)` suma series;
# `histogram_quantile` es tu `quantile`. Donde no funciona Prometheus, acabas de calcular lo mismo a mano, con dos
# miradas.

# %%
QUERIES = (
    'sum by (route) (rate(labkit_request_seconds_count{status=~"5.."}[1m])) '
    "/ sum by (route) (rate(labkit_request_seconds_count[1m]))",
    'histogram_quantile(0.99, sum by (le) (rate(labkit_request_seconds_bucket{route="/predict"}[1m])))',
)


def prometheus():
    """Return the address of a Prometheus that answers; None where there is none."""
    for place in ("http://prometheus:9090", "http://127.0.0.1:9090"):
        try:
            if httpx.get(f"{place}/-/ready", timeout=1.0).status_code == 200:
                return place
        except httpx.HTTPError:
            continue
    return None


place = prometheus()
for query in QUERIES:
    print(query)
    for found in httpx.get(f"{place}/api/v1/query", params={"query": query}).json()["data"]["result"] if place else ():
        print("   ", found["metric"].get("route", ""), found["value"][1])
if place is None:
    said = {
        "en": "No Prometheus answers here. In Compose: open http://127.0.0.1:9090 and paste a line.",
        "es": "Aquí no responde ningún Prometheus. En Compose: abre http://127.0.0.1:9090 y pega una línea.",
    }
    print(said[lang])

# %%
client.close()
server.end()

# %% [markdown] lang="en"
# ## Summary
#
# Metrics say that something is wrong and where, logs which request and why, events what happens now. Counters are read
# as rates, histograms as quantiles, both between two looks. 4xx is the asker's fault, 5xx the server's. What a server
# measures is less than what its users wait.
#
# **Work it out.** Prometheus looks every 5 s, and an alarm waits until the share of failures was above 1% for one
# minute. How many requests fail at your rate above until the alarm rings, if every prediction fails? A series takes
# about 1.5 bytes a look: how much does your `/metrics` take in 15 days? Count its lines.

# %% [markdown] lang="es"
# ## Resumen
#
# Las métricas dicen que algo va mal y dónde; los registros, qué petición y por qué; los eventos, qué pasa ahora. Los
# contadores se leen como ritmos y los histogramas como cuantiles, ambos entre dos miradas. 4xx es culpa de quien
# pregunta; 5xx, del servidor. Lo que mide un servidor es menos de lo que esperan sus usuarios.
#
# **Calcúlalo.** Prometheus mira cada 5 s, y una alarma espera a que la parte de fallos haya superado el 1 % durante un
# minuto. ¿Cuántas peticiones fallan a tu ritmo de arriba hasta que suena, si fallan todas las predicciones? Una serie
# ocupa cerca de 1,5 bytes por mirada: ¿cuánto ocupa tu `/metrics` en 15 días? Cuenta sus líneas.
