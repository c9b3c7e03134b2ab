"""Diffusion with absorption by a polynomial at each point, which sees what is absorbed and not what spreads."""

from __future__ import annotations

from limitlab.experiments import OperatorSettings, operator_learning, sizes

COURSE = OperatorSettings(models=("quadratic", "mean"), resolution=32, test_resolutions=(32, 64), seeds=1)
SMOKE = {"train_samples": 8, "test_samples": 2, "batch_size": 4, "epochs": 2}
EXPERIMENT = operator_learning(
    system="quadratic-maps",
    title="Diffusion with absorption by a polynomial at each point",
    problem="absorption",
    sizes=sizes(COURSE, smoke=SMOKE, paper={"train_samples": 1000, "seeds": 5}),
)
