"""The project's matrix products beside llama.cpp's own: the same bits, whichever way they are computed.

Builds runtime/kernels/ with the machine's compiler. What needs instructions that this processor lacks is skipped.
"""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inferfleet_runtime.engines import cpu

ROOT = Path(__file__).parents[2]
NEEDS = {"avx2": {"avx2", "fma", "f16c"}, "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}}

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="there are kernels for x86-64 alone"),
    pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler"),
]


@pytest.fixture(scope="session")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    done = subprocess.run([ROOT / "runtime/build-kernels", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "kernels.so"))


@pytest.fixture(scope="session")
def engine():
    import xllamacpp

    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    library.ggml_cpu_init()  # fills a table that some of its products read
    return library


def product(function, weights, rows, shape):
    """Of `shape`: numbers in a row, rows, columns."""
    numbers, count, columns = shape
    out = np.full((count + 1, columns + 3), np.nan, "f4")
    void, integer = ctypes.c_void_p, ctypes.c_int
    function.argtypes = [integer, void, ctypes.c_size_t, void, void, integer, integer]
    function.restype = None
    function(numbers, out.ctypes.data, columns + 3, weights.ctypes.data, rows.ctypes.data, count, columns)
    assert np.isnan(out[-1]).all(), "beyond the last row"
    assert np.isnan(out[:, columns:]).all(), "beyond the last column"
    return out[:-1, :columns]


def operands(shape, extreme=False):
    """Weights and rows as llama.cpp lays them out; `extreme`: the largest bytes there are."""
    numbers, count, columns = shape
    rng, group = np.random.default_rng(sum(shape)), 4 if count > 1 else 1
    weights = np.empty(columns // 8 * numbers // 32, [("scale", "<f2", 8), ("quants", "u1", 128)])
    rows = np.empty(count // group * numbers // 32, [("scale", "<f2", group), ("quants", "i1", 32 * group)])
    weights["scale"] = rng.normal(size=weights["scale"].shape) / 100
    rows["scale"] = rng.random(rows["scale"].shape) / 10
    weights["quants"] = 0x77 if extreme else rng.integers(0, 256, weights["quants"].shape)
    rows["quants"] = -128 if extreme else rng.integers(-127, 128, rows["quants"].shape)
    return weights, rows


def of(kernels, kind, processor):
    """A function by its name in C++."""
    name = f"q4_0_{kind}_{processor}"
    return kernels[f"_Z{len(name)}{name}iPfmPKvS1_ii"]


MANY = [(32, 4, 8), (256, 8, 24), (2048, 16, 64), (512, 12, 40), (1024, 28, 72), (64, 36, 8)]
ONE = [(32, 1, 8), (256, 1, 24), (2048, 1, 64), (1024, 1, 72)]


@pytest.mark.parametrize(("kind", "shape"), [("gemm", shape) for shape in MANY] + [("gemv", shape) for shape in ONE])
@pytest.mark.parametrize("processor", NEEDS)
@pytest.mark.parametrize("extreme", [False, True])
def test_products_are_the_engines_own_to_the_bit(kernels, engine, processor, kind, shape, extreme):
    if NEEDS[processor] - cpu.flags(Path("/proc/cpuinfo").read_text()):
        pytest.skip(f"the processor lacks {processor}")
    operand = operands(shape, extreme)
    ours = product(of(kernels, kind, processor), *operand, shape)
    assert np.array_equal(ours, product(engine[f"ggml_{kind}_q4_0_8x8_q8_0"], *operand, shape))
    assert np.abs(ours).max() > 0


@pytest.mark.parametrize("kind", ["gemm", "gemv"])
def test_the_engines_names_lead_to_the_fastest_that_the_processor_can_run(kernels, kind):
    flags = cpu.flags(Path("/proc/cpuinfo").read_text())
    best = next((name for name in ("avx512", "avx2") if not NEEDS[name] - flags), None)
    if best is None:
        pytest.skip("the processor lacks AVX2")
    chosen = ctypes.CFUNCTYPE(ctypes.c_void_p)((f"fastest_{kind}", kernels))()
    assert chosen == ctypes.cast(of(kernels, kind, best), ctypes.c_void_p).value
    shape = (64, 4 if kind == "gemm" else 1, 16)
    operand = operands(shape)
    ours = product(kernels[f"ggml_{kind}_q4_0_8x8_q8_0"], *operand, shape)
    assert np.array_equal(ours, product(of(kernels, kind, best), *operand, shape))
