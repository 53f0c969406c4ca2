// Products of llama.cpp's repacked Q4_0 weights with one token's activations or many: what all instruction sets share.
//
// llama.cpp takes a product of signed bytes through two absolute values and a sign for every multiplication. Weights
// of four bits need none of it: stored from 0 to 15 they are unsigned as they lie, and eight times the sum of a row's
// block, taken off once, makes up for it. Same integers, same order of the floating-point sums: the same bits come out.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <vector>

// n numbers of a row; out[row * stride + column]; rows are one, or groups of four.
using Product = void(
    int n, float* out, size_t stride, const void* weights, const void* rows, int row_count, int columns);
Product q4_0_gemm_avx2, q4_0_gemm_avx512, q4_0_gemv_avx2, q4_0_gemv_avx512;

// internal: each instruction set compiles its own copy, and none may be used in the other's place
namespace {

constexpr int kBlock = 32;  // weights that share a scale
constexpr int kGroup = 4;   // rows that lie together where there are many

// Eight columns, one block of each: eight bytes of a column, then those of the next. A byte holds weight i of the
// block below weight i + 16, both in two's complement.
struct Weights {
    uint16_t scale[8];
    uint8_t quants[128];
};

// One block of a single row, and of a group of rows: eight bytes of a row, then those of the next.
struct Row {
    uint16_t scale;
    int8_t quants[32];
};
struct Rows {
    uint16_t scale[kGroup];
    int8_t quants[128];
};

// What a block of a row needs for every column.
struct Prepared {
    float scale;
    int32_t correction;  // -8 times the sum of the block
};

// Where a block of a row lies: eight bytes, and the next eight so much further on.
struct Bytes {
    const int8_t* first;
    int next;

    // The four that meet weights `half`, `chunk`, `nibble` of a block.
    int32_t four(int nibble, int chunk, int half) const {
        int32_t value;
        __builtin_memcpy(&value, first + (2 * nibble + chunk) * next + half * 4, sizeof value);
        return value;
    }
};

inline Bytes bytes(const Row& row, int) { return {row.quants, 8}; }
inline Bytes bytes(const Rows& rows, int row) { return {rows.quants + row * 8, 8 * kGroup}; }
inline float scale(const Row& row, int) { return _cvtsh_ss(row.scale); }
inline float scale(const Rows& rows, int row) { return _cvtsh_ss(rows.scale[row]); }

template <class Block>
Prepared prepare(const Block& block, int row) {
    const Bytes at = bytes(block, row);
    int32_t sum = 0;
    for (int chunk = 0; chunk < 4; ++chunk)
        for (int i = 0; i < 8; ++i) sum += at.first[chunk * at.next + i];
    return {scale(block, row), -8 * sum};
}

// Where one tile reads and writes: some blocks' rows beside the columns of one step.
template <class Block>
struct Tile {
    int blocks;
    const Weights* weights;
    const Block* rows;
    const Prepared* prepared;
    float* out;
    size_t stride;
    int columns;  // that are left, those of this step included
};

// Isa::tile<groups, rows of each>(Tile), Isa::kColumns of one step, Isa::kGroups of rows at most.
template <class Isa, class Block, int kRows>
void multiply(int n, float* out, size_t stride, const void* weights, const void* rows, int row_count, int columns) {
    static thread_local std::vector<Prepared> prepared;
    const int blocks = n / kBlock, groups = row_count / kRows;
    const auto* block = static_cast<const Block*>(rows);
    prepared.resize(size_t(row_count) * blocks);
    for (size_t i = 0; i < prepared.size(); ++i) prepared[i] = prepare(block[i / kRows], i % kRows);
    for (int group = 0; group < groups;) {
        const int left = groups - group, taken = left >= Isa::kGroups ? Isa::kGroups : left >= 2 ? 2 : 1;
        const size_t first = size_t(group) * blocks;
        for (int column = 0; column < columns; column += Isa::kColumns) {
            const auto* of_column = static_cast<const Weights*>(weights) + size_t(column) / 8 * blocks;
            float* at = out + size_t(group) * kRows * stride + column;
            const Prepared* ready = &prepared[first * kRows];
            const Tile<Block> tile{blocks, of_column, block + first, ready, at, stride, columns - column};
            if (taken == Isa::kGroups) Isa::template tile<Isa::kGroups, kRows>(tile);
            else if (taken == 2) Isa::template tile<2, kRows>(tile);
            else Isa::template tile<1, kRows>(tile);
        }
        group += taken;
    }
}

}  // namespace
