"""What the plan of an experiment says of an environment that mlgit makes in the place of one of Azure ML."""

from __future__ import annotations

from planning.project import SUM, InMemoryProject, edited, plan_options_of

from reconciler.catalogue.recipes import find_recipe
from reconciler.model import Pin
from reconciler.planning.experiment import ExperimentPlan, plan_experiment
from reconciler.planning.plan import PlanInputs

_NAME = "sklearn-1.5"
_FILES = edited(
    "jobs/sum.yml", "azureml:plain@latest", f"azureml://registries/azureml/environments/{_NAME}/labels/latest"
)


def plan_sum(pin: Pin | None) -> ExperimentPlan:
    project = InMemoryProject()
    state = project.state()._replace(find_pin=lambda _name: pin)
    return plan_experiment(PlanInputs(project.desired(_FILES), state, plan_options_of(_FILES)), SUM)


def test_how_an_environment_differs_from_that_of_azure_ml_is_said_at_its_first_use_alone():
    recipe = find_recipe(_NAME)
    assert recipe is not None
    text = f"environment/azureml/{_NAME} is made by mlgit and differs from that of Azure ML: "
    assert [note for note in plan_sum(None).notes if note.startswith(text)]
    assert not [note for note in plan_sum(Pin(str(recipe.version), recipe.spec)).notes if note.startswith(text)]
