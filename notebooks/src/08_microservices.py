# %% [markdown] lang="en"
# # 8 · Microservices
#
# **Aim.** Ask a model over HTTP, train through the same door, exchange the model while requests come in, read what
# latencies say, and add copies of a service. **Before:** notebooks 03 and 04. **Time:** about 60 minutes, of which the
# cells compute for about one (on 2 cores, with the values below). **Cores:** 2 or more.
#
# Until now you called functions. A **service** is a process of its own: it is asked over the network, by whoever may,
# in any language, and it goes on when your notebook ends. Five small services share the work of this kit:
#
# | service | asked by | does |
# |---|---|---|
# | health | `GET /health/ready` | says what is ready |
# | prediction | `POST /predict`, `GET /models` | answers with the promoted model |
# | training | `POST /train` | accepts long work, and says how far it is |
# | benchmark | `POST /benchmark`, `GET /runs` | the same for measurements |
# | metrics | `GET /metrics` | counts all of that (notebook 09) |

# %% [markdown] lang="es"
# # 8 · Microservicios
#
# **Objetivo.** Preguntar a un modelo por HTTP, entrenar por la misma puerta, cambiar el modelo mientras llegan
# peticiones, leer lo que dicen las latencias y añadir copias de un servicio. **Antes:** cuadernos 03 y 04. **Tiempo:**
# unos 60 minutos; de ellos, las celdas calculan cerca de uno (con 2 núcleos y los valores de abajo). **Núcleos:** 2 o
# más.
#
# Hasta ahora llamabas a funciones. Un **servicio** es un proceso aparte: se le pregunta por la red, quien tenga permiso
# y en cualquier lenguaje, y sigue ahí cuando acaba tu cuaderno. Cinco servicios pequeños se reparten el trabajo:
#
# | servicio | se le pide con | hace |
# |---|---|---|
# | salud | `GET /health/ready` | dice qué está listo |
# | predicción | `POST /predict`, `GET /models` | responde con el modelo promovido |
# | entrenamiento | `POST /train` | acepta trabajo largo y dice por dónde va |
# | mediciones | `POST /benchmark`, `GET /runs` | lo mismo para las mediciones |
# | métricas | `GET /metrics` | cuenta todo eso (cuaderno 09) |

# %% tags=["parameters"]
days = 30
recipes = ["hgb-small", "logistic-numeric"]
engine = "ray"
clients = [1, 2, 4, 16]
seconds = 3.0
lang = None
home = None

# %%
import collections
import concurrent.futures
import json
import math
import os
import shutil
import tempfile
import time
from pathlib import Path

import httpx
import labkit
import matplotlib.pyplot as plt
import numpy as np
from api.lesson import find_server, start_server
from IPython.display import Markdown, display
from labkit import check, hint, predict
from labkit.classroom.plots import markdown
from labkit.classroom.text import number
from labkit.parallel.service import answers, end_service, free_port, start_service

lab = labkit.start(home=home, lang=lang)
lang = lab.settings.lang
kept = tempfile.TemporaryDirectory(prefix="services-")

# %% [markdown] lang="en"
# ## 1 Find the services
#
# `labkit lab` runs them beside this notebook, on port 8000. Where they do not run, the next cell starts a server of its
# own, a process on a free port, and the last cell ends it. A service answers only who sends a **token**: the client
# below has one. Without a model there is nothing to answer with, so a first small one is trained if need be.

# %% [markdown] lang="es"
# ## 1 Encontrar los servicios
#
# `labkit lab` los ejecuta al lado de este cuaderno, en el puerto 8000. Si no están, la celda siguiente inicia un
# servidor propio, un proceso en un puerto libre, y la última celda lo termina. Un servicio solo responde a quien envía
# una **ficha** (*token*): el cliente de abajo tiene una. Sin modelo no hay con qué responder, así que, si hace falta,
# primero se entrena uno pequeño.

# %%
if not lab.models.list():
    lab.train(lab.prepare(days=days), recipes=recipes[-1:], engine="sequential")
server = find_server(lab) or start_server(lab)
client = server.client()
for part in client.get("/health/ready").json()["parts"]:
    print(f"{'✔' if part['ready'] else '✘'} {part['name']:10}{number(part['latency_ms'], lang, 1):>8} ms")

