// A kernel of the GPU compiled for this processor: each thread of a block is one of this processor's.
#include <atomic>
#include <barrier>
#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __shared__

using std::fabs, std::fmax;

struct double2 {
    double x, y;
};

struct place {
    long long x;
};

static thread_local place threadIdx;
static place blockIdx, blockDim;
static std::unique_ptr<std::barrier<>> gate;
static std::atomic<int> any{0};
double memory[MEMORY];

static void __syncthreads() { gate->arrive_and_wait(); }

static int __syncthreads_or(int yes) {
    if (yes) any = 1;
    gate->arrive_and_wait();
    const int found = any;
    gate->arrive_and_wait();
    any = 0;
    gate->arrive_and_wait();
    return found;
}

#include "advance.cu"

// Calls a function with the values that the pointers point to, as a launch does.
template <class... Values, size_t... k>
static void call(void (*function)(Values...), void** arguments, std::index_sequence<k...>) {
    function(*static_cast<Values*>(arguments[k])...);
}

template <class... Values>
static void call(void (*function)(Values...), void** arguments) {
    call(function, arguments, std::index_sequence_for<Values...>{});
}

extern "C" void launch(long long grid, long long block, void** arguments) {
    blockDim.x = block;
    gate = std::make_unique<std::barrier<>>(block);
    for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++) {
        std::vector<std::thread> threads;
        for (long long i = 0; i < block; i++)
            threads.emplace_back([=] {
                threadIdx.x = i;
                call(advance_runs, arguments);
            });
        for (auto& thread : threads) thread.join();
    }
}
