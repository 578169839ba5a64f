"""Which conda packages are published on PyPI too: known by a table, because plans and checks ask no index.

A name is in the list only if the package of conda and that of PyPI are releases of one project. Many are not:
``graphviz`` is a program in conda, and a binding for it on PyPI.
"""

from __future__ import annotations

from packaging.utils import canonicalize_name

# The same project under the same name.
_SAME_NAME = """
    absl-py accelerate adal adlfs aiobotocore aiofiles aiohttp alembic altair anyio appdirs argcomplete argon2-cffi
    arrow arviz asgiref asn1crypto astropy astunparse async-timeout attrs autopep8 azure-common azure-core
    azure-cosmos azure-identity azure-keyvault-secrets azure-mgmt-core azure-storage-blob azure-storage-common babel
    backcall bcrypt beautifulsoup4 biopython black bleach blinker bokeh boto3 botocore bottleneck build cachetools
    captum cartopy catboost category-encoders causalml cerberus certifi cffi cftime chardet charset-normalizer click
    cloudpickle cmdstanpy colorama coloredlogs colorlog commonmark configparser contourpy coverage croniter
    cryptography cvxopt cvxpy cycler cython cytoolz dask dask-ml databricks-cli datasets datashader debugpy
    decorator deepdiff deepspeed defusedxml deprecated dill diskcache distributed django dnspython docutils dtreeviz
    dvc econml eli5 emcee entrypoints evaluate faker fastai fastapi fastparquet feather-format featuretools filelock
    fiona flake8 flask flax folium fonttools formulaic frozendict frozenlist fs fs-gcsfs fsspec future gast gcsfs
    gensim geographiclib geopandas geopy gitdb gitpython google-api-core google-auth google-auth-oauthlib
    google-cloud-bigquery google-cloud-core google-cloud-storage google-pasta greenlet grpcio grpcio-tools gunicorn
    gym h2 h5py hdbscan heapdict hmmlearn holidays holoviews httpcore httplib2 httpx huggingface-hub humanfriendly
    hydra-core hyperopt hypothesis idna imageio imageio-ffmpeg imbalanced-learn implicit importlib-metadata
    importlib-resources iniconfig interpret ipykernel ipympl ipython ipython-genutils ipywidgets isodate isort
    itsdangerous jax jaxlib jedi jinja2 jmespath joblib jsonpickle jsonschema jupyter jupyter-client jupyter-console
    jupyter-core jupyter-server jupyter-server-proxy jupyterlab jupyterlab-server kafka-python keras
    keras-preprocessing kiwisolver kombu kornia lap librosa lightfm lightgbm lightning lime llvmlite locket loguru
    lxml lz4 mako markdown markdown-it-py markupsafe marshmallow matplotlib matplotlib-inline mccabe mistune mkdocs
    mlflow mlflow-skinny mlxtend mock more-itertools moto mpi4py mpmath msal msal-extensions msrest msrestazure
    multidict multiprocess munch mypy mypy-extensions mysql-connector-python mysqlclient namex nbclient nbconvert
    nbdime nbformat nest-asyncio netcdf4 networkx nibabel nltk nose notebook numba numcodecs numexpr numpy numpydoc
    nvidia-ml-py oauthlib omegaconf onnx onnxruntime openpyxl opt-einsum optax optuna orjson osmnx packaging pandas
    pandas-datareader pandas-profiling pandera pandocfilters panel papermill param paramiko parso partd pathos
    pathspec patsy pbr pdfminer-six peft pendulum pexpect pickleshare pika pillow pip pip-tools platformdirs plotly
    pluggy ply polars pooch portalocker pre-commit prettytable progressbar2 prometheus-client prompt-toolkit prophet
    protobuf psutil psycopg2 ptyprocess pulp pure-eval py py-cpuinfo py4j pyarrow pyasn1 pyasn1-modules pybind11
    pycaret pycocotools pycodestyle pycparser pycryptodome pydantic pydantic-core pydicom pydot pydotplus pyflakes
    pygithub pygments pyjwt pylint pymc pymongo pymssql pymysql pynacl pyodbc pyopenssl pypandoc pyparsing pyperclip
    pyproj pyrsistent pyshp pysocks pyspark pystan pytesseract pytest pytest-asyncio pytest-cov pytest-mock
    pytest-xdist python-dateutil python-dotenv python-json-logger python-levenshtein python-multipart python-slugify
    pytorch-lightning pytz pywavelets pyyaml pyzmq querystring-parser rapidfuzz rasterio ray regex requests
    requests-oauthlib responses rich rouge-score rsa rtree ruamel.yaml s3fs s3transfer sacremoses safetensors
    scikit-image scikit-learn scikit-optimize scikit-plot scikit-survival scipy seaborn selenium send2trash
    sentence-transformers sentencepiece seqeval setuptools setuptools-git setuptools-scm shap shapely shortuuid
    simplejson six sktime slicer smart-open smmap snakeviz sniffio snowballstemmer snowflake-connector-python
    sortedcontainers soundfile soupsieve spacy sphinx sqlalchemy sqlparse stack-data starlette statsmodels stevedore
    streamlit structlog sympy tabulate tblib tenacity tensorboard tensorboard-data-server tensorboardx tensorflow
    tensorflow-cpu tensorflow-datasets tensorflow-estimator tensorflow-hub tensorflow-probability tensorly termcolor
    terminado textblob threadpoolctl tifffile timm tinycss2 tokenizers toml tomli tomlkit toolz torchaudio
    torchmetrics torchvision tornado tox tqdm traitlets transformers tsfresh typeguard typer typing-extensions
    typing-inspect tzlocal ujson umap-learn uncertainties unidecode uritemplate urllib3 uvicorn vaex virtualenv
    visdom wandb watchdog wcwidth webencodings websocket-client websockets werkzeug wheel widgetsnbextension
    wordcloud wrapt xarray xgboost xlrd xlsxwriter xlwt xmltodict yapf yarl yellowbrick zarr zict zipp
"""

