typedef long long whole;

// A run as one thread of its team sees it. Arrays beside the processor hold entry (row, run) at row * N + run, and
// point at the run's own column here; those that the block shares hold it at row * W + column.
struct Run {
    whole N, n, d;  // runs, samples, features
    whole W, member, team;  // runs of the block, the thread's number in its team, and the threads of one
    const double *__restrict__ X, *__restrict__ XT;  // in groups of ROWS rows, each column by column
    double *T, *V;  // weights and state; the unit vector of the power iteration
    double *F, *C, *M, *Q;  // predictions, loss curvatures over n, J v, curvature X J v
    double *B, *R, *part;  // shared: beta, then dL/dbeta; loss slopes over n; parts of sums
    bool live;

    // Of numbers of the team's threads, the same in all; and all threads of the block have come here.
    template <class Join>
    __device__ double over_team(double mine, Join join) const {
        part[member * W] = mine;
        __syncthreads();
        double all = 0.0;
        for (whole k = 0; k < team; k++) all = join(all, part[k * W]);
        __syncthreads();
        return all;
    }

    __device__ double sum(double mine) const {
        return over_team(mine, [](double a, double b) { return a + b; });
    }

    __device__ double largest(double mine) const {
        return over_team(mine, [](double a, double b) { return fmax(a, b); });
    }

    template <int K>
    __device__ void gather(const double* A, whole j, double (&x)[K]) const {
        for (int k = 0; k < K; k++) x[k] = A[(k * d + j) * N];
    }

    template <int K>
    __device__ void scatter(double* A, whole j, const double (&x)[K]) const {
        for (int k = 0; k < K; k++) A[(k * d + j) * N] = x[k];
    }

    // action(j) for the thread's own features.
    template <class Action>
    __device__ void each_feature(Action action) const {
        for (whole i = ROWS * member; live && i < d; i += ROWS * team)
            for (whole j = i; j < d && j < i + ROWS; j++) action(j);
    }

    // action(i, (A b)_i) for the thread's own rows of a matrix (rows, columns); b is strided.
    template <class Action>
    __device__ void each_row(
        const double* __restrict__ A, whole rows, whole columns, const double* b, whole stride, Action action
    ) const {
        for (whole i = ROWS * member; live && i < rows; i += ROWS * team) {
            static_assert(ROWS == 2, "a group of rows is read as one double2");
            const double2* a = (const double2*)(A + i * columns);
            double product[ROWS] = {};
            for (whole j = 0; j < columns; j++) {
                product[0] += a[j].x * b[j * stride];
                product[1] += a[j].y * b[j * stride];
            }
            for (int r = 0; r < ROWS; r++)
                if (i + r < rows) action(i + r, product[r]);
        }
    }

    // action(j, g) for the thread's own features, with g = dL/dbeta from the loss slopes.
    template <class Action>
    __device__ void each_gradient(Action action) const {
        each_row(XT, d, n, R, W, action);
    }
};
