// Q4_0 for AVX-512 with VNNI: sixteen columns beside sixteen rows, a product of four bytes in each lane.
#include "q4_0.h"

namespace {

struct Avx512 {
    static constexpr int kColumns = 16, kGroups = 4;

    // Sixteen columns of a block, by nibble, chunk of eight weights and half of it; each lane has four of a column.
    static void unpack(const Weights& left, const Weights& right, __m512i (&unpacked)[2][2][2]) {
        const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
        const __m512i low = _mm512_set1_epi8(15), shift = _mm512_set1_epi8(char(0x88));
        for (int chunk = 0; chunk < 2; ++chunk) {
            const __m512i a = _mm512_xor_si512(shift, _mm512_loadu_si512(left.quants + 64 * chunk));
            const __m512i b = _mm512_xor_si512(shift, _mm512_loadu_si512(right.quants + 64 * chunk));
            const __m512i halves[2] = {_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b)};
            for (int half = 0; half < 2; ++half) {
                unpacked[0][chunk][half] = _mm512_and_si512(halves[half], low);
                unpacked[1][chunk][half] = _mm512_and_si512(_mm512_srli_epi16(halves[half], 4), low);
            }
        }
    }

    static __m512 column_scales(const Weights& left, const Weights& right) {
        const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(left.scale));
        const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(right.scale));
        return _mm512_cvtph_ps(_mm256_set_m128i(b, a));
    }

    static inline __m512 dot(const __m512i (&weights)[2][2][2], const Bytes& row, int32_t correction) {
        __m512i sum = _mm512_set1_epi32(correction);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const int nibble = i / 4, chunk = i / 2 % 2, half = i % 2;
            const __m512i four = _mm512_set1_epi32(row.four(nibble, chunk, half));
            sum = _mm512_dpbusd_epi32(sum, weights[nibble][chunk][half], four);
        }
        return _mm512_cvtepi32_ps(sum);
    }

    template <int groups, int rows, class Block>
    static void tile(const Tile<Block>& t) {
        const bool whole = t.columns >= kColumns;  // else eight are left, and are computed twice
        const Weights *left = t.weights, *right = whole ? left + t.blocks : left;
        __m512 sums[groups * rows];
        for (auto& sum : sums) sum = _mm512_setzero_ps();
        for (int block = 0; block < t.blocks; ++block) {
            __m512i weights[2][2][2];
            unpack(left[block], right[block], weights);
            const __m512 scale = column_scales(left[block], right[block]);
#pragma GCC unroll 16
            for (int row = 0; row < groups * rows; ++row) {
                const size_t at = size_t(row / rows) * t.blocks + block;
                const Prepared& ready = t.prepared[at * rows + row % rows];
                const __m512 product = dot(weights, bytes(t.rows[at], row % rows), ready.correction);
                const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(ready.scale));
                sums[row] = _mm512_fmadd_ps(product, both, sums[row]);
            }
        }
        const __mmask16 stored = whole ? 0xFFFF : 0xFF;
        for (int row = 0; row < groups * rows; ++row) _mm512_mask_storeu_ps(t.out + row * t.stride, stored, sums[row]);
    }
};

}  // namespace

void q4_0_gemm_avx512(int n, float* out, size_t stride, const void* weights, const void* rows, int count, int columns) {
    multiply<Avx512, Rows, kGroup>(n, out, stride, weights, rows, count, columns);
}

void q4_0_gemv_avx512(int n, float* out, size_t stride, const void* weights, const void* row, int count, int columns) {
    multiply<Avx512, Row, 1>(n, out, stride, weights, row, count, columns);
}
