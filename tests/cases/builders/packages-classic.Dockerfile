# environment/tiny, made by mlgit. requirements.txt is its lock: versions and hashes.
FROM python@sha256:<digest> AS packages
USER root
COPY . /tmp/mlgit/
RUN python3 -m venv /opt/mlgit/environment && \
    PIP_CONFIG_FILE=/tmp/mlgit/pip.conf /opt/mlgit/environment/bin/python -m pip install --no-cache-dir \
      --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
      --requirement /tmp/mlgit/requirements.txt
FROM python@sha256:<digest>
COPY --from=packages /opt/mlgit/environment /opt/mlgit/environment
ENV VIRTUAL_ENV=/opt/mlgit/environment PATH=/opt/mlgit/environment/bin:$PATH
ENV GREETING="good \"day\""
