# The container of trials in the cloud: architecture search, tuning, full training. `nas vertex build` builds it with your own
# files in extra/; `docker build --tag IMAGE .` without. It has no entry point: jobs say what runs, as `nas trial` or
# `python -m trainer.task`.

ARG PYTHON=3.11.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
# e.g. "tensorflow[and-cuda]" for machines with NVIDIA GPUs; versions are those of the locks
ARG MORE=""
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --requirement requirements.lock --constraint requirements-dev.lock \
    google-cloud-storage ${MORE}
COPY . .
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps . && mkdir -p extra

FROM python:${PYTHON}
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2
RUN useradd --uid 1000 --create-home trainer
USER trainer
WORKDIR /home/trainer
# your own trainer and spaces, from `nas vertex build --add`
COPY --from=build --chown=trainer /build/extra/ ./
CMD ["nas", "--help"]
