import torch

from limitlab.solvers.linear import conjugate_gradients, diffusion, solve_box


def test_a_history_has_its_axes_and_the_card_its_costs():
    operator, b = diffusion((7, 7)), torch.ones(2, 7, 7, dtype=torch.float64)
    solved = conjugate_gradients(operator, b, reference=solve_box(b))
    data = solved.to_xarray()
    assert data["residual"].sizes == {"iteration": len(solved.residuals), "sample": 2}
    assert float(data["residual"][0, 0]) == 1.0
    assert float(data["error"][-1, 0]) < 1e-7
    assert "products with A" in repr(solved.card())
    assert "not converged" in repr(conjugate_gradients(operator, b, max_iterations=1))
