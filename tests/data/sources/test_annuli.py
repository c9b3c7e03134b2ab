"""A disc in a ring: both uniform, and the seed's."""

import pytest

from limitlab.data.sources.annuli import annuli


def test_classes_lie_where_they_should_and_uniformly():
    points, labels = annuli(4000, seed=1)
    radii = points.norm(dim=1)
    disc, ring = radii[labels == 0], radii[labels == 1]
    assert disc.max() <= 0.5
    assert ring.min() >= 1.0
    assert ring.max() <= 1.5
    # half of the disc's area lies within r / sqrt 2; of the ring's, where r^2 is half-way
    assert float((disc < 0.5 / 2**0.5).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float((ring < 1.625**0.5).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert points.mean(0).abs().max() < 0.05


def test_the_seed_decides():
    assert annuli(5, seed=1)[0].equal(annuli(5, seed=1)[0])
    assert not annuli(5, seed=1)[0].equal(annuli(5, seed=2)[0])
