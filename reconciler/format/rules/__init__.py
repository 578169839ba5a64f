"""The checks that a schema cannot express: small functions that yield diagnostics for one asset.

One module per topic. This module lists the rule sets that kinds name; it is loaded only to check a file. docs/format.md
says which rules are stricter than azure-ai-ml, and why.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.format.rule_context import Rule
from reconciler.format.rules import (
    bindings,
    commands,
    components,
    conda_files,
    data_types,
    datastores,
    distributions,
    endpoints,
    environments,
    inputs,
    instance_counts,
    io_names,
    mltables,
    models,
    names,
    output_names,
    paths,
    pipeline_hooks,
    pipelines,
    plain_scalars,
    reference_syntax,
    schedules,
    secrets,
    spark,
    sweeps,
    type_flow,
    variables,
)
from reconciler.format.rules.graph import PipelineCheck, pipeline_rule

_EXECUTABLE_RULES: tuple[Rule, ...] = (
    *reference_syntax.RULES,
    *paths.EXECUTABLE_RULES,
    *components.RULES,
    *data_types.EXECUTABLE_RULES,
    *mltables.EXECUTABLE_RULES,
    *environments.INLINE_RULES,
    *conda_files.INLINE_RULES,
    *distributions.RULES,
    *sweeps.RULES,
    *variables.RULES,
    *plain_scalars.EXECUTABLE_RULES,
    *output_names.RULES,
    *secrets.RULES,
)
_PIPELINE_CHECKS: tuple[PipelineCheck, ...] = (
    *pipelines.STRUCTURE_CHECKS,
    *bindings.CHECKS,
    *inputs.CHECKS,
    *type_flow.CHECKS,
    *spark.NODE_CHECKS,
)

COMPONENT_RULES: tuple[Rule, ...] = (
    *names.ASSET_RULES,
    *io_names.COMPONENT_RULES,
    *_EXECUTABLE_RULES,
    *commands.COMPONENT_RULES,
    pipeline_rule(*_PIPELINE_CHECKS),
)
JOB_RULES: tuple[Rule, ...] = (
    *io_names.JOB_RULES,
    *instance_counts.JOB_RULES,
    *_EXECUTABLE_RULES,
    *commands.JOB_RULES,
    pipeline_rule(*_PIPELINE_CHECKS, *pipelines.COMPUTE_CHECKS),
    *pipeline_hooks.RULES,
    *spark.JOB_RULES,
)
SCHEDULE_RULES: tuple[Rule, ...] = (
    *schedules.RULES,
    *plain_scalars.SCHEDULE_RULES,
    *_EXECUTABLE_RULES,
    *commands.JOB_RULES,
)
DEPLOYMENT_RULES: tuple[Rule, ...] = (
    *names.ENDPOINT_RULES,
    *reference_syntax.RULES,
    *paths.EXECUTABLE_RULES,
    *environments.INLINE_RULES,
    *conda_files.INLINE_RULES,
    *variables.RULES,
    *endpoints.DEPLOYMENT_RULES,
    *instance_counts.RULES,
    *secrets.RULES,
)
ENDPOINT_RULES: tuple[Rule, ...] = (*names.ENDPOINT_RULES, *endpoints.ENDPOINT_RULES, *secrets.RULES)
ENVIRONMENT_RULES: tuple[Rule, ...] = (
    *names.ENVIRONMENT_RULES,
    *paths.ENVIRONMENT_RULES,
    *environments.ASSET_RULES,
    *conda_files.ASSET_RULES,
    *secrets.RULES,
)
DATA_RULES: tuple[Rule, ...] = (
    *names.ASSET_RULES,
    *paths.CONTENT_RULES,
    *data_types.DATA_RULES,
    *mltables.DATA_RULES,
    *secrets.RULES,
)
MODEL_RULES: tuple[Rule, ...] = (*names.ASSET_RULES, *paths.CONTENT_RULES, *models.MODEL_RULES, *secrets.RULES)
COMPUTE_RULES: tuple[Rule, ...] = (
    *names.COMPUTE_RULES,
    *instance_counts.RULES,
    *schedules.RULES,
    *plain_scalars.SCHEDULE_RULES,
    *secrets.RULES,
)
DATASTORE_RULES: tuple[Rule, ...] = (*names.CONTAINER_RULES, *datastores.RULES, *secrets.RULES)
WORKSPACE_RULES: tuple[Rule, ...] = (*names.WORKSPACE_RULES, *secrets.RULES)
FEATURESTORE_RULES: tuple[Rule, ...] = WORKSPACE_RULES
CONNECTION_RULES: tuple[Rule, ...] = WORKSPACE_RULES
REGISTRY_RULES: tuple[Rule, ...] = (*names.REGISTRY_RULES, *secrets.RULES)
FEATURESET_RULES: tuple[Rule, ...] = (*names.ASSET_RULES, *paths.EXECUTABLE_RULES, *secrets.RULES)
FEATURESTORE_ENTITY_RULES: tuple[Rule, ...] = (*names.ASSET_RULES, *secrets.RULES)
DATA_IMPORT_RULES: tuple[Rule, ...] = (*names.ASSET_RULES, *secrets.RULES)
MODEL_PACKAGE_RULES: tuple[Rule, ...] = (
    *reference_syntax.RULES,
    *paths.EXECUTABLE_RULES,
    *environments.INLINE_RULES,
    *conda_files.INLINE_RULES,
    *secrets.RULES,
)

RULE_SETS: Mapping[str, tuple[Rule, ...]] = {
    "component": COMPONENT_RULES,
    "compute": COMPUTE_RULES,
    "connection": CONNECTION_RULES,
    "data": DATA_RULES,
    "data_import": DATA_IMPORT_RULES,
    "datastore": DATASTORE_RULES,
    "deployment": DEPLOYMENT_RULES,
    "endpoint": ENDPOINT_RULES,
    "environment": ENVIRONMENT_RULES,
    "featureset": FEATURESET_RULES,
    "featurestore": FEATURESTORE_RULES,
    "featurestore_entity": FEATURESTORE_ENTITY_RULES,
    "job": JOB_RULES,
    "model": MODEL_RULES,
    "model_package": MODEL_PACKAGE_RULES,
    "registry": REGISTRY_RULES,
    "schedule": SCHEDULE_RULES,
    "workspace": WORKSPACE_RULES,
}