# The name on PyPI of what is called otherwise in conda.
_OTHER_NAME = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "fbprophet": "prophet",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "PyQt5",
    "pytables": "tables",
    "hiredis-py": "hiredis",
    "python-annoy": "annoy",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-core": "ray",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "redis-py": "redis",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
}

# Libraries that packages of PyPI, or Python, bring along as far as they need them.
_BUNDLED = """
    _libgcc_mutex _openmp_mutex blas ca-certificates cpuonly cuda cuda-toolkit cudatoolkit cudnn intel-openmp
    libblas libffi libgcc libgcc-ng libgomp libopenblas libstdcxx-ng libuuid mkl mkl-service nccl ncurses nomkl
    openblas openssl python_abi pytorch-cuda pytorch-mutex readline sqlite tk xz zlib
"""


def is_on_pypi(name: str) -> bool:
    """Return True if PyPI has the same project under the same name as conda."""
    return canonicalize_name(name) in _CANONICAL_NAMES


def missing_package_hint(name: str) -> str:
    """Return what to do about a conda package that PyPI does not have under the same name."""
    if pypi_name := _OTHER_NAME.get(name):
        return f"PyPI has it as {pypi_name}: write that under 'pip:', or {CONDA_BUILDER}"
    if name in _BUNDLED_NAMES:
        return f"packages of PyPI bring what they need of it: remove it, or {CONDA_BUILDER}"
    return f"if PyPI has it, write it under 'pip:' with its name there; otherwise {CONDA_BUILDER}"


_CANONICAL_NAMES = frozenset(map(canonicalize_name, _SAME_NAME.split()))
_BUNDLED_NAMES = frozenset(_BUNDLED.split())
CONDA_BUILDER = "use a builder that runs conda (builders: {conda: {type: conda}} in mlgit.yml)"
"""What to do about a package that only conda has, where the environment may be a folder."""
