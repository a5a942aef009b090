"""Documents are read from whatever holds them, in any script; bags of words keep every promise that rows keep."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import roc_auc_score

from latently import AnomalyDetector, Autoencoder, Map, SearchIndex, load, recipes, save
from latently.errors import BadData, BadParameter, FileProblem, UnsupportedInput
from latently.modalities import Text
from latently.modalities.words import Vocabulary, words
from latently.parts.likelihoods import Multinomial
from latently.tasks.base import modality_of
from latently.tasks.portrait import strangest
from latently.values import Batch, Sizes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SUBJECTS = (
    "ship sail harbour captain anchor storm deck mast crew wave",
    "oven bread flour butter sugar dough yeast crust bake salt",
    "goal team coach referee league match striker keeper pitch fan",
)
COMMON = "the a of and with"


def corpus(n: int = 60, seed: int = 0) -> list[str]:
    """Documents of one subject each, 6 to 14 of its words among common ones."""
    rng = np.random.default_rng(seed)
    return [
        " ".join([*rng.choice(SUBJECTS[i % 3].split(), rng.integers(6, 15)), *rng.choice(COMMON.split(), 3)])
        for i in range(n)
    ]


def fitted(texts=None, k: int = 3, **options) -> Autoencoder:
    """A short fit of the corpus."""
    return Autoencoder(k, **{"epochs": 5, "random_state": 0, **options}).fit(corpus() if texts is None else texts)


# ---------------------------------------------------------------- documents


TEXTS = ["one two", "", "two three three"]
HOLDERS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda t: np.array(t, object),
    "pandas": pd.Series,
    "pandas strings": lambda t: pd.Series(t, dtype="string", index=[5, 6, 7]),
    "polars": pl.Series,
    "arrow": pa.array,
    "chunked": lambda t: pa.chunked_array([t]),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_every_column_of_strings_is_the_same_documents(holder):
    data = holder(TEXTS)
    assert type(modality_of("auto", data)) is Text
    assert Text().documents(data) == TEXTS


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_frame_gives_the_column_that_is_named_or_its_only_one_of_strings(frame):
    table = frame({"n": [1, 2, 3], "text": TEXTS})
    assert Text().documents(table) == Text(column="text").documents(table) == TEXTS
    assert type(modality_of("auto", table)) is not Text
    with pytest.raises(BadData, match="no column 'body'; columns: n, text"):
        Text(column="body").documents(table)
    with pytest.raises(BadData, match=r"2 columns .* Text\(column='text'\)"):
        Text().documents(frame({"a": ["x"], "b": ["y"]}))


def test_files_are_documents_and_lines_of_one_file_are(tmp_path):
    (tmp_path / "b.txt").write_bytes("\ufeffzwei\nWörter".encode())
    (tmp_path / "a.txt").write_text("one\n\nthree\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text("no text", encoding="utf-8")
    whole = ["one\n\nthree\n", "zwei\nWörter"]
    assert Text().documents(tmp_path / "a.txt") == ["one", "", "three"]
    for place in (tmp_path, str(tmp_path), str(tmp_path / "*.txt"), [tmp_path / "a.txt", tmp_path / "b.txt"]):
        assert Text().documents(place) == whole
    assert type(modality_of("auto", tmp_path)) is Text
    assert type(modality_of("auto", str(tmp_path / "a.txt"))) is Text
    with pytest.raises(UnsupportedInput, match="read_csv"):
        Text().documents(tmp_path / "c.csv")
    (tmp_path / "d.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(FileProblem, match=r"d.txt is not UTF-8 \(byte 3 is 0xe9\)"):
        Text().documents(tmp_path / "d.txt")
    with pytest.raises(FileProblem, match=r"One document goes in a list: \[text\]"):
        Text().documents("a text that is no path")
    with pytest.raises(FileProblem, match="cannot be read"):
        Text().documents([tmp_path / "absent.txt"])


@pytest.mark.parametrize(
    ("item", "said"),
    [(None, "missing"), (float("nan"), "missing"), (pd.NA, "missing"), (b"x", "bytes"), (3, "int"), (["x"], "list")],
)
def test_an_item_that_is_no_string_is_named(item, said):
    with pytest.raises(BadData, match=f"document 1 is .*{said}"):
        Text().documents(["x", item])


def test_no_documents_are_refused(tmp_path):
    for nothing in ([], np.array([], "U3"), tmp_path):
        with pytest.raises(BadData, match="no documents"):
            Text().documents(nothing)
    with pytest.raises(UnsupportedInput, match="expected documents"):
        Text().documents({1: "x"})


def test_lists_that_name_images_or_sounds_are_no_text():
    assert not Text.accepts(["a.png", "b.png"])
    assert not Text.accepts(["a.wav"])
    assert not Text.accepts([[1.0, 2.0]])
    assert not Text.accepts([b"x"])
    assert Text.accepts(["What? A star * and a question.", "x"])


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop_me, 3 TIMES!", ["don't", "stop", "me", "3", "times"]),
        ("l\u2019\u00e9t\u00e9 cafe\u0301", ["l'\u00e9t\u00e9", "caf\u00e9"]),
        ("Привет, МИР", ["привет", "мир"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("العَرَبِيَّة لغة", ["العَرَبِيَّة", "لغة"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("我爱北京 ok 水", ["我爱", "爱北", "北京", "ok", "水"]),
        ("ภาษา", ["ภา", "าษ", "ษา"]),
        ("\uff37\uff49de \ufb01ne", ["wide", "fine"]),
        ("😀 ... —", []),
        ("", []),
    ],
)
def test_words_of_every_script(text, found):
    assert words(text) == found


def test_the_vocabulary_is_what_documents_share_but_not_all_of_them():
    texts = ["the cat sat", "the dog sat", "the cat ran", "the owl flew"]
    kept = Vocabulary.of(texts, np.ones(4), 10, least=2, share=0.5, lowercase=True)
    assert kept.terms == ("cat", "sat")
    assert Vocabulary.of(texts, np.ones(4), 1, least=1, share=1.0, lowercase=True).terms == ("the",)
    assert Vocabulary.of(["solo Word"], np.ones(1), 9, least=2, share=0.5, lowercase=False).terms == ("Word", "solo")
    assert_array_equal(kept.counts(["sat CAT sat owl", ""]).toarray(), [[1, 2], [0, 0]])


def test_weights_are_copies_for_the_vocabulary_too():
    texts, weight = corpus(12), np.tile([0, 1, 2], 4)
    copies = [t for t, n in zip(texts, weight, strict=True) for _ in range(n)]
    a = Autoencoder(2, epochs=2, random_state=0).fit(texts, sample_weight=weight)
    b = Autoencoder(2, epochs=2, random_state=0).fit(copies)
    assert a.data_.names == b.data_.names
    assert_array_equal(a.transform(texts), b.transform(texts))


# ---------------------------------------------------------------- likelihood


def test_the_multinomial_is_the_nats_of_words_drawn_one_by_one():
    part = Multinomial(4.0, [0.5, 0.25, 0.25]).bind(Sizes(cells=3, code=1))
    x, none = torch.tensor([[2.0, 1.0, 0.0]]), torch.zeros(1, 3)
    assert_allclose(part.each(x, none).numpy(), [[2 * np.log(2), np.log(4), 0]], rtol=1e-6)
    assert_allclose(part.mean(none).numpy(), [[2, 1, 1]], rtol=1e-6)
    assert part.sample(none, torch.Generator().manual_seed(0)).sum() == 4


@pytest.mark.parametrize(
    "coefficient", [0.5, torch.tensor([[1.0], [2.0]]), torch.rand(2, 5)], ids=["one", "row", "cell"]
)
def test_the_gradient_by_hand_is_autograds(coefficient):
    part = Multinomial(3.0).bind(Sizes(cells=5, code=1))
    x, params = torch.tensor([[1.0, 0, 2, 0, 0], [0, 0, 0, 3, 1]]), torch.randn(2, 5, requires_grad=True)
    (part.each(x, params) * coefficient).sum().backward()
    _, tape = part.run(x, params.detach())
    assert_allclose(part.back(tape, coefficient).numpy(), params.grad.numpy(), atol=1e-6)


def test_shares_that_do_not_fit_are_refused():
    with pytest.raises(BadParameter, match="a positive share for each cell"):
        Multinomial(3.0, [0.5, 0.5]).bind(Sizes(cells=3, code=1))
    with pytest.raises(BadParameter, match="length must be positive"):
        Multinomial(0.0).bind(Sizes(cells=3, code=1))


# ---------------------------------------------------------------- every kind


@pytest.mark.parametrize("kind", [*recipes.names(), "gaussian:.2+variational", "swap+kl"])
def test_every_kind_reads_documents_and_keeps_its_promises(kind, tmp_path):
    texts = [*corpus(), ""]
    model = Autoencoder(4, kind=kind, epochs=2, random_state=3).fit(texts)
    again = Autoencoder(4, kind=kind, epochs=2, random_state=3).fit(texts)
    codes = model.transform(texts)
    assert codes.shape == (61, 4)
    assert np.isfinite(codes).all()
    assert_array_equal(codes, again.transform(texts))
    assert_allclose(model.score_samples(texts)[7:8], model.score_samples(texts[7:8]), rtol=1e-6)
    save(model, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").transform(texts), codes)
    made = model.reconstruct(texts)
    assert_allclose(made.sum(1), model.data_.counts(texts).sum(1), rtol=1e-4)
    assert len(model.topics(3)) == 4
    assert model.sample(2, random_state=0).sum() > 0


def test_topics_are_the_subjects():
    model = Autoencoder(2, kind="variational", epochs=120, random_state=0, validation_fraction=None).fit(corpus(300))
    for topic in model.topics(4):
        assert max(len(set(topic) & set(s.split())) for s in SUBJECTS) == 4
    assert model.perplexity(corpus(90, seed=5)) < 0.6 * np.exp(-(model.data_.usual_ * np.log(model.data_.usual_)).sum())


def test_perplexity_and_topics_want_counted_words():
    model = Autoencoder(2, epochs=2, random_state=0).fit(np.random.default_rng(0).normal(size=(30, 4)))
    for ask in (model.topics, lambda: model.perplexity(np.zeros((2, 4)))):
        with pytest.raises(UnsupportedInput, match=r"data=Text\(\)"):
            ask()
    with pytest.raises(BadParameter, match="top=0"):
        fitted().topics(0)


def test_the_loss_of_words_is_called_by_its_name():
    assert fitted().summary()["loss"] == "multinomial"


def test_words_left_out_keep_wide_codes_from_copying():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fitted(k=64)
    assert not [w for w in told if "can copy its input" in str(w.message)]


def test_a_contractive_code_of_words_moves_less():
    free, held = (fitted(kind=f"contractive:{alpha}", epochs=100).costs(corpus()) for alpha in (0.01, 10.0))
    assert held["contraction"].mean() < free["contraction"].mean() / 2


def test_documents_of_one_subject_find_each_other():
    texts = corpus(150)
    found = SearchIndex(8, epochs=20, random_state=0).fit(texts[:120])
    _, names = found.query(texts[120:], k=5)
    assert (names % 3 == (np.arange(120, 150) % 3)[:, None]).mean() > 0.95


def test_a_detector_names_the_words_that_are_out_of_place():
    texts = corpus(150)
    detector = AnomalyDetector(8, setting="clean", epochs=20, random_state=0).fit(texts)
    odd = "ship sail harbour oven anchor storm deck mast"
    assert detector.explain([odd], top=1)[0][0].column == "oven"
    assert detector.score_samples([odd])[0] < np.median(detector.score_samples(texts))
    assert np.isfinite(detector.score_samples(["", "nothing known"])).all()


def test_a_document_is_strange_for_what_it_is_about_and_not_for_its_length(tmp_path):
    texts, rng = corpus(200), np.random.default_rng(1)
    detector = AnomalyDetector(8, setting="clean", epochs=20, random_state=0).fit(texts[:150])
    salads = [" ".join(rng.permutation([w for s in SUBJECTS for w in rng.choice(s.split(), 3)])) for _ in range(50)]
    score = detector.score_samples(salads + texts[150:])
    assert roc_auc_score([0] * 50 + [1] * 50, score) > 0.9
    plain = ["ship sail harbour anchor storm", "oven dough salt flour"]
    long = [" ".join([text] * 9) for text in plain]
    assert_allclose(detector.score_samples(long), detector.score_samples(plain), rtol=1e-3)
    save(detector, tmp_path / "watch.safetensors")
    assert_array_equal(load(tmp_path / "watch.safetensors").score_samples(salads + texts[150:]), score)


def test_a_document_that_is_told_badly_is_not_just_a_long_one():
    texts = corpus(60)
    model = fitted(texts)
    worst = strangest(model, [*texts, " ".join(texts)], 5)
    assert 60 not in [row["row"] for row in worst]


def test_a_map_places_documents():
    assert Map(epochs=2, random_state=0).fit_transform(corpus()).shape == (60, 2)


# ---------------------------------------------------------------- what people bring


def test_a_document_without_a_known_word_costs_nothing():
    model = fitted()
    x = model.data_.counts(["", "zzz qqq", "ship ship"])
    assert_array_equal(x.sum(1), [0, 0, 2])
    assert model.score_samples(["", "zzz qqq"]).tolist() == [0, 0]
    assert model.reconstruct(["", "zzz"]).sum() == 0
    assert_array_equal(model.transform([""]), model.transform(["zzz"]))


def test_a_corpus_without_words_is_refused():
    for texts in (["", ""], ["...", "😀"]):
        with pytest.raises(BadData, match="none of 2 documents holds a word"):
            fitted(texts)


def test_one_document_is_learned():
    model = fitted(["only one document stands here"], k=1)
    assert model.transform(["one"]).shape == (1, 1)
    assert model.data_.names == ["document", "here", "one", "only", "stands"]


def test_another_script_is_learned_like_any():
    texts = ["我爱北京天安门", "北京天气很好", "上海天气不好", "我爱上海"] * 4
    model = fitted(texts, k=2)
    assert "北京" in model.data_.names
    assert np.isfinite(model.transform(texts)).all()


def test_counts_may_be_given_themselves():
    texts = corpus()
    words_ = fitted(texts).data_.names
    counts = Vocabulary(tuple(words_)).counts(texts)
    given = fitted(counts, data=Text(vocabulary=words_))
    from_texts = fitted(texts, data=Text(vocabulary=words_))
    assert_array_equal(given.transform(counts), from_texts.transform(texts))
    assert_array_equal(given.transform(counts.toarray()), given.transform(texts))
    with pytest.raises(BadData, match=f"3 columns; the fit knows {len(words_)} words"):
        given.transform(np.ones((2, 3)))
    with pytest.raises(BadData, match="row 1 holds -1"):
        fitted(sparse.csr_matrix([[1, 2], [3, -1]]), data=Text())
    with pytest.raises(BadData, match="vocabulary names 1 words"):
        fitted(np.ones((3, 2)), data=Text(vocabulary=["a"]))


def test_a_users_embeddings_are_the_rows(tmp_path):
    def embed(texts):
        return np.array([[len(t), t.count("e"), t.count(" "), 1.0] for t in texts])

    texts = corpus()
    model = fitted(texts, k=2, data=Text(embed=embed))
    assert_array_equal(model.transform(texts), model.transform(embed(texts)))
    save(model, tmp_path / "m")
    back = load(tmp_path / "m")
    assert_array_equal(back.transform(embed(texts)), model.transform(texts))
    with pytest.raises(BadData, match="does not hold the function that embeds"):
        back.transform(texts)
    with pytest.raises(BadData, match=r"embed made .* expected numbers, \(60, width\)"):
        fitted(texts, data=Text(embed=lambda t: [1.0]))


@pytest.mark.parametrize(
    "options",
    [
        {"vocabulary": 0}, {"vocabulary": "x"}, {"vocabulary": ["a", "a"]}, {"vocabulary": [1]}, {"min_count": 0},
        {"max_share": 0.0}, {"max_share": 1.5}, {"vocabulary": True},
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(BadParameter, match=next(iter(options))):
        fitted(corpus(), data=Text(**options))


def test_what_memory_cannot_hold_is_refused_with_numbers(monkeypatch):
    monkeypatch.setattr("latently.modalities.text.machine.memory", lambda device: 2**10)
    with pytest.raises(BadData, match=r"60 documents of \d+ words need about .* Text\(vocabulary=1000\)"):
        fitted()


def test_noise_that_counts_cannot_have_becomes_words_left_out():
    for kind, part in {"undercomplete": "Masking", "gaussian:.5": "Masking", "swap:.2": "Swap"}.items():
        assert type(fitted(kind=kind).model_.corruption).__name__ == part
    assert fitted(kind="variational").model_.corruption is None


def test_the_door_shows_documents_of_any_length_alike():
    model = fitted()
    x = torch.from_numpy(model.data_.counts(corpus(5)))
    seen = model.model_.door(Batch(x))
    assert_allclose(seen.square().mean(1).numpy(), np.ones(5), rtol=1e-5)
    assert_array_equal(model.model_.door(Batch(0 * x)).numpy(), 0 * x.numpy())