# %% [markdown] lang="en"
# A request has a verb and a path, an answer has a **status**: 2xx is well, 4xx is your fault, 5xx is the server's. What
# went wrong stands in the answer, in one format for all services (RFC 9457): `code` is for programs, `detail` for you.

# %% [markdown] lang="es"
# Una petición tiene un verbo y una ruta; una respuesta, un **código de estado**: 2xx va bien, 4xx es fallo tuyo, 5xx
# del servidor. Qué ha ido mal está en la respuesta, en un mismo formato para todos los servicios (RFC 9457): `code` es
# para los programas y `detail`, en inglés, para ti.

# %%
flights = client.get("/flights/sample", params={"n": 100, "seed": 8}).json()
print(json.dumps(flights[0]))
wrong = {**flights[0], "sched_dep_time": 2575}
tries = {
    "GET /models": client.get("/models"),
    "GET /nothing": client.get("/nothing"),
    "GET /models, –": httpx.get(str(client.base_url.join("/models"))),
    "POST /predict": client.post("/predict", json=[wrong]),
}
for asked, answer in tries.items():
    found = answer.json() if answer.is_error else {}
    print(f"{asked:16}{answer.status_code}  {found.get('code', '')}  {found.get('detail', '')}")

# %% [markdown] lang="en"
# ## 2 Ask for predictions
#
# `POST /predict` takes a **list** of flights and answers with the id of the model and one prediction each, in order.
#
# ### Exercise 8.1: one question
#
# Write `probabilities`: with the given `client`, which knows address and token, ask how likely each flight is late, and
# return the list of the `probability` values. A request costs its way there and back: the fewer, the better. An answer
# that is an error must raise one (`answer.raise_for_status()`), or a failure would look like a result.

# %% [markdown] lang="es"
# ## 2 Pedir predicciones
#
# `POST /predict` recibe una **lista** de vuelos y responde con el identificador del modelo y una predicción para cada
# uno, en orden.
#
# ### Ejercicio 8.1: una sola pregunta
#
# Escribe `probabilities`: con el `client` dado, que conoce la dirección y la ficha, pregunta qué probabilidad tiene
# cada vuelo de llegar tarde y devuelve la lista de los valores `probability`. Una petición cuesta su ida y su vuelta:
# cuantas menos, mejor. Una respuesta de error debe lanzar un error (`answer.raise_for_status()`); si no, un fallo
# parecería un resultado.


# %%
def probabilities(client, flights):
    # solution
    answer = client.post("/predict", json=flights)
    answer.raise_for_status()
    return [each["probability"] for each in answer.json()["predictions"]]


# %%
check("8.1", probabilities)

# %% [markdown] lang="en"
# ## 3 Train over the network
#
# A training takes longer than anybody waits for an answer. So `POST /train` answers at once, 202 *accepted*, with
# where to look (`Location`); the work is a job of the Ray cluster and goes on even if the server ends. It waits while
# something else is measured on this machine. Here you simply ask again and again; notebook 09 listens instead.

# %% [markdown] lang="es"
# ## 3 Entrenar por la red
#
# Un entrenamiento dura más de lo que nadie espera una respuesta. Por eso `POST /train` responde en el acto, 202
# *aceptado*, con el sitio donde mirar (`Location`); el trabajo es una tarea del clúster de Ray y sigue aunque acabe el
# servidor. Espera mientras se mida otra cosa en esta máquina. Aquí se pregunta una y otra vez; el cuaderno 09, en
# cambio, escucha.

# %%
accepted = client.post("/train", json={"days": days, "recipes": recipes, "engine": engine})
begun_s, run, told = time.perf_counter(), accepted.json(), None
if accepted.is_error:
    raise labkit.LabError(run["detail"])
print(accepted.status_code, accepted.headers["location"])
while run["status"] in ("waiting", "running") and time.perf_counter() - begun_s < 600:
    run = client.get(accepted.headers["location"]).json()
    if told != (told := (run["status"], number(run["progress"], lang), run["waits_for"] or "")):
        print(f"{number(time.perf_counter() - begun_s, lang, 1):>6} s ", *told)
    time.sleep(0.2)
if run["status"] != "finished":
    raise labkit.LabError(f"{run['id']}: {run['status']}, {run['error']}")
