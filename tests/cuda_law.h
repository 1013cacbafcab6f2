// The law above it as a function LAW at many points: entry (row, k) is at row * size + k. Included after every law.
extern "C" void LAW(
    long size, const double* numbers, const double* own, const double* lr, const double* g, const double* f,
    const double* y, const double* first, const double* last, const double* progress, double* values
) {
    for (long k = 0; k < size; k++) {
        double x[STATES], there[WEIGHTS], slopes[WEIGHTS], seconds[WEIGHTS * (WEIGHTS + 1) / 2], next[STATES], parts[TOTALS + 1];
        for (int p = 0; p < STATES; p++) x[p] = numbers[p * size + k];
        jacobian(x, slopes);
        curvature(x, seconds);
        step(lr[k], g[k], own, x, next);
        totals(lr[k], g[k], own, x, parts);
        double* value = values + k;
        const auto add = [&](double found) {
            *value = found;
            value += size;
        };
        add(effective(x));
        for (double slope : slopes) add(slope);
        for (double second : seconds) add(second);
        for (double number : next) add(number);
        for (int p = 0; p < TOTALS; p++) add(parts[p]);
        if (ASCENDS) {
            ascent(lr[k], g[k], own, x, there);
            for (double weight : there) add(weight);
        }
        add(loss_value(f[k], y[k]));
        add(loss_slope(f[k], y[k]));
        add(loss_curvature(f[k], y[k]));
        add(schedule(first[k], last[k], progress[k]));
    }
}
