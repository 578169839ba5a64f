"""What a sweep cannot do, each with one diagnostic at its place; as a job and as a node of a pipeline alike."""

from __future__ import annotations

import textwrap

import pytest

from reconciler.format.rules import sweeps

SWEEP = """\
type: sweep
trial: {{command: 'x ${{{{search_space.a}}}}', environment: azureml:e:1}}
sampling_algorithm: {sampling}
search_space: {space}
objective: {{goal: minimize, primary_metric: {metric}}}
early_termination: {policy}
limits: {limits}
"""
UNIFORM = "{a: {type: uniform, min_value: 0, max_value: 1}}"


def sweep(space=UNIFORM, sampling="random", metric="loss", policy="null", limits="{max_total_trials: 4}"):
    return SWEEP.format(space=space, sampling=sampling, metric=metric, policy=policy, limits=limits)


def choice_with(inner):
    return f"{{a: {{type: choice, values: [1, {{b: {inner}}}]}}}}"


@pytest.mark.parametrize(
    ("fields", "expected", "text"),
    [
        (
            {"space": "{}"},
            "sweep-space 4:1",
            (
                "the sweep has no parameters, so all of its trials would be the same; "
                "add search_space: with a parameter, such as rate: {type: uniform, min_value: 0.1, max_value: 1}"
            ),
        ),
        (
            {"space": "{a: {type: choice, values: []}}"},
            "sweep-space 4:42",
            "a has no values to choose from; add the values to choose from, or remove the parameter",
        ),
        (
            {"space": "{a: {type: choice}}"},
            "sweep-space 4:16",
            "choice of a needs values; add values:",
        ),
        (
            {"space": "{a: {type: Uniform, min_value: 2, max_value: '1'}}"},
            "sweep-space 4:46",
            "min_value of a is 2, more than max_value, which is 1; exchange the two",
        ),
        (
            {"space": "{a: {type: quniform, min_value: 0, max_value: 1, q: 0}}"},
            "sweep-space 4:67",
            "q of a cannot be 0; q is the step of the values, such as 1 or 0.5",
        ),
        (
            {"space": "{a: {type: normal, mu: 0, sigma: -1}}"},
            "sweep-space 4:48",
            "sigma of a cannot be -1; sigma is the standard deviation, 0 or more",
        ),
        (
            {"space": "{a: {type: randint, upper: 0}}"},
            "sweep-space 4:42",
            "upper of a cannot be 0; upper is the bound that the values, from 0 on, stay below",
        ),
        (
            {"space": "{a: {type: loguniform, min_value: 1, max_value: 1000}}"},
            "sweep-space 4:63",
            (
                "max_value of a is too large: exp(1000) is no number that a command can use; "
                "the values of loguniform are exp(x): for values up to 0.1, x goes up to -2.3"
            ),
        ),
        (
            {"space": "{a: {type: normal, mu: '1e999', sigma: 1}}"},
            "sweep-space 4:38",
            "mu of a is inf, which is no finite number; write a number",
        ),
        (
            {"space": choice_with("{type: randint, uper: 3}")},
            "sweep-space 4:66",
            "randint of a.b has no field uper; did you mean upper?",
        ),
        (
            {"space": choice_with("{type: randint, upper: 3, q: 1}")},
            "sweep-space 4:76",
            "randint of a.b has no field q; available: upper",
        ),
        (
            {"sampling": "grid"},
            "sweep-sampling 4:26",
            "grid sampling cannot do uniform; use choice, or sampling_algorithm: random",
        ),
        (
            {"sampling": "{type: Bayesian}", "space": choice_with("{type: randint, upper: 3}")},
            "sweep-sampling 4:57",
            "bayesian sampling cannot do randint; use choice, quniform or uniform, or sampling_algorithm: random",
        ),
        (
            {"sampling": "{type: random, logbase: 0}"},
            "sweep-sampling 3:45",
            "logbase has to be more than 0, not 0; write a base, such as 10, or e",
        ),
        (
            {"sampling": "bayesian", "policy": "{type: median_stopping}"},
            "sweep-sampling 6:1 warning",
            (
                "Azure ML does not stop trials early with bayesian sampling; mlgit does; "
                "use sampling_algorithm: random, or remove early_termination"
            ),
        ),
        (
            {"limits": "{max_total_trials: 1001}"},
            "sweep-limits 7:28",
            "max_total_trials cannot be 1001; use a number from 1 to 1000",
        ),
        (
            {"limits": "{max_total_trials: 4, max_concurrent_trials: '0'}"},
            "sweep-limits 7:54",
            "max_concurrent_trials cannot be 0; use a number from 1 to 1000",
        ),
        (
            {"metric": "' '"},
            "sweep-objective 5:45",
            (
                "primary_metric is empty; "
                "write the name of a metric that the command logs, as in mlflow.log_metric(NAME, value)"
            ),
        ),
        (
            {"policy": "{type: bandit}"},
            "sweep-termination 6:1",
            "bandit needs slack_factor or slack_amount, but has none; add slack_factor: 0.2, a part of the best value",
        ),
        (
            {"policy": "{type: bandit, slack_factor: 0.1, slack_amount: 1}"},
            "sweep-termination 6:1",
            "bandit needs slack_factor or slack_amount, but has both; remove one of the two",
        ),
        (
            {"policy": "{type: bandit, slack_factor: -0.1}"},
            "sweep-termination 6:49",
            "slack_factor cannot be -0.1; use a number of 0 or more",
        ),
        (
            {"policy": "{type: median_stopping, evaluation_interval: 0}"},
            "sweep-termination 6:65",
            "evaluation_interval cannot be 0; use a number of 1 or more",
        ),
        (
            {"policy": "{type: truncation_selection, truncation_percentage: 100}"},
            "sweep-termination 6:72",
            "truncation_percentage cannot be 100; use a number from 1 to 99",
        ),
        (
            {"space": "{a: {type: choice, values: [1]}, b: {type: choice, values: [1]}}"},
            "sweep-unused 4:48 warning",
            "b varies, but its trial does not use it; write ${{search_space.b}} into its command",
        ),
    ],
)
def test_what_a_sweep_cannot_do_is_one_diagnostic_at_its_place(check, diagnose, fields, expected, text):
    job = sweep(**fields)
    assert check(sweeps.RULES, job) == [expected]
    (diagnostic,) = diagnose(sweeps.RULES, job)
    assert f"{diagnostic.message}; {diagnostic.hint}" == text
    (at_node,) = diagnose(sweeps.RULES, "type: pipeline\njobs:\n  s:\n" + textwrap.indent(job, "    "))
    place = (diagnostic.span.line + 3, diagnostic.span.column + 4)
    assert (at_node.message, (at_node.span.line, at_node.span.column)) == (diagnostic.message, place)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sampling": "{type: random, rule: sobol, seed: 3, logbase: e}"},
        {"sampling": "${{parent.inputs.sampling}}", "limits": "{max_total_trials: '${{parent.inputs.n}}'}"},
        {"space": "{a: {type: uniform, min_value: '${{parent.inputs.x}}', max_value: 0}}"},
        {"space": "{a: '${{parent.inputs.x}}'}"},
        {"sampling": "grid", "space": "{a: {type: choice, values: [{x: 1, type: other}, [1], text]}}"},
        {"policy": "{type: bandit, slack_amount: 0, delay_evaluation: 0}", "limits": "{max_total_trials: 1000}"},
        {"policy": "{type: MedianStopping, evaluation_interval: null}"},
        {"space": "{a: {type: normal, mu: 1, sigma: 0}}"},
        {"space": "{a: {type: uniform, min_value: 1, max_value: 1}}"},
    ],
)
def test_what_a_sweep_can_do_is_not_reported(check, fields):
    assert check(sweeps.RULES, sweep(**fields)) == []


def test_a_parameter_that_is_an_input_too_is_reported(check):
    assert check(sweeps.RULES, sweep() + "inputs: {a: 1, c: 2}") == ["sweep-space 8:10"]


def test_a_component_uses_a_parameter_as_its_input(check):
    text = sweep(space="{a: {type: randint, upper: 3}, b: {type: randint, upper: 3}}").replace(
        "{command: 'x ${{search_space.a}}', environment: azureml:e:1}", "../train.yml"
    )
    component = {"train.yml": "type: command\ncommand: 'x ${{inputs.a}}'\ninputs: {a: {type: integer}}"}
    assert check(sweeps.RULES, text, component) == ["sweep-unused 4:46 warning"]
    assert check(sweeps.RULES, text.replace("../train.yml", "azureml:train:1")) == []
