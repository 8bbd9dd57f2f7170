"""A few of the rounds that crash_rounds.py runs by the dozen."""
from crash_rounds import run


def test_nothing_is_lost_when_agent_supervisor_or_both_are_killed():
    assert run(tasks=20, rounds=3)
