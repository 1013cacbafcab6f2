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
def products(A, begin, B, first, count, out):
    """``out += A B^T`` of so many columns, from ``begin`` on of A and from ``first`` on of B."""
    for k in range(0, len(A), 2):
        last = min(k + 1, len(A) - 1)
        for a in range(0, len(B), 2):
            next = min(a + 1, len(B) - 1)
            p, q, r, s = four_dots(A[k, begin:], A[last, begin:], B[a, first:], B[next, first:], count)
            out[k, a] += p
            if next > a:
                out[k, next] += q
            if last > k:
                out[last, a] += r
                if next > a:
                    out[last, next] += s


@apart
def weighted(C, e, first, count, out):
    """``out = C diag(e)`` of so many columns, from ``first`` on."""
    here = e[first:]  # each view counts its references, which is as long as ten products
    for a in range(len(C)):
        row = C[a, first:]
        for i in range(count):
            out[a, i] = here[i] * row[i]


@apart
def cross(A, e, C, out):
    """``out = A diag(e) C^T``, by blocks of columns that stay in the cache."""
    columns = len(e)
    B = np.empty((len(A), min(columns, BLOCK)))
    out[:] = 0.0
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        weighted(A, e, first, count, B)
        products(B, 0, C, first, count, out)


@apart
def applied_each(C, B, out):
    """``out = B C^T``, by blocks of columns."""
    out[:] = 0.0
    for first in range(0, C.shape[1], BLOCK):
        products(B, first, C, first, min(BLOCK, C.shape[1] - first), out)


@apart
def four_rows(v0, v1, v2, v3, c0, c1, c2, c3, out, count):
    """``out += v0 c0 + v1 c1 + v2 c2 + v3 c3``."""
    for i in range(count):
        out[i] += (v0 * c0[i] + v1 * c1[i]) + (v2 * c2[i] + v3 * c3[i])


@apart
def pulled_each(C, V, out):
    """``out = V C``, by blocks of columns, four rows at a time: each is read and written once for them."""
    rows, columns = C.shape
    whole = rows - rows % 4
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        for k in range(len(V)):
            v, here = V[k], out[k, first:]
            here[:count] = 0.0
            for a in range(0, whole, 4):
                four_rows(
                    v[a], v[a + 1], v[a + 2], v[a + 3],
                    C[a, first:], C[a + 1, first:], C[a + 2, first:], C[a + 3, first:], here, count,
                )  # fmt: skip
            for a in range(whole, rows):
                row = C[a, first:]
                for i in range(count):
                    here[i] += v[a] * row[i]


@apart
def taken_out(B, kept, k):
    """Row k of B less what the first ``kept`` rows, which are orthonormal, have in common with it; its square."""
    columns, square = B.shape[1], 0.0
    for _ in range(2):  # the second time for what rounding left
        for j in range(kept):
            along = 0.0
            for a in range(columns):
                along += B[j, a] * B[k, a]
            for a in range(columns):
                B[k, a] -= along * B[j, a]
    for a in range(columns):
        square += B[k, a] ** 2
    return square


@apart
def gram(C, e, H):
    """The lower triangle of ``H = C diag(e) C^T``, by blocks of columns that stay in the cache."""
    rows, columns = C.shape
    B = np.empty((rows, min(columns, BLOCK)))
    for a in range(rows):
        for c in range(a + 1):
            H[a, c] = 0.0
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        weighted(C, e, first, count, B)
        for a in range(0, rows, 2):
            last = min(a + 1, rows - 1)
            for c in range(0, a + 1, 2):
                next = min(c + 1, rows - 1)
                p, q, r, s = four_dots(B[a], B[last], C[c, first:], C[next, first:], count)
                H[a, c] += p
                if last > a:
                    H[last, c] += r
                    H[last, next] += s
                if next <= a and next > c:
                    H[a, next] += q


@apart
def factored(A):
    """``A = R R^T`` in its lower triangle, in place; whether A is positive definite."""
    for k in range(len(A)):
        rest = A[k, k] - dot(A[k], A[k], k)
        if not rest > 0:
            return False
        A[k, k] = np.sqrt(rest)
        for j in range(k + 1, len(A)):  # none of which waits for another
            A[j, k] = (A[j, k] - dot(A[j], A[k], k)) / A[k, k]
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
