import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName


def rotation(samples: int = 4, times: int = 81, *, end: float = 6.0, method: str = "tsit5", steps: int = 12):
    """The rotation x' = -v, v' = x from radius 1, 2, ... with equal steps, the last of which was rejected once."""
    time = np.linspace(0, end, times)
    radius = np.arange(1.0, samples + 1)[:, None, None]
    states = radius * np.stack([np.cos(time), np.sin(time)], axis=-1)
    size = end / steps
    last = steps - 1
    begun = np.insert(np.arange(steps) * size, last, last * size)
    sizes = np.insert(np.full(steps, size), last, 2 * size)
    accepted = np.insert(np.ones(steps, dtype=bool), last, False)

    def logged(values, name):
        return ("sample", "step"), np.tile(values, (samples, 1)), {"long_name": name, "units": "1"}

    return xr.Dataset(
        {
            "y": (("sample", "time", "state"), states, {"long_name": "state", "units": "m"}),
            "step_time": logged(begun, "time"),
            "step_size": logged(sizes, "step size"),
            "error": logged(np.where(accepted, 0.5, 3.0), "scaled error"),
            "stiffness": logged(np.ones(steps + 1), "stiffness estimate"),
            "accepted": logged(accepted, "accepted"),
        },
        coords={
            "sample": np.arange(samples),
            "time": ("time", time, {"long_name": "time", "units": "s"}),
            "state": ["x", "v"],
        },
        attrs={"method": method},
    )


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def size_of(figure):
    return len(json.dumps(json.loads(figure.to_json())))


def test_the_highlighted_line_is_the_sample_of_the_dataset():
    solution = rotation()
    figure = figures.trajectories(solution, sample=2)
    for component in ("x", "v"):
        np.testing.assert_allclose(named(figure, component).x, solution["time"])
        np.testing.assert_allclose(named(figure, component).y, solution["y"].sel(sample=2, state=component), rtol=1e-6)


def test_the_faint_lines_are_all_the_other_samples():
    solution = rotation(3)
    faint = named(figures.trajectories(solution, sample=1), "x, other samples").y
    others = [np.append(solution["y"].sel(sample=sample, state="x"), np.nan) for sample in (0, 2)]
    np.testing.assert_allclose(faint, np.concatenate(others), rtol=1e-6)


def test_axes_of_a_trajectory_have_their_units():
    figure = figures.trajectories(rotation())
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("time [s]", "state [m]")
    alone = figures.trajectories(rotation(), components=["v"])
    assert alone.layout.yaxis.title.text == "v [m]"


def test_components_without_names_are_numbered():
    figure = figures.trajectories(rotation().assign_coords(state=["0", "1"]), components=["1"])
    assert figure.layout.yaxis.title.text == "component 1 [m]"


def test_several_methods_share_the_panel_of_each_component():
    solution = figures.by_method({"tsit5": rotation(), "bosh3": rotation(steps=20)})
    figure = figures.trajectories(solution)
    assert [trace.name for trace in figure.data if trace.showlegend] == ["tsit5", "bosh3"]
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text) == ("x [m]", "v [m]")


def test_methods_side_by_side_have_a_panel_each():
    solution = figures.by_method({"tsit5": rotation(), "bosh3": rotation()})
    figure = figures.trajectories(solution, panels="method", cursor=1.5)
    assert [note.text for note in figure.layout.annotations] == ["tsit5", "bosh3"]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["x", "v"]
    assert [(shape.name, shape.xref) for shape in figure.layout.shapes] == [("cursor", "x"), ("cursor", "x2")]


def test_by_method_keeps_each_log_and_pads_the_shorter():
    short, long = rotation(steps=12), rotation(steps=20)
    both = figures.by_method({"short": short, "long": long})
    assert both["accepted"].dtype == bool
    assert both["accepted"].sum("step").sel(sample=0).values.tolist() == [12, 20]
    np.testing.assert_array_equal(both["step_size"].sel({"method": "short"}).dropna("step"), short["step_size"])


def test_marks_lie_on_the_path_where_accepted_steps_begin_and_end():
    solution = rotation(steps=12)
    marks = named(figures.trajectories(solution, components=["x"], steps=True), "accepted steps")
    np.testing.assert_allclose(marks.x, np.linspace(0, 6, 13), rtol=1e-12)
    # the path is drawn by straight lines between times 0.075 apart: they miss the arc by 0.075^2 / 8
    np.testing.assert_allclose(marks.y, np.cos(np.linspace(0, 6, 13)), atol=1e-3)


def test_many_steps_are_marked_in_part_and_said_so():
    marks = named(figures.trajectories(rotation(steps=900), steps=True), "some accepted steps")
    assert len(marks.x) <= 201


def test_the_cursor_is_the_first_shape_and_crosses_every_panel():
    figure = figures.trajectories(rotation(), panels="component", cursor=2.0)
    (line,) = figure.layout.shapes
    assert (line.name, line.x0, line.x1, line.yref) == ("cursor", 2.0, 2.0, "paper")
    assert not figures.trajectories(rotation()).layout.shapes


