"""A slide of a result that may be missing: then the slide says what is missing, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relkit.report.blocks import Slide, slide
from relkit.report.findings.segments import not_shown, not_shown_gives
from relkit.report.statements import Statement
from relkit.studies.tier_review import NotShown


def result_slide(
    found: Any | NotShown,
    headline: Callable[[Any], Statement | None],
    *parts: Any,
    appendix: bool = False,
) -> Slide | None:
    """A slide whose headline, pictures and tables are all made of one result.

    Args:
        found: The result; a ``NotShown`` gives a slide that says so.
        headline: Makes the finding of the result, such as ``rk.findings.tier_bridge``.
        *parts: Functions of the result, such as ``rk.plots.tier_bridge``, in their order;
            what is no function (a statement, a block) stands there in either case.
        appendix: As for ``rk.slide``.
    """
    if isinstance(found, NotShown):
        always = [part for part in parts if not callable(part)]
        return slide(not_shown(found), not_shown_gives(found), *always, appendix=appendix)
    made = [part(found) if callable(part) else part for part in parts]
    return slide(headline(found), *made, appendix=appendix)
