"""Dense linear algebra of small matrices in compiled code, without a library: its numbers depend on no threads."""

import numpy as np

from .decorators import apart, summed

BLOCK = 512  # columns


@apart
def copied(source, target):
    """``target <- source``, without the words for shapes that differ, which take Numba seconds to compile."""
    for i in range(len(source)):
        target[i] = source[i]


@summed
def dot(x, y, count):
    """The sum of the first ``count`` products."""
    total = 0.0
    for i in range(count):
        total += x[i] * y[i]
    return total


@apart
def applied(C, b, out):
    """``out = C b``."""
    for a in range(len(out)):
        out[a] = dot(C[a], b, len(b))


@apart
def pulled(C, v, out):
    """``out = C^T v``."""
    out[:] = 0.0
    for a in range(len(v)):
        for i in range(len(out)):
            out[i] += v[a] * C[a, i]


@summed
def four_dots(x0, x1, y0, y1, count):
    """The dot products of two vectors with two others: half the loads of one by one."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(count):
        a += x0[i] * y0[i]
        b += x0[i] * y1[i]
        c += x1[i] * y0[i]
        d += x1[i] * y1[i]
    return a, b, c, d


@apart
def applied_each(C, B, out):
    """``out = B C^T``, by blocks of columns that stay in the cache."""
    for k in range(len(B)):
        for a in range(len(C)):
            out[k, a] = 0.0
    for first in range(0, C.shape[1], BLOCK):
        count = min(BLOCK, C.shape[1] - first)
        for k in range(len(B)):
            for a in range(len(C)):
                out[k, a] += dot(C[a, first:], B[k, first:], count)


@apart
def pulled_each(C, V, out):
    """``out = V C``, by blocks of columns."""
    rows, columns = C.shape
    for first in range(0, columns, BLOCK):
        last = min(columns, first + BLOCK)
        for k in range(len(V)):
            for i in range(first, last):
                out[k, i] = 0.0
            for a in range(rows):
                for i in range(first, last):
                    out[k, i] += V[k, a] * C[a, i]


@apart
def cross(A, e, C, out):
    """``out = A diag(e) C^T``, by blocks of columns."""
    columns = len(e)
    weighted = np.empty(min(columns, BLOCK))
    for a in range(len(A)):
        for c in range(len(C)):
            out[a, c] = 0.0
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        for a in range(len(A)):
            for i in range(count):
                weighted[i] = e[first + i] * A[a, first + i]
            for c in range(len(C)):
                out[a, c] += dot(weighted, C[c, first:], count)


@apart
def gram(C, e, H):
    """The lower triangle of ``H = C diag(e) C^T``, by blocks of columns that stay in the cache."""
    rows, columns = C.shape
    width = min(columns, BLOCK)
    one, other = np.empty(width), np.empty(width)
    for a in range(rows):
        for c in range(a + 1):
            H[a, c] = 0.0
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        for a in range(0, rows, 2):
            last = min(a + 1, rows - 1)
            for i in range(count):
                one[i] = e[first + i] * C[a, first + i]
                other[i] = e[first + i] * C[last, first + i]
            for c in range(0, a + 1, 2):
                next = min(c + 1, rows - 1)
                p, q, r, s = four_dots(one, other, C[c, first:], C[next, first:], count)
                H[a, c] += p
                if last > a:
                    H[last, c] += r
                    H[last, next] += s
                if next <= a and next > c:
                    H[a, next] += q


@apart
def factored(A):
    """``A = R R^T`` in its lower triangle, in place; whether A is positive definite."""
    for j in range(len(A)):
        row = A[j]
        for k in range(j):
            row[k] = (row[k] - dot(row, A[k], k)) / A[k, k]
        rest = row[j] - dot(row, row, j)
        if not rest > 0:
            return False
        row[j] = np.sqrt(rest)
    return True


@apart
def solve(R, x):
    """``x <- (R R^T)^-1 x``."""
    for j in range(len(x)):
        x[j] = (x[j] - dot(R[j], x, j)) / R[j, j]
    for j in range(len(x) - 1, -1, -1):
        x[j] /= R[j, j]
        for k in range(j):
            x[k] -= x[j] * R[j, k]


@apart
def eigenvectors(A):
    """Jacobi's method: A becomes diagonal, in place; the rows of V are its eigenvectors."""
    n = A.shape[0]
    V = np.zeros((n, n))
    for a in range(n):
        V[a, a] = 1.0
    for _ in range(30):
        off, size = 0.0, 0.0
        for a in range(n):
            size += A[a, a] ** 2
            for c in range(a + 1, n):
                off += A[a, c] ** 2
        if off <= 1e-28 * size:
            break
        for a in range(n):
            for c in range(a + 1, n):
                if A[a, c] != 0:
                    ratio = (A[c, c] - A[a, a]) / (2 * A[a, c])
                    t = 1 / (abs(ratio) + np.sqrt(ratio * ratio + 1))
                    t = -t if ratio < 0 else t
                    cosine = 1 / np.sqrt(t * t + 1)
                    sine = t * cosine
                    for k in range(n):
                        p, q = A[a, k], A[c, k]
                        A[a, k], A[c, k] = cosine * p - sine * q, sine * p + cosine * q
                    for k in range(n):
                        p, q = A[k, a], A[k, c]
                        A[k, a], A[k, c] = cosine * p - sine * q, sine * p + cosine * q
                    for k in range(n):
                        p, q = V[a, k], V[c, k]
                        V[a, k], V[c, k] = cosine * p - sine * q, sine * p + cosine * q
    return V
