/* Gradient descent on beta = sum_p sign_p theta_p^2 as fast as hand-written C makes it; compiled by ceiling.py.

   A thread advances W runs side by side: register tiles for both matrix products, the loss summed in the first
   and the update made in the second, a finished run's slot given to the next run, denormal numbers flushed to 0.
   WEIGHTS is 1 (theta^2) or 2 (u^2 - v^2). */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__AVX512F__) /* MR x NV sums, and what they are made of, fill the registers; 4 < MR <= 8 */
enum { VL = 8, NV = 2, MR = 8 };
#else
enum { VL = 4, NV = 2, MR = 6 };
#endif
enum { W = VL * NV, CHAINS = 4 };
#define SIGN(p) ((p) ? -1.0 : 1.0)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef double vec __attribute__((vector_size(8 * VL)));
typedef int64_t mask __attribute__((vector_size(8 * VL)));

typedef struct { /* a matrix, and for each row the span of its entries that are not 0 (both ends increase) */
    const double *a;
    const int64_t *first, *last;
    int64_t rows, columns;
} matrix;

typedef struct {
    int64_t runs, cap;
    double tol;
    const double *lr, *scale, *limit;
    int8_t *status;
    int64_t *steps;
    double *loss;
} job;

/* m rows of A from row i on, times the lanes of B; m is known to the compiler. */
INLINE void product(const int m, const matrix *A, int64_t i, const vec *B, vec out[MR][NV]) {
    const double *a = A->a + i * A->columns;
    UNROLL for (int r = 0; r < m; r++) UNROLL for (int v = 0; v < NV; v++) out[r][v] = (vec){0};
    for (int64_t k = A->first[i]; k < A->last[i + m - 1]; k++)
        UNROLL for (int r = 0; r < m; r++)
            UNROLL for (int v = 0; v < NV; v++) out[r][v] += a[r * A->columns + k] * B[k * NV + v];
}

INLINE void residuals(const int m, const matrix *X, int64_t i, const double *y, const vec *B, vec *R, vec *sum) {
    vec f[MR][NV];
    product(m, X, i, B, f);
    UNROLL for (int r = 0; r < m; r++) UNROLL for (int v = 0; v < NV; v++) {
        vec e = f[r][v] - y[i + r];
        R[(i + r) * NV + v] = e;
        sum[v] += e * e;
    }
}

INLINE void update(const int m, const matrix *XT, int64_t i, const vec *R, const vec *rate, vec *T, vec *B) {
    vec g[MR][NV];
    product(m, XT, i, R, g);
    UNROLL for (int r = 0; r < m; r++) UNROLL for (int v = 0; v < NV; v++) {
        vec beta = {0}, move = rate[v] * g[r][v];
        UNROLL for (int p = 0; p < WEIGHTS; p++) {
            vec *w = T + (p * XT->rows + i + r) * NV + v;
            *w -= SIGN(p) * move * *w;
            beta += SIGN(p) * *w * *w;
        }
        B[(i + r) * NV + v] = beta;
    }
}

#define FOR_ROWS(count, call)                        \
    do {                                             \
        int64_t i = 0;                               \
        for (; i + MR <= (count); i += MR) call(MR); \
        if ((count) - i >= 4) { call(4); i += 4; }   \
        if ((count) - i >= 2) { call(2); i += 2; }   \
        if ((count) - i >= 1) call(1);               \
    } while (0)

/* One sample: the update and the next prediction in one pass, with several sums so that none waits for another. */
INLINE void one_sample(int64_t d, const double *x, const vec *R, const vec *rate, vec *T, vec *out) {
    vec sum[CHAINS][NV] = {{{0}}}, move[NV];
    for (int v = 0; v < NV; v++) move[v] = rate[v] * R[v];
    for (int64_t j = 0; j < d; j += CHAINS)
        UNROLL for (int c = 0; c < CHAINS; c++)
            if (j + c < d)
                UNROLL for (int v = 0; v < NV; v++) UNROLL for (int p = 0; p < WEIGHTS; p++) {
                    vec *w = T + (p * d + j + c) * NV + v;
                    *w -= SIGN(p) * x[j + c] * move[v] * *w;
                    sum[c][v] += SIGN(p) * x[j + c] * *w * *w;
                }
    for (int v = 0; v < NV; v++) out[v] = (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]);
}

/* Advance the runs of one dataset that `queue` hands out. A fresh slot has no residual and its clock at -1: its
   first update changes nothing but beta. */