new_model = run["results"]["model"]
old_model = client.get("/models/promoted").json()["id"]
print(f"{old_model} → {new_model}")

# %% [markdown] lang="en"
# The new model is kept, and answers nothing yet: only the **promoted** one does.
#
# ## 4 How long does an answer take?
#
# Below, `load` lets several clients ask, wait for the answer, and ask again at once, for some seconds. It notes of each
# request when it began and ended (in seconds), its status, and which model answered.
#
# ### Predict, then measure
#
# With one client an answer takes some milliseconds. How many **times** as long does it take on average when 16 clients
# ask at the same time?

# %% [markdown] lang="es"
# El modelo nuevo está guardado y todavía no responde a nada: solo responde el **promovido**.
#
# ## 4 ¿Cuánto tarda una respuesta?
#
# Abajo, `load` hace que varios clientes pregunten, esperen la respuesta y vuelvan a preguntar en el acto, durante unos
# segundos. De cada petición anota cuándo empezó y cuándo acabó (en segundos), su código de estado y qué modelo
# respondió.
#
# ### Predice y luego mide
#
# Con un cliente, una respuesta tarda unos milisegundos. ¿Cuántas **veces** más tarda de media cuando preguntan 16
# clientes a la vez?

# %%
times_as_long = 9.0  # solution
guess = predict("8.a", times_as_long)

# %%
Asked = collections.namedtuple("Asked", "begun_s ended_s status model")


def load(clients, n_clients, seconds, flights):
    """Let clients ask again and again, each one question at a time; return every request."""
    body, until_s, asked = json.dumps(flights), time.perf_counter() + seconds, []

    def one(client):
        while (begun_s := time.perf_counter()) < until_s:
            answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
            model = answer.json().get("model") if not answer.is_error else None
            asked.append(Asked(begun_s, time.perf_counter(), answer.status_code, model))

    with concurrent.futures.ThreadPoolExecutor(n_clients) as pool:
        list(pool.map(one, [clients[place % len(clients)] for place in range(n_clients)]))
    return asked


def figures(asked):
    """Return requests a second, and mean, p50 and p99 of the latency in ms."""
    latencies_ms = [1e3 * (each.ended_s - each.begun_s) for each in asked]
    lasted_s = max(each.ended_s for each in asked) - min(each.begun_s for each in asked)
    p50_ms, p99_ms = np.percentile(latencies_ms, (50, 99), method="inverted_cdf")
    return len(asked) / lasted_s, float(np.mean(latencies_ms)), float(p50_ms), float(p99_ms)


load([client], 1, 0.2, flights[:1])  # the first requests pay for what is done only once
measured = {n: load([client], n, seconds, flights[:1]) for n in clients}
header = [f"`{name}`" for name in ("clients", "per_s", "mean_ms", "p50_ms", "p99_ms")]
rows = [[str(n), *(number(value, lang, 1) for value in figures(asked))] for n, asked in measured.items()]
display(Markdown(markdown([header, *rows], "rrrrr")))
mean_ms = [figures(measured[n])[1] for n in (min(clients), max(clients))]
guess.compare(mean_ms[1] / mean_ms[0])

# %%
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for (n, asked), style in zip(measured.items(), ["-", "--", "-.", ":", "-"], strict=False):
    latencies_ms = sorted(1e3 * (each.ended_s - each.begun_s) for each in asked)
    axes.plot(latencies_ms, np.linspace(0, 100, len(asked)), style, label=f"clients = {n}")
axes.set(xscale="log", xlabel="ms", ylabel="%", ylim=(0, 100))
axes.axhline(99, color="#888888", linewidth=0.8)
axes.xaxis.set_major_formatter(lambda x, _: number(x, lang, 0 if x >= 1 else 1))
axes.legend(frameon=False)
plt.show()

# %% [markdown] lang="en"
# The curve tells, for each time, how many percent of the answers came within it. **p50** is the median: what is usual.
# **p99** is what one of a hundred exceeds; whoever asks a hundred times for one page meets it on almost two of three
# pages. A mean hides both. (Your clients share the CPUs with the server, so their own work is within these times.)
#
# ### Exercise 8.2: a percentile
#
# Write `percentile`: of a list of latencies and `p` between 1 and 100, the smallest **measured** value that at least
# `p` percent of all values do not exceed (the *nearest rank*: no value between two others). The list is in the order of
# the requests, in no other, and others will read it after you.

