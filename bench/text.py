"""Texts from a code: `python bench/text.py [names|sentences]`.

names: a tenth of 32,033 first names is held out; a `Generator` with its defaults and a character trigram model (maximum
likelihood, two letters of context) learn from the rest, and 20,000 names are drawn from each. `distance`: total
variation between the shares of character n-grams of new and held-out names, the beginning and the end of a name
counting as characters, mean of n = 1, 2, 3 (what a trigram model fits by construction, but for chance), and each
alone; of 4-grams and of the numbers of characters besides. `novel`: share of new names that the training set lacks.
`its new`: what the trigram model makes that is not among the training names, as a `Generator` draws again what is.
`with length`: mean over 1-, 2-, 3-grams and the length. `training`: the distance of the training names themselves.

sentences: sentences of WikiText-2, learned from its validation part and judged on 800 of its test part, of each the
first 32 pieces of a vocabulary of 1,000; 16 epochs. A variational autoencoder against its own decoder as a language
model: the same pieces, network, steps and word dropout, and none, the code cut off. `bound`: minus the
importance-weighted bound of 20 draws (exact without a code), `elbo`: of one draw, nats a sentence.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
import warnings
from collections import Counter

import numpy as np
import torch
from sets import folder

from latently import Autoencoder, Generator
from latently.errors import FitAlarm
from latently.modalities import Pieces
from latently.parts.bottlenecks import Bottleneck, Normal
from latently.parts.likelihoods import Autoregressive
from latently.recipes import Compose, Variational
from latently.values import Code

COUNT = 20_000  # new names
ORDERS = (1, 2, 3, 4)
DRAWS = 20
JUDGED = 800  # sentences


def read(name: str) -> str:
    with gzip.open(folder() / name, "rt", encoding="utf-8") as file:
        return file.read()


# ---------------------------------------------------------------- names


def names() -> tuple[list[str], list[str]]:
    found = read("names/names.txt.gz").split()
    order = np.random.default_rng(0).permutation(len(found))
    held = len(found) // 10
    return [found[i] for i in order[held:]], [found[i] for i in order[:held]]


def grams(texts: list[str], n: int) -> Counter[str]:
    """Character n-grams, "^" before and "$" after a text."""
    marked = [f"^{t}$" for t in texts]
    return Counter(t[i : i + n] for t in marked for i in range(len(t) - n + 1))


def variation(a: Counter, b: Counter) -> float:
    """Half the summed difference of two sets of shares."""
    total_a, total_b = sum(a.values()), sum(b.values())
    return 0.5 * sum(abs(a[k] / total_a - b[k] / total_b) for k in a.keys() | b.keys())


def figures(made: list[str], held: list[str], train: list[str]) -> str:
    each = {n: variation(grams(made, n), grams(held, n)) for n in ORDERS}
    lengths = variation(Counter(map(len, made)), Counter(map(len, held)))
    known = set(train)
    novel = np.mean([m not in known for m in made])
    alone = "  ".join(f"{n}: {v:.4f}" for n, v in each.items())
    distance, whole = np.mean([each[n] for n in ORDERS[:3]]), np.mean([each[n] for n in ORDERS[:3]] + [lengths])
    told = f"length {lengths:.4f}  with length {whole:.4f}  novel {novel:.1%}  distinct {len(set(made))}"
    return f"distance {distance:.4f} ({alone})  {told}"


def trigrams(train: list[str], count: int) -> list[str]:
    """Names drawn letter by letter after the two letters before."""
    after: dict[str, Counter[str]] = {}
    for t in train:
        marked = f"^^{t}$"
        for i in range(2, len(marked)):
            after.setdefault(marked[i - 2 : i], Counter())[marked[i]] += 1
    tables = {k: (list(c), np.cumsum(list(c.values())) / sum(c.values())) for k, c in after.items()}
    rng, made = np.random.default_rng(1), []
    for _ in range(count):
        text = "^^"
        while text[-1] != "$":
            letters, edges = tables[text[-2:]]
            text += letters[int(np.searchsorted(edges, rng.random(), side="right"))]
        made.append(text[2:-1])
    return made


def bench_names() -> None:
    train, held = names()
    print(f"names: {len(train):,} to learn from, {len(held):,} held out, {COUNT:,} new ones")
    print("training ", figures(train, held, train))
    print("trigram  ", figures(trigrams(train, COUNT), held, train))
    known = set(train)
    fresh = [name for name in trigrams(train, 2 * COUNT) if name not in known][:COUNT]
    print("its new  ", figures(fresh, held, train))
    start = time.process_time()
    model = Generator(random_state=0, verbose=False).fit(train)
    fitted = time.process_time() - start
    made = model.sample(COUNT, random_state=1)
    print("generator", figures(made, held, train))
    history = model.history_.columns
    print(f"  {fitted:.0f} CPU-s to fit, {time.process_time() - start - fitted:.0f} to draw; {active(model, held)}")
    print(f"  reconstruction {history['reconstruction'][-1]:.2f} kl {history['kl'][-1]:.2f} nats a name in training")
    print("  ", ", ".join(made[:20]))
    print("  from 'alexander' to 'maria':", ", ".join(model.interpolate("alexander", "maria", 8)))


def active(model: Autoencoder | Generator, texts: list[str]) -> str:
    """KL of the units on some texts."""
    neck, data = model.model_.bottleneck, model.data_.take(model, texts[:1000])
    with torch.no_grad():
        h = model.model_.encoder.plain(model.model_.door(data))
        each = neck.each(h).mean(0)
        units = int((neck(h).z.var(0) > 0.01).sum())
    told = " ".join(f"{v:.2f}" for v in each.sort(descending=True).values[:8])
    return f"KL {float(each.sum()):.2f} nats, {units} of {len(each)} units active, most: {told}"


# ---------------------------------------------------------------- sentences


def sentences(part: str) -> list[str]:
    """The sentences of a part, headings left out."""
    text = read(f"wikitext2_valid_test/wikitext2_{part}.txt.gz")
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.strip().startswith("=")]
    return [s.strip() for line in lines for s in re.split(r"(?<= [.!?]) ", line) if s.strip()]


class Silent(Bottleneck):
    """No code: what comes after it is a plain language model."""

    def forward(self, h: torch.Tensor, rng: torch.Generator | None = None) -> Code:
        return Code(0 * h)


@torch.no_grad()
def bounds(model: Autoencoder, texts: list[str], draws: int) -> tuple[float, float, float]:
    """Nats a sentence: by the weighted bound of so many draws, by one draw's bound, and the KL in it."""
    rows, net, rng = model.data_.take(model, texts), model.model_, torch.Generator().manual_seed(0)
    weighted, single, kl = [], [], []
    for i in range(0, len(rows), 250):
        part = rows.take(slice(i, i + 250))
        h = net.encoder.plain(net.door(part))
        neck = net.bottleneck
        told = neck.each(h).sum(1) if isinstance(neck, Normal) else torch.zeros(len(part))
        logs = []
        for _ in range(draws if isinstance(neck, Normal) else 1):
            code = neck(h, rng)
            nats = (net.likelihood.each(part.x, net.decoder.plain(code.z)) * part.known).sum(1)
            ratio = torch.zeros(len(part))
            if isinstance(neck, Normal):
                mu, v = neck.moments(h)
                ratio = 0.5 * (code.z.square() - v - (code.z - mu).square() * (-v).exp()).sum(1)
            logs.append(-nats - ratio)
            single.append(nats + told)
        weighted.append(torch.logsumexp(torch.stack(logs), 0) - np.log(len(logs)))
        kl.append(told)
    return -float(torch.cat(weighted).mean()), float(torch.cat(single).mean()), float(torch.cat(kl).mean())