static void advance(const matrix *X, const matrix *XT, const double *y, const job *w, int64_t *queue, vec *memory) {
    const int64_t n = X->rows, d = XT->rows;
    vec *T = memory, *B = T + WEIGHTS * d * NV, *R = B + d * NV;
    vec rate[NV], limit[NV], tol[NV], clock[NV], loss[NV];
    double *rates = (double *)rate, *limits = (double *)limit, *tols = (double *)tol, *clocks = (double *)clock;
    double *losses = (double *)loss, *weights = (double *)T, *rest = (double *)R;
    int64_t run[W], live = 0;
    memset(memory, 0, (WEIGHTS * d + d + n) * NV * sizeof(vec));
    for (int q = 0; q < W; q++) run[q] = -2; /* -1: no run left for it */
    for (;;) {
        for (int q = 0; q < W; q++) { /* give every free slot the next run */
            if (run[q] != -2) continue;
            int64_t next = __atomic_fetch_add(queue, 1, __ATOMIC_RELAXED);
            int some = next < w->runs;
            run[q] = some ? next : -1;
            live += some;
            rates[q] = some ? 2 * w->lr[next] / n : 0;
            limits[q] = some ? w->limit[next] : INFINITY;
            tols[q] = some ? w->tol : -1;
            clocks[q] = some ? -1 : -INFINITY;
            for (int64_t j = 0; j < WEIGHTS * d; j++) weights[j * W + q] = some ? w->scale[next] : 0;
            for (int64_t i = 0; i < n; i++) rest[i * W + q] = 0;
        }
        if (!live) return;
        int stop = 0;
        while (!stop) {
            vec sum[NV] = {{0}};
            if (n == 1) {
                one_sample(d, X->a, R, rate, T, sum);
                for (int v = 0; v < NV; v++) {
                    R[v] = sum[v] - y[0];
                    sum[v] = R[v] * R[v];
                }
            } else {
#define UPDATE(m) update(m, XT, i, R, rate, T, B)
#define RESIDUALS(m) residuals(m, X, i, y, B, R, sum)
                FOR_ROWS(d, UPDATE);
                FOR_ROWS(n, RESIDUALS);
            }
            mask any = {0};
            for (int v = 0; v < NV; v++) {
                clock[v] += 1;
                loss[v] = sum[v] * (0.5 / n);
                any |= (loss[v] < tol[v]) | ~(loss[v] < limit[v]) | (clock[v] >= (double)w->cap);
            }
            int64_t bits = 0;
            UNROLL for (int q = 0; q < VL; q++) bits |= any[q];
            stop = bits != 0;
        }
        for (int q = 0; q < W; q++) {
            int held = losses[q] < tols[q], below = losses[q] < limits[q];
            if (run[q] < 0 || (!held && below && clocks[q] < w->cap)) continue;
            w->status[run[q]] = held ? 0 : below ? 2 : 1;
            w->steps[run[q]] = clocks[q];
            w->loss[run[q]] = losses[q];
            run[q] = -2;
            live--;
        }
    }
}

/* X (datasets, n, d) and XT (datasets, d, n) with their spans; runs `runs` of each dataset, dataset-major. */
int ceiling(int64_t datasets, int64_t n, int64_t d, const double *X, const int64_t *X_first, const int64_t *X_last,
            const double *XT, const int64_t *XT_first, const int64_t *XT_last, const double *y, int64_t runs,
            const double *lr, const double *scale, const double *limit, double tol, int64_t cap, int8_t *status,
            int64_t *steps, double *loss) {
    int64_t dataset = 0, shared = 0;
    int failed = 0;
#pragma omp parallel
    {
#ifdef __SSE2__
        unsigned control = _mm_getcsr();
        _mm_setcsr(control | 0x8040);
#endif
        vec *memory = aligned_alloc(64, ((WEIGHTS * d + d + n) * NV * sizeof(vec) + 63) / 64 * 64);
        if (!memory) {
#pragma omp atomic write
            failed = 1;
        } else
            for (int64_t s = 0; s < datasets; s++) {
                if (datasets > 1 && (s = __atomic_fetch_add(&dataset, 1, __ATOMIC_RELAXED)) >= datasets) break;
                int64_t own = 0, at = s * runs;
                matrix A = {X + s * n * d, X_first + s * n, X_last + s * n, n, d};
                matrix AT = {XT + s * d * n, XT_first + s * d, XT_last + s * d, d, n};
                job work = {runs, cap, tol, lr, scale, limit + at, status + at, steps + at, loss + at};
                advance(&A, &AT, y + s * n, &work, datasets > 1 ? &own : &shared, memory);
            }
        free(memory);
#ifdef __SSE2__
        _mm_setcsr(control);
#endif
    }
    return failed;
}
