// Advances runs of gradient descent on a GPU: a team of threads a run, as a lane of the compiled engine advances it.
//
// An array program launches dozens of kernels a step, and at these sizes a launch takes longer than its arithmetic.
//
// law.cuh is generated. It says what is constant of a model and its rule: WEIGHTS of a feature; STATES, the numbers x
// of a feature, its weights and behind them the state of the rule; PARAMETERS of the rule's step, TOTALS over all
// weights that it reads, and the excess loss where it READS_LOSS, together its `own` numbers; ASCENDS, whether the
// gradient is taken at other weights, the last of the state, which ASCENT_TOTALS tell; WEIGHT_DECAY, the place of that
// parameter; DECAYS, DRAWS, SCHEDULED and SETTLES, whether the rule has weight decay, random draws, a schedule, and steps before which no run
// converges (a branch not taken is not compiled); ROWS of the data in a tile; NUDGE, the noise of a power step;
// outcomes. And it is the law:
//     effective(x)                                    beta
//     jacobian(x, out[WEIGHTS])                       d beta / d w
//     curvature(x, out[WEIGHTS * (WEIGHTS + 1) / 2])  its second derivatives, the upper triangle row by row
//     totals(lr, g, own, x, out[TOTALS])              the feature's part of each, with g = dL/dbeta
//     ascent_totals(lr, g, own, x, out[ASCENT_TOTALS])  those of the other weights, with g at the weights
//     ascent(lr, g, own, x, out[WEIGHTS])             these weights
//     step(lr, g, own, x, out[STATES])                the next numbers
//     loss_value(f, y), loss_slope(f, y), loss_curvature(f, y)
//     schedule(first, last, progress)                 a learning rate
#include "law.cuh"
#include "run.cuh"
#include "draws.cuh"

__device__ inline double dot(const double (&a)[WEIGHTS], const double (&b)[WEIGHTS]) {
    double sum = 0.0;
    for (int p = 0; p < WEIGHTS; p++) sum += a[p] * b[p];
    return sum;
}

// The second derivatives of beta as a full matrix.
__device__ inline void seconds(const double (&x)[STATES], double (&h)[WEIGHTS][WEIGHTS]) {
    double upper[WEIGHTS * (WEIGHTS + 1) / 2];
    curvature(x, upper);
    for (int p = 0, k = 0; p < WEIGHTS; p++)
        for (int q = p; q < WEIGHTS; q++, k++) h[p][q] = h[q][p] = upper[k];
}

// The feature's part of H v: j_p pulled + g sum_q h_pq v_q, with pulled the change of g along v.
__device__ inline void product(
    const double (&x)[STATES], double g, double pulled, const double (&v)[WEIGHTS], double (&out)[WEIGHTS]
) {
    double slopes[WEIGHTS], h[WEIGHTS][WEIGHTS];
    jacobian(x, slopes);
    seconds(x, h);
    for (int p = 0; p < WEIGHTS; p++) out[p] = slopes[p] * pulled + g * dot(h[p], v);
}

// The largest sum of a row of |g h_pq| (Gershgorin).
__device__ inline double bound(const double (&x)[STATES], double g) {
    double h[WEIGHTS][WEIGHTS], largest = 0.0;
    seconds(x, h);
    for (int p = 0; p < WEIGHTS; p++) {
        double row = 0.0;
        for (int q = 0; q < WEIGHTS; q++) row += fabs(h[p][q] * g);
        largest = fmax(largest, row);
    }
    return largest;
}

// Convergence with weight decay, as decayed_calm of the reference says it; norms becomes |theta|^2.
__device__ inline bool decayed_calm(const Run& run, double weight_decay, double tol, double& norms) {
    const double slow = sqrt(tol) * weight_decay;
    double square = 0.0, leaving = 0.0, length = 0.0;
    run.each_gradient([&](whole j, double g) {
        double x[STATES], slopes[WEIGHTS], excess = 0.0;
        run.gather(run.T, j, x);
        jacobian(x, slopes);
        bool grows = false;
        for (int p = 0; p < WEIGHTS; p++) {
            const double w = x[p], pull = slopes[p] * g, slope = pull + weight_decay * w, rate = slope + slow * w;
            square += slope * slope;
            length += w * w;
            excess += fabs(pull) - weight_decay * fabs(w);
            grows = grows || (w >= 0.0 && rate < 0.0) || (w <= 0.0 && rate > 0.0);
        }
        if (grows && excess > 0.0) leaving = 1.0;
    });
    square = run.sum(square);
    norms = run.sum(length);
    leaving = run.largest(leaving);
    return leaving == 0.0 && (square < tol * weight_decay * weight_decay * norms || norms < tol);
}