def test_a_failed_sample_ends_where_it_failed():
    solution = rotation()
    solution["y"][0, 50:] = np.nan
    assert len(named(figures.trajectories(solution), "x").x) == 50
    solution["y"][0] = np.nan
    assert len(named(figures.trajectories(solution, steps=True), "x").x) == 0


def test_every_sample_has_its_own_times():
    solution = rotation(2)
    times = np.stack([solution["time"], 2 * solution["time"]])
    own = solution.drop_vars("time").assign_coords(time=(("sample", "time"), times))
    np.testing.assert_allclose(named(figures.trajectories(own, sample=1), "x").x, times[1])
    assert float(figures.states_at(own, 12.0, ["x"], sample=1)[0, 0]) == pytest.approx(2 * np.cos(6.0))


def test_time_may_run_backwards():
    solution = rotation(end=-6.0)
    figure = figures.trajectories(solution, steps=True, cursor=-1.0)
    np.testing.assert_allclose(named(figure, "x").x, solution["time"])
    assert len(named(figure, "accepted steps").x) == 13
    assert figures.states_at(solution, -1.0).values[0] == pytest.approx([np.cos(1), -np.sin(1)], abs=1e-3)


def test_a_logarithmic_time_axis_leaves_out_time_zero():
    figure = figures.trajectories(rotation(), log_time=True, steps=True)
    assert figure.layout.xaxis.type == "log"
    assert named(figure, "x").x.min() > 0


def test_a_spike_survives_thinning():
    solution = rotation(1, 20_001)
    solution["y"][0, 12_345, 0] = 50.0
    line = named(figures.trajectories(solution), "x")
    assert len(line.x) <= 1000
    assert line.y.max() == 50
    assert line.x[-1] == 6


def test_values_beyond_single_precision_are_drawn():
    solution = rotation()
    solution["y"] = solution["y"] * 1e200
    solution["y"][0, 3, 0] = np.inf
    assert np.isfinite(named(figures.trajectories(solution), "x").y).all()


def test_one_time_and_no_step_still_make_a_figure():
    solution = rotation(1, 1, steps=1).isel(step=slice(0, 0))
    for figure in (figures.trajectories(solution, steps=True), figures.phase_plane(solution, steps=True, cursor=0.0)):
        assert json.loads(figure.to_json())["data"]


def test_the_phase_plane_draws_one_component_against_the_other():
    solution = rotation()
    path = named(figures.phase_plane(solution, components=["v", "x"]), "tsit5")
    np.testing.assert_allclose(path.x, solution["y"].sel(sample=0, state="v"), rtol=1e-6)
    np.testing.assert_allclose(path.y, solution["y"].sel(sample=0, state="x"), rtol=1e-6)
    np.testing.assert_allclose(path.customdata, solution["time"], rtol=1e-6)
    figure = figures.phase_plane(solution, equal_axes=True)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("x [m]", "v [m]")
    assert figure.layout.yaxis.scaleanchor == "x"


def rotating_field(points: int = 21) -> xr.Dataset:
    x = np.linspace(-2, 2, points)
    return xr.Dataset(
        {"u": (("x", "y"), -x[None] + 0 * x[:, None]), "v": (("x", "y"), x[:, None] + 0 * x[None])}
    ).assign_coords(x=("x", x, {"long_name": "angle", "units": "rad"}), y=x)


def arrows_of(figure):
    """Tails and tips of the arrows, each (arrow, 2)."""
    line = named(figure, "direction field")
    points = np.stack([line.x, line.y], axis=-1).reshape(-1, 7, 2)
    return points[:, 0], points[:, 1]


