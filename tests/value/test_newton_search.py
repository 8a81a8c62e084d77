"""The safeguarded Newton on functions whose maximum is known."""

import numpy as np
import pytest

from relkit.value.newton import maximise

WIDE = np.full(2, 50.0)


def test_a_quadratic_is_one_step():
    bend = np.array([[-3.0, 1.0], [1.0, -2.0]])
    top = np.array([0.5, -0.7])

    def objective(point):
        off = point - top
        return float(off @ bend @ off / 2), bend @ off, bend

    found = maximise(objective, np.zeros(2), -WIDE, WIDE)
    assert found.converged
    assert found.point == pytest.approx(top, abs=1e-12)
    assert found.covariance == pytest.approx(np.linalg.inv(-bend))
    assert not (found.held_low | found.held_high).any()


def test_an_upward_bend_is_climbed_and_not_descended():
    # -cos has its minimum at 0, where the Newton step alone would stay.
    def objective(point):
        value = -np.cos(point).sum()
        return float(value), np.sin(point), np.diag(np.cos(point))

    found = maximise(objective, np.array([0.3, -0.2]), -WIDE, WIDE)
    assert np.cos(found.point) == pytest.approx([-1, -1])


def test_a_runaway_pair_goes_to_the_side_together():
    # 1 / u matters ever less as u grows; the difference of the two stays known.
    def objective(point):
        u, v = point
        value = -np.exp(-u) - 50 * (u - v - 1) ** 2
        gradient = np.array([np.exp(-u) - 100 * (u - v - 1), 100 * (u - v - 1)])
        hessian = np.array([[-np.exp(-u) - 100, 100], [100, -100.0]])
        return float(value), gradient, hessian

    found = maximise(objective, np.zeros(2), np.full(2, -20.0), np.full(2, 12.0))
    assert found.converged
    assert found.held_high.tolist() == [True, False]
    assert found.point == pytest.approx([12, 11], abs=1e-6)
    assert found.covariance[0].tolist() == [0, 0]
    assert found.covariance[1, 1] == pytest.approx(0.01)


def test_a_start_outside_the_box_is_moved_in():
    def objective(point):
        return float(-(point**2).sum()), -2 * point, -2 * np.eye(2)

    found = maximise(objective, np.array([99.0, -99.0]), np.full(2, 1.0), np.full(2, 3.0))
    assert found.point == pytest.approx([1, 1])
    assert found.held_low.all()


def test_the_last_short_step_is_taken_without_an_evaluation():
    """Far from quadratic, so that a step too few would show in the point."""
    asked = []

    def objective(point):
        asked.append(point)
        value = -np.cosh(point - 0.3).sum() + 0.4 * point.sum()
        return float(value), 0.4 - np.sinh(point - 0.3), -np.diag(np.cosh(point - 0.3))

    found = maximise(objective, np.array([2.0, -1.0]), -WIDE, WIDE)
    top = 0.3 + np.arcsinh(0.4)
    assert found.converged
    assert found.point == pytest.approx([top, top], abs=1e-13)
    assert found.value == pytest.approx(2 * (-np.cosh(top - 0.3) + 0.4 * top), rel=1e-15)
    assert np.diag(found.covariance) == pytest.approx(1 / np.cosh(top - 0.3), rel=1e-5)
    # The point at the end was not among those asked about.
    assert found.evaluations == len(asked)
    assert np.abs(asked[-1] - found.point).max() > 0