def bench_sentences() -> None:
    train, test = sentences("valid"), sentences("test")[:JUDGED]
    print(f"sentences: {len(train):,} to learn from, {len(test):,} to judge by")
    silent = Compose(bottleneck=Silent(), loss="likelihood")
    runs = {
        "variational": (Variational(free_bits=0.125, pooled=True), 0.2),
        "language model": (silent, 0.2),
        "language model, no word dropout": (silent, 0.0),
    }
    for name, (kind, dropped) in runs.items():
        data = Pieces(pieces=1000, length=32, decoder=Autoregressive(dropped=dropped))
        start = time.process_time()
        model = Autoencoder(kind=kind, data=data, epochs=16, learning_rate=4e-3, random_state=0, verbose=False)
        model.fit(train)
        spent = time.process_time() - start
        bound, elbo, kl = bounds(model, test, DRAWS)
        print(f"{name:32s} bound {bound:.2f} elbo {elbo:.2f} kl {kl:.2f}  {spent:.0f} CPU-s", flush=True)
        print("  epochs", model.history_.columns["epoch"][-1], model.history_.stopped, "best", model.history_.best_look)
        if isinstance(model.model_.bottleneck, Normal):
            print(" ", active(model, test))


if __name__ == "__main__":
    warnings.simplefilter("ignore", FitAlarm)
    wanted = sys.argv[1:] or ["names", "sentences"]
    for name in wanted:
        {"names": bench_names, "sentences": bench_sentences}[name]()
