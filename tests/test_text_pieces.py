"""Texts as sequences: every text comes back, an autoregressive likelihood is one, and every job runs on them."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from latently import Autoencoder, Denoiser, Generator, evaluate, recipes
from latently.errors import BadData, BadParameter
from latently.modalities import Pieces
from latently.modalities.bytepairs import WORD, Vocabulary
from latently.modalities.passages import passages
from latently.parts import Typos
from latently.parts.likelihoods import Autoregressive
from latently.parts.networks import Ends, Reader
from latently.recipes import Compose
from latently.recipes.variational import Variational
from latently.tasks.file import load, save
from latently.tasks.novel import Sieve, fingerprints, fresh
from latently.values import Batch, Sizes

CELLS = ("lstm", "gru", "transformer")
ODD = ["", "a", "Ωμέγα", "日本語 テキスト", "🎉👩‍👩‍👧", "tab\tand\n\nlines  ", "\udc80 alone", "x" * 300, "\x00"]


@pytest.fixture(scope="module")
def words() -> list[str]:
    rng = np.random.default_rng(0)
    syllables = [c + v for c in "bdklmnrst" for v in "aeiou"]
    return ["".join(rng.choice(syllables, rng.integers(1, 4))) for _ in range(300)]


def quick(task, **options):
    return task(**{"epochs": 2, "random_state": 0, "verbose": False, "validation_fraction": 0.1, **options})


def likelihood(cell="lstm", levels=5, length=4, **options) -> Autoregressive:
    part = Autoregressive(cell, size=6, embed=5, **{"dropped": 0.3, **options}).bind(
        Sizes(length, 2, levels=(levels,) * length)
    )
    with torch.no_grad():  # far from even
        part.embedding.mul_(10)
        part.bias.copy_(torch.linspace(-0.5, 0.5, levels))
    return part.double()


# ---------------------------------------------------------------- the vocabulary


@pytest.mark.parametrize("most", [0, 60, 200])
def test_every_text_of_any_script_comes_back(words, most):
    vocabulary = Vocabulary.learn([*words, "two words", "two words more"], most)
    for text in [*words, *ODD]:
        assert vocabulary.decode([*vocabulary.encode(text), 0, 5, 5]) == text


def test_pairs_merge_in_the_order_of_their_counts():
    vocabulary = Vocabulary.learn(["abab abab", "abab cd", "cd"] * 3, 100)
    assert set(vocabulary.characters) == set("ab cd")
    assert vocabulary.texts[18 + 5 : 18 + 7] == ["ab", "abab"]
    assert len(vocabulary.encode("abab")) == 1
    again = Vocabulary(vocabulary.characters, vocabulary.merges)
    assert again.encode("abab cd abc") == vocabulary.encode("abab cd abc")


def test_a_vocabulary_is_no_larger_than_asked_for():
    texts = [f"number {i} of many things, some of them old" for i in range(200)]
    assert len(Vocabulary.learn(texts, 80)) == 80


def test_bytes_that_spell_nothing_are_marked():
    assert Vocabulary("a").decode([2 + 15, 2 + 15, 18, 2]) == "�a"


# ---------------------------------------------------------------- the likelihood


@pytest.mark.parametrize("cell", CELLS)
def test_the_probabilities_of_all_texts_sum_to_one(cell):
    part, params = likelihood(cell), torch.randn(1, 32, generator=torch.Generator().manual_seed(0)).double()
    params = params[:, : part.width(4)]
    rows = set()
    for row in itertools.product((0, 2, 3, 4), repeat=4):
        end = row.index(0) if 0 in row else 4
        rows.add(row[:end] + (0,) * (4 - end))
    x = torch.tensor(sorted(rows)).double()
    nats = part.each(x, params.expand(len(x), -1).contiguous()).sum(1)
    assert abs((-nats).exp().sum().item() - 1) < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_is_the_slope(cell):
    part = likelihood(cell)
    x = torch.tensor([[2.0, 3, 0, 0], [4, 4, 2, 3]]).double()
    params = torch.randn(2, part.width(4), generator=torch.Generator().manual_seed(1)).double()
    for p in part.parameters():
        p.grad = torch.zeros_like(p)
    weight = torch.tensor([[1.0], [3.0]]).double()
    _, tape = part.run(x, params, torch.Generator().manual_seed(5))
    given = part.back(tape, weight)

    def loss(at: torch.Tensor) -> float:
        return float((part.run(x, at, torch.Generator().manual_seed(5))[0] * weight).sum())

    step = 1e-5
    for i, j in ((0, 0), (1, 3)):
        move = torch.zeros_like(params)
        move[i, j] = step
        assert abs((loss(params + move) - loss(params - move)) / (2 * step) - float(given[i, j])) < 1e-6
    own = dict(part.named_parameters())
    for name in ("embedding", "bias", "out", "beside"):
        p, where = own[name], (2,) if own[name].ndim == 1 else (2, 1)
        with torch.no_grad():
            p[where] += step
            up = loss(params)
            p[where] -= 2 * step
            down = loss(params)
            p[where] += step
        assert abs((up - down) / (2 * step) - float(p.grad[where])) < 1e-6, name


@pytest.mark.parametrize("cell", CELLS)
def test_draws_are_as_frequent_as_their_probability(cell):
    part = likelihood(cell, levels=4, length=2, dropped=0.0)
    params = torch.ones(1, part.width(2)).double()
    rows = torch.tensor([[0.0, 0], [2, 0], [2, 2], [2, 3], [3, 0], [3, 2], [3, 3]]).double()
    p = (-part.each(rows, params.expand(7, -1).contiguous()).sum(1)).exp()
    count = 4000
    made = part.sample(params.expand(count, -1).contiguous(), torch.Generator().manual_seed(0))
    share = torch.stack([(made == row).all(1).double().mean() for row in rows])
    assert abs(share.sum().item() - 1) < 1e-9
    assert (share - p).abs().max().item() < 4 * (0.25 / count) ** 0.5
    cold = part.sample(params.expand(50, -1).contiguous(), torch.Generator().manual_seed(0), temperature=1e-3)
    assert (cold == part.mean(params)).all()


@pytest.mark.parametrize("cell", CELLS)
def test_the_mean_takes_the_likeliest_piece_at_every_step(cell):
    part = likelihood(cell, levels=6, length=5)
    params = torch.randn(20, part.width(5), generator=torch.Generator().manual_seed(2)).double()
    for row, given in zip(part.mean(params), params, strict=True):
        for t in range(5):
            others = row.repeat(6, 1)
            others[:, t] = torch.arange(6)
            nats = part.each(others, given.expand(6, -1).contiguous())[:, t]
            assert nats[int(row[t])] <= nats.min() + 1e-9
            if row[t] == 0:
                assert (row[t:] == 0).all()
                break


@pytest.mark.parametrize("cell", CELLS)
def test_nats_do_not_depend_on_the_batch(cell):
    part = likelihood(cell, levels=30, length=9).float()
    rng = torch.Generator().manual_seed(3)
    x = torch.randint(2, 30, (40, 9), generator=rng).float()
    x[::2, 5:] = 0
    params = torch.randn(40, part.width(9), generator=rng)
    together, alone = part.each(x, params), torch.cat([part.each(x[i : i + 1], params[i : i + 1]) for i in range(40)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert (together[::2, 6:] == 0).all()


def test_gaps_in_the_history_are_drawn_only_while_training():
    part, rng = likelihood(dropped=0.9), torch.Generator().manual_seed(0)
    x, params = torch.tensor([[2.0, 3, 4, 2]]).double(), torch.zeros(1, 6).double()
    assert torch.equal(part.run(x, params)[0], part.each(x, params))
    assert not torch.equal(part.run(x, params, rng)[0], part.each(x, params))
    assert torch.equal(part.run(x, params, rng)[0][:, 0], part.each(x, params)[:, 0])


@pytest.mark.parametrize(
    "options", [{"cell": "rnn"}, {"size": 0}, {"embed": 0}, {"dropped": 1.0}, {"temperature": 0.0}], ids=str
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(BadParameter):
        Autoregressive(**options).bind(Sizes(4, 2, levels=(5,) * 4))


# ---------------------------------------------------------------- typos


def test_typos_spoil_as_many_pieces_as_asked_for_and_keep_the_end():
    x = torch.arange(2, 22).float().repeat(500, 1)
    x[:, 16:] = 0
    known = torch.arange(20).expand(500, 20) < 17
    seen, still = Typos(0.2).bind(Sizes(20, 2, levels=(40,) * 20)).hide(x, known, torch.Generator().manual_seed(0))
    lengths = (seen >= 2).sum(1)
    assert ((still.sum(1) == lengths + 1) | (lengths == 20)).all()
    assert (seen[~still] == 0).all()
    assert 0 < float((lengths - 16).float().abs().mean()) < 3
    same = [len(set(row[row >= 2].tolist()) & set(range(2, 18))) for row in seen]
    assert 13 < np.mean(same) < 16  # of 16: .05 left out, .05 replaced
    assert (lengths > 16).any()
    assert (lengths < 16).any()


def test_typos_need_pieces():
    with pytest.raises(BadParameter, match="these cells are no pieces"):
        Autoencoder(kind="typos:.1", epochs=1).fit(np.eye(4))


# ---------------------------------------------------------------- the reading


def read(texts, **options):
    data = Pieces(**options)
    rows, _ = data.learn(None, texts, None, False)
    return data, rows


LONG = [
    "One cat. Two cats! " * 9,
    "a b" * 40,
    "x" * 90,
    "日本語。テキスト" * 9,
    " " * 99,
    "w\n\n" * 50,
    "🎉" * 20,
    " ab " * 30,
]


@pytest.mark.parametrize("length", [9, 20, "auto"])
@pytest.mark.parametrize("size", ["auto", 60])
def test_nothing_of_a_long_text_is_lost(length, size):
    data, _ = read([*LONG, *LONG], length=length, pieces=size)
    for texts in (LONG, ODD, [" ".join(LONG)], ["ab", "", "ab" * 50]):
        rows = data.take(None, texts)
        assert (rows.x[:, -1] == 0).all()  # each passage ends
        assert data.rebuilt(data.values(rows.x), texts) == texts
    series = pd.Series(LONG, index=range(5, 13), name="t")
    pd.testing.assert_series_equal(data.rebuilt(data.values(data.take(None, LONG).x), series), series)


def test_long_texts_are_cut_after_sentences_or_between_words():
    data, _ = read(["a cat sat. it ate! and went on and on", "ab"], length=14)
    assert data.shown(data.values(data.take(None, ["a cat sat. it ate! and went on and on"]).x)) == [
        "a cat sat.", "it ate!", "and went on", "and on",
    ]  # fmt: skip


def test_a_word_that_is_short_only_after_a_space_is_cut_too():
    def size(text):
        return sum(1 if word[0] == " " else len(word) for word in WORD.findall(text))

    cut = ["wonderful wonderful"[a:b] for a, b in passages("wonderful wonderful", 8, size)]
    assert "".join(cut) == "wonderfulwonderful"
    assert max(map(size, cut)) <= 8


def test_what_is_changed_stands_where_it_stood():
    data, _ = read(["a cat sat. it ate!", "ab"], length=14)
    texts = ["a cat sat.\n it ate!", "ab"]
    values = data.values(data.take(None, ["a cow sat.", "he ate!", "ba"]).x)
    assert data.rebuilt(values, texts) == ["a cow sat.\n he ate!", "ba"]
    changed = np.zeros(values.shape, bool)
    changed[1, 3] = True
    assert data.rebuilt(values, texts, changed) == ["a cat sat.\n he ate!", "ab"]


def test_a_weight_is_that_of_every_passage():
    texts = ["a cat sat. it ate!", "ab"]
    data = Pieces(length=14)
    rows, _ = data.learn(None, texts, [3.0, 1.0], False)
    by_text = dict(zip(data.shown(data.values(rows.x)), rows.weight.tolist(), strict=True))
    assert by_text["a cat sat."] == by_text["it ate!"] == pytest.approx(3 * by_text["ab"])


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_the_code_of_a_long_text_is_the_mean_of_its_passages(words):
    model = quick(Autoencoder, n_components=3, data=Pieces(length=10), epochs=1).fit(words[:60])
    long = f"{words[0]} {words[1]} {words[2]}"
    parts = [long[a:b] for a, b in model.data_._passages(long)]
    assert len(parts) > 1
    codes = model.transform([words[3], long, *parts])
    assert_array_equal(codes[0], model.transform([words[3]])[0])
    np.testing.assert_allclose(codes[1], codes[2:].mean(0), rtol=1e-5)
    assert model.score_samples([words[3], long]).shape == (2,)
    assert evaluate(model, [long, *words[:30]] * 2, [0, *[1, 2] * 15] * 2)["probe"]


def test_short_texts_are_spelled_by_letters_and_long_ones_by_pieces(words):
    names, book = Pieces(), Pieces()
    names.learn(None, words, None, False)
    assert not names.vocabulary_.merges
    book.learn(None, [" ".join(words[i : i + 20]) for i in range(280)], None, False)
    assert book.vocabulary_.merges
    assert book.cells <= 64


@pytest.mark.parametrize(
    "options", [{"pieces": 0}, {"pieces": 2.5}, {"length": 1}, {"length": "long"}, {"decoder": "lstm"}], ids=str
)
def test_options_of_the_reading_are_refused(options):
    with pytest.raises(BadParameter, match=next(iter(options))):
        quick(Generator, data=Pieces(**options)).fit(["a", "b"])


def test_what_is_no_text_is_refused(words):
    with pytest.raises(BadData):
        quick(Generator, data=Pieces()).fit(["a", None, "b"])


# ---------------------------------------------------------------- the jobs


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("kind", [k for k in recipes.names() if k not in ("contractive",)])
def test_every_kind_reads_texts(words, kind):
    model = quick(Autoencoder, n_components=4, kind=kind, data=Pieces(), epochs=1).fit(words[:60])
    assert model.transform(ODD).shape == (len(ODD), 4)
    back = model.reconstruct(ODD)
    assert len(back) == len(ODD)
    assert all(isinstance(t, str) for t in back)
    assert np.isfinite(model.score_samples(words[:5])).all()
    assert len(model.sample(3, random_state=0)) == 3


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("cell", CELLS)
def test_a_saved_generator_is_the_same_generator(words, cell, tmp_path):
    options = {"n_components": 4, "data": Pieces(decoder=Autoregressive(cell)), "network": Reader(cell)}
    model, again = (quick(Generator, **options).fit(words[:100], [len(w) for w in words[:100]]) for _ in range(2))
    for name, one in (("a", model), ("b", again)):
        save(one, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = load(tmp_path / "a", device="cpu")
    made = model.sample(20, given=4, random_state=1)
    assert loaded.sample(20, given=4, random_state=1) == made
    assert all(isinstance(t, str) for t in made)
    assert loaded.interpolate("bada", "litu", 3) == model.interpolate("bada", "litu", 3)
    assert len(model.interpolate("bada", "🎉", 5)) == 5


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_fitting_leaves_global_chance_alone(words):
    before = torch.get_rng_state()
    model = quick(Generator, epochs=1).fit(words[:50])
    model.sample(3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_the_order_of_texts_means_nothing(words):
    one, other = (quick(Autoencoder, n_components=3, data=Pieces()).fit(x) for x in (words[:80], words[:80][::-1]))
    np.testing.assert_array_equal(one.transform(words[:9]), other.transform(words[:9]))


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_what_is_learned_is_likelier_than_what_is_not(words):
    model = quick(Autoencoder, n_components=4, kind="variational", data=Pieces(), epochs=30).fit(words)
    strange = ["".join(reversed(w)) for w in words[:50]]
    assert model.score_samples(words[:50]).mean() > model.score_samples(strange).mean() + 1
    alone = np.concatenate([model.score_samples(words[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, model.score_samples(words[:50])[:5], rtol=1e-5)


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_the_walk_of_the_step_agrees_with_autograd(words):
    kind = Compose(corruption=Typos(0.2))
    decoder = Autoregressive(dropped=0.0)
    model = quick(Autoencoder, n_components=3, kind=kind, data=Pieces(decoder=decoder), epochs=1).fit(words[:40])
    net, rows = model.model_, model.data_.take(model, words[:8])
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    net.gradients(rows, torch.Generator().manual_seed(0), 1.0)
    walked = {n: p.grad.clone() for n, p in net.named_parameters()}
    net.zero_grad()
    (net.loss(rows, torch.Generator().manual_seed(0)) / rows.cells).backward()
    for name, p in net.named_parameters():
        torch.testing.assert_close(walked[name], p.grad, rtol=1e-3, atol=1e-7, msg=name)


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_texts_with_typos_come_back_as_texts(words):
    model = quick(Denoiser, n_components=4).fit(words[:60])
    assert isinstance(model.model_.corruption, Typos)
    assert all(isinstance(t, str) for t in model.transform(["badda", "", "x🎉"]))


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_what_a_code_of_texts_carries_is_told(words):
    kind = Variational(warmup=0.0, free_bits=0.5, pooled=True)
    model = quick(Autoencoder, n_components=4, kind=kind, data=Pieces(), epochs=20).fit(words[:200])
    told, judged = model.summary(), evaluate(model, words[:50], [len(w) for w in words[:50]])
    assert told["held_out"] is None
    assert 1 <= told["active"] <= 4
    assert abs(sum(judged["kl"]["nats per unit"]) - judged["costs"]["kl"]) < 1e-3
    assert judged["costs"]["kl"] > 1.0  # the floor is 2
    assert set(judged["reconstruction"]) == {"nats"}
    assert set(judged["probe"])


def test_a_contractive_kind_has_no_derivative_by_pieces(words):
    with pytest.raises(BadParameter, match=r"are names.*kind='denoising'.*counts words"):
        quick(Autoencoder, n_components=3, kind="contractive", data=Pieces()).fit(words[:30])


def test_a_reader_is_for_pieces_alone():
    with pytest.raises(BadParameter, match="Reader is for pieces"):
        quick(Autoencoder, network=Reader()).fit(np.eye(5))


def test_a_gap_is_read_as_one():
    data = Pieces()
    data.learn(None, ["abc", "bca"], None, False)
    ends = Ends(2 * data.cells, 2, 2, 4, levels=data.levels)
    network, _ = Reader().build(ends, torch.Generator().manual_seed(0))
    door, rows = data.door(True), data.take(None, ["abc", "bbc"])
    codes = network(door(rows))
    gone = rows.known.clone()
    gone[:, 0] = False
    hidden = network(door(Batch(rows.x, gone)))
    assert not torch.allclose(codes[0], codes[1])
    torch.testing.assert_close(hidden[0], hidden[1])
    assert not torch.allclose(hidden[0], codes[0])


def test_texts_that_are_not_kept_are_drawn_again():
    known, asked = fingerprints(["ann", "bob"]), []

    def again(places):
        asked.append(len(places))
        return ["ann" if len(asked) == 1 and place == 0 else f"new {place}" for place in places]

    def keeps(texts):
        return ~np.isin(fingerprints(texts), known)

    assert fresh(["ann", "eve", "bob"], keeps, again) == ["new 0", "eve", "new 2"]
    assert asked == [2, 1]
    assert fresh(["ann"], keeps, lambda _: ["ann"]) == ["ann"]  # where nothing else is likely it stays


def test_letters_of_kept_texts_come_together_as_often_as_in_the_fit():
    rng = np.random.default_rng(0)

    def draw(share, count):  # "a" more often, and "b" after "b"
        return ["".join(rng.choice(["a", "b", "bb"], 5, p=[share, 0.6 - share, 0.4])) for _ in range(count)]

    texts, draws, more = draw(0.28, 2000), draw(0.2, 8000), draw(0.2, 8000)
    nothing = np.empty(0, np.int64)
    sieve = Sieve.fit(nothing, texts, draws)
    kept = [t for t, k in zip(more, sieve.keeps(more, torch.Generator().manual_seed(0)), strict=True) if k]
    share = [np.mean([t.count("a") / len(t) for t in some]) for some in (texts, more, kept)]
    assert len(kept) > 300
    assert abs(share[2] - share[0]) < 0.2 * abs(share[1] - share[0])
    again = Sieve.restored(sieve.arrays())
    assert_array_equal(
        again.keeps(more, torch.Generator().manual_seed(1)), sieve.keeps(more, torch.Generator().manual_seed(1))
    )


def test_a_sieve_of_nothing_new_keeps_what_is_new():
    sieve = Sieve.fit(fingerprints(["a"]), ["a"], ["a", "a"])
    assert sieve.keeps(["a", "b", "\udc80", ""], torch.Generator()).tolist() == [False, True, True, True]


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
def test_a_generator_keeps_what_its_texts_were(words, tmp_path):
    generator = quick(Generator, epochs=1).fit(words)
    assert np.isin(fingerprints(words), generator._sieve.known).all()
    assert not set(generator.sample(200, random_state=1)) & set(words)
    save(generator, tmp_path / "g.safetensors")
    for name, array in load(tmp_path / "g.safetensors")._sieve.arrays().items():
        assert_array_equal(array, generator._sieve.arrays()[name])
