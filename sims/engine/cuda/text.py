"""The text of the GPU's kernel: a team of threads advances a run, as a lane of the compiled engine does.

An array program launches dozens of kernels a step, and at these sizes a launch takes longer than its arithmetic.
"""

from ....theory.derivation.cuda_law import cuda_text
from ....theory.derivation.dynamics import Dynamics
from ....theory.derivation.law import state_symbols
from ..numba.rule_text import SETTINGS, block
from ..runs import NUDGE

ROWS = 2  # of the data in one tile

_DRIVER = """
typedef long long whole;
typedef unsigned long long bits;

{law}

__device__ inline bits mix(bits x) {{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}}

__device__ inline double uniform(bits state, whole k) {{
    return (double)(mix(state + ((bits)k + 1) * 0x9E3779B97F4A7C15ULL) >> 11) * (1.0 / 9007199254740992.0);
}}

__device__ inline double normal(bits state, whole k) {{
    return sqrt(-2.0 * log(1.0 - uniform(state, k))) * cos(6.283185307179586 * uniform(state, k + 1));
}}

// One row group of a matrix times the column of a run; groups of {ROWS} rows lie one behind the other.
__device__ inline void tile(
    const double* __restrict__ A, whole i, whole columns, const double* B, whole stride, double* out
) {{
    const double2* a = (const double2*)(A + i * columns);
    out[0] = out[1] = 0.0;
    for (whole j = 0; j < columns; j++) {{
        out[0] += a[j].x * B[j * stride];
        out[1] += a[j].y * B[j * stride];
    }}
}}

// Advances the active runs by at most `turn` steps; all are at the same step. A block holds `side` runs, and the
// threads of a run, its team, share the rows of every product. An array holds entry (row, run) at row * N + run.
extern "C" __global__ void advance_runs(
    whole count, const whole* active, whole N, whole n, whole d, whole side,
    const double* __restrict__ X, const double* __restrict__ XT, const double* __restrict__ y,
    double scale, double floor, double tol, whole hold, whole max_steps, whole track_every, whole record_every,
    whole records, whole turn, const double* parameters, const double* noise,
    const double* lr, const double* first, const bits* key, const double* limit,
    double* T, double* V, double* F, double* C, double* M, double* Q,
    whole* steps, whole* calm, whole* rising, double* last, double* loss, double* top, signed char* outcome,
    double* history
) {{
    extern __shared__ double memory[];
    const whole W = side, column = threadIdx.x % W, member = threadIdx.x / W, team = blockDim.x / W;
    const whole thread = (whole)blockIdx.x * W + column;
    const whole p = active[thread < count ? thread : count - 1];
    double *B = memory + column, *R = B + d * W, *part = R + n * W;  // beta, then dL/dbeta; loss slopes; parts of sums
    T += p; V += p; F += p; C += p; M += p; Q += p;
    {constants}
    bool live = thread < count;
    whole t = steps[p], quiet = calm[p], rises = rising[p];
    double before = last[p], highest = top[p];
    for (whole j = member; j < d; j += team) {{
        {read}
        effective({weights}, B[j * W]);
    }}
    for (whole s = 0; s < turn && __syncthreads_or(live); s++) {{
        const bool tracked = track_every > 0 && t % track_every == 0;
        double losses = 0.0;
        for (whole i = {ROWS} * member; live && i < n; i += {ROWS} * team) {{
            double f[{ROWS}];
            tile(X, i, d, B, W, f);
            for (int r = 0; r < {ROWS}; r++) if (i + r < n) {{
                double value, slope;
                loss_value(f[r], y[i + r], value);
                loss_slope(f[r], y[i + r], slope);
                losses += value;
                R[(i + r) * W] = slope * scale;
                {keep}
                if (tracked) {{
                    loss_curvature(f[r], y[i + r], value);
                    C[(i + r) * N] = value * scale;
                }}
            }}
        }}
        {sum_losses}
        const double x = losses * scale - floor;
        double objective = x;
        bool resting = fabs(x) < tol;
        {decay}
        rises += !(objective < before * (1.0 + 1e-12) + 1e-14);
        quiet = resting && t >= settled ? quiet + 1 : 0;
        before = objective;
        const bool held = quiet >= hold, below = x < limit[p];
        if (live && record_every > 0 && t % record_every == 0)
            for (whole i = {ROWS} * member; i < d; i += {ROWS} * team)
                for (whole j = i; j < d && j < i + {ROWS}; j++) {{
                    double* record = history + (p * records + t / record_every) * {m} * d;
                    {recorded}
                }}
        if (live && (held || !below || t >= max_steps)) {{
            live = false;
            if (member == 0) {{
                steps[p] = t; rising[p] = rises; top[p] = highest; loss[p] = x;
                outcome[p] = held ? 0 : (below ? 2 : 1);
            }}
        }}
        if (tracked) {{  // one shifted power step, H v + shift v + nudge noise with H + shift >= 0
            for (whole j = member; live && j < d; j += team) {{
                {read}
                {read_v}
                {slopes}
                M[j * N] = {moved};
            }}
            __syncthreads();
            for (whole i = {ROWS} * member; live && i < n; i += {ROWS} * team) {{
                double f[{ROWS}];
                tile(X, i, d, M, N, f);
                for (int r = 0; r < {ROWS}; r++) if (i + r < n) Q[(i + r) * N] = f[r] * C[(i + r) * N];
            }}
            __syncthreads();
            double shift = 0.0, rayleigh = 0.0, square = 0.0;
            for (whole i = {ROWS} * member; live && i < d; i += {ROWS} * team) {{
                double pulled[{ROWS}], g[{ROWS}];
                tile(XT, i, n, Q, N, pulled);
                tile(XT, i, n, R, W, g);
                for (int r = 0; r < {ROWS}; r++) if (i + r < d) {{
                    const whole j = i + r;
                    {read}
                    {seconds}
                    M[j * N] = pulled[r];
                    B[j * W] = g[r];
                    {gershgorin}
                }}
            }}
            {largest_shift}
            const double nudge = {NUDGE} * fmax(fmax(shift, highest), 1e-100);
            for (whole i = {ROWS} * member; live && i < d; i += {ROWS} * team)
                for (whole j = i; j < d && j < i + {ROWS}; j++) {{
                    {read}
                    {read_v}
                    {slopes}
                    {seconds}
                    const double g = B[j * W], pulled = M[j * N];
                    {products}
                    rayleigh += {dot};
                    {shifted}
                    square += {norm};
                }}
            {sum_rayleigh}
            {sum_square}
            if (rayleigh > highest) highest = rayleigh;
            const double inverse = square > 0.0 ? 1.0 / sqrt(square) : 0.0;
            for (whole i = {ROWS} * member; live && i < d; i += {ROWS} * team)
                for (whole j = i; j < d && j < i + {ROWS}; j++) {{
                    {normed}
                }}
        }}
        {drawn}
        double rate = lr[p];
        {scheduled}
        for (whole i = {ROWS} * member; live && i < d; i += {ROWS} * team) {{
            double g[{ROWS}];
            tile(XT, i, n, R, W, g);
            for (int r = 0; r < {ROWS}; r++) if (i + r < d) {{
                const whole j = i + r;
                {read_all}
                step(rate, g[r], {parameters}{everything}, {written});
                effective({written_weights}, B[j * W]);
            }}
        }}
        t++;
    }}
    if (live && member == 0) {{
        steps[p] = t; calm[p] = quiet; rising[p] = rises; last[p] = before; top[p] = highest;
    }}
}}
"""

