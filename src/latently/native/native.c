/* The step of a fully connected stack, and the optimiser's: what `latently.native` calls.

   Products run at the speed of the processor's multiply-adds because nothing stands around them: no dispatch, no
   allocation a layer, no pass of its own for biases and rectifiers. Vectors are those of GCC and Clang, compiled for
   AVX-512, for AVX2 and for whatever the compiler takes as its base; the processor is asked once. */

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PAD 16 /* floats: rows of what is kept between layers begin on a cache line */
#define INFER_ROWS 256 /* taken through all layers at a time where nothing is kept */

/* Cut at zero; add to what is there; zero unless `kept` is above it; multiply in bfloat16; times how many threads. */
enum { CUT = 1, ADD = 2, WHERE = 4, LOW = 8, THREADS = 16 };

#define DEEP 256  /* of the inner index at a time: a panel of b stays in the nearest cache */
#define GROUP 64  /* rows of `a` gathered at a time, where they lie far apart */
#define GROUP_LOW 256 /* the same in bfloat16, whose pairs are always gathered */
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
/* The transpose of 16 x 16 numbers. */
static inline __attribute__((always_inline, target("avx512f"))) void turned16(__m512 *a) {
    __m512 b[16];
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
    /* now a[4 q + c] holds columns c, 4 + c, 8 + c, 12 + c of rows 4 q to 4 q + 3, a quarter each */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512 ab = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x44), cd = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x44);
        __m512 ef = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xee), gh = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xee);
        b[c] = _mm512_shuffle_f32x4(ab, cd, 0x88), b[4 + c] = _mm512_shuffle_f32x4(ab, cd, 0xdd);
        b[8 + c] = _mm512_shuffle_f32x4(ef, gh, 0x88), b[12 + c] = _mm512_shuffle_f32x4(ef, gh, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = b[i];
}

/* Of `rows` x `columns` numbers, at most 16 each, the transpose: `columns` rows of 16, zeros beyond `rows`. */
static inline __attribute__((always_inline, target("avx512f"))) void turn16(
    const float *from, long row, long rows, long columns, float *to, long wide) {
    const __mmask16 some = (__mmask16)((1u << columns) - 1);
    __m512 a[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = _mm512_maskz_loadu_ps(i < rows ? some : 0, from + (i < rows ? i * row : 0));
    turned16(a);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        if (i < columns) _mm512_storeu_ps(to + i * wide, a[i]);
}

#define W 16
#define MR 8
#define MASKED
#define ON __attribute__((target("avx512f,fma")))
#define NAME(x) x##_avx512
#include "products.inc"
#if __GNUC__ >= 10
#define W 16
#define MR 8
#define PAIRED
#define ON __attribute__((target("avx512f,avx512bw,avx512bf16,fma")))
#define NAME(x) x##_bf16
#include "products.inc"
#undef PAIRED
#endif
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
    void (*product)(const Product *), (*low)(const Product *); /* `low`: of bfloat16, or NULL */
    void (*add_columns)(const float *, long, long, long, float *);
    void (*mask)(const float *, const float *, long, float *);
    double (*adam)(const Adam *);
    int (*units)(const void *, int, long, long, long, const double *, const double *, float *);
} Kernels;

static Kernels here = {product_base, NULL, add_columns_base, mask_base, adam_base, units_base};

/* Choose the kernels: 2 for AVX-512, 1 for AVX2, 0 for the base, or the best below what the processor has not. Those in
   use are not written again: another thread may be about to call them. */
int latently_choose(int level) {
    static int chosen;
    Kernels found = {product_base, NULL, add_columns_base, mask_base, adam_base, units_base};
    int best = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level >= 2 && __builtin_cpu_supports("avx512f")) {
        found = (Kernels){product_avx512, NULL, add_columns_avx512, mask_avx512, adam_avx512, units_avx512}, best = 2;
#if __GNUC__ >= 10
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512bf16")) found.low = product_bf16;
#endif
    } else if (level >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found = (Kernels){product_avx2, NULL, add_columns_avx2, mask_avx2, adam_avx2, units_avx2}, best = 1;
#endif
    if (best != chosen) here = found, chosen = best;
    return best;
}

/* Whether there are products in bfloat16. */
int latently_low(void) { return here.low != NULL; }

static long padded(long n) { return (n + PAD - 1) / PAD * PAD; }
static long larger(long a, long b) { return a > b ? a : b; }

/* ---- threads: whoever calls works too, and waits only for what another thread has begun */

#define MOST_THREADS 64
#define SHARED_FROM 4000000 /* multiply-adds: below, waking somebody takes longer */

typedef struct {
    void (*work)(const void *, long);
    const void *what;
    long pieces;
    atomic_long next;
} Job;

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER, turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t come = PTHREAD_COND_INITIALIZER, gone = PTHREAD_COND_INITIALIZER;
static Job *job;
static int workers, inside;
static unsigned long jobs;

