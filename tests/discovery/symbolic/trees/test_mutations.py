"""Every mutation turns trees into trees, does what its name says, and is drawn by the seed."""

import pytest
import torch

from limitlab.discovery.symbolic.trees.mutations import MUTATIONS, Cut, mutated, random_trees
from limitlab.discovery.symbolic.trees.population import Population, sizes_of

BY_NAME = {row.name: row.change for row in MUTATIONS}


def changed(name, trees, alphabet, seed=0):
    cut = Cut(trees, sizes_of(trees.op), torch.Generator().manual_seed(seed))
    return BY_NAME[name](cut, alphabet)


def leaves(tree):
    if isinstance(tree, float) or tree[0] == "x":
        return [tree]
    return sorted((leaf for part in tree[1:] for leaf in leaves(part)), key=str)


def inner(tree):
    if isinstance(tree, float) or tree[0] == "x":
        return []
    return sorted([tree[0], *(name for part in tree[1:] for name in inner(part))])


@pytest.mark.parametrize("name", BY_NAME)
def test_children_are_trees(name, trees, alphabet, tokens):
    children, valid = changed(name, trees[:500], alphabet)
    for row in valid.nonzero()[:, 0].tolist():
        tokens(children, row)


@pytest.mark.parametrize("name", ["rotate", "swap operands"])
def test_moving_parts_about_keeps_them(name, trees, alphabet, tokens):
    children, valid = changed(name, trees[:500], alphabet)
    assert valid.float().mean() > 0.5
    for row in valid.nonzero()[:, 0].tolist():
        before, after = tokens(trees, row), tokens(children, row)
        assert leaves(before) == leaves(after)
        assert inner(before) == inner(after)


def test_a_rotation_moves_the_bracket(alphabet, tokens):
    x, y, z = (("x", i) for i in range(3))
    tree = Population.of([[x, y, z, "*", "+"]])
    results = {str(tokens(changed("rotate", tree, alphabet, seed)[0], 0)) for seed in range(20)}
    assert results == {str(("*", ("+", x, y), z)), str(("*", y, ("+", x, z)))}


def test_adding_deleting_and_replacing_change_the_number_of_operations(trees, alphabet, tokens):
    for name, change in (("add node", 1), ("insert node", 1), ("operator", 0), ("constant", 0)):
        children, valid = changed(name, trees[:500], alphabet)
        for row in valid.nonzero()[:, 0].tolist():
            assert len(inner(tokens(children, row))) == len(inner(tokens(trees, row))) + change
    children, valid = changed("delete node", trees[:500], alphabet)
    assert (children.lengths < trees[:500].lengths)[valid].all()


def test_children_are_drawn_by_the_seed_and_stay_within_the_limit(trees, alphabet, tokens):
    others = trees[torch.arange(len(trees) - 1, -1, -1)]
    draws = [mutated(torch.Generator().manual_seed(5), trees, others, alphabet) for _ in "ab"]
    (one, differs), (other, _) = draws
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("op", "var", "const"))
    assert (alphabet.complexity(one) <= alphabet.limit).all()
    for row in range(len(one)):
        tree = tokens(one, row)
        assert bool(differs[row]) or tree == tokens(trees, row)


def test_random_trees_have_about_the_sizes_that_are_asked_for(alphabet):
    sizes = torch.arange(1, 21).repeat(20)
    lengths = random_trees(torch.Generator().manual_seed(0), sizes, 30, alphabet).lengths
    assert (lengths <= sizes).all()
    assert (lengths >= sizes - 1).float().mean() > 0.9