# A sum or maximum over the team, the same number in all its threads; and all threads of the block have come here.
_COMBINED = """
part[member * W] = {name};
__syncthreads();
{name} = 0.0;
for (whole k = 0; k < team; k++) {name} = {combined};
__syncthreads();
"""

# Convergence with weight decay, as array_program.decayed_calm says it.
_DECAY = """
const double slow = sqrt(tol) * weight_decay;
double decayed = 0.0, norms = 0.0, leaving = 0.0;
for (whole i = {ROWS} * member; live && i < d; i += {ROWS} * team) {{
    double g[{ROWS}];
    tile(XT, i, n, R, W, g);
    for (int r = 0; r < {ROWS}; r++) if (i + r < d) {{
        const whole j = i + r;
        {read}
        {slopes}
        bool grows = false;
        double excess = 0.0;
        {pulls}
        if (grows && excess > 0.0) leaving = 1.0;
    }}
}}
{sums}
resting = leaving == 0.0 && (decayed < tol * weight_decay * weight_decay * norms || norms < tol);
objective = x + 0.5 * weight_decay * norms;
"""

_PULL = """{{ const double w = x{p}, pull = j{p} * g[r], slope = pull + weight_decay * w, way = slope + slow * w;
      decayed += slope * slope; norms += w * w; excess += fabs(pull) - weight_decay * fabs(w);
      grows = grows || (w >= 0.0 && way < 0.0) || (w <= 0.0 && way > 0.0); }}"""