# %% [markdown] lang="es"
# La curva dice, para cada tiempo, qué porcentaje de las respuestas llegó dentro de él. **p50** es la mediana: lo
# habitual. **p99** es lo que supera una de cada cien; quien pregunta cien veces para una página se topa con ella casi
# en dos de cada tres páginas. Una media oculta ambas. (Tus clientes comparten las CPU con el servidor, así que su
# propio trabajo está dentro de estos tiempos.)
#
# ### Ejercicio 8.2: un percentil
#
# Escribe `percentile`: de una lista de latencias y un `p` entre 1 y 100, el menor valor **medido** que al menos el `p`
# por ciento de los valores no supera (el *rango más cercano*: ningún valor entre otros dos). La lista está en el orden
# de las peticiones, no en otro, y después de ti la leerán otros.


# %%
def percentile(latencies_s, p):
    # solution
    ordered = sorted(latencies_s)
    return ordered[math.ceil(p * len(ordered) / 100) - 1]


# %%
check("8.2", percentile)

# %% [markdown] lang="en"
# ## 5 Little's law
#
# From some number of clients on, requests a second grow no more, and only the waiting does. Little (1961,
# doi:10.1287/opre.9.3.383) proved what must hold between the three, whatever happens inside: $L = \lambda W$. On
# average as many requests are under way ($L$) as arrive a second ($\lambda$) times the seconds each one stays ($W$).
#
# ### Exercise 8.3: three numbers
#
# Write `little`: from a list of requests, each a pair (`begun_s`, `ended_s`), and a window from `from_s` to `until_s`,
# return $L$, $\lambda$ and $W$, each **measured by itself**, or there is nothing to compare:
# - $L$: the mean number under way, which is the time that requests spent within the window, over the window's length;
# - $\lambda$: how many a second **ended** in the window;
# - $W$: how long these took on average, all of their time.

# %% [markdown] lang="es"
# ## 5 La ley de Little
#
# A partir de cierto número de clientes, las peticiones por segundo ya no crecen; solo crece la espera. Little (1961,
# doi:10.1287/opre.9.3.383) demostró qué debe cumplirse entre las tres cosas, pase lo que pase dentro: $L = \lambda W$.
# De media hay en curso tantas peticiones ($L$) como llegan por segundo ($\lambda$) por los segundos que se queda cada
# una ($W$).
#
# ### Ejercicio 8.3: tres números
#
# Escribe `little`: a partir de una lista de peticiones, cada una un par (`begun_s`, `ended_s`), y una ventana de
# `from_s` a `until_s`, devuelve $L$, $\lambda$ y $W$, cada uno **medido por su cuenta**, o no hay nada que comparar:
# - $L$: el número medio en curso, es decir, el tiempo que las peticiones pasaron dentro de la ventana entre lo que dura
#   la ventana;
# - $\lambda$: cuántas por segundo **acabaron** en la ventana;
# - $W$: cuánto tardaron estas de media, con todo su tiempo.


# %%
def little(requests, from_s, until_s):
    # solution
    within_s = [min(ended, until_s) - max(begun, from_s) for begun, ended in requests]
    ended_s = [ended - begun for begun, ended in requests if from_s <= ended < until_s]
    in_flight = sum(each for each in within_s if each > 0) / (until_s - from_s)
    return in_flight, len(ended_s) / (until_s - from_s), sum(ended_s) / len(ended_s)


# %%
check("8.3", little)

# %% [markdown] lang="en"
# Your own measurements, from the second quarter to the third, so that neither beginning nor end counts. Does $\lambda
# W$ meet $L$? And why is $L$ so close to the number of clients, and not quite it?

# %% [markdown] lang="es"
# Tus propias medidas, del segundo cuarto al tercero, para que no cuenten ni el principio ni el final. ¿Coincide
# $\lambda W$ con $L$? ¿Y por qué $L$ se acerca tanto al número de clientes, sin llegar del todo?

