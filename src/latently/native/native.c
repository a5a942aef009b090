/* The step of a fully connected stack, and the optimiser's, on one thread: what `latently.native` calls.

   Products run at the speed of the processor's multiply-adds because nothing stands around them: no dispatch, no
   allocation a layer, no pass of its own for biases and rectifiers. Vectors are those of GCC and Clang, compiled for
   AVX-512, for AVX2 and for whatever the compiler takes as its base; the processor is asked once. */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PAD 16 /* floats: rows of what is kept between layers begin on a cache line */
#define INFER_ROWS 256 /* taken through all layers at a time where nothing is kept */

enum { CUT = 1, ADD = 2, WHERE = 4 }; /* at zero; to what is there; where `kept` is above zero */

#define DEEP 256  /* of the inner index at a time: a panel of b stays in the nearest cache */
#define GROUP 64  /* rows of `a` gathered at a time, where they lie far apart */
#define NEAR 128  /* floats between two steps of the inner index: beyond, what is read is gathered first */

/* c = a b + bias. a(i, k) lies at i * a_row + k * a_inner, and either a_row or a_inner is 1; b(k, j) at k * b_inner +
   j * b_column, and if b_column is not 1, b_inner is. */
typedef struct {
    const float *a, *b, *bias, *kept;
    float *c;
    long rows, columns, inner, a_row, a_inner, b_inner, b_column, c_row, kept_row;
    int end;
} Product;

/* What a tile reads: some of the inner index, perhaps gathered. */
typedef struct {
    const float *a, *b;
    long a_row, a_inner, b_inner, i0, k0, deep;
    int last;
} Piece;

/* One layer: weights (out, in) and biases, where their gradients are added, whether it is rectified. */
typedef struct {
    const float *w, *b;
    float *w_grad, *b_grad;
    long in, out, cut;
} Layer;

/* AdamW on flat vectors; the first `decayed` numbers decay. */
typedef struct {
    float *flat, *grad, *first, *second, *steps;
    long count, decayed;
    double decay, clip, beta1, beta2, eps, rate;
} Adam;

#if defined(__x86_64__)
/* The transpose of `rows` x `columns` numbers, at most 16 each; of 16 columns, zeros in those beyond the last row. */
static inline __attribute__((always_inline, target("avx512f"))) void turn16(
    const float *from, long row, long rows, long columns, float *to, long wide) {
    __m512 a[16], b[16];
    const __mmask16 some = (__mmask16)((1u << columns) - 1);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_maskz_loadu_ps(i < rows ? some : 0, from + (i < rows ? i * row : 0));
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]), b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m512d lo = _mm512_castps_pd(b[i + h]), hi = _mm512_castps_pd(b[i + h + 2]);
            a[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi));
            a[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi));
        }
    /* a[4 q + c]: of rows 4 q to 4 q + 3 the columns c, 4 + c, 8 + c, 12 + c, a quarter each */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512 ab = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x44), cd = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x44);
        __m512 ef = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xee), gh = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xee);
        if (c < columns) _mm512_storeu_ps(to + c * wide, _mm512_shuffle_f32x4(ab, cd, 0x88));
        if (4 + c < columns) _mm512_storeu_ps(to + (4 + c) * wide, _mm512_shuffle_f32x4(ab, cd, 0xdd));
        if (8 + c < columns) _mm512_storeu_ps(to + (8 + c) * wide, _mm512_shuffle_f32x4(ef, gh, 0x88));
        if (12 + c < columns) _mm512_storeu_ps(to + (12 + c) * wide, _mm512_shuffle_f32x4(ef, gh, 0xdd));
    }
}

#define W 16
#define MR 8
#define MASKED
#define ON __attribute__((target("avx512f,fma")))
#define NAME(x) x##_avx512
#include "products.inc"
#undef MASKED
#define W 8
#define MR 6
#define ON __attribute__((target("avx2,fma")))
#define NAME(x) x##_avx2
#include "products.inc"
#endif
#define W 4
#define MR 6
#define ON
#define NAME(x) x##_base
#include "products.inc"

typedef struct {
    void (*product)(const Product *);
    void (*add_columns)(const float *, long, long, long, float *);
    void (*mask)(const float *, const float *, long, float *);
    double (*adam)(const Adam *);
} Kernels;

static Kernels here = {product_base, add_columns_base, mask_base, adam_base};

/* Choose the kernels: 2 for AVX-512, 1 for AVX2, 0 for the base, or the best below what the processor has not. */
int latently_choose(int level) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level >= 2 && __builtin_cpu_supports("avx512f")) {
        here = (Kernels){product_avx512, add_columns_avx512, mask_avx512, adam_avx512};
        return 2;
    }
    if (level >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        here = (Kernels){product_avx2, add_columns_avx2, mask_avx2, adam_avx2};
        return 1;
    }
