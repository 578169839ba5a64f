"""Files of other tools beside assets are no assets: they give no error, whatever keys they share with one."""

from __future__ import annotations

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.detect import detect_kind
from reconciler.format.load import load_asset_file
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

FOREIGN_FILES = {
    "GitHub workflow": """
        name: Evaluate
        on: {push: {branches: [main]}}
        env: {A: b}
        defaults: {run: {working-directory: x}}
        jobs: {t: {runs-on: ubuntu-latest, steps: [{run: echo}]}}
        """,
    "GitHub workflow without more": """
        name: Evaluate
        "on": push
        defaults: {run: {shell: bash}}
        """,
    "GitHub action": """
        name: Set up
        description: Installs tools
        inputs: {version: {description: v, default: "1"}}
        outputs: {path: {description: p, value: x}}
        runs: {using: composite, steps: [{run: echo, shell: bash}]}
        """,
    "GitLab CI": """
        image: python:3.11
        services: [docker:dind]
        variables: {A: b}
        stages: [test]
        test: {script: [pytest], environment: production}
        """,
    "Azure Pipelines": """
        name: $(Build.BuildId)
        trigger: [main]
        resources: {repositories: [{repository: t, type: github, name: o/r}]}
        parameters: [{name: env, type: string, default: dev}]
        jobs: [{job: a, steps: [{script: echo}]}]
        """,
    "Azure Pipelines template": """
        parameters: [{name: env, type: string}]
        jobs: [{job: a, steps: [{script: echo}]}]
        """,
    "CircleCI": """
        version: 2.1
        orbs: {python: circleci/python@2}
        jobs: {build: {docker: [{image: python}], steps: [checkout]}}
        workflows: {main: {jobs: [build]}}
        """,
    "Travis": "language: python\nos: linux\njobs: {include: [{stage: test, script: pytest}]}\nenv: [A=b]\n",
    "Bitbucket Pipelines": "image: python:3.11\npipelines: {default: [{step: {script: [pytest]}}]}\n",
    "Drone": "kind: pipeline\ntype: docker\nname: default\nsteps: [{name: test, image: python, commands: [pytest]}]\n",
    "Cloud Build": "steps: [{name: gcr.io/x, args: [build]}]\nimages: [x]\ntimeout: 600s\ntags: [a]\n",
    "DVC pipeline": "stages: {train: {cmd: python t.py, deps: [t.py], outs: [m.pkl]}}\n",
    "DVC parameters": "train: {lr: 0.1}\n",
    "DVC parameters with names of ours": "data: {path: x}\nmodel: {name: y, type: z}\ntrial: 3\nseed: 1\n",
    "DVC file": "outs: [{md5: a, size: 1, path: x.csv}]\n",
    "Docker Compose": """
        name: app
        version: "3.8"
        services: {web: {image: x, command: y, environment: {A: b}, build: .}}
        volumes: {v: {}}
        """,
    "Compose service": "name: web\nimage: nginx\ncommand: serve\nenvironment: {A: b}\n",
    "Process file": "name: worker\ncommand: python w.py\nenvironment: {A: b}\n",
    "Helm chart": "apiVersion: v2\nname: c\ndescription: d\ntype: application\nversion: 0.1.0\nappVersion: 1.0.0\n",
    "Helm values": "name: a\nimage: {repository: a, tag: b}\nreplicaCount: 1\nresources: {}\n",
    "Helm values with an image": "name: a\nimage: nginx\nresources: {limits: {cpu: 1}}\nservice: {type: ClusterIP}\n",
    "Kubernetes": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n",
    "Kustomize": "resources: [a.yaml]\nimages: [{name: x, newTag: y}]\nconfigMapGenerator: []\n",
    "Kubernetes container": "name: web\nimage: nginx\nports: [{containerPort: 80}]\nresources: {}\nenv: []\n",
    "Skaffold": "apiVersion: skaffold/v4\nkind: Config\nmetadata: {name: x}\nbuild: {artifacts: [{image: x}]}\n",
    "Argo workflow": "apiVersion: argoproj.io/v1\nkind: Workflow\nspec: {entrypoint: x, templates: []}\n",
    "Kubeflow component": """
        name: Train
        description: d
        inputs: [{name: x, type: Integer}]
        outputs: [{name: y, type: Model}]
        implementation: {container: {image: i, command: [python]}}
        """,
    "Kubeflow pipeline": "pipelineInfo: {name: p}\ncomponents: {}\nroot: {dag: {}}\nschemaVersion: 2.1.0\n",
    "Ansible playbook": "- hosts: all\n  tasks: [{name: x, command: y, environment: {A: b}}]\n",
    "Ansible variables": "name: x\nresource_group: rg\nlocation: westeurope\nvm_size: s\n",
    "Ansible role": "galaxy_info: {author: a}\ndependencies: []\n",
    "mkdocs": "site_name: x\ntheme: {name: material}\nnav: [{Home: index.md}]\n",
    "Read the Docs": "version: 2\nbuild: {os: ubuntu-22.04, tools: {python: '3.11'}}\nsphinx: {configuration: c.py}\n",
    "Documentation build": "name: docs\nbuild: {os: ubuntu, commands: [make]}\n",
    "pre-commit": "repos: [{repo: local, hooks: [{id: x, name: y, entry: z, language: system}]}]\n",
    "pre-commit hooks": "- id: x\n  name: y\n  entry: z\n  language: python\n  types: [yaml]\n",
    "conda environment": "name: a\nchannels: [b]\ndependencies: [python]\nvariables: {A: b}\n",
    "conda recipe": """
        package: {name: a, version: "1"}
        source: {path: .}
        build: {number: 0}
        requirements: {run: [python]}
        """,
    "MLproject": "name: p\nconda_env: c.yml\nentry_points: {main: {command: python, parameters: {a: float}}}\n",
    "MLmodel": "artifact_path: model\nflavors: {python_function: {env: conda.yaml}}\nrun_id: a\n",
    "MLmodel with a name": "name: m\npath: model\nflavors: {sklearn: {pickled_model: m.pkl}}\nrun_id: a\nuuid: b\n",
    "Hydra": "defaults: [{db: mysql}, _self_]\n",
    "Hydra with a name": "name: resnet\ndefaults: [base]\ntask: classification\nmodel: {type: x}\n",
    "Hydra group": "name: ubuntu\nimage: 3 channels\nsize: [3, 224]\n",
    "Hydra experiment": "name: x\ntask: train\ntraining_data: {path: a}\ntrainer: {gpus: 1}\n",
    "Data set card": "name: iris\npath: iris.csv\ntype: csv\ndescription: d\n",
    "promptflow DAG": """
        $schema: https://azuremlschemas.azureedge.net/promptflow/latest/Flow.schema.json
        inputs: {q: {type: string}}
        outputs: {a: {type: string, reference: "${n.output}"}}
        nodes: [{name: n, type: python, source: {type: code, path: n.py}, inputs: {}}]
        environment: {python_requirements_txt: requirements.txt}
        """,
    "promptflow DAG without schema": """
        inputs: {q: {type: string}}
        outputs: {a: {type: string, reference: "${n.output}"}}
        nodes: [{name: n, type: python, source: {type: code, path: n.py}, inputs: {}}]
        environment: {python_requirements_txt: requirements.txt}
        """,
    "promptflow DAG with a comment": """
        # yaml-language-server: $schema=https://azuremlschemas.azureedge.net/promptflow/latest/Flow.schema.json
        inputs: {}
        nodes: []
        """,
    "promptflow flex": """
        entry: flow:Main
        environment: {image: x}
        sample: {inputs: {q: a}}
        inputs: {q: {type: string}}
        """,
    "promptflow flex with resources": "entry: flow:Main\nresources: {a: b}\ncode: .\ntype: python\n",
    "promptflow flex with names": "name: f\nentry: flow:Main\nimage: x\ncompute: serverless\n",
    "promptflow run": """
        $schema: https://azuremlschemas.azureedge.net/promptflow/latest/Run.schema.json
        name: r
        flow: .
        data: d.jsonl
        """,
    "promptflow run without schema": "name: r\nflow: .\ndata: d.jsonl\ncolumn_mapping: {q: '${data.q}'}\n",
    "promptflow connection": "name: c\ntype: custom\nconfigs: {a: b}\nsecrets: {k: <user-input>}\n",
    "promptflow tool": "name: t\ntype: python\nmodule: m\nfunction: f\ninputs: {a: {type: [string]}}\n",
    "OpenAPI": "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {}\ncomponents: {}\ntags: []\n",
    "CITATION": "cff-version: 1.2.0\ntitle: t\nauthors: [{name: x}]\ntype: software\nversion: 1.0.0\n",
    "dependabot": "version: 2\nupdates: [{package-ecosystem: pip, directory: /, schedule: {interval: daily}}]\n",
    "codecov": "coverage: {status: {project: {default: {target: auto}}}}\ncomment: false\n",
    "azureml v1 pipeline": """
        pipeline: {name: p, parameters: {}, default_compute: cpu, steps: {a: {type: PythonScriptStep}}}
        """,
    "azureml v1 inference": "entryScript: s.py\nruntime: python\ncondaFile: c.yml\n",
    "azureml v1 deployment": """
        computeType: AKS
        autoScaler: {autoscaleEnabled: true}
        containerResourceRequirements: {cpu: 1}
        """,
    "azureml v1 run configuration": """
        script: t.py
        arguments: []
        target: cpu
        framework: Python
        environment: {name: e}
        """,
    "azureml component SDK": """
        $schema: https://componentsdk.azureedge.net/jsonschema/CommandComponent.json
        name: c
        version: 0.0.1
        type: CommandComponent
        inputs: {x: {type: path}}
        command: python t.py
        environment: {conda: {conda_dependencies_file: c.yml}, os: Linux}
        """,
    "azureml-assets asset": """
        name: e
        version: auto
        type: environment
        spec: spec.yaml
        extra_config: environment.yaml
        """,
    "Azure configuration": "name: dev\nresource_group: rg\nworkspace_name: ws\nsubscription_id: s\n",
    "azd": "name: app\nmetadata: {template: t}\nservices: {api: {project: src, language: py, host: aca}}\n",
    "PSRule": "configuration: {A: b}\ninput: {pathIgnore: [x]}\nrequires: {PSRule: '>=2'}\n",
    "dbt project": "name: p\nversion: 1.0.0\nprofile: d\nmodels: {p: {materialized: view}}\n",
    "dbt models": "version: 2\nmodels: [{name: a, columns: []}]\nsources: [{name: b}]\n",
    "Kedro catalog": """
        iris: {type: pandas.CSVDataset, filepath: x.csv}
        model: {type: pickle.PickleDataset, filepath: m}
        """,
    "Kedro data set": "type: pandas.CSVDataset\npath: x\nname: y\n",
    "Feast": "project: p\nregistry: r.db\nprovider: local\nonline_store: {type: sqlite}\noffline_store: {type: file}\n",
    "Feast with a name": "name: p\noffline_store: {type: dask}\nregistry: r.db\n",
    "SkyPilot": "name: t\nresources: {accelerators: A100}\nsetup: pip install x\nrun: python t.py\nworkdir: .\n",
    "Determined": """
        name: x
        entrypoint: m:T
        searcher: {name: single, metric: a}
        resources: {slots_per_trial: 1}
        environment: {image: i}
        """,
    "W&B sweep": """
        program: t.py
        method: bayes
        metric: {name: a, goal: minimize}
        parameters: {lr: {min: 0}}
        command: [python]
        """,
    "Ray cluster": "cluster_name: c\nmax_workers: 2\nprovider: {type: aws}\ndocker: {image: x}\n",
    "SageMaker": "name: d\nendpoint_name: e\nmodel: s3://b/m.tar.gz\ninstance_type: ml.m5.large\nrole: r\n",
    "Sphinx": "project: x\nextensions: [a]\nsource: .\n",
    "Jupyter Book": "title: t\nauthor: a\nexecute: {execute_notebooks: force}\nsphinx: {config: {}}\n",
    "Home Assistant": "name: a\nversion: '1'\nslug: s\nimage: x\narch: [amd64]\ninit: false\n",
    "Schedule of another tool": "name: nightly\ntrigger: {cron: '0 4 * * *'}\njob: train\n",
    "Registry of another tool": "name: r\ntype: kubernetes\nnamespace: x\n",
    "Git mirror": "name: r\ntype: git\ntarget: https://example.org/r.git\nbranch: main\n",
    "Import of another tool": "name: r\npath: x\nsource: s3\nformat: csv\n",
    "Identity of another tool": "identity: {user: me, mail: me@example.org}\n",
    "Load balancer": "name: lb\ntraffic: {a: {weight: 1}}\n",
    "Task list": "jobs: [{name: a}]\ntype: cron\nsettings: {a: b}\n",
    "list": "- a\n- b\n",
    "text": "only text\n",
}
BROKEN_FOREIGN_FILES = {
    "Helm template": "name: {{ .Values.name }}\nimage: x\ncommand: y\nenvironment: z\ntype: a\n",
    "two documents": "kind: a\ntype: b\npath: c\n---\nkind: b\n",
    "Jinja": "{% if x %}\njobs: a\ninputs: b\ncode: c\n{% endif %}\n",
    "cookiecutter": "name: {{cookiecutter.name}}\ncompute: {{cookiecutter.compute}}\ncode: .\n",
    "flow": "$schema: https://azuremlschemas.azureedge.net/promptflow/latest/Flow.schema.json\ninputs: [\n",
    "tab": "command: a\n\tcode: b\n",
}


