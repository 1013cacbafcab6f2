"""Labelled colour tiles, cut from photographs that scikit-image and scikit-learn carry in their packages."""

import numpy as np

SIZE = 32  # pixels of a tile's side, and of the gap between the two regions
SHARE = 0.75  # of a photograph's width: the gap's middle
TRAINING, HELD_OUT = (20, 20), (5, 20)  # columns and rows of tiles in each region


def photographs() -> dict[str, np.ndarray]:
    """The ten colour photographs by name, each (height, width, 3) of bytes."""
    from skimage import data  # pyright: ignore[reportMissingImports]  # an optional extra
    from sklearn.datasets import load_sample_images  # pyright: ignore[reportMissingImports]  # an optional extra

    names = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket")
    china, flower = load_sample_images().images
    motorcycle = data.stereo_motorcycle()[0]
    return {name: getattr(data, name)() for name in names} | dict(motorcycle=motorcycle, china=china, flower=flower)


def tiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tiles (n, 3, 32, 32) in float64, the number of the photograph of each, and which are held out.

    Of every photograph 400 tiles lie in its left three quarters and 100 in the rest, evenly spaced in rows and columns;
    those of one region overlap in small photographs, and the regions are a tile's width apart.
    """
    X, labels, held_out = [], [], []
    for label, image in enumerate(photographs().values()):
        border = int(SHARE * image.shape[1])
        regions = ((0, border - SIZE // 2, TRAINING), (border + SIZE // 2, image.shape[1], HELD_OUT))
        for held, (left, right, (columns, rows)) in enumerate(regions):
            for top in np.linspace(0, image.shape[0] - SIZE, rows).astype(int):
                for start in np.linspace(left, right - SIZE, columns).astype(int):
                    X.append(image[top : top + SIZE, start : start + SIZE])
                    labels.append(label)
                    held_out.append(bool(held))
    return np.moveaxis(np.array(X, dtype=float), 3, 1), np.array(labels), np.array(held_out)
