"""The text of the GPU's kernel: every thread advances one run, as the lines of the compiled engine do.

An array program launches dozens of kernels a step, and at these sizes a launch takes longer than its arithmetic.
"""

from ..theory.cuda_source import cuda_text
from ..theory.derive import Dynamics
from ..theory.source import state_symbols
from .rule_source import SETTINGS, block
from .runs import NUDGE

ROWS = 4  # of the data in one tile

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

// {ROWS} rows of a matrix times the column of a run; its tiles lie one behind the other, column by column.
__device__ inline void tile(
    const double* __restrict__ A, whole i, whole columns, const double* B, whole N, double* out
) {{
    const double2* a = (const double2*)(A + i * columns);
    for (int r = 0; r < {ROWS}; r++) out[r] = 0.0;
    for (whole j = 0; j < columns; j++) {{
        const double b = B[j * N];
        for (int h = 0; h < {ROWS} / 2; h++) {{
            const double2 pair = a[{ROWS} / 2 * j + h];
            out[2 * h] += pair.x * b;
            out[2 * h + 1] += pair.y * b;
        }}
    }}
}}

__device__ inline void product(
    const double* __restrict__ A, whole rows, whole columns, const double* B, whole N, double* C
) {{
    for (whole i = 0; i < rows; i += {ROWS}) {{
        double out[{ROWS}];
        tile(A, i, columns, B, N, out);
        for (int r = 0; r < {ROWS}; r++) if (i + r < rows) C[(i + r) * N] = out[r];
    }}
}}

