"""Few labels go further with the rows that have none; probabilities are frequencies; what is no answer is refused."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine

from latently import PretrainedClassifier, PretrainedRegressor, Series, load, save
from latently.engine.fit import Split
from latently.engine.fit import fit as train_once
from latently.engine.pretrain import layer_wise
from latently.engine.schedule import Schedule
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.errors import BadData, BadParameter
from latently.model import Composition, Parts
from latently.parts.corruptions import Masking
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import MLP, Dense, Temporal
from latently.tasks.tuning import answering, labelled, least, probabilities
from latently.values import Batch, Sizes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
QUICK = {"epochs": 3, "tuning_epochs": 3, "random_state": 0}


def wine():
    """Wine in a fixed order of chance, every third row with its label."""
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    few = y.copy()
    few[np.arange(len(y)) % 3 > 0] = -1
    return x, y, few


@pytest.fixture(scope="module")
def tuned():
    x, _, few = wine()
    return PretrainedClassifier(16, epochs=20, random_state=0).fit(x, few)


# ---------------------------------------------------------------- what it is for


def test_digits_without_labels_lower_the_error_of_sixty_with_one():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8), y[order]
    few = np.where(np.arange(len(y)) < 60, y, -1)
    options = {"epochs": 80, "validation_fraction": None, "random_state": 0}
    ours = PretrainedClassifier(128, **options).fit(x, few)
    scratch = PretrainedClassifier(128, pretraining=None, **options).fit(x, few)
    assert 1 - ours.score(x[60:], y[60:]) < 0.95 * (1 - scratch.score(x[60:], y[60:]))


def test_a_third_of_the_labels_of_wine_tells_the_others(tuned):
    x, y, few = wine()
    assert tuned.score(x[few < 0], y[few < 0]) > 0.9


def test_a_regression_is_in_the_unit_of_its_answers():
    x = np.random.default_rng(0).normal(size=(300, 4))
    y = 1000 + 50 * x[:, 0] - 20 * x[:, 1]
    few = np.where(np.arange(300) % 2, np.nan, y)
    model = PretrainedRegressor(16, epochs=10, random_state=0).fit(x, few)
    assert model.score(x[1::2], y[1::2]) > 0.9
    assert model.judged_["rows"] == 150


def test_scratch_is_the_same_network_whose_encoder_never_saw_unlabelled_rows():
    x, _, few = wine()
    model = PretrainedClassifier(8, pretraining=None, **QUICK).fit(x, few)
    assert model.history_.columns["epoch"] == [0.0]
    assert model.summary()["encoder"] == PretrainedClassifier(8, **QUICK).fit(x, few).summary()["encoder"]


def test_changed_rows_without_a_label_change_the_answers():
    x, _, few = wine()
    other = x.copy()
    other[few < 0] = other[few < 0][::-1] * 1.1
    first, second = (PretrainedClassifier(8, **QUICK).fit(rows, few).predict_proba(x[:5]) for rows in (x, other))
    assert not np.allclose(first, second)


# ---------------------------------------------------------------- probabilities


def test_probabilities_of_rows_held_out_are_as_sure_as_they_are_right():
    x, y = load_digits(return_X_y=True)
    few = np.where(np.arange(len(y)) % 3 == 0, y, -1)
    model = PretrainedClassifier(64, epochs=5, random_state=0).fit(x, few)
    p = model.predict_proba(x[few < 0])
    sure, right = p.max(1).mean(), (p.argmax(1) == y[few < 0]).mean()
    assert abs(sure - right) < 0.04


def test_the_temperature_is_the_one_that_logits_were_multiplied_by():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20_000, 3)) * 2
    labels = (probabilities(true.astype(np.float32), 1.0).cumsum(1) < rng.random((20_000, 1))).sum(1)
    assert_allclose(least((3.0 * true).astype(np.float32), labels.astype(np.float32)), 3.0, rtol=0.05)


def test_without_held_out_rows_nothing_is_calibrated_and_nothing_claimed():
    x, _, few = wine()
    model = PretrainedClassifier(8, validation_fraction=None, **QUICK).fit(x, few)
    assert (model.temperature_, model.judged_) == (1.0, None)


# ---------------------------------------------------------------- one composition, one loop


def test_the_step_by_hand_is_the_gradient_of_the_loss_where_rows_are_answers(tuned):
    x, y, _ = wine()
    seen = tuned._batch(x[:20])
    shown = torch.rand(seen.x.shape, generator=torch.Generator().manual_seed(0)) < 0.8
    batch = Batch(torch.from_numpy(y[:20].astype(np.float32))[:, None], given=seen.x * shown, shown=shown)
    model = answering(tuned.model_, 3, ())
    torch.nn.init.normal_(model.decoder.weights[0], generator=torch.Generator().manual_seed(1))
    for p in model.parameters():
        p.grad = None
    model.loss(batch, torch.Generator().manual_seed(3)).backward()
    reference = [p.grad.clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    model.gradients(batch, torch.Generator().manual_seed(3), 1.0)
    for p, expected in zip(model.parameters(), reference, strict=True):
        assert_allclose(p.grad, expected, rtol=1e-3, atol=1e-5)


def test_which_cells_of_a_supplied_input_are_known_goes_with_its_rows():
    batch = Batch(torch.zeros(4, 1), given=torch.ones(4, 3), shown=torch.eye(4, 3, dtype=torch.bool))
    for part in (
        batch.take(slice(1, 3)),
        batch.repeat(2).take(slice(5, 7)),
        batch.to(torch.device("cpu")).take(slice(1, 3)),
    ):
        assert_array_equal(part.shown, batch.shown[1:3])


@pytest.mark.parametrize("kind", ["masking:.3", "contractive", "undercomplete", "sparse"])
def test_layers_learn_one_by_one_and_then_reconstruct_together(kind):
    x, _, few = wine()
    options = {"kind": kind, "network": Dense((24, 16), line=False), **QUICK}
    stacked = PretrainedClassifier(8, pretraining="layer_wise", **options).fit(x, few)
    untrained = PretrainedClassifier(8, pretraining=None, **options).fit(x, few)
    batch = stacked._batch(x)
    with torch.no_grad():
        ours, theirs = (model.model_.surprise(batch).mean() for model in (stacked, untrained))
    assert ours < theirs


def test_the_unrolled_stack_says_what_its_layers_say_one_after_the_other():
    rng = torch.Generator().manual_seed(0)
    rows = Batch(torch.randn(200, 6, generator=rng))
    sizes = Sizes(6, 3, 200)
    checkpoint = Checkpoint(None, "")
    schedule = Schedule({"epochs": 3, "learning_rate": 1e-12}, None, 0, watcher_for(False), checkpoint)

    def build(rng):
        into, out = MLP((6, 5, 3), last="tanh").start(rng), MLP((3, 5, 6)).start(rng)
        return Composition(Door((0,) * 6, False), into, out, SquaredError().bind(sizes), Parts().bind(sizes), 3)

    made = layer_wise(build, sizes, lambda own: Parts(corruption=Masking(0.1)).bind(own), rows, schedule).model
    with torch.no_grad():
        first = MLP((6, 5), last="relu").start(schedule.generator("layer 1/weights"))
        h = first.plain(rows.x)
        second = MLP((5, 3), last="tanh").start(schedule.generator("layer 2/weights"))
        assert_allclose(made.encode(rows), second.plain(h / h.std()), atol=1e-4)


def test_layers_with_a_path_beside_them_cannot_learn_one_by_one():
    images = load_digits().images[:60]
    with pytest.raises(BadParameter, match="layer_wise"):
        PretrainedClassifier(kind="variational", pretraining="layer_wise", **QUICK).fit(images, np.arange(60) % 2)


def test_a_fit_that_calibrates_runs_to_its_end_and_keeps_the_last_weights(tuned):
    from latently.engine.plan import Plan

    x, y, _ = wine()
    seen = tuned._batch(x)
    rows = Batch(torch.from_numpy(y.astype(np.float32))[:, None], given=seen.x)
    split = Split(rows.take(slice(0, 40)), rows.take(slice(40, None)))
    plan = Plan(epochs=60, batch_rows=20, learning_rate=0.03, patience=1, whole=True)
    model = answering(tuned.model_, 3, ())
    history = train_once(
        model, split, plan, torch.Generator().manual_seed(0), watcher_for(False), Checkpoint(None, "").section("x")
    )
    curve = history.columns["validation"]
    assert (history.stopped, history.best_look) == ("schedule", len(curve) - 1)
    assert min(curve) < curve[-1]  # it would have stopped there


def test_images_are_moved_while_answers_are_learned_and_no_cell_is_spoiled():
    sizes = Sizes(256, 4, shape=(1, 16, 16))
    image = torch.zeros(200, 1, 16, 16)
    image[:, :, 5:8, 5:8] = 1.0
    batch = Batch(torch.zeros(200, 1), given=image.view(200, 256))

    def seen(corruption, shape):
        into, out = MLP((256, 4)), MLP((4, 256))
        parts = Parts(corruption=corruption).bind(sizes)
        model = Composition(Door((0,) * 256, False), into, out, SquaredError().bind(sizes), parts, 4)
        return answering(model, 2, shape).see(batch, torch.Generator().manual_seed(0)).x.view(200, 16, 16)

    moved = seen(Masking(0.5), sizes.shape)
    assert len({tuple(m.any(1 - d).nonzero()[0].tolist()) for d in (0, 1) for m in moved}) == 3  # one pixel each way
    for still in (seen(None, sizes.shape), seen(Masking(0.5), ())):
        assert torch.equal(still, image[:, 0])  # and no cell is hidden


# ---------------------------------------------------------------- answers in and out


@pytest.mark.parametrize(
    ("y", "classes", "known"),
    [
        ([0, -1, 2, 0], [0, 2], [1, 0, 1, 1]),
        ([-1, 1, 1, -1], [-1, 1], [1, 1, 1, 1]),
        ([0.0, np.nan, 1.0, -1.0], [0, 1], [1, 0, 1, 0]),
        (["a", None, "", "b"], ["a", "b"], [1, 0, 0, 1]),
        ([True, None, False, True], [False, True], [1, 0, 1, 1]),
    ],
)
def test_what_counts_as_a_label(y, classes, known):
    labels, has = labelled(np.array(y) if None not in y else np.array(y, dtype=object))
    assert np.unique(labels).tolist() == classes
    assert has.tolist() == [bool(k) for k in known]


def test_labels_come_back_as_they_were_given(tuned, tmp_path):
    x, y, few = wine()
    words = np.array(["red", "white", "rose"])[y].astype(object)
    words[few < 0] = None
    model = PretrainedClassifier(8, **QUICK).fit(x, words)
    assert set(model.predict(x)) <= {"red", "white", "rose"}
    save(model, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert_array_equal(again.classes_, model.classes_)
    assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_module_gives_the_same_probabilities_and_numbers(tuned):
    x, y, _ = wine()
    module, batch = tuned.to_torch(), tuned._batch(x)
    with torch.no_grad():
        assert_allclose(module(batch.x, batch.known).softmax(1), tuned.predict_proba(x), atol=1e-5)
    numbers = PretrainedRegressor(8, **QUICK).fit(x, y.astype(float))
    with torch.no_grad():
        assert_allclose(numbers.to_torch()(numbers._batch(x).x)[:, 0], numbers.predict(x), atol=1e-4)


def test_rows_with_missing_cells_and_items_of_several_windows_have_answers_too():
    x, _, few = wine()
    x[::4, 2] = np.nan
    assert np.isfinite(PretrainedClassifier(8, **QUICK).fit(x, few).predict_proba(x)).all()
    rng = np.random.default_rng(0)
    waves = [np.sin(np.arange(600) * (0.2 + 0.3 * (i % 2))) + 0.1 * rng.normal(size=600) for i in range(12)]
    answers = [i % 2 if i < 8 else None for i in range(12)]
    model = PretrainedClassifier(8, data=Series(window=64), epochs=2, random_state=0).fit(waves, answers)
    assert model.predict_proba(waves).shape == (12, 2)


def test_columns_of_heavy_tails_and_shapes_of_series_are_seen_by_the_head_as_they_were_while_pretraining():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    few = np.where(np.arange(120) % 3 > 0, y, -1)
    tails = np.column_stack([rng.normal(size=(120, 3)), np.exp(3 * rng.normal(size=120)) * (1 + y)])
    assert PretrainedClassifier(4, **QUICK).fit(tails, few).tuned_.door.bends
    waves = np.sin(np.arange(40) * (0.3 + 0.4 * y[:, None])) + 0.1 * rng.normal(size=(120, 40))
    shaped = {"kind": "undercomplete", "network": Temporal(shapes=True, code_activation="linear")}
    model = PretrainedClassifier(8, data=Series(), **shaped, **QUICK).fit(list(waves), few)
    for name in ("edge", "project"):
        before = dict(model.model_.encoder.named_buffers())
        after = dict(model.tuned_.encoder.named_buffers())
        assert any(n.endswith(name) for n in before)
        for key in (n for n in before if n.endswith(name)):
            assert_array_equal(before[key], after[key])


def test_other_labels_do_not_go_on_from_the_checkpoint_of_these(tmp_path):
    x, y, few = wine()
    options = QUICK | {"checkpoint": tmp_path / "state"}
    PretrainedClassifier(8, **options).fit(x, few)
    other = np.where(few < 0, -1, (y + 1) % 3)
    resumed = PretrainedClassifier(8, **options).fit(x, other)
    assert_array_equal(resumed.predict_proba(x), PretrainedClassifier(8, **QUICK | {"checkpoint": tmp_path / "b"}).fit(
        x, other
    ).predict_proba(x))  # fmt: skip


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "requires y"),
        (np.full(178, -1), "1 class"),
        (np.full(178, np.nan), "0 class"),
        (np.linspace(0, 1, 178), "PretrainedRegressor"),
        (np.array(["a", 1] * 89, dtype=object), "mixes"),
    ],
)
def test_what_is_no_label_is_refused_in_words(y, said):
    with pytest.raises(BadData, match=said):
        PretrainedClassifier(8, **QUICK).fit(wine()[0], y)


def test_one_long_series_has_no_answers():
    with pytest.raises(BadData, match="long series"):
        PretrainedClassifier(4, data=Series(window=10), **QUICK).fit(np.sin(np.arange(200.0)), np.arange(200) % 2)


def test_options_that_mean_nothing_are_refused():
    x, _, few = wine()
    with pytest.raises(BadParameter, match="pretraining"):
        PretrainedClassifier(pretraining="greedy").fit(x, few)
    with pytest.raises(BadParameter, match="tuning_epochs"):
        PretrainedRegressor(tuning_epochs=0).fit(x, few)
