"""Topics of 20 Newsgroups beside LDA of as many: `python bench/topics.py [choose] [SEED ...]`.

Fifty topics, defaults, from the 11,214 documents of the training part; perplexity of the 7,531 of the test part, over
all their words together, so many nats a word. Ours is the bound of a variational autoencoder with a multinomial
likelihood. LDA's is scikit-learn's `perplexity`, whose bound also charges the topics themselves to the documents asked
for; below it the same LDA's bound on the documents alone, its topics fixed at their means, which is the fairer one.
`choose`: the validation part (100 documents) instead of the test part, which is where defaults were chosen.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import digamma, gammaln
from sets import folder
from sklearn.decomposition import LatentDirichletAllocation

from latently import Autoencoder
from latently.modalities import Text

TOPICS = 50


def counts(held: Any, part: str) -> sparse.csr_matrix:
    """The counts of one part."""
    found = [held[f"{part}_{name}"] for name in ("data", "indices", "indptr")]
    found = [found[0].astype(np.float64), found[1].astype(np.int32), found[2]]
    return sparse.csr_matrix(tuple(found), shape=(len(found[2]) - 1, len(held["vocab"])))


def documents_alone(model: LatentDirichletAllocation, x: sparse.csr_matrix) -> float:
    """Perplexity by the variational bound on documents, topics fixed at their means."""
    topics = model.components_ / model.components_.sum(1, keepdims=True)
    gamma = model._unnormalized_transform(x)
    alpha = model.doc_topic_prior_
    logs = digamma(gamma) - digamma(gamma.sum(1, keepdims=True))
    words = x.tocoo()
    each = (np.exp(logs)[words.row] * topics[:, words.col].T).sum(1)
    bound = float(words.data @ np.log(each)) + float(((alpha - gamma) * logs).sum() + gammaln(gamma).sum())
    bound += float((gammaln(alpha * TOPICS) - gammaln(gamma.sum(1))).sum()) - x.shape[0] * TOPICS * float(
        gammaln(alpha)
    )
    return float(np.exp(-bound / x.sum()))


def main() -> None:
    """A line a model and seed, then what ours speaks of."""
    warnings.simplefilter("ignore")
    held = np.load(folder() / "20ng_bow" / "20ng_bow.npz")
    train, asked = counts(held, "tr"), counts(held, "va" if "choose" in sys.argv else "ts")
    seeds = [int(a) for a in sys.argv[1:] if a != "choose"] or [0, 1, 2]
    for seed in seeds:
        start = time.process_time()
        lda = LatentDirichletAllocation(TOPICS, random_state=seed).fit(train)
        told = f"{lda.perplexity(asked):9.1f}, documents alone {documents_alone(lda, asked):7.1f}"
        print(f"seed {seed} LDA {told}   {time.process_time() - start:.0f} s", flush=True)
        start = time.process_time()
        ours = Autoencoder(TOPICS, kind="variational", data=Text(vocabulary=list(held["vocab"])), random_state=seed)
        ours.fit(train)
        print(f"seed {seed} ours {ours.perplexity(asked):8.1f}   {time.process_time() - start:.0f} s", flush=True)
    for topic in ours.topics(8)[:10]:
        print("   ", " ".join(topic))


if __name__ == "__main__":
    main()
