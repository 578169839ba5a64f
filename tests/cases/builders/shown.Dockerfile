# environment/packages, made by mlgit. requirements.txt is its lock: versions and hashes.
FROM <base>
RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \
    --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip.conf \
    --mount=type=secret,id=ca.pem \
    python3 -m venv /opt/mlgit/environment && \
    PIP_CONFIG_FILE=/run/secrets/pip.conf /opt/mlgit/environment/bin/python -m pip install --disable-pip-version-check \
      --no-deps --only-binary :all: --require-hashes --requirement /tmp/requirements.txt
ENV VIRTUAL_ENV=/opt/mlgit/environment PATH=/opt/mlgit/environment/bin:$PATH
ENV GREETING="hello"
