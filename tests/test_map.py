"""Maps keep neighbours better than PCA, place new rows, lead back to rows, and can be drawn."""

import sys

import numpy as np
import pytest
from fits import rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder, Map, load, recipes, save
from latently.errors import BadData, BadParameter, MissingExtra

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture(scope="module")
def drawn():
    """A map of 600 digits, 300 others, the digit of each, and PCA's map on the same standardised columns."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(x))[:900]
    x, y = x[order], y[order]
    scaler = StandardScaler().fit(x[:600])
    pca = PCA(2, random_state=0).fit(scaler.transform(x[:600]))
    model = Map(epochs=80, validation_fraction=None, network=(128, 128), random_state=0).fit(x[:600])
    return model, x, y, scaler.transform(x), lambda rows: pca.transform(scaler.transform(rows))


@pytest.fixture(scope="module")
def small():
    return Map(epochs=3, random_state=0).fit(rows())


@pytest.fixture
def plots():
    """matplotlib without a screen, its figures closed afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


# ---------------------------------------------------------------- what a map keeps


def test_the_map_of_learned_rows_keeps_neighbours_ten_points_better_than_pca(drawn):
    model, x, _, units, pca = drawn
    kept, linear = (trustworthiness(units[:600], f(x[:600]), n_neighbors=5) for f in (model.transform, pca))
    assert kept > linear + 0.10


def test_new_rows_find_their_like_ten_points_more_often_than_in_pca(drawn):
    model, x, y, _, pca = drawn
    ours, linear = (
        KNeighborsClassifier(1).fit(f(x[:600]), y[:600]).score(f(x[600:]), y[600:]) for f in (model.transform, pca)
    )
    assert ours > linear + 0.10


def test_a_point_leads_back_to_a_row_better_than_in_pca(drawn):
    model, x, *_ = drawn
    back = model.inverse_transform(model.transform(x[600:]))
    scaler = StandardScaler().fit(x[:600])
    pca = PCA(2, random_state=0).fit(scaler.transform(x[:600]))
    flat = scaler.inverse_transform(pca.inverse_transform(pca.transform(scaler.transform(x[600:]))))
    assert np.mean((back - x[600:]) ** 2) < 0.95 * np.mean((flat - x[600:]) ** 2)


def test_points_of_the_fit_are_those_of_transform(small):
    assert_array_equal(Map(epochs=3, random_state=0).fit_transform(rows()), small.transform(rows()))
    assert small.transform(rows()).shape == (80, 2)


def test_missing_cells_are_mapped_too():
    x = rows()
    x[::5, 1] = np.nan
    assert np.isfinite(Map(epochs=2, random_state=0).fit_transform(x)).all()


def test_other_dimensions_and_kinds_may_be_asked_for():
    model = Map(3, kind=recipes.Neighbours(perplexity=4.0), epochs=2, random_state=0)
    assert model.fit_transform(rows()).shape == (80, 3)
    plain = Map(kind="undercomplete", network="auto", validation_fraction="auto", epochs=2, random_state=0).fit(rows())
    assert_array_equal(
        plain.transform(rows()),
        Autoencoder(2, epochs=2, random_state=0).fit(rows()).transform(rows()),
    )


def test_points_of_another_width_are_refused(small):
    with pytest.raises(BadData, match="3 coordinates"):
        small.inverse_transform(np.zeros((2, 3)))


def test_a_saved_map_is_the_same_map(small, tmp_path):
    save(small, tmp_path / "map")
    again = load(tmp_path / "map")
    assert_array_equal(again.transform(rows()), small.transform(rows()))
    assert_array_equal(again.codes_, small.codes_)


# ---------------------------------------------------------------- drawing


def test_each_group_has_a_colour_and_a_name_beside_the_map(small, plots):
    axes = small.plot(rows(), np.arange(80) % 12)
    shown = [(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in axes.collections]
    assert len(set(shown)) == 12
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [str(i) for i in range(12)]
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1
    assert not axes.get_title()


def test_more_groups_than_colours_get_another_mark(small, plots):
    axes = small.plot(rows(), [f"group {i % 30}" for i in range(80)])
    shown = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in axes.collections}
    assert len(shown) == 30


def test_points_stand_where_transform_puts_them_on_equal_scales(small, plots):
    axes = small.plot(rows())
    assert_allclose(axes.collections[0].get_offsets(), small.transform(rows()), rtol=1e-6)
    assert (axes.get_aspect(), axes.get_box_aspect()) == (1.0, 1.0)


def test_without_rows_the_fits_own_are_drawn(small, plots):
    found = small.plot().collections[0].get_offsets()
    assert sorted(map(tuple, found)) == sorted(map(tuple, small.codes_))


def test_numbers_get_a_scale(small, plots):
    values = rows()[:, 0]
    axes = small.plot(rows(), values)
    assert_allclose(axes.collections[0].get_array(), values)
    assert axes.get_legend() is None
    assert len(axes.figure.axes) == 2


def test_rows_without_a_label_are_grey_under_the_others(small, plots):
    labels = np.array(["a", None, "b", "a"] * 20, dtype=object)
    axes = small.plot(rows(), labels)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["no label", "a", "b"]
    assert len(axes.collections[0].get_offsets()) == 20


def test_axes_that_are_given_are_drawn_on(small, plots):
    mine = plots.subplots()[1]
    assert small.plot(rows(), ax=mine) is mine


def test_what_cannot_be_drawn_is_refused(small, plots):
    with pytest.raises(BadParameter, match="labels need their rows"):
        small.plot(labels=np.zeros(80))
    with pytest.raises(BadData, match="each of 80 rows"):
        small.plot(rows(), [1, 2])
    with pytest.raises(BadParameter, match="80 different values"):
        small.plot(rows(), [f"name {i}" for i in range(80)])
    with pytest.raises(BadParameter, match="two dimensions"):
        Map(1, epochs=1, random_state=0).fit(rows()).plot()


def test_a_machine_without_matplotlib_is_told_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'latently\[plot\]'"):
        small.plot()
