# syntax=docker/dockerfile:1
# The web process as a container image. docs/deployment.md says how to use it. This file has not been run with a container
# engine; tests/test_container.py checks what can be checked without one.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt

FROM python:3.11-slim
RUN groupadd --system --gid 10001 app && useradd --system --uid 10001 --gid app --no-create-home app
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/asin-desk
COPY app/ app/
COPY config.py gunicorn.conf.py wsgi.py ./
# The files belong to root, so that the process cannot change its own code.
USER 10001:10001
# /dev/shm is in memory: gunicorn's heartbeat must not wait for a disk.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    PORT=8000 \
    GUNICORN_CMD_ARGS="--worker-tmp-dir=/dev/shm"
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=2)"]
CMD ["gunicorn", "wsgi:app"]
