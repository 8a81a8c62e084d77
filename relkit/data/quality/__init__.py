"""How good the data are: counted in the engine, nothing typed by hand, nothing filled in.

What cannot be measured says so with its reason; it is never 0.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Public name -> the module it lives in; each is imported when it is first used.
_HOMES = {
    "funnel": "row_funnel",
    "inventory": "source_inventory",
    "coverage": "capture_coverage",
    "shortfalls": "capture_shortfalls",
    "failure_modes": "service_failures",
    "maturity": "pillars",
    "identity_duplicates": "identity",
    "try_identity": "identity",
    "repeat_share": "repeat_customers",
    "triangulate": "triangulation",
    "try_triangulation": "triangulation",
    "survey_response": "surveys",
    "try_survey": "surveys",
    "margin_of_error": "surveys",
    "response_per_send": "sends",
    "try_sends": "sends",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(f"relkit.data.quality.{_HOMES[name]}"), name)
        # A module of the same name must not stand in the function's place from now on.
        globals()[name] = found
        return found
    from relkit.errors import did_you_mean

    raise AttributeError(f"rk.quality has no '{name}'{did_you_mean(name, _HOMES)}")