// One shifted power step, v <- H v + shift v + nudge noise with H + shift >= 0; the Rayleigh quotient of the old v.
__device__ inline double power_step(const Run& run, const double* noise, double highest) {
    const whole N = run.N, W = run.W;
    run.each_feature([&](whole j) {
        double x[STATES], v[WEIGHTS], slopes[WEIGHTS];
        run.gather(run.T, j, x);
        run.gather(run.V, j, v);
        jacobian(x, slopes);
        run.M[j * N] = dot(slopes, v);
    });
    __syncthreads();
    run.each_row(run.X, run.n, run.d, run.M, N, [&](whole i, double f) { run.Q[i * N] = f * run.C[i * N]; });
    __syncthreads();
    run.each_row(run.XT, run.d, run.n, run.Q, N, [&](whole j, double pulled) { run.M[j * N] = pulled; });
    double shift = 0.0, rayleigh = 0.0, square = 0.0;
    run.each_gradient([&](whole j, double g) {
        double x[STATES];
        run.gather(run.T, j, x);
        run.B[j * W] = g;
        shift = fmax(shift, bound(x, g));
    });
    shift = run.largest(shift);
    const double nudge = NUDGE * fmax(fmax(shift, highest), 1e-100);
    run.each_feature([&](whole j) {
        double x[STATES], v[WEIGHTS], moved[WEIGHTS];
        run.gather(run.T, j, x);
        run.gather(run.V, j, v);
        product(x, run.B[j * W], run.M[j * N], v, moved);
        rayleigh += dot(v, moved);
        for (int p = 0; p < WEIGHTS; p++) moved[p] += shift * v[p] + nudge * noise[p * run.d + j];
        run.scatter(run.V, j, moved);
        square += dot(moved, moved);
    });
    rayleigh = run.sum(rayleigh);
    square = run.sum(square);
    const double inverse = square > 0.0 ? 1.0 / sqrt(square) : 0.0;
    run.each_feature([&](whole j) {
        for (int p = 0; p < WEIGHTS; p++) run.V[(p * run.d + j) * N] *= inverse;
    });
    return rayleigh;
}

// Loss slopes of the samples drawn (selection sampling: Fan, Muller and Rezucha 1962), at targets with this much noise.
__device__ inline void draw_slopes(
    const Run& run, const double* __restrict__ y, double scale, bits state, double batch, double label_noise
) {
    __syncthreads();
    double need = batch;
    for (whole i = 0; i < run.n; i++) {
        double slope = 0.0;
        if (batch == run.n || uniform(state, 3 * i) * (run.n - i) < need) {
            need -= 1.0;
            if (i % run.team == run.member) {
                const double noise = label_noise > 0.0 ? label_noise * normal(state, 3 * i + 1) : 0.0;
                slope = loss_slope(run.F[i * run.N], y[i] + noise);
            }
        }
        if (run.live && i % run.team == run.member) run.R[i * run.W] = slope * (run.n / batch) * scale;
    }
    __syncthreads();
}

// COUNT totals over all weights, behind the parameters of the step.
template <int COUNT, class Parts>
__device__ inline void add_totals(const Run& run, double rate, double* own, Parts of_feature) {
    double sums[COUNT + 1] = {}, parts[COUNT + 1];  // never empty, which C++ has not
    run.each_gradient([&](whole j, double g) {
        double x[STATES];
        run.gather(run.T, j, x);
        of_feature(rate, g, own, x, parts);
        for (int k = 0; k < COUNT; k++) sums[k] += parts[k];
    });
    for (int k = 0; k < COUNT; k++) own[PARAMETERS + k] = run.sum(sums[k]);
}

// Goes to the weights at which the gradient is taken, and leaves the loss slopes there.
__device__ inline void ascend(const Run& run, const double* __restrict__ y, double scale, double rate, double* own) {
    if constexpr (ASCENT_TOTALS > 0) add_totals<ASCENT_TOTALS>(run, rate, own, ascent_totals);
    run.each_gradient([&](whole j, double g) {
        double x[STATES], there[WEIGHTS];
        run.gather(run.T, j, x);
        ascent(rate, g, own, x, there);
        for (int p = 0; p < WEIGHTS; p++) x[p] = there[p];
        run.scatter(run.T + (STATES - WEIGHTS) * run.d * run.N, j, there);
        run.B[j * run.W] = effective(x);
    });
    __syncthreads();
    run.each_row(run.X, run.n, run.d, run.B, run.W, [&](whole i, double f) {
        run.R[i * run.W] = loss_slope(f, y[i]) * scale;
        if constexpr (DRAWS) run.F[i * run.N] = f;
    });
    __syncthreads();
}