#endif
    here = (Kernels){product_base, add_columns_base, mask_base, adam_base};
    return 0;
}

static long padded(long n) { return (n + PAD - 1) / PAD * PAD; }
static long larger(long a, long b) { return a > b ? a : b; }

/* One layer of some rows. */
static void forward(const Layer *l, const float *x, long rows, long stride, float *y, long y_row, int add) {
    Product p = {.a = x, .a_row = stride, .a_inner = 1, .b = l->w, .b_inner = 1, .b_column = l->in, .bias = l->b,
                 .c = y, .c_row = y_row, .rows = rows, .columns = l->out, .inner = l->in,
                 .end = (l->cut ? CUT : 0) | (add ? ADD : 0)};
    here.product(&p);
}

/* y = layers(x), added to what is in y if `add`. `kept` takes the rows between layers, one after another, for the way
   back. */
void latently_run(const Layer *layers, long depth, const float *x, long rows, long stride, float *kept, float *y, int add) {
    for (long i = 0; i < depth - 1; i++) {
        long out = layers[i].out, wide = padded(out);
        forward(layers + i, x, rows, stride, kept, wide, 0);
        if (wide > out)
            for (long r = 0; r < rows; r++) memset(kept + r * wide + out, 0, (size_t)(wide - out) * sizeof(float));
        x = kept, stride = wide, kept += rows * wide;
    }
    forward(layers + depth - 1, x, rows, stride, y, layers[depth - 1].out, add);
}

/* The same with nothing kept, some rows at a time. -1: no memory. */
int latently_infer(const Layer *layers, long depth, const float *x, long rows, long stride, float *y, int add) {
    long widest = 0, out = layers[depth - 1].out;
    for (long i = 0; i < depth - 1; i++) widest = larger(widest, layers[i].out);
    float *room = malloc((size_t)(2 * INFER_ROWS * widest + 1) * sizeof(float));
    if (!room) return -1;
    for (long start = 0; start < rows; start += INFER_ROWS) {
        const float *from = x + start * stride;
        long row = stride, count = rows - start < INFER_ROWS ? rows - start : INFER_ROWS;
        for (long i = 0; i < depth - 1; i++) {
            float *to = room + (i % 2) * INFER_ROWS * widest;
            forward(layers + i, from, count, row, to, layers[i].out, 0);
            from = to, row = layers[i].out;
        }
        forward(layers + depth - 1, from, count, row, y + start * out, out, add);
    }
    free(room);
    return 0;
}

/* Gradients of all layers from g at y, added where layers say; that of x to `x_grad` unless it is NULL, added to what
   is there if `add`. `kept` is as `latently_run` left it. -1: no memory. */
int latently_back(const Layer *layers, long depth, const float *x, long rows, long stride, const float *kept,
                  const float *y, const float *g, float *x_grad, int add) {
    long widest = 0, g_row = layers[depth - 1].out;
    for (long i = 0; i < depth; i++) {
        widest = larger(widest, padded(layers[i].out));
        kept += i < depth - 1 ? rows * padded(layers[i].out) : 0;
    }
    float *between = malloc((size_t)(2 * rows * widest) * sizeof(float));
    if (!between) return -1;
    if (layers[depth - 1].cut) {
        float *other = between + (depth % 2) * rows * widest;
        here.mask(g, y, rows * g_row, other);
        g = other;
    }
    for (long i = depth - 1; i >= 0; i--) {
        const Layer *l = layers + i;
        long wide = padded(l->in);
        float *down = between + (i % 2) * rows * widest; /* g lies in the other half, or outside */
        if (i) kept -= rows * wide;
        const float *from = i ? kept : x;
        here.add_columns(g, rows, l->out, g_row, l->b_grad);
        Product w = {.a = g, .a_row = 1, .a_inner = g_row, .b = from, .b_inner = i ? wide : stride, .b_column = 1,
                     .c = l->w_grad, .c_row = l->in, .rows = l->out, .columns = l->in, .inner = rows, .end = ADD};
        here.product(&w);
        if (!i && !x_grad) break;
        Product d = {.a = g, .a_row = g_row, .a_inner = 1, .b = l->w, .b_inner = l->in, .b_column = 1,
                     .c = i ? down : x_grad, .c_row = i ? wide : l->in, .rows = rows, .columns = l->in, .inner = l->out,
                     .kept = from, .kept_row = wide, .end = !i ? (add ? ADD : 0) : layers[i - 1].cut ? WHERE : 0};
        here.product(&d);
        g = down, g_row = wide;
    }
    free(between);
    return 0;
}

/* Clip to the norm `clip`, step and clear the gradient; one that is not finite is only cleared. Gives the norm. */
double latently_adam(const Adam *s) { return here.adam(s); }