// Advances the active runs by at most `turn` steps. An array holds entry (row, run) at row * N + run.
extern "C" __global__ void advance(
    whole count, const whole* active, whole N, whole n, whole d,
    const double* __restrict__ X, const double* __restrict__ XT, const double* __restrict__ y,
    double scale, double floor, double tol, whole hold, whole max_steps, whole track_every, whole record_every,
    whole records, whole turn, const double* parameters, const double* noise,
    const double* lr, const double* first, const bits* key, const double* limit,
    double* T, double* V, double* B, double* F, double* R, double* C, double* M, double* Q,
    whole* steps, whole* calm, whole* rising, double* last, double* loss, double* top, signed char* outcome,
    double* history
) {{
    const whole thread = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    const whole p = active[thread];
    T += p; V += p; B += p; F += p; R += p; C += p; M += p; Q += p;
    {constants}
    whole t = steps[p], quiet = calm[p], rises = rising[p];
    double before = last[p], highest = top[p], x = 0.0;
    signed char end = -1;
    for (whole j = 0; j < d; j++) {{
        {read}
        effective({weights}, B[j * N]);
    }}
    for (whole s = 0; s < turn; s++) {{
        double losses = 0.0;
        const bool tracked = track_every > 0 && t % track_every == 0;
        for (whole i = 0; i < n; i += {ROWS}) {{
            double f[{ROWS}];
            tile(X, i, d, B, N, f);
            for (int r = 0; r < {ROWS}; r++) if (i + r < n) {{
                double value, slope;
                loss_value(f[r], y[i + r], value);
                loss_slope(f[r], y[i + r], slope);
                losses += value;
                R[(i + r) * N] = slope * scale;
                {keep}
                if (tracked) {{
                    loss_curvature(f[r], y[i + r], value);
                    C[(i + r) * N] = value * scale;
                }}
            }}
        }}
        x = losses * scale - floor;
        double objective = x;
        bool resting = fabs(x) < tol;
        {decay}
        rises += !(objective < before * (1.0 + 1e-12) + 1e-14);
        quiet = resting && t >= settled ? quiet + 1 : 0;
        before = objective;
        if (record_every > 0 && t % record_every == 0)
            for (whole k = 0; k < {m} * d; k++)
                history[(p * records + t / record_every) * {m} * d + k] = T[k * N];
        const bool held = quiet >= hold, below = x < limit[p];
        if (held || !below || t >= max_steps) {{
            end = held ? 0 : (below ? 2 : 1);
            break;
        }}
        if (tracked) {{  // one shifted power step, H v + shift v + nudge noise with H + shift >= 0
            for (whole j = 0; j < d; j++) {{
                {read}
                {read_v}
                {slopes}
                M[j * N] = {moved};
            }}
            product(X, n, d, M, N, Q);
            for (whole i = 0; i < n; i++) Q[i * N] *= C[i * N];
            product(XT, d, n, Q, N, M);
            product(XT, d, n, R, N, B);
            double shift = 0.0, rayleigh = 0.0, square = 0.0;
            for (whole j = 0; j < d; j++) {{
                {read}
                {seconds}
                const double g = B[j * N];
                {gershgorin}
            }}
            const double nudge = {NUDGE} * fmax(fmax(shift, highest), 1e-100);
            for (whole j = 0; j < d; j++) {{
                {read}
                {read_v}
                {slopes}
                {seconds}
                const double g = B[j * N], pulled = M[j * N];
                {products}
                rayleigh += {dot};
                {shifted}
                square += {norm};
            }}
            if (rayleigh > highest) highest = rayleigh;
            const double inverse = square > 0.0 ? 1.0 / sqrt(square) : 0.0;
            for (whole k = 0; k < {m} * d; k++) V[k * N] *= inverse;
        }}
        {drawn}
        double rate = lr[p];
        {scheduled}
        for (whole i = 0; i < d; i += {ROWS}) {{
            double g[{ROWS}];
            tile(XT, i, n, R, N, g);
            for (int r = 0; r < {ROWS}; r++) if (i + r < d) {{
                const whole j = i + r;
                {read_all}
                step(rate, g[r], {parameters}{everything}, {written});
                effective({written_weights}, B[j * N]);
            }}
        }}
        t++;
    }}
    steps[p] = t; calm[p] = quiet; rising[p] = rises;
    last[p] = before; top[p] = highest; loss[p] = x; outcome[p] = end;
}}
"""

# Convergence with weight decay, as array_program.decayed_calm says it.
_DECAY = """
const double slow = sqrt(tol) * weight_decay;
double decayed = 0.0, norms = 0.0;
bool leaving = false;
product(XT, d, n, R, N, M);
for (whole j = 0; j < d; j++) {{
    {read}
    {slopes}
    bool grows = false;
    double excess = 0.0;
    {pulls}
    leaving = leaving || (grows && excess > 0.0);
}}
resting = !leaving && (decayed < tol * weight_decay * weight_decay * norms || norms < tol);
objective = x + 0.5 * weight_decay * norms;
"""

_PULL = """{{ const double w = x{p}, pull = j{p} * M[j * N], slope = pull + weight_decay * w, way = slope + slow * w;
      decayed += slope * slope; norms += w * w; excess += fabs(pull) - weight_decay * fabs(w);
      grows = grows || (w >= 0.0 && way < 0.0) || (w <= 0.0 && way > 0.0); }}"""

# Loss slopes of the samples drawn (selection sampling: Fan, Muller and Rezucha 1962), at noisy targets.
_DRAWN = """
const bits state = mix(key[p] + (bits)t * 0x9E3779B97F4A7C15ULL);
double need = batch;
for (whole i = 0; i < n; i++) {
    double slope = 0.0;
    if (batch == n || uniform(state, 3 * i) * (n - i) < need) {
        const double target = y[i] + (t < noise_steps ? label_noise * normal(state, 3 * i + 1) : 0.0);
        loss_slope(F[i * N], target, slope);
        need -= 1.0;
    }
    R[i * N] = slope * (n / batch) * scale;
}
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

    constants = [f"const double {name} = parameters[{k}];" for k, name in enumerate([*parameters, *SETTINGS])]
    read = listed("const double x{p} = T[({p} * d + j) * N];", m, " ")
    slopes = declared([f"j{p}" for p in range(m)], "jacobian")
    pulls = listed(_PULL, m, "\n    ")
    values = dict(
        law=cuda_text(dynamics),
        ROWS=ROWS,
        NUDGE=NUDGE,
        m=m,
        constants=" ".join(constants),
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
        gershgorin=" ".join(f"shift = fmax(shift, {row(p, 'fabs({h} * g)')});" for p in range(m)),
        products=" ".join(f"double k{p} = j{p} * pulled + g * ({row(p, '{h} * v{q}')});" for p in range(m)),
        dot=listed("v{p} * k{p}", m, " + "),
        shifted=listed("k{p} += shift * v{p} + nudge * noise[{p} * d + j]; V[({p} * d + j) * N] = k{p};", m, " "),
        norm=listed("k{p} * k{p}", m, " + "),
        keep="F[(i + r) * N] = f[r];" if rule.stochastic else "",
        decay=block(_DECAY.format(read=read, slopes=slopes, pulls=pulls), 8) if rule.weight_decay else "",
        drawn=block(_DRAWN, 8) if rule.stochastic else "",
        scheduled=_SCHEDULED if rule.schedule.steps else "",
    )
    return _DRIVER.format(**values)