// Advances the active runs by at most `turn` steps; all are at the same step. A block holds `side` runs, and the
// threads of a run, its team, share the rows of every product.
extern "C" __global__ void advance_runs(
    whole count, const whole* active, whole N, whole n, whole d, whole side,
    const double* __restrict__ X, const double* __restrict__ XT, const double* __restrict__ y,
    double scale, double floor, double tol, whole hold, whole max_steps, whole track_every, whole record_every,
    whole records, whole turn,
    double settled, double schedule_steps, double batch, double label_noise, double noise_steps,
    const double* parameters, const double* noise,  // of the rule's step; of the power iteration (weight, feature)
    const double* lr, const double* first, const bits* key, const double* limit,  // of each run
    double* T, double* V, double* F, double* C, double* M, double* Q,
    whole* steps, whole* calm, whole* rising, double* last, double* loss, double* top, signed char* outcome,
    double* history
) {
    extern __shared__ double memory[];
    const whole W = side, column = threadIdx.x % W, member = threadIdx.x / W, team = blockDim.x / W;
    const whole thread = (whole)blockIdx.x * W + column;
    const whole p = active[thread < count ? thread : count - 1];
    double *B = memory + column, *R = B + d * W, *part = R + n * W;
    Run run{N, n, d, W, member, team, X, XT, T + p, V + p, F + p, C + p, M + p, Q + p, B, R, part, true};
    double own[PARAMETERS + TOTALS + ASCENT_TOTALS + 1];
    for (int k = 0; k < PARAMETERS; k++) own[k] = parameters[k];
    whole t = steps[p], quiet = calm[p], rises = rising[p];
    double before = last[p], highest = top[p];
    run.each_feature([&](whole j) {
        double x[STATES];
        run.gather(run.T, j, x);
        B[j * W] = effective(x);
    });
    run.live = thread < count;
    for (whole s = 0; s < turn && __syncthreads_or(run.live); s++) {
        const bool tracked = track_every > 0 && t % track_every == 0;
        double losses = 0.0;
        run.each_row(X, n, d, B, W, [&](whole i, double f) {
            losses += loss_value(f, y[i]);
            R[i * W] = loss_slope(f, y[i]) * scale;
            if constexpr (DRAWS) run.F[i * N] = f;
            if (tracked) run.C[i * N] = loss_curvature(f, y[i]) * scale;
        });
        losses = run.sum(losses);
        const double x = losses * scale - floor;
        double objective = x;
        bool resting = fabs(x) < tol;
        if constexpr (DECAYS) {
            double norms;
            resting = decayed_calm(run, own[WEIGHT_DECAY], tol, norms);
            objective = x + 0.5 * own[WEIGHT_DECAY] * norms;
        }
        rises += !(objective < before * (1.0 + 1e-12) + 1e-14);
        quiet = resting && (!SETTLES || t >= settled) ? quiet + 1 : 0;
        before = objective;
        const bool held = quiet >= hold, below = x < limit[p];
        if (record_every > 0 && t % record_every == 0) {
            double* record = history + (p * records + t / record_every) * STATES * d;
            run.each_feature([&](whole j) {
                for (int k = 0; k < STATES; k++) record[k * d + j] = run.T[(k * d + j) * N];
            });
        }
        if (run.live && (held || !below || t >= max_steps)) {
            run.live = false;
            if (member == 0) {
                steps[p] = t; rising[p] = rises; top[p] = highest; loss[p] = x;
                outcome[p] = held ? CONVERGED : below ? STEP_LIMIT : DIVERGED;
            }
        }
        if (tracked) {
            const double rayleigh = power_step(run, noise, highest);
            if (rayleigh > highest) highest = rayleigh;
        }
        const bits state = DRAWS ? mix(key[p] + (bits)t * 0x9E3779B97F4A7C15ULL) : 0;
        const double noise_now = t < noise_steps ? label_noise : 0.0;
        if constexpr (DRAWS) draw_slopes(run, y, scale, state, batch, noise_now);
        double rate = lr[p];
        if constexpr (SCHEDULED)
            if (t < schedule_steps) rate = schedule(first[p], lr[p], t / schedule_steps);
        if constexpr (ASCENDS) {
            ascend(run, y, scale, rate, own);
            if constexpr (DRAWS) draw_slopes(run, y, scale, state, batch, noise_now);
        }
        if constexpr (TOTALS > 0) add_totals<TOTALS>(run, rate, own, totals);
        if constexpr (READS_LOSS) own[PARAMETERS + TOTALS] = x;
        run.each_gradient([&](whole j, double g) {
            double old[STATES], next[STATES];
            run.gather(run.T, j, old);
            step(rate, g, own, old, next);
            run.scatter(run.T, j, next);
            B[j * W] = effective(next);
        });
        t++;
    }
    if (run.live && member == 0) {
        steps[p] = t; calm[p] = quiet; rising[p] = rises; last[p] = before; top[p] = highest;
    }
}
