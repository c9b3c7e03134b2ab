"""method="auto": who is stiff, from when on, and that nobody else notices."""

import pytest
import torch
from solvers.toys import double, van_der_pol

from limitlab import problems
from limitlab.solvers import solve_ode
from limitlab.solvers.methods.switching import AUTO, Switching

MU = double(1000.0, 1.0, 300.0, 0.2)
STARTS = double([2.0, 0.0], [2.0, 0.0], [1.5, 0.1], [1.0, 1.0])


def test_stiff_samples_switch_and_the_others_take_the_steps_of_tsit5():
    times = [0.0, 0.3, 1.0]
    auto = solve_ode(van_der_pol(MU), STARTS, times, method="auto", rtol=1e-5)
    plain = solve_ode(van_der_pol(MU[1::2]), STARTS[1::2], times, method="tsit5", rtol=1e-5, backend="torch")
    assert (auto.evaluations.jacobian > 0).tolist() == [True, False, True, False]
    assert torch.equal(auto.y[1::2], plain.y)
    assert torch.equal(auto.evaluations.function[1::2], plain.evaluations.function)


def test_sample_does_not_depend_on_its_batch():
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    together = solve_ode(van_der_pol(MU), STARTS, times, method="auto", rtol=1e-5)
    for sample in range(len(MU)):
        part = slice(sample, sample + 1)
        alone = solve_ode(van_der_pol(MU[part]), STARTS[part], times, method="auto", rtol=1e-5)
        steps = alone.log.size.shape[1]
        assert torch.equal(together.y[sample], alone.y[0])
        assert torch.equal(together.log.size[sample, :steps], alone.log.size[0])
        for name in ("function", "jacobian", "factorization"):
            assert getattr(together.evaluations, name)[sample] == getattr(alone.evaluations, name)[0]


def test_a_few_steps_near_the_limit_are_enough_and_none_elsewhere():
    robertson, lorenz = problems.get("robertson"), problems.get("lorenz")
    stiff = solve_ode(robertson.field(), double([1, 0, 0]), [0, 40], method="auto", rtol=1e-6, atol=1e-12)
    attempts = int(stiff.log.attempted.sum())
    assert attempts - int(stiff.evaluations.jacobian) < 60
    torch.testing.assert_close(stiff.y[0, -1], double(*robertson.references[0].state), rtol=1e-5, atol=0)
    smooth = solve_ode(lorenz.field(), double([1, 1, 1]), [0, 5], method="auto", rtol=1e-4)
    assert int(smooth.evaluations.jacobian) == 0


def test_steps_that_a_stiff_error_holds_short_of_the_limit_are_found_stiff():
    relaxation = solve_ode(lambda t, y: -1000 * (y - torch.cos(t)), double([0]), [0, 10], method="auto", rtol=1e-6)
    assert int(relaxation.log.attempted.sum()) < 300
    assert int(relaxation.evaluations.jacobian) > 0
    # a mode of 1000 beside cos: the stationary solution is (1000 cos t + sin t) / (1000 + 1/1000)
    exact = (1000 * torch.cos(double(10.0)) + torch.sin(double(10.0))) / (1000 + 1e-3)
    torch.testing.assert_close(relaxation.y[0, -1], exact.reshape(1), rtol=1e-4, atol=1e-6)


def test_cost_of_a_stiff_solution_is_not_that_of_an_explicit_method():
    problem = van_der_pol(1000.0), double([2, 0])
    auto = solve_ode(*problem, [0, 2000], method="auto", rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        auto.y[0, -1], double(*problems.get("van_der_pol").references[0].state), rtol=1e-5, atol=1e-8
    )
    assert int(auto.evaluations.function) < 8000
    assert int(solve_ode(*problem, [0, 1], rtol=1e-6, atol=1e-9, method="tsit5").evaluations.function) > 4000


def test_dense_output_is_continuous_through_the_switch():
    times = torch.linspace(0, 1, 401, dtype=torch.float64)
    auto = solve_ode(van_der_pol(200.0), double([2, 0]), times, method="auto", rtol=1e-6)
    exact = solve_ode(van_der_pol(200.0), double([2, 0]), times, method="rodas5", rtol=1e-10, atol=1e-13)
    assert 0 < int(auto.evaluations.jacobian) < int(auto.log.attempted.sum())
    torch.testing.assert_close(auto.y, exact.y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gradient", ["direct", "checkpoint"])
def test_gradient_passes_through_the_switch(gradient):
    y0, options = STARTS[:2], {"method": "auto", "rtol": 1e-9, "atol": 1e-11, "gradient": gradient}

    def loss(start, mu):
        return solve_ode(van_der_pol(mu), start, [0, 0.2], **options).y[:, -1].square().sum()

    mu = double(300.0, 1.0).requires_grad_()
    start = y0.clone().requires_grad_()
    of_start, of_mu = torch.autograd.grad(loss(start, mu), (start, mu))
    with torch.no_grad():
        switched = solve_ode(van_der_pol(mu), y0, [0, 0.2], **options).evaluations.jacobian
        along_start, along_mu = double([1.0, 0.0], [0.3, -0.5]), double(1.0, 0.01)
        by_start = (loss(y0 + 1e-3 * along_start, mu) - loss(y0 - 1e-3 * along_start, mu)) / 2e-3
        by_mu = (loss(y0, mu + along_mu) - loss(y0, mu - along_mu)) / 2
    assert (switched > 0).tolist() == [True, False]
    torch.testing.assert_close((of_start * along_start).sum(), by_start, rtol=1e-4, atol=0)
    torch.testing.assert_close((of_mu * along_mu).sum(), by_mu, rtol=1e-4, atol=0)


def test_replayed_steps_switch_where_the_first_ones_did():
    start = STARTS.clone().requires_grad_()
    gradients = []
    for gradient in ("direct", "checkpoint"):
        y = solve_ode(van_der_pol(MU), start, [0, 0.3], method="auto", rtol=1e-4, gradient=gradient).y
        gradients.append(torch.autograd.grad(y[:, -1].sum(), start)[0])
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)


def test_compiled_steps_serve_every_tolerance():
    assert Switching(rtol=1e-3, atol=1e-3) == AUTO
    assert hash(Switching(rtol=1e-3, atol=1e-3)) == hash(AUTO)
