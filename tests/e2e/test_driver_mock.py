"""mock_driver: every option of the reference does what it says."""
import pytest
from driver_support import NS, events, finished, job, output, purge, restart, run, running, start_agent, stop, wait_output
from harness import ApiError, Cluster


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        yield start_agent(cluster)


def test_runs_for_its_time_and_ends_as_told(agent):
    alloc, state = finished(agent, run(agent, job("mock-code", "mock_driver", {"run_for": "300ms", "exit_code": 9})))
    assert [e["ExitCode"] for e in state["Events"] if e["Type"] == "Terminated"] == [9]
    alloc, state = finished(agent, run(agent, job("mock-signal", "mock_driver", {"run_for": "50ms", "exit_signal": 11})))
    assert [e["Signal"] for e in state["Events"] if e["Type"] == "Terminated"] == [11]
    alloc, state = finished(agent, run(agent, job("mock-words", "mock_driver", {"exit_err_msg": "out of cheese"})))
    assert "out of cheese" in str(events(agent, alloc["ID"]))


def test_start_errors_are_tried_again_only_if_that_may_help(agent):
    group = {"RestartPolicy": {"Attempts": 2, "Interval": 60 * NS, "Delay": NS // 20, "Mode": "fail"}}
    _, state = finished(agent, run(agent, job("mock-refuses", "mock_driver", {"start_error": "no luck"}, group=group)))
    assert state["Restarts"] == 0 and "no luck" in str(state["Events"])
    _, state = finished(agent, run(agent, job(
        "mock-retries", "mock_driver", {"start_error": "no luck", "start_error_recoverable": True}, group=group)))
    assert state["Restarts"] == 2


def test_start_blocks_and_output_repeats(agent):
    alloc, state = finished(agent, run(agent, job("mock-talks", "mock_driver", {
        "run_for": "1s", "start_block_for": "200ms", "stdout_string": "tick\n", "stdout_repeat": 3, "stdout_repeat_duration": "50ms",
        "stderr_string": "tock\n"})))
    assert output(agent, alloc["ID"]) == "tick\n" * 4
    assert output(agent, alloc["ID"], "stderr") == "tock\n"
    assert not state["Failed"]


def test_signal_stop_and_restart_of_the_agent(agent):
    name = run(agent, job("mock-serves", "mock_driver", {"run_for": "10m", "kill_after": "100ms", "stdout_string": "once\n"}, kind="service"))
    alloc = running(agent, name)
    agent.api().put(f"/v1/client/allocation/{alloc['ID']}/signal", {"Signal": "SIGHUP", "TaskName": "t"})
    wait_output(agent, alloc["ID"], "once")
    restart(agent)
    assert running(agent, name)["ID"] == alloc["ID"]
    assert "Restarting" not in [kind for kind, _ in events(agent, alloc["ID"])]
    stop(agent, name)
    assert output(agent, alloc["ID"]) == "once\n"
    purge(agent, name)


def test_an_unknown_option_is_named(agent):
    alloc, _ = finished(agent, run(agent, job("mock-typo", "mock_driver", {"run_fr": "1s"})))
    assert 'there is no option "run_fr" in driver mock_driver; is "run_for" meant?' in str(events(agent, alloc["ID"]))


def test_signal_error_reaches_whoever_signals(agent):
    name = run(agent, job("mock-deaf", "mock_driver", {"run_for": "10m", "signal_error": "deaf"}, kind="service"))
    alloc = running(agent, name)
    try:
        agent.api().put(f"/v1/client/allocation/{alloc['ID']}/signal", {"Signal": "SIGHUP", "TaskName": "t"})
    except ApiError as error:
        assert "deaf" in error.text
    assert running(agent, name)["ID"] == alloc["ID"]
    stop(agent, name)
    purge(agent, name)
