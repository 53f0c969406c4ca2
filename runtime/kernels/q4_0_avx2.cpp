// Q4_0 for AVX2: eight columns beside eight rows. A block's products fit into sixteen bits (15 * 128 * 16), so they are
// widened once.
#include "q4_0.h"

namespace {

inline const __m256i* vector(const void* at) { return static_cast<const __m256i*>(at); }

struct Avx2 {
    static constexpr int kColumns = 8, kGroups = 2;

    // The columns as `unpack` leaves them: the two halves of a vector shuffle apart.
    static __m256i order() { return _mm256_set_epi32(7, 6, 3, 2, 5, 4, 1, 0); }

    // Eight columns of a block, by nibble, chunk of eight weights and half of it; each lane has four of a column.
    static void unpack(const Weights& weights, __m256i (&unpacked)[2][2][2]) {
        const __m256i low = _mm256_set1_epi8(15), shift = _mm256_set1_epi8(char(0x88));
        for (int chunk = 0; chunk < 2; ++chunk) {
            const uint8_t* from = weights.quants + 64 * chunk;
            const __m256 a = _mm256_castsi256_ps(_mm256_xor_si256(shift, _mm256_loadu_si256(vector(from))));
            const __m256 b = _mm256_castsi256_ps(_mm256_xor_si256(shift, _mm256_loadu_si256(vector(from + 32))));
            const __m256i halves[2] = {
                _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD))};
            for (int half = 0; half < 2; ++half) {
                unpacked[0][chunk][half] = _mm256_and_si256(halves[half], low);
                unpacked[1][chunk][half] = _mm256_and_si256(_mm256_srli_epi16(halves[half], 4), low);
            }
        }
    }

    static __m256 column_scales(const Weights& weights) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights.scale));
        return _mm256_permutevar8x32_ps(_mm256_cvtph_ps(halves), order());
    }

    static inline __m256 dot(const __m256i (&weights)[2][2][2], const Bytes& row, int32_t correction) {
        __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const int nibble = i / 4, chunk = i / 2 % 2, half = i % 2;
            const __m256i four = _mm256_set1_epi32(row.four(nibble, chunk, half));
            pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(weights[nibble][chunk][half], four));
        }
        const __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        return _mm256_cvtepi32_ps(_mm256_add_epi32(sum, _mm256_set1_epi32(correction)));
    }

    template <int groups, int rows, class Block>
    static void tile(const Tile<Block>& t) {
        __m256 sums[groups * rows];
        for (auto& sum : sums) sum = _mm256_setzero_ps();
        for (int block = 0; block < t.blocks; ++block) {
            __m256i weights[2][2][2];
            unpack(t.weights[block], weights);
            const __m256 scale = column_scales(t.weights[block]);
#pragma GCC unroll 8
            for (int row = 0; row < groups * rows; ++row) {
                const size_t at = size_t(row / rows) * t.blocks + block;
                const Prepared& ready = t.prepared[at * rows + row % rows];
                const __m256 product = dot(weights, bytes(t.rows[at], row % rows), ready.correction);
                const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(ready.scale));
                sums[row] = _mm256_fmadd_ps(product, both, sums[row]);
            }
        }
        for (int row = 0; row < groups * rows; ++row)
            _mm256_storeu_ps(t.out + row * t.stride, _mm256_permutevar8x32_ps(sums[row], order()));
    }
};

}  // namespace

void q4_0_gemm_avx2(int n, float* out, size_t stride, const void* weights, const void* rows, int count, int columns) {
    multiply<Avx2, Rows, kGroup>(n, out, stride, weights, rows, count, columns);
}

void q4_0_gemv_avx2(int n, float* out, size_t stride, const void* weights, const void* row, int count, int columns) {
    multiply<Avx2, Row, 1>(n, out, stride, weights, row, count, columns);
}
