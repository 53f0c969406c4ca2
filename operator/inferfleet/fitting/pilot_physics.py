"""How one pod answers so many users in a closed loop: a few terms of physics, their constants fitted. Pure.

A decode step takes the larger of what launching its layers costs the host and of reading the weights once, and then
the batch's keys and values. Users come back as soon as they are answered, so about one prefill interrupts every step
once the batch is as large as an answer has tokens. Memory bounds how many are in flight, at the longest request each
(the engine reserves so much); whoever does not fit waits, and by Little's law the wait is users / throughput less the
time in flight. The constants are the same for all language models: that is why they hold for one that is not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from inferfleet.fitting.pilot import Cell, Target

Floats = npt.NDArray[np.float64]

# Of the benchmark's request mix: medians and the longest, in tokens (its own description; the same for every model).
_INPUT, _MEDIAN_INPUT, _OUTPUT, _LONGEST = 125, 85, 20, 1255
_BYTES: Final = 2  # fp16
_DECODER_SHARE: Final = 0.55  # of an encoder-decoder's weights: a decode step reads no encoder
_USABLE: Final = 0.95  # of the memory
_IN_FLIGHT: Final = 0.75  # of the users, when nobody waits: the rest are in prefill
_SHARP: Final = 4.0  # of the smooth minimum of users and capacity
_CHIPS: Final = ("T4", "V100", "A10", "A100", "H100")

# Each constant with its value before any measurement, and how far off (a factor of e to the power) that may be.
_PRIOR: Final = {
    **{f"host_{chip}": (0.45, 0.25) for chip in _CHIPS[:-1]},  # ms to launch one layer
    "host_H100": (0.33, 0.25),
    "padded_host": (1.8, 0.3),  # times as much without flash attention
    "padded_split": (1.25, 0.2),  # and times this on several GPUs
    "flash_split": (1.1, 0.2),
    "reading": (1.35, 0.3),  # seconds taken over weights / bandwidth
    "computing": (0.5, 0.5),  # FLOP/s reached over peak in prefill
    "prefill_host": (0.3, 0.7),  # of a decode step's launches
    "padding": (3.0, 0.7),  # prefill tokens computed over tokens asked, without flash attention
    "room_flash": (1.2, 0.5),  # requests in flight over free memory / a longest request's keys and values
    "room_padded": (0.2, 0.7),
    "room_power": (1.0, 0.5),
    "first": (1.0, 0.5),  # time to first token over one step and one prefill, when nobody waits
    "first_batch": (0.3, 0.7),  # prefills of others in between, a share of those in flight
    "copying": (
        6.0,
        0.7,
    ),  # seconds over the time to read the keys and values once: batches are concatenated and padded
}
NAMES: Final = tuple(_PRIOR)
_ROBUST: Final = 2.0  # residuals beyond so many deviations count linearly
_DEVIATION: Final = 0.25  # of the logarithm of a latency, that the terms leave unexplained
_NEAR: Final = 0.8  # e-folds from the limit, beyond which only the side matters


@dataclass(frozen=True)
class Inputs:
    """The cells as columns."""

    users: Floats
    gpus: Floats
    chip: npt.NDArray[np.int64]
    layers: Floats
    weights: Floats  # bytes read by a decode step
    parameters: Floats
    memory: Floats
    bandwidth: Floats
    flops: Floats
    kv_token: Floats  # bytes
    padded: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Nudge:
    """Logarithms added to what differs most between models that look alike: room, a step's time, a prefill's time."""

    room: float = 0.0
    step: float = 0.0
    prefill: float = 0.0


def prior() -> tuple[Floats, Floats]:
    """The logarithms of the constants before any measurement, and their deviations."""
    return np.log([value for value, _ in _PRIOR.values()]), np.array([sd for _, sd in _PRIOR.values()])


def inputs(cells: Sequence[Cell]) -> Inputs:
    """What the formulas read of the cells, all but the measurements."""
    languages, profiles = [c.language for c in cells], [c.profile for c in cells]
    gpus = np.array([float(p.count) for p in profiles])
    parameters = np.array([m.parameters for m in languages])
    read = np.array([_DECODER_SHARE if m.encoder_decoder else 1.0 for m in languages])
    return Inputs(
        users=np.array([float(c.users) for c in cells]),
        gpus=gpus,
        chip=np.array([_CHIPS.index(p.chip) for p in profiles]),
        layers=np.array([float(m.layers) for m in languages]),
        weights=_BYTES * parameters * read,
        parameters=parameters,
        memory=gpus * np.array([p.memory for p in profiles]),
        bandwidth=gpus * np.array([p.bandwidth for p in profiles]),
        flops=gpus * np.array([p.flops for p in profiles]),
        kv_token=np.array([2.0 * _BYTES * m.layers * m.kv_width for m in languages]),
        padded=np.array([not m.flash for m in languages]),
    )


def latencies(constants: Floats, of: Inputs, nudge: Nudge = Nudge()) -> Floats:
    """Logarithms of the median time to first token per input token and of the inter-token latency (ms), two columns."""
    c = dict(zip(NAMES, np.exp(constants), strict=True))
    host = _host(c, of)
    flying = _in_flight(c, of, nudge)
    reading = c["reading"] * of.weights / of.bandwidth
    copying = c["copying"] * flying * of.kv_token * _INPUT / of.bandwidth
    step = ((host**3 + reading**3) ** (1 / 3) + copying) * np.exp(nudge.step)
    computing = 2 * of.parameters * _INPUT * np.where(of.padded, c["padding"], 1) / (of.flops * c["computing"])
    prefill = (computing + c["prefill_host"] * host) * np.exp(nudge.prefill)
    joining = flying / _OUTPUT  # requests, at each step
    # Without flash attention they join in groups, so below one a step most steps are not interrupted, nor the median.
    interrupted = np.where(of.padded, np.minimum(joining, joining**2), joining)
    answering = _OUTPUT * step + flying * prefill
    waiting = np.maximum(of.users / flying * answering - answering / _IN_FLIGHT, 0)
    first = c["first"] * (step + prefill * (1 + c["first_batch"] * flying)) + waiting
    milliseconds = np.column_stack([first / _MEDIAN_INPUT, step + interrupted * prefill]) * 1e3
    return np.asarray(np.log(milliseconds))


def measured(cells: Sequence[Cell]) -> Floats:
    """The logarithms of what was measured, as `latencies` gives them."""
    return np.log([[c.nttft, c.itl] for c in cells])


def against(target: Target, logs: Floats) -> Floats:
    """How far latencies are from their limits: e-folds near them, and no more than the side far away.

    LLM-Pilot weighs measurements by their distance for the same reason: 500 ms where 50 are allowed decides nothing
    that 200 ms do not, and the terms of a badly overloaded pod are not worth getting right.
    """
    away = logs - np.log([target.nttft, target.itl])
    return np.asarray(_NEAR * np.tanh(away / _NEAR))


def fit(cells: Sequence[Cell], target: Target) -> Floats:
    """The logarithms of the constants that explain the cells best and stay near what was held before."""
    of, truth = inputs(cells), against(target, measured(cells))
    start, deviation = prior()

    def residuals(constants: Floats) -> Floats:
        missed = (against(target, latencies(constants, of)) - truth) / _DEVIATION
        return np.concatenate([missed.ravel(), (constants - start) / deviation])

    found = least_squares(residuals, start, loss="soft_l1", f_scale=_ROBUST)
    return np.asarray(found.x)


def _host(c: dict[str, float], of: Inputs) -> Floats:
    """Seconds to launch the kernels of one step."""
    layer = np.array([c[f"host_{chip}"] for chip in _CHIPS])[of.chip] * 1e-3
    several = of.gpus > 1
    split = np.where(several, np.where(of.padded, c["padded_split"], c["flash_split"]), 1)
    return np.asarray(of.layers * layer * np.where(of.padded, c["padded_host"], 1) * split)


def _in_flight(c: dict[str, float], of: Inputs, nudge: Nudge) -> Floats:
    """Requests that are decoded at once."""
    free = np.maximum(_USABLE * of.memory - _BYTES * of.parameters, 0.03 * of.memory)
    longest = free / (of.kv_token * _LONGEST)
    room = np.where(of.padded, c["room_padded"], c["room_flash"]) * 20 * (longest / 20) ** c["room_power"]
    room = np.maximum(room * np.exp(nudge.room), 1)
    return np.asarray(((of.users * _IN_FLIGHT) ** -_SHARP + room**-_SHARP) ** (-1 / _SHARP))