class OneFile:
    """The only file of a folder."""

    def __init__(self, text: str) -> None:
        self._raw = text.encode()

    def read_file(self, _path: str) -> bytes:
        return self._raw

    def exists(self, path: str) -> bool:
        return path == "f.yml"

    def display_path(self, path: str) -> str:
        return path


def dedented(text: str) -> str:
    """Return a text without the indentation of its lines in this file."""
    return text.replace("\n        ", "\n")


@pytest.mark.parametrize("name", FOREIGN_FILES)
def test_a_file_of_another_tool_is_no_asset(name):
    text = dedented(FOREIGN_FILES[name])
    assert detect_kind(parse_yaml("f.yml", text.encode())[0]) is None
    assert load_asset_file(OneFile(text), "f.yml") is None


@pytest.mark.parametrize(
    "text",
    [
        "name: CI\ndefaults: {deployment_name: x}\n",
        "name: web server\nimage: nginx\n",
        "name: web\nimage: nginx\nbuild: {path: .}\n",
        "name: lb\ntraffic: {a: 100}\n",
        "name: x\nresource_group: rg\n",
    ],
)
def test_a_file_that_is_an_asset_by_common_keys_only_gets_a_note_and_no_error(text):
    loaded = load_asset_file(OneFile(text), "f.yml")
    assert loaded is not None
    assert [(diagnostic.code, diagnostic.severity) for diagnostic in loaded.diagnostics] == [("kind-unknown", "note")]
    assert (loaded.asset, loaded.address) == (None, None)
    schema = "# yaml-language-server: $schema=../.mlgit/schemas/{}.schema.json\n"
    kind = detect_kind(parse_yaml("f.yml", text.encode())[0])
    assert kind is not None
    certain = load_asset_file(OneFile(schema.format(kind.name) + text), "f.yml")
    assert certain is not None
    assert Severity.ERROR in {diagnostic.severity for diagnostic in certain.diagnostics}