static void labour(Job *j) {
    for (long i; (i = atomic_fetch_add(&j->next, 1)) < j->pieces;) j->work(j->what, i);
}

static void *worker(void *seen) {
    unsigned long last = (unsigned long)(size_t)seen;
    pthread_mutex_lock(&door);
    for (;;) {
        while (!job || jobs == last) pthread_cond_wait(&come, &door);
        Job *mine = job;
        last = jobs, inside++;
        pthread_mutex_unlock(&door);
        labour(mine);
        pthread_mutex_lock(&door);
        if (!--inside) pthread_cond_signal(&gone);
    }
    return NULL;
}

static void alone(void) { /* in a forked child there is nobody else */
    pthread_mutex_init(&door, NULL), pthread_mutex_init(&turn, NULL);
    pthread_cond_init(&come, NULL), pthread_cond_init(&gone, NULL);
    job = NULL, workers = inside = 0;
}

/* work(what, 0) to work(what, pieces - 1), in any order, by up to `threads`. */
static void share(void (*work)(const void *, long), const void *what, long pieces, int threads) {
    Job mine = {work, what, pieces, 0};
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads < 2 || pieces < 2 || pthread_mutex_trylock(&turn)) { /* others are at it: no waiting */
        labour(&mine);
        return;
    }
    static int once;
    if (!once) once = !pthread_atfork(NULL, NULL, alone);
    pthread_mutex_lock(&door);
    for (; workers < threads - 1; workers++) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker, (void *)(size_t)jobs)) break;
        pthread_detach(t);
    }
    job = &mine, jobs++;
    pthread_cond_broadcast(&come);
    pthread_mutex_unlock(&door);
    labour(&mine);
    pthread_mutex_lock(&door);
    job = NULL;
    while (inside) pthread_cond_wait(&gone, &door);
    pthread_mutex_unlock(&door);
    pthread_mutex_unlock(&turn);
}

typedef struct {
    const Product *whole;
    void (*product)(const Product *);
    long step;
    int by_rows;
} Division;

static void part(const void *what, long i) {
    const Division *d = what;
    Product p = *d->whole;
    long start = i * d->step;
    if (d->by_rows) {
        p.rows = p.rows - start < d->step ? p.rows - start : d->step;
        p.a += start * p.a_row, p.c += start * p.c_row;
        p.kept = p.kept ? p.kept + start * p.kept_row : NULL;
    } else {
        p.columns = p.columns - start < d->step ? p.columns - start : d->step;
        p.b += start * p.b_column, p.c += start;
        p.bias = p.bias ? p.bias + start : NULL, p.kept = p.kept ? p.kept + start : NULL;
    }
    d->product(&p);
}

/* Some columns, or where these are few some rows, a thread; every element comes out the same. */
static void multiply(const Product *p, int how) {
    void (*product)(const Product *) = how & LOW ? here.low : here.product;
    int threads = how / THREADS;
    if (threads < 2 || p->rows * p->columns * p->inner < SHARED_FROM) {
        product(p);
        return;
    }
    Division d = {p, product, 0, p->columns < 128 * threads};
    long many = d.by_rows ? p->rows : p->columns;
    d.step = larger(64, (many / (2 * threads) + 63) / 64 * 64);
    share(part, &d, (many + d.step - 1) / d.step, threads);
}

/* One layer of some rows. */
static void forward(const Layer *l, const float *x, long rows, long stride, float *y, long y_row, int how) {
    Product p = {.a = x, .a_row = stride, .a_inner = 1, .b = l->w, .b_inner = 1, .b_column = l->in, .bias = l->b,
                 .c = y, .c_row = y_row, .rows = rows, .columns = l->out, .inner = l->in,
                 .end = (l->cut ? CUT : 0) | (how & ADD)};
    multiply(&p, how);
}

/* y = layers(x), `how` being the sum of ADD, LOW and THREADS times the threads. `kept` takes the rows between layers, one after another, for the way
   back. */
void latently_run(const Layer *layers, long depth, const float *x, long rows, long stride, float *kept, float *y, int how) {
    for (long i = 0; i < depth - 1; i++) {
        long out = layers[i].out, wide = padded(out);
        forward(layers + i, x, rows, stride, kept, wide, how & ~ADD);
        if (wide > out)
            for (long r = 0; r < rows; r++) memset(kept + r * wide + out, 0, (size_t)(wide - out) * sizeof(float));
        x = kept, stride = wide, kept += rows * wide;
    }
    forward(layers + depth - 1, x, rows, stride, y, layers[depth - 1].out, how);
}

typedef struct {
    const Layer *layers;
    const float *x;
    float *y;
    long depth, rows, stride, widest;
    int how;
    atomic_int failed;
} Inference;

