"""How near new images come to real ones: `python bench/generation.py [SET]` (fashion_mnist, or digits and usps).

The Frechet distance of Heusel (2017) between 10,000 new images and the test part (as many as there are), in the space
of the last hidden layer of a small convolutional classifier, trained here on the training labels. It ranks generators
of one set; it is not the FID of other papers, whose features are Inception's. `floor` is the distance of as many
training images. `hits`: share of images drawn with a label that the classifier takes for that label.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from sets import images
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from torch import nn

from latently import Generator

COUNT = 10_000
EPOCHS = 3


def classifier(x: NDArray, y: NDArray) -> nn.Sequential:
    """Two strided filters and a hidden layer of 64."""
    channels = [nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten()]
    net = nn.Sequential(*channels, nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, int(y.max()) + 1))
    rng = torch.Generator().manual_seed(0)
    tensors, labels = scaled(x, x), torch.from_numpy(y.astype(np.int64))
    net(tensors[:2])
    for p in net.parameters():
        nn.init.kaiming_uniform_(p, nonlinearity="relu", generator=rng) if p.ndim > 1 else nn.init.zeros_(p)
    steps = EPOCHS * max(4, len(x) // 128)
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=steps)
    for _ in range(steps):
        pick = torch.randint(len(x), (128,), generator=rng)
        loss = nn.functional.cross_entropy(net(tensors[pick]), labels[pick])
        adam.zero_grad()
        loss.backward()
        adam.step()
        plan.step()
    return net.eval()


def scaled(x: NDArray, like: NDArray) -> torch.Tensor:
    """Images as the classifier takes them."""
    return torch.from_numpy(np.asarray(x, np.float32) / float(like.max()) - 0.5)[:, None]


@torch.no_grad()
def features(net: nn.Sequential, x: torch.Tensor) -> NDArray:
    """The last hidden layer."""
    return torch.cat([net[:-1](part) for part in x.split(1000)]).double().numpy()


def frechet(a: NDArray, b: NDArray) -> float:
    """`|m - n|^2 + tr(A + B - 2 (A B)^(1/2))` of means and covariances."""
    m, n, s, t = a.mean(0), b.mean(0), np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.maximum(linalg.eigvals(s @ t).real, 0)).sum()
    return float(((m - n) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root)


def linear(x: NDArray, components: int, code: int = 32) -> NDArray:
    """PCA, and a normal (or a mixture) of its codes."""
    flat = x.reshape(len(x), -1).astype(np.float32)
    pca = PCA(code, svd_solver="covariance_eigh").fit(flat)
    codes = pca.transform(flat[:20_000])
    drawn = GaussianMixture(components, reg_covar=1e-3, max_iter=50, random_state=0).fit(codes).sample(COUNT)[0]
    return np.rint(pca.inverse_transform(drawn).clip(0, flat.max())).reshape(-1, *x.shape[1:])


def main() -> None:
    """One line a generator."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    (train, labels), (test, truth) = images(sys.argv[1] if len(sys.argv) > 1 else "fashion_mnist")
    net = classifier(train, labels)
    real = features(net, scaled(test, train))

    def tell(name: str, made: NDArray, start: float, note: str = "") -> None:
        distance = frechet(features(net, scaled(made, train)), real)
        print(f"{name:34s} {distance:8.3f} {time.process_time() - start:7.0f}  {note}", flush=True)

    with torch.no_grad():
        right = float((net(scaled(test, train)).argmax(1).numpy() == truth).mean())
    print(f"classifier: {right:.3f} of the test part")
    print(f"{'images':34s} {'distance':>8s} {'CPU s':>7s}")
    tell("floor: training images", train[: len(test)], time.process_time())
    for name, components in (("PCA-32 + normal", 1), ("PCA-32 + mixture of 30", 30)):
        start = time.process_time()
        tell(name, linear(train, components), start)
    for name, options in GENERATORS.items():
        start = time.process_time()
        given = {"random_state": 0, **options}
        model = Generator(**given).fit(train, labels)
        drawn = np.random.default_rng(0).choice(labels, COUNT)
        made = model.sample(COUNT, given=drawn)
        with torch.no_grad():
            hits = float((net(scaled(made, train)).argmax(1).numpy() == drawn).mean())
        tell(name, made, start, f"hits {hits:.3f}")


GENERATORS = {
    "Generator()": {},
    "Generator(64)": {"n_components": 64},
    "Generator(kind='variational')": {"kind": "variational"},
}

if __name__ == "__main__":
    main()
