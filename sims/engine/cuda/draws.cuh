// Random numbers by counter, as draws.py makes them.
typedef unsigned long long bits;

__device__ inline bits mix(bits x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

__device__ inline double uniform(bits state, whole k) {
    return (double)(mix(state + ((bits)k + 1) * 0x9E3779B97F4A7C15ULL) >> 11) * (1.0 / 9007199254740992.0);
}

__device__ inline double normal(bits state, whole k) {
    return sqrt(-2.0 * log(1.0 - uniform(state, k))) * cos(6.283185307179586 * uniform(state, k + 1));
}
