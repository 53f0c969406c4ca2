// The engine's own names, which the dynamic linker finds here first (LD_PRELOAD): each passes to the fastest code that
// this processor can run. Not to be loaded where it cannot even run AVX2.
#include "q4_0.h"

namespace {

bool has_vnni() {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw");
}

}  // namespace

extern "C" {

Product* fastest_gemm() { return has_vnni() ? &q4_0_gemm_avx512 : &q4_0_gemm_avx2; }
Product* fastest_gemv() { return has_vnni() ? &q4_0_gemv_avx512 : &q4_0_gemv_avx2; }

void ggml_gemm_q4_0_8x8_q8_0(
    int n, float* out, size_t stride, const void* weights, const void* rows, int count, int columns) {
    static Product* const product = fastest_gemm();
    product(n, out, stride, weights, rows, count, columns);
}

void ggml_gemv_q4_0_8x8_q8_0(
    int n, float* out, size_t stride, const void* weights, const void* row, int count, int columns) {
    static Product* const product = fastest_gemv();
    product(n, out, stride, weights, row, count, columns);
}

}