static void some(const void *what, long piece) {
    Inference *f = (Inference *)what;
    const Layer *layers = f->layers;
    long start = piece * INFER_ROWS, count = f->rows - start < INFER_ROWS ? f->rows - start : INFER_ROWS, row = f->stride;
    const float *from = f->x + start * row;
    float *room = malloc((size_t)(2 * INFER_ROWS * f->widest + 1) * sizeof(float));
    if (!room) {
        f->failed = 1;
        return;
    }
    for (long i = 0; i < f->depth - 1; i++) {
        float *to = room + (i % 2) * INFER_ROWS * f->widest;
        forward(layers + i, from, count, row, to, layers[i].out, f->how & LOW);
        from = to, row = layers[i].out;
    }
    long out = layers[f->depth - 1].out;
    forward(layers + f->depth - 1, from, count, row, f->y + start * out, out, f->how & (LOW | ADD));
    free(room);
}

/* The same with nothing kept, some rows at a time. -1: no memory. */
int latently_infer(const Layer *layers, long depth, const float *x, long rows, long stride, float *y, int how) {
    Inference all = {layers, x, y, depth, rows, stride, 0, how, 0};
    for (long i = 0; i < depth - 1; i++) all.widest = larger(all.widest, layers[i].out);
    share(some, &all, (rows + INFER_ROWS - 1) / INFER_ROWS, how / THREADS);
    return all.failed ? -1 : 0;
}

/* Gradients of all layers from g at y, added where layers say; that of x to `x_grad` unless it is NULL, ADD meaning to
   what is there. `kept` is as `latently_run` left it. -1: no memory. */
int latently_back(const Layer *layers, long depth, const float *x, long rows, long stride, const float *kept,
                  const float *y, const float *g, float *x_grad, int how) {
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
        multiply(&w, how);
        if (!i && !x_grad) break;
        Product d = {.a = g, .a_row = g_row, .a_inner = 1, .b = l->w, .b_inner = l->in, .b_column = 1,
                     .c = i ? down : x_grad, .c_row = i ? wide : l->in, .rows = rows, .columns = l->in, .inner = l->out,
                     .kept = from, .kept_row = wide, .end = !i ? how & ADD : layers[i - 1].cut ? WHERE : 0};
        multiply(&d, how);
        g = down, g_row = wide;
    }
    free(between);
    return 0;
}

/* Clip to the norm `clip`, step and clear the gradient; one that is not finite is only cleared. Gives the norm. */
double latently_adam(const Adam *s) { return here.adam(s); }

/* Rows of numbers in units of their columns; 0 if some number is not finite. */
int latently_units(const void *x, int wide, long rows, long columns, long stride, const double *mean, const double *scale,
                   float *out) {
    return here.units(x, wide, rows, columns, stride, mean, scale, out);
}

/* ---- the least numbers of each row, and where they are */

enum { SEARCHED = 16 }; /* rows a piece, and numbers that are looked at together */

typedef struct {
    const float *x;
    long rows, columns, stride;
    int k;
    float *least;
    int *place;
} Search;

/* The least numbers that are less than `worst`, and how many were kept. */
static int keep_least(const float *x, long columns, int k, float worst, float *least, int *place) {
    int held = 0;
    for (long j = 0; j < columns; j += SEARCHED) {
        int any = 0;
        if (j + SEARCHED <= columns)
            for (int i = 0; i < SEARCHED; i++) any |= x[j + i] < worst;
        else
            any = 1;
        for (long i = j; any && i < columns && i < j + SEARCHED; i++) {
            if (!(x[i] < worst)) continue;
            int last = held < k ? held++ : k - 1, at = last;
            while (at && least[at - 1] > x[i]) at--;
            memmove(least + at + 1, least + at, (size_t)(last - at) * sizeof *least);
            memmove(place + at + 1, place + at, (size_t)(last - at) * sizeof *place);
            least[at] = x[i], place[at] = (int)i;
            if (held == k) worst = least[k - 1];
        }
    }
    return held;
}

/* Some of the numbers say below which line the least lie; where it was too low, all are looked at again. */
static void least_of(const float *x, long columns, int k, float *least, int *place) {
    long some = columns / 8, few = 3 * k * some / (2 * columns) + 4;
    if (few < k && some > few && keep_least(x, some, (int)few, INFINITY, least, place) == few &&
        keep_least(x, columns, k, least[few - 1], least, place) == k)
        return;
    for (int held = keep_least(x, columns, k, INFINITY, least, place); held < k; held++) /* infinite ones */
        least[held] = INFINITY, place[held] = 0;
}

static void search_piece(const void *what, long piece) {
    const Search *s = what;
    long end = (piece + 1) * SEARCHED < s->rows ? (piece + 1) * SEARCHED : s->rows;
    for (long i = piece * SEARCHED; i < end; i++)
        least_of(s->x + i * s->stride, s->columns, s->k, s->least + i * s->k, s->place + i * s->k);
}

/* Of each row its k least numbers, least first, and their places: of equal numbers the first, no more than columns. */
void latently_least(const float *x, long rows, long columns, long stride, int k, float *least, int *place, int threads) {
    Search s = {x, rows, columns, stride, k, least, place};
    share(search_piece, &s, (rows + SEARCHED - 1) / SEARCHED, threads);
}
