"""A front holds what nothing simpler beats, its rules are their formulas, and its file is the front."""

import json
from dataclasses import replace

import numpy as np
import pytest

from limitlab.discovery.symbolic import Candidate, Expr, ParetoFront
from limitlab.errors import InvalidArgument, UnknownName

X = Expr.parse("x", ("x",))


def candidate(complexity, loss, constants=0, held_out=None, error=None):
    names = tuple(f"c{i}" for i in range(constants))
    expr = Expr.parse("+".join(["x", *names]), ("x",), parameters=dict.fromkeys(names, 1.0))
    return Candidate(expr, complexity, loss, 100, "toy", held_out, error)


def test_loss_falls_strictly_in_complexity_whatever_is_added():
    generator = np.random.default_rng(0)
    toy = candidate(1, 1.0)
    rows = [replace(toy, complexity=c, loss=loss) for c, loss in generator.integers(1, 30, (200, 2)) * 1.0]
    front = ParetoFront(rows)
    complexity, loss = front.table["complexity"].values, front.table["loss"].values
    assert (np.diff(complexity) > 0).all()
    assert (np.diff(loss) < 0).all()
    for row in rows:
        assert any(c.complexity <= row.complexity and c.loss <= row.loss for c in front)


@pytest.mark.parametrize("loss", [np.inf, np.nan])
def test_what_is_not_finite_stays_out(loss):
    front = ParetoFront()
    assert not front.add(candidate(1, loss))
    with pytest.raises(InvalidArgument, match="front is empty"):
        front.select()


def test_bic_and_mdl_are_their_formulas():
    front = ParetoFront([candidate(1, 0.5), candidate(4, 0.1, constants=2)], symbols=8)
    assert np.allclose(front.bic(), [100 * np.log(0.5), 100 * np.log(0.1) + 2 * np.log(100)])
    expected = [100 * 0.5 / (2 * 0.04) + np.log(8), 100 * 0.1 / (2 * 0.04) + np.log(100) + 4 * np.log(8)]
    assert np.allclose(front.mdl(sigma=0.2), expected)
    known = [100 * 0.5 / 0.04, 100 * 0.1 / 0.04 + 2 * np.log(100)]
    assert np.allclose(front.bic_of_noise(sigma=0.2), known)
    # forty residual variances are worth two constants, less than one are not
    assert [front.select("bic_sigma", sigma=sigma).complexity for sigma in (1.0, 10.0)] == [4, 1]
    with pytest.raises(InvalidArgument, match="needs the noise"):
        front.select("bic_sigma")


def test_rules_choose_what_they_say():
    front = ParetoFront(
        [
            candidate(1, 1.0, held_out=1.1, error=0.1),
            candidate(3, 0.10, 1, held_out=0.12, error=0.02),
            candidate(5, 0.08, 2, held_out=0.11, error=0.02),
            candidate(9, 0.079, 9, held_out=0.5, error=0.2),
        ]
    )
    chosen = {
        rule: front.select(rule, sigma=0.5).complexity for rule in ("bic", "mdl", "best", "elbow", "holdout", "one_se")
    }
    assert chosen == {"bic": 5, "mdl": 3, "best": 3, "elbow": 3, "holdout": 5, "one_se": 3}


def test_losses_of_rounding_are_one_to_the_logarithm():
    front = ParetoFront([candidate(1, 1.0), candidate(3, 1e-16), candidate(9, 1e-30, 3)], floor=1e-13)
    assert front.select("bic").complexity == 3
    assert np.isfinite(front.scores()).all()
    exact = ParetoFront([candidate(1, 1.0), candidate(3, 0.0)])
    assert exact.select("best").complexity == 3
    assert exact.select("mdl").complexity == 3


def test_rules_of_held_out_points_need_them():
    with pytest.raises(InvalidArgument, match=r"validation=0\.2"):
        ParetoFront([candidate(1, 1.0)]).select("holdout")
    with pytest.raises(UnknownName, match="did you mean 'best'"):
        ParetoFront([candidate(1, 1.0)]).select("bestest")


def test_file_gives_the_same_front_back(tmp_path):
    expr = Expr.parse("a*sin(x)/pi + x^(1/3)", ("x",), parameters={"a": 0.1})
    rows = [Candidate(expr, 3, 0.5, 20, "toy", None, None, (0.01,)), candidate(5, 0.1, 1, held_out=0.2)]
    front = ParetoFront(rows, floor=1e-9, sigma=0.1, symbols=7)
    again = ParetoFront.load(front.save(tmp_path / "front.json"))
    assert list(again) == list(front)
    assert (again.floor, again.sigma, again.symbols) == (1e-9, 0.1, 7)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 9}', json.dumps({"format": 1, "candidates": [{"expr": 3}]})])
def test_other_files_are_refused_by_name(tmp_path, content):
    (tmp_path / "front.json").write_text(content)
    with pytest.raises(InvalidArgument, match=r"ParetoFront\.save wrote"):
        ParetoFront.load(tmp_path / "front.json")
    with pytest.raises(InvalidArgument, match="can be read"):
        ParetoFront.load(tmp_path / "missing.json")


def test_it_shows_its_formulas():
    text = repr(ParetoFront([candidate(1, 0.5)]))
    assert text.splitlines()[0].startswith("ParetoFront, 1 formula")
    assert "0.5" in text
    assert "x" in text.splitlines()[1]
    assert repr(ParetoFront()) == "ParetoFront, 0 formulas"