@pytest.mark.parametrize("name", BROKEN_FOREIGN_FILES)
def test_a_file_of_another_tool_that_is_not_yaml_is_no_asset(name):
    assert load_asset_file(OneFile(BROKEN_FOREIGN_FILES[name]), "f.yml") is None


@pytest.mark.parametrize(
    "text",
    [
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: [\n",
        "# yaml-language-server: $schema=https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: [\n",
        'command: "x\nenvironment: azureml:e:1\n',
    ],
)
def test_a_broken_file_with_a_sign_of_azure_ml_is_reported(text):
    loaded = load_asset_file(OneFile(text), "f.yml")
    assert loaded is not None
    assert [diagnostic.code for diagnostic in loaded.diagnostics] == ["yaml-syntax"]


@pytest.mark.parametrize(
    "text",
    [
        "parts:\n  - $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\n    name: a\n",
        "- name: a\n  $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n",
        "all:\n  a:\n    $schema: 'azureml/data.schema.json'\n",
    ],
)
def test_assets_inside_another_file_are_noted_with_their_place(text):
    loaded = load_asset_file(OneFile(text), "f.yml")
    assert loaded is not None
    (diagnostic,) = loaded.diagnostics
    assert (diagnostic.code, diagnostic.severity) == ("kind-unknown", Severity.NOTE)
    assert diagnostic.span is not None
    assert "$schema" in text.splitlines()[diagnostic.span.line - 1]
    assert "mlgit.yml" not in diagnostic.message + diagnostic.hint


FLOWS = {
    "flow.dag.yaml": "inputs: {q: {type: string}}\nnodes: []\nenvironment: {python_requirements_txt: r.txt}\n",
    "flow.flex.yaml": "entry: flow:Main\nenvironment: {python_requirements_txt: r.txt}\ninputs: {q: {type: object}}\n",
    "chat.yaml": "inputs: {q: {type: string}}\noutputs: {}\nnodes: [{name: a, type: llm}]\n",
    "run.yml": "flow: ./basic\nenvironment_variables: {A: b}\n",
    "other.yml": "$schema: https://azuremlschemas.azureedge.net/promptflow/latest/Run.schema.json\nconnections: {}\n",
}


class TwoFiles(OneFile):
    """A pipeline and a flow."""

    def __init__(self, pipeline: str, name: str, flow: str) -> None:
        self._texts = {"f.yml": pipeline, name: flow}

    def read_file(self, path: str) -> bytes:
        return self._texts[path].encode()

    def exists(self, path: str) -> bool:
        return path in self._texts


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_used_as_a_component_and_is_not_checked_as_one(name):
    pipeline = (
        "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\ntype: pipeline\n"
        f"compute: azureml:c\njobs:\n  a:\n    type: parallel\n    component: ./{name}\n    inputs: {{data: x}}\n"
    )
    loaded = load_asset_file(TwoFiles(pipeline, name, FLOWS[name]), "f.yml")
    assert loaded is not None
    assert [str(diagnostic) for diagnostic in loaded.diagnostics if diagnostic.severity is Severity.ERROR] == []