# %%
rows = [["`clients`", "$L$", "$\\lambda$", "$W$ (ms)", "$\\lambda W$"]]
for n, asked in measured.items():
    first_s, last_s = min(each.begun_s for each in asked), max(each.ended_s for each in asked)
    window = first_s + (last_s - first_s) / 4, last_s - (last_s - first_s) / 4
    if found := little([(each.begun_s, each.ended_s) for each in asked], *window):
        L, rate, W = found
        rows.append([str(n), number(L, lang), number(rate, lang, 1), number(1e3 * W, lang), number(rate * W, lang)])
display(Markdown(markdown(rows, "rrrrr"))) if len(rows) > 1 else None

# %% [markdown] lang="en"
# ## 6 Exchange the model under load
#
# Four clients ask without a pause while another one promotes the new model. The server loads and warms the new one
# **beside** the old, and only then lets it answer: whoever asks in between gets the old model's answer. No request may
# fail, and no answer may be of two models.

# %% [markdown] lang="es"
# ## 6 Cambiar el modelo bajo carga
#
# Cuatro clientes preguntan sin pausa mientras otro promueve el modelo nuevo. El servidor carga y calienta el nuevo **al
# lado** del viejo, y solo entonces lo deja responder: quien pregunte entre tanto recibe la respuesta del viejo. Ninguna
# petición puede fallar y ninguna respuesta puede ser de dos modelos.

# %%
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    asking = pool.submit(load, [client], 4, 2 * seconds, flights[:1])
    time.sleep(seconds / 2)
    promoting_s = time.perf_counter()
    promoted = client.post(f"/models/{new_model}/promote").raise_for_status()
    promoted_s = time.perf_counter()
    asked = asking.result() + load([client], 4, seconds / 2, flights[:1])
print(collections.Counter((each.status, each.model) for each in asked))
first_s = min(each.ended_s for each in asked if each.model == new_model)
last_s = max(each.ended_s for each in asked if each.model == old_model)
for name, value in (
    ("promote_s", promoted_s - promoting_s),
    ("first_new_s", first_s - promoting_s),
    ("last_old_s", last_s - promoting_s),
    ("failed", sum(each.status != 200 for each in asked)),
):
    print(f"{name:12}{number(value, lang, 0 if name == 'failed' else 3):>8}")

# %% [markdown] lang="en"
# If the new model were worse, one call would bring the old one back, as fast: the same one, with the old model's id, or
# `POST /models/rollback`, which needs no id and goes back by one promotion. The next cell does it by the id, so that
# your lab stays as it was.

# %% [markdown] lang="es"
# Si el modelo nuevo fuese peor, una llamada devolvería el viejo, igual de rápido: la misma, con el identificador del
# viejo, o `POST /models/rollback`, que no lo pide y retrocede una promoción. La celda siguiente lo hace con el
# identificador, para que tu laboratorio quede como estaba.

# %%
print(new_model, "→", client.post(f"/models/{old_model}/promote").json()["id"])

# %% [markdown] lang="en"
# ## 7 Copies
#
# One process has one core for its answers. A second **copy** needs no change in the service: it keeps nothing that the
# others would have to know, since models and tokens are in the database. So each service can be copied as often as its
# own load needs; the copy below is of the prediction service **alone** (`LABKIT_SERVICES=prediction`), and knows no
# `/train`. Questions have 100 flights now, so that the servers have more to do than their clients.
#
# ### Predict, then measure
#
# How many times as many requests a second will two copies answer as one?

# %% [markdown] lang="es"
# ## 7 Copias
#
# Un proceso tiene un núcleo para sus respuestas. Una segunda **copia** no exige cambiar el servicio: no guarda nada que
# las demás tengan que saber, pues los modelos y las fichas están en la base de datos. Así, cada servicio se copia
# tantas veces como pida su propia carga; la copia de abajo es **solo** del servicio de predicción
# (`LABKIT_SERVICES=prediction`) y no conoce `/train`. Ahora cada pregunta lleva 100 vuelos, para que los servidores
# tengan más que hacer que sus clientes.
#
# ### Predice y luego mide
#
# ¿Cuántas veces más peticiones por segundo responderán dos copias que una?

# %%
times_as_many = 1.5  # solution
guess = predict("8.b", times_as_many)

