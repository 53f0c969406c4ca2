"""The engine itself with matrix products that come before its own."""

import platform
import shutil
import subprocess
import time

import pytest
from fakes.configs import runtime_config

from e2e.models import tiny
from inferfleet_runtime.hosts.llama.host import running_llama
from inferfleet_runtime.weights.quantizing.job import Job, quantize

SPY = """
#include <cstddef>
#include <cstdio>
#include <cstdlib>
extern "C" void ggml_gemm_q4_0_8x8_q8_0(int, float* s, std::size_t bs, const void*, const void*, int nr, int nc) {
    if (FILE* seen = std::fopen(std::getenv("SEEN"), "w")) std::fclose(seen);
    for (int row = 0; row < nr; ++row)
        for (int column = 0; column < nc; ++column) s[row * bs + column] = 0;
}
"""

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="there are kernels for x86-64 alone"),
    pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler"),
]


@pytest.fixture
def weights(tmp_path):
    source = tiny.make(tmp_path / "tiny.gguf")
    quantize(Job(source, tmp_path / "q4_0.gguf", "Q4_0"), time.monotonic)
    return tmp_path / "q4_0.gguf"


async def test_the_engines_own_calls_reach_the_kernels_beside_it(weights, tmp_path, monkeypatch):
    (tmp_path / "spy.cpp").write_text(SPY)
    subprocess.run(["c++", "-shared", "-fPIC", tmp_path / "spy.cpp", "-o", tmp_path / "kernels.so"], check=True)
    monkeypatch.setenv("INFERFLEET_ENGINE_DIR", str(tmp_path))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    async with running_llama(runtime_config(contextTokens=512), weights, time.monotonic) as llama:
        await llama.load()
        async with llama.post("/v1/completions", {"prompt": list(range(300, 316)), "max_tokens": 3}) as reply:
            assert reply.status == 200
            await reply.read()
    assert (tmp_path / "seen").exists()
