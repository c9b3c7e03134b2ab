"""The claims of every lesson were seen to hold, by its code as it is, at its own seed and at another one."""

import pytest
from notebooks.claims import CLAIMING, NOTEBOOKS, SEEDS, digest, draws_and_claims, recorded


def test_the_lessons_state_claims():
    assert len(CLAIMING) >= 12
    assert all(draws_and_claims(NOTEBOOKS / name) for name in CLAIMING)


@pytest.mark.parametrize("name", CLAIMING)
def test_claims_of_this_code_were_seen_to_hold(name):
    record = recorded().get(name, {})
    assert record.get("code") == digest(name), f"run `make claims LESSON={name}`: its code has changed"
    assert set(record["seeds"]) >= set(SEEDS)


def test_no_lesson_that_is_gone_is_on_record():
    assert set(recorded()) <= set(CLAIMING)