def test_arrows_point_along_the_field():
    tails, tips = arrows_of(figures.phase_plane(field=rotating_field()))
    middle, along = (tails + tips) / 2, tips - tails
    flow = np.stack([-middle[:, 1], middle[:, 0]], axis=-1)
    cosine = (along * flow).sum(1) / np.linalg.norm(along, axis=1) / np.linalg.norm(flow, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


def test_a_faster_field_has_longer_arrows_and_a_resting_one_none():
    tails, tips = arrows_of(figures.phase_plane(field=rotating_field()))
    length = np.linalg.norm(tips - tails, axis=1)
    radius = np.linalg.norm((tips + tails) / 2, axis=1)
    assert length[np.argmin(radius)] < length[np.argmax(radius)] < 4 / 20
    # the middle of the grid is the fixed point
    assert len(tails) == 21**2 - 1


def test_undefined_places_of_a_field_have_no_arrow():
    field = rotating_field()
    field["u"][0, 0] = np.inf
    assert len(arrows_of(figures.phase_plane(field=field))[0]) == 21**2 - 2


def test_the_field_alone_names_its_axes_and_is_thinned():
    figure = figures.phase_plane(field=rotating_field(201))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("angle [rad]", "y")
    assert tuple(figure.layout.xaxis.range) == (-2, 2)
    assert size_of(figure) < 60_000


def test_stable_fixed_points_are_filled_and_unstable_ones_open():
    points = xr.Dataset({"x": ("point", [0.0, 1.0]), "y": ("point", [0.0, 2.0]), "stable": ("point", [True, False])})
    figure = figures.phase_plane(rotation(), fixed_points=points)
    stable, unstable = named(figure, "stable fixed point"), named(figure, "unstable fixed point")
    assert (list(stable.x), list(unstable.x), list(unstable.y)) == ([0.0], [1.0], [2.0])
    assert (stable.marker.symbol, unstable.marker.symbol) == ("circle", "circle-open")
    plain = figures.phase_plane(rotation(), fixed_points=points.drop_vars("stable"))
    assert len(named(plain, "fixed point").x) == 2


def test_the_cursor_marks_the_state_of_every_method():
    solution = figures.by_method({"tsit5": rotation(), "bosh3": rotation()})
    mark = named(figures.phase_plane(solution, cursor=3.0, sample=1), "cursor")
    np.testing.assert_allclose(mark.x, [2 * np.cos(3.0)] * 2, rtol=1e-6)
    np.testing.assert_allclose(mark.y, figures.states_at(solution, 3.0, ["v"], sample=1)[:, 0], rtol=1e-6)


def test_there_is_no_state_beyond_the_end():
    assert np.isnan(figures.states_at(rotation(), 6.1)).all()
    assert np.isnan(named(figures.phase_plane(rotation(), cursor=7.0), "cursor").x).all()


def test_phase_space_draws_three_components():
    solution = rotation()
    height = solution["y"].sel(state=["x"]).assign_coords(state=["z"]) + solution["time"]
    solution = xr.Dataset({"y": xr.concat([solution["y"], height], "state").transpose("sample", "time", "state")})
    solution["y"].attrs.update(long_name="state", units="m")
    figure = figures.phase_space(solution.assign_attrs(method="tsit5"), cursor=3.0)
    path = named(figure, "tsit5")
    for axis, component in zip("xyz", ("x", "v", "z"), strict=True):
        np.testing.assert_allclose(path[axis], solution["y"].sel(sample=0, state=component), rtol=1e-6, atol=1e-7)
    assert figure.layout.scene.zaxis.title.text == "z [m]"
    np.testing.assert_allclose(named(figure, "cursor").x, np.cos(3.0), rtol=1e-3)


def test_a_selected_sample_is_a_solution_too():
    solution = rotation()
    line = named(figures.trajectories(solution.isel(sample=3), steps=True), "x")
    np.testing.assert_allclose(line.y, solution["y"].sel(sample=3, state="x"), rtol=1e-6)


def test_figures_of_large_ensembles_stay_small():
    solution = rotation(256, 2001)
    assert size_of(figures.trajectories(solution, steps=True)) < 250_000
    assert size_of(figures.phase_plane(solution, steps=True)) < 250_000


def test_trajectories_are_drawn_with_the_template():
    for figure in (figures.trajectories(rotation()), figures.phase_plane(rotation())):
        assert figure.layout.template.layout.colorway[0] == "#0072B2"


def test_a_real_solve_is_drawn_as_it_is():
    import torch

    from limitlab.solvers.ode.solve import solve_ode

    start = torch.tensor([[1.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    solved = solve_ode(lambda t, y: torch.stack([-y[:, 1], y[:, 0]], -1), start, torch.linspace(0, 6, 200).double())
    solution = solved.to_xarray(["x", "v"])
    figure = figures.trajectories(solution, steps=True, sample=1)
    np.testing.assert_allclose(named(figure, "x").y, 2 * np.cos(solution["time"]), atol=1e-4)
    assert len(named(figure, "accepted steps").x) == int(solved.log.steps[1]) + 1
    crosses = named(figures.step_ladder(solution), "rejected")
    assert len(crosses.x) == int(solved.log.rejected[0])


def test_what_a_figure_cannot_draw_is_named():
    solution = rotation()
    with pytest.raises(UnknownName, match="did you mean 'method'"):
        figures.trajectories(solution, panels="methods")
    with pytest.raises(UnknownName, match=r"unknown component 'w'.*v, x"):
        figures.trajectories(solution, components=["w"])
    with pytest.raises(InvalidArgument, match="sample must be a whole number >= 0 <= 3"):
        figures.trajectories(solution, sample=4)
    with pytest.raises(InvalidArgument, match=r"needs the dims \('time', 'state'\)"):
        figures.trajectories(solution.isel(state=0, drop=True))
    with pytest.raises(InvalidArgument, match=r"seed.*isel\(seed=0\)"):
        figures.trajectories(solution.expand_dims(seed=2))
    with pytest.raises(InvalidArgument, match=r"xarray\.Dataset.*got DataArray"):
        figures.trajectories(solution["y"])
    with pytest.raises(InvalidArgument, match="3 components"):
        figures.phase_space(solution)
    with pytest.raises(InvalidArgument, match="a solution or a field"):
        figures.phase_plane()
    with pytest.raises(InvalidArgument, match=r"needs the dims \('x', 'y'\)"):
        figures.phase_plane(field=rotating_field().rename(x="a"))
    with pytest.raises(UnknownName, match="unknown variable 'step_time'"):
        figures.trajectories(solution.drop_vars("step_time"), steps=True)
    with pytest.raises(InvalidArgument, match="at least one solution"):
        figures.by_method({})
