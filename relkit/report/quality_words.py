"""Words for what results of data quality are made of: fields, statuses, answers."""

from __future__ import annotations

from relkit.report.statements import Statement, say, statement
from relkit.report.vocabulary import all_texts


def key_of(group: str, word: str) -> str:
    """The key of a result's own word: 'no scores' → 'score_status.no_scores'."""
    return f"{group}.{word.replace(' ', '_')}"


def field_name(field: str) -> Statement:
    """A field in words, where there are some, else as the source names it."""
    key = f"field.{field}"
    return say(key) if key in all_texts() else statement(en="{x:text}", zh="{x:text}", x=field)


def answer_name(answer: str) -> Statement:
    """An answer in words; a score is itself."""
    key = key_of("answer_of", answer)
    return say(key) if key in all_texts() else statement(en="{x:text}", zh="{x:text}", x=answer)
