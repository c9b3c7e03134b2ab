"""The formats differ in nothing but how the spectral weights are held, and hold the part that was asked for."""

import pytest

from limitlab import experiments
from limitlab.layers.factorized import CP, TensorTrain, Tucker


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("darcy_tfno")
        return experiment.prepare(experiment.configure("smoke", width=24, modes=8, rank=0.1), False)


def tensors(prepared, name):
    model = prepared.trial(operator=name).build(0)
    return model, [block.spectral.factors.tensor for block in model.model.blocks]


@pytest.mark.parametrize(("name", "kind"), [("cp", CP), ("tucker", Tucker), ("tt", TensorTrain), ("joint", Tucker)])
def test_every_format_holds_a_tenth_of_the_dense_weights(prepared, name, kind):
    _, held = tensors(prepared, name)
    (dense,) = {block.spectral.weight_parts.numel() for block in prepared.trial(operator="fno").build(0).model.blocks}
    assert {type(tensor) for tensor in held} == {kind}
    numbers = sum(part.numel() for part in {id(p): p for tensor in held for p in tensor.parts}.values())
    assert numbers == pytest.approx(0.1 * dense * len(held), rel=0.2)
    assert len({id(tensor) for tensor in held}) == (1 if name == "joint" else len(held))


def test_what_is_no_spectral_weight_is_as_large_everywhere(prepared):
    def others(name):
        model = prepared.trial(operator=name).build(0)
        kept = ((n, p) for n, p in model.named_parameters() if "factors" not in n and "weight_parts" not in n)
        return {n: tuple(p.shape) for n, p in kept}

    assert len({str(others(name)) for name in ("fno", "cp", "tucker", "tt", "joint")}) == 1


def test_the_narrow_network_has_about_as_many_spectral_weights(prepared):
    def spectral(name):
        model = prepared.trial(operator=name).build(0)
        return sum(p.numel() for n, p in model.named_parameters() if "factors" in n or "weight_parts" in n)

    assert spectral("narrow") == pytest.approx(spectral("tucker"), rel=0.2)