# Loss slopes of the samples drawn (selection sampling: Fan, Muller and Rezucha 1962), at noisy targets.
_DRAWN = """
__syncthreads();
const bits state = mix(key[p] + (bits)t * 0x9E3779B97F4A7C15ULL);
double need = batch;
for (whole i = 0; i < n; i++) {
    double slope = 0.0;
    if (batch == n || uniform(state, 3 * i) * (n - i) < need) {
        need -= 1.0;
        if (i % team == member) {
            const double target = y[i] + (t < noise_steps ? label_noise * normal(state, 3 * i + 1) : 0.0);
            loss_slope(F[i * N], target, slope);
        }
    }
    if (live && i % team == member) R[i * W] = slope * (n / batch) * scale;
}
__syncthreads();
"""

_SCHEDULED = "if (t < schedule_steps) schedule(first[p], lr[p], t / schedule_steps, rate);"


def gpu_source(dynamics: Dynamics) -> str:
    """The whole text of the kernel for a model, its loss and its update rule, in CUDA."""
    model, rule = dynamics.model, dynamics.rule
    parameters = [symbol.name for symbol in rule.step.parameters]
    m = len(model.weights)
    P = m + len(state_symbols(model, rule.step))
    pairs = [(p, q) for p in range(m) for q in range(p, m)]
    second = {frozenset(pair): f"h{pair[0]}{pair[1]}" for pair in pairs}

    def listed(text: str, count: int, joint: str = ", ") -> str:
        return joint.join(text.format(p=p) for p in range(count))

    def declared(names: list[str], function: str) -> str:
        return f"double {', '.join(names)}; {function}({listed('x{p}', m)}, {', '.join(names)});"

    def row(p: int, term: str) -> str:
        return " + ".join(term.format(h=second[frozenset((p, q))], q=q) for q in range(m))

    def combined(name: str, how: str = "{name} + part[k * W]") -> str:
        return _COMBINED.format(name=name, combined=how.format(name=name))

    constants = [f"const double {name} = parameters[{k}];" for k, name in enumerate([*parameters, *SETTINGS])]
    read = listed("const double x{p} = T[({p} * d + j) * N];", m, " ")
    slopes = declared([f"j{p}" for p in range(m)], "jacobian")
    larger = "fmax({name}, part[k * W])"
    decay = _DECAY.format(
        ROWS=ROWS, read=read, slopes=slopes, pulls=listed(_PULL, m, "\n"),
        sums=combined("decayed") + combined("norms") + combined("leaving", larger),
    )  # fmt: skip
    values = dict(
        **dict(law=cuda_text(dynamics), ROWS=ROWS, NUDGE=NUDGE, m=m, constants=" ".join(constants)),
        weights=listed("x{p}", m),
        everything=listed("x{p}", P),
        parameters="".join(f"{name}, " for name in parameters),
        read=read,
        read_all=listed("const double x{p} = T[({p} * d + j) * N];", P, " "),
        read_v=listed("const double v{p} = V[({p} * d + j) * N];", m, " "),
        written=listed("T[({p} * d + j) * N]", P),
        written_weights=listed("T[({p} * d + j) * N]", m),
        slopes=slopes,
        seconds=declared([second[frozenset(pair)] for pair in pairs], "curvature"),
        moved=listed("j{p} * v{p}", m, " + "),
        gershgorin=" ".join(f"shift = fmax(shift, {row(p, 'fabs({h} * g[r])')});" for p in range(m)),
        products=" ".join(f"double k{p} = j{p} * pulled + g * ({row(p, '{h} * v{q}')});" for p in range(m)),
        dot=listed("v{p} * k{p}", m, " + "),
        shifted=listed("k{p} += shift * v{p} + nudge * noise[{p} * d + j]; V[({p} * d + j) * N] = k{p};", m, " "),
        norm=listed("k{p} * k{p}", m, " + "),
        recorded=listed("record[{p} * d + j] = T[({p} * d + j) * N];", m, " "),
        normed=listed("V[({p} * d + j) * N] *= inverse;", m, " "),
        sum_losses=block(combined("losses"), 8),
        largest_shift=block(combined("shift", larger), 12),
        sum_rayleigh=block(combined("rayleigh"), 12),
        sum_square=block(combined("square"), 12),
        keep="F[(i + r) * N] = f[r];" if rule.stochastic else "",
        decay=block(decay, 8) if rule.weight_decay else "",
        drawn=block(_DRAWN, 8) if rule.stochastic else "",
        scheduled=_SCHEDULED if rule.schedule.steps else "",
    )
    return _DRIVER.format(**values)
