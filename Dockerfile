# One service: UI, API and engine in one process. Models and documents live in the volume /data.
FROM python:3.12-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
WORKDIR /quire
ENV PYTHON=python3.12
# For a GPU: --build-arg CMAKE_ARGS="-DGGML_CUDA=on" on a CUDA base image.
ARG CMAKE_ARGS=""
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY deploy ./deploy
COPY app ./app
COPY engine ./engine
COPY ingest ./ingest
COPY ui ./ui
RUN CMAKE_ARGS="$CMAKE_ARGS" sh deploy/setup.sh
COPY data ./data

FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 curl tesseract-ocr tesseract-ocr-chi-sim \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home --uid 10001 quire && mkdir /data && chown quire /data
COPY --from=build --chown=quire /quire /quire
USER quire
WORKDIR /quire
ENV QUIRE_HOME=/data QUIRE_HOST=0.0.0.0 PATH=/quire/.venv/bin:$PATH
VOLUME /data
EXPOSE 11434
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s CMD curl -fsS http://127.0.0.1:11434/healthz || exit 1
CMD ["quire", "up"]
