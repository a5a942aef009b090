"""Texts from a code: `python bench/text.py [names|sentences|typos]`.

names: a tenth of 32,033 first names is held out; a `Generator` with its defaults and a character trigram model (maximum
likelihood, two letters of context) learn from the rest, and 20,000 names are drawn from each. `distance`: total
variation between the shares of character n-grams of new and held-out names, the beginning and the end of a name
counting as characters, mean of n = 1, 2, 3 (what a trigram model fits by construction, but for chance), and each
alone; of 4-grams and of the numbers of characters besides. `novel`: share of new names that the training set lacks.
`its new`: what the trigram model makes that is not among the training names, as a `Generator` draws again what is.
`with length`: mean over 1-, 2-, 3-grams and the length. `training`: the distance of the training names themselves.

sentences: sentences of WikiText-2, learned from its validation part and judged on 800 of its test part, of each the
words that fit into 32 pieces, of a vocabulary of 1,000; 16 epochs. A variational autoencoder against its own decoder as
a language model: the same pieces, network and steps, the code cut off. `bound`: minus the importance-weighted bound of
20 draws (exact without a code), `elbo`: of one draw, nats a sentence.

typos: sentences of WikiText-2 again, of the test part the first 300, every letter spoilt with a chance of 5 %: swapped
with the next, left out, doubled or replaced. `rate`: edits (Levenshtein) to the true sentences, of their characters.
`dictionary`: a word that the training part lacks becomes the one of its words within one edit (a swap is one, too) that
it has most often. `right`, `wrong`, `spoilt`, `missed`: words that were put right, changed in vain, changed though they
were right, and left with their typos. `clean`: the rate where there were no typos.
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

from latently import Autoencoder, Denoiser, Generator
from latently.errors import FitAlarm
from latently.modalities import Pieces
from latently.parts.bottlenecks import Bottleneck, Normal
from latently.recipes import Compose, Variational
from latently.tasks.typed import WORD, Words
from latently.values import Code

COUNT = 20_000  # new names
ORDERS = (1, 2, 3, 4)
DRAWS = 20
JUDGED = 800  # sentences
TYPED = 300
SPOILT = 0.05  # of the letters


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
    data = Pieces(pieces=1000, length=32)
    data.learn(None, train, None, False)
    train, test = ([t[: data._passages(t)[0][1]] for t in texts] for texts in (train, test))
    print(f"sentences: {len(train):,} to learn from, {len(test):,} to judge by")
    silent = Compose(bottleneck=Silent(), loss="likelihood")
    runs = {"variational": Variational(free_bits=0.125, pooled=True), "language model": silent}
    for name, kind in runs.items():
        data = Pieces(pieces=1000, length=32)
        start = time.process_time()
        model = Autoencoder(kind=kind, data=data, epochs=16, learning_rate=4e-3, random_state=0, verbose=False)
        model.fit(train)
        spent = time.process_time() - start
        bound, elbo, kl = bounds(model, test, DRAWS)
        print(f"{name:32s} bound {bound:.2f} elbo {elbo:.2f} kl {kl:.2f}  {spent:.0f} CPU-s", flush=True)
        print("  epochs", model.history_.columns["epoch"][-1], model.history_.stopped, "best", model.history_.best_look)
        if isinstance(model.model_.bottleneck, Normal):
            print(" ", active(model, test))


# ---------------------------------------------------------------- typos


def typed(texts: list[str], letters: list[str], seed: int) -> list[str]:
    """Texts with typos in their letters."""
    rng, found = np.random.default_rng(seed), []
    for text in texts:
        made, i = [], 0
        while i < len(text):
            c, step = text[i], 1
            if c.isalpha() and rng.random() < SPOILT:
                slip = rng.integers(4)
                if slip == 0 and text[i + 1 : i + 2].isalpha():
                    c, step = text[i + 1] + c, 2
                else:
                    c = ("", c + c, str(rng.choice(letters)))[max(int(slip) - 1, 0)]
            made.append(c)
            i += step
        found.append("".join(made))
    return found


def edits(a: str, b: str) -> int:
    """Letters put in, taken out or replaced on the shortest way."""
    before, other = np.arange(len(b) + 1), np.array([ord(c) for c in b])
    places = np.arange(len(b) + 1)
    for i, c in enumerate(a):
        own = np.concatenate([[i + 1], np.minimum(before[:-1] + (other != ord(c)), before[1:] + 1)])
        before = np.minimum.accumulate(own - places) + places
    return int(before[-1])


def rate(made: list[str], true: list[str]) -> float:
    return sum(map(edits, made, true)) / sum(map(len, true))


def told(made: list[str], seen: list[str], true: list[str]) -> str:
    counts = Counter()
    for row in zip(true, seen, made, strict=True):
        words = [text.split(" ") for text in row]
        if len({len(w) for w in words}) == 1:
            for want, was, now in zip(*words, strict=True):
                if was == now:
                    counts["missed"] += was != want
                else:
                    counts["spoilt" if was == want else "right" if now == want else "wrong"] += 1
    return "  ".join(f"{name} {counts[name]}" for name in ("right", "wrong", "spoilt", "missed"))


def bench_typos() -> None:
    train, true = sentences("valid"), sentences("test")[:TYPED]
    seen = typed(true, sorted({c for t in train for c in t if c.isascii() and c.isalpha()}), 1)
    counts = Counter(word for t in train for word in WORD.findall(t))
    words = Words.of(counts)

    def nearest(word: str) -> str:
        near = [] if word in words.known else [other for other, _ in words.near(word, 0.1, 52)]
        return max(near, key=lambda other: (counts[other], other), default=word)

    def by_dictionary(texts: list[str]) -> list[str]:
        return [WORD.sub(lambda m: nearest(m.group()), t) for t in texts]

    print(f"typos: {len(train):,} sentences to learn from, {len(true)} to judge by; rate {rate(seen, true):.4f}")
    made = by_dictionary(seen)
    print(
        f"dictionary rate {rate(made, true):.4f}  {told(made, seen, true)}  clean {rate(by_dictionary(true), true):.4f}"
    )
    start = time.process_time()
    data = Pieces(pieces=1000, length=32)
    model = Denoiser(data=data, epochs=6, learning_rate=4e-3, random_state=0, verbose=False).fit(train)
    fitted = time.process_time() - start
    made = model.transform(seen)
    spent = time.process_time() - start - fitted
    clean = rate(model.transform(true), true)
    print(f"denoiser   rate {rate(made, true):.4f}  {told(made, seen, true)}  clean {clean:.4f}")
    print(f"  {fitted:.0f} CPU-s to fit, {spent:.0f} to mend")
    for row in list(zip(true, seen, made, strict=True))[:4]:
        print(*row, sep="\n    ")


if __name__ == "__main__":
    warnings.simplefilter("ignore", FitAlarm)
    wanted = sys.argv[1:] or ["names", "sentences", "typos"]
    for name in wanted:
        {"names": bench_names, "sentences": bench_sentences, "typos": bench_typos}[name]()
