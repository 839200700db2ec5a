"""The simulator, against worlds whose truth is known."""

from __future__ import annotations

import random

import pytest

from labkit.errors import InvalidArgument, InvalidMeasurement
from labkit.scaling.simulator import Machine, calibrate, machine_of, prediction_error, simulate


def results_of(contention: float, rounds: int = 6, noise: float = 0.0, engine_slower: float = 1.0) -> dict[str, object]:
    """Return a benchmark's results in a world that follows the model, but for noise."""
    drawn = random.Random(1)
    service_s = [drawn.uniform(0.5, 3.0) for _ in range(24)]
    truth = Machine(tuple(service_s), 0.001, contention)
    timings = []
    for number in range(rounds + 1):
        for subject, n in (("sequential", 1), ("limit", 2), ("limit", 4), ("ray", 1), ("ray", 2), ("ray", 4)):
            seconds = simulate(truth, n) * drawn.uniform(1 - noise, 1 + noise)
            seconds *= engine_slower if subject == "ray" and n > 1 else 1.0
            timings.append({"subject": subject, "n_workers": n, "round": number, "seconds": seconds})
    return {"timings": timings, "one_worker": {"ray": {"service_s": service_s, "driver_s": 0.001}}}


def test_one_worker_takes_the_sum_and_no_schedule_beats_the_longest_task() -> None:
    machine = Machine((3.0, 2.0, 2.0, 1.0), 0.0, 0.0)
    assert [simulate(machine, n) for n in (1, 2, 4, 1000)] == [8.0, 4.0, 3.0, 3.0]


def test_a_slow_driver_is_the_limit_of_many_workers() -> None:
    machine = Machine((0.01,) * 1000, 0.01, 0.0)
    assert simulate(machine, 500) == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("contention", [0.0, 0.1, 0.5])
def test_a_known_contention_is_found(contention: float) -> None:
    machine = machine_of(results_of(contention), "ray", 4, range(1, 7))
    assert machine.contention == pytest.approx(contention, abs=0.01)


def test_held_out_rounds_judge_the_prediction() -> None:
    errors = prediction_error(results_of(0.1, rounds=12, noise=0.02), "ray", 4)
    assert set(errors) == {1, 2, 4}
    assert all(-0.05 < spread.low <= spread.high < 0.05 for spread in errors.values())
    assert errors[2].kind == "interval"
    slower = prediction_error(results_of(0.1, rounds=12, engine_slower=1.5), "ray", 4)
    assert slower[4].high < -0.3  # an engine that loses what the limit does not is not predicted, and said not to be


def test_workers_beyond_the_cpus_calibrate_nothing() -> None:
    assert set(prediction_error(results_of(0.1), "ray", 2)) == {1, 2}


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(InvalidMeasurement, match="did not measure dask with 1 worker"):
        machine_of(results_of(0.1), "dask", 4, [1])
    with pytest.raises(InvalidMeasurement, match="without --weak"):
        machine_of({**results_of(0.1), "parameters": {"scaling": "weak"}}, "ray", 4, [1])
    with pytest.raises(InvalidMeasurement, match="limit of two or more"):
        machine_of(results_of(0.1), "ray", 1, [1])
    with pytest.raises(InvalidMeasurement, match="at least 2 timed rounds"):
        prediction_error(results_of(0.1, rounds=1), "ray", 4)
    with pytest.raises(InvalidMeasurement):
        calibrate([], 0.0, {2: [1.0]})
    with pytest.raises(InvalidArgument, match="1 worker or more"):
        simulate(Machine((1.0,), 0.0, 0.0), 0)