# %% [markdown] lang="en"
# In front of copies stands a **gateway**: clients know one address, and it hands each request to the copy that has the
# fewest under way. Nginx does that with the few lines below. Where it is not installed, the clients share the copies
# among themselves.

# %% [markdown] lang="es"
# Delante de las copias hay una **pasarela**: los clientes conocen una sola dirección, y ella da cada petición a la
# copia que menos tiene en curso. Nginx lo hace con las pocas líneas de abajo. Donde no está instalado, los clientes se
# reparten las copias entre ellos.

# %%
CONFIGURATION = """
daemon off; pid nginx.pid; error_log stderr error; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_buffer_size 128k;  # a larger body goes by a file, and that by a packet which waits 40 ms
    client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path a; uwsgi_temp_path b; scgi_temp_path c;
    upstream copies {{ least_conn; {servers} keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://copies;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def start_gateway(ports):
    """Start Nginx before copies at several ports; return its process and its port."""
    port, folder = free_port(), Path(kept.name)
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, servers=servers, user=user))
    process = start_service(
        [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"],
        log=folder / "log",
        ready=lambda: answers("127.0.0.1", port),
        timeout_s=20,
        name="Nginx",
        with_parent=True,
    )
    return process, port


copy = start_server(lab, "prediction")
print("/train", copy.client().get("/train").status_code)
nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
if nginx:
    gateway, port = start_gateway([server.port, copy.port])
    both = [server.client(port)]
else:
    said = {
        "en": "There is no Nginx here: half of the clients ask each copy.",
        "es": "Aquí no hay Nginx: la mitad de los clientes pregunta a cada copia.",
    }
    print(said[lang])
    both = [client, copy.client()]

# %%
for each in (client, *both):
    load([each], 2, 0.3, flights)
by_copies = {1: load([client], 4, seconds, flights), 2: load(both, 4, seconds, flights)}
rows = [[str(n), *(number(value, lang, 1) for value in figures(asked))] for n, asked in by_copies.items()]
display(Markdown(markdown([["`copies`", *header[1:]], *rows], "rrrrr")))
guess.compare(figures(by_copies[2])[0] / figures(by_copies[1])[0])

# %% [markdown] lang="en"
# On 2 cores, two copies and their clients share the same CPUs: that is less than 2.00, as in notebook 04. What copies
# give besides is that one may die: end one copy, and the gateway asks the other. Without a gateway, its clients fail.

# %% [markdown] lang="es"
# Con 2 núcleos, dos copias y sus clientes comparten las mismas CPU: es menos de 2,00, como en el cuaderno 04. Lo que
# las copias dan además es que una puede morir: termina una y la pasarela pregunta a la otra. Sin pasarela, sus clientes
# fallan.

# %%
copy.end()
print(collections.Counter(each.post("/predict", json=flights[:1]).status_code for each in both * 20) if nginx else "–")

# %%
if nginx:
    end_service(gateway)
server.end()  # a server that the lab runs goes on

# %% [markdown] lang="en"
# ## Summary
#
# A service is asked, answers with a status, and says what went wrong. Long work is accepted and followed. Tell p50 and
# p99, not a mean. $L = \lambda W$ holds for whatever queue. A model is exchanged beside the old one; a service that
# keeps nothing can be copied.
#
# **Work it out.** A class of 30 students shares one server; each asks 2 questions a second, and must not wait for more
# than 50 ms on average. How many requests are under way on average? With your own $\lambda$ at the most clients, how
# many copies do you need, if each had a core of its own and was to be busy for half of the time at most?

# %% [markdown] lang="es"
# ## Resumen
#
# A un servicio se le pregunta, responde con un código de estado y dice qué ha ido mal. El trabajo largo se acepta y se
# sigue. Cuenta p50 y p99, no una media. $L = \lambda W$ vale para cualquier cola. Un modelo se cambia al lado del
# viejo; un servicio que no guarda nada se puede copiar.
#
# **Calcúlalo.** Una clase de 30 estudiantes comparte un servidor; cada uno hace 2 preguntas por segundo y no debe
# esperar más de 50 ms de media. ¿Cuántas peticiones hay en curso de media? Con tu propia $\lambda$ con más clientes,
# ¿cuántas copias hacen falta si cada una tuviera un núcleo propio y debiera estar ocupada la mitad del tiempo como
# mucho?
