# One service: interface, API and engine in one process. Documents and models live in the volume /data;
# nothing else is written but /tmp, so the rest may be read-only.
#
#   docker build -t quire .                           for processors with AVX2; NATIVE=ON: for this one alone, faster
#   docker build -t quire:cuda \
#     --build-arg BUILD_BASE=nvidia/cuda:12.6.3-devel-ubuntu24.04 \
#     --build-arg RUN_BASE=nvidia/cuda:12.6.3-runtime-ubuntu24.04 \
#     --build-arg CMAKE_ARGS=-DGGML_CUDA=on .         for NVIDIA cards
ARG BUILD_BASE=python:3.12.12-slim-bookworm
ARG RUN_BASE=python:3.12.12-slim-bookworm

FROM ${BUILD_BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PYTHON=python3.12
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends build-essential \
    && { command -v python3.12 || apt-get install -y --no-install-recommends python3.12-dev python3.12-venv; } \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /quire
# OFF: any processor with AVX2 may run the image; ON: only one like the builder's.
ARG NATIVE=OFF
ARG CMAKE_ARGS=""
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What changes rarely comes first. With packages that are still empty, setup installs everything that they
# need and notes where they will lie; a change of the source then compiles nothing again.
COPY pyproject.toml constraints.txt LICENSE ./
COPY deploy/setup.sh deploy/starters.txt deploy/
RUN mkdir app engine ingest ui && touch README.md app/__init__.py engine/__init__.py ingest/__init__.py ui/__init__.py \
    && CMAKE_ARGS="-DGGML_NATIVE=${NATIVE} ${CMAKE_ARGS}" TORCH_INDEX="${TORCH_INDEX}" sh deploy/setup.sh
COPY data data
COPY engine engine
COPY ingest ingest
COPY ui ui
COPY app app
# The file system is read-only later; nobody could keep the compiled modules then.
RUN .venv/bin/python -m compileall -q app engine ingest ui && .venv/bin/quire --help >/dev/null

FROM ${RUN_BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Quire" \
      org.opencontainers.image.description="A private knowledge base with its inference engine inside" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV DEBIAN_FRONTEND=noninteractive
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 tesseract-ocr tesseract-ocr-chi-sim \
    && { command -v python3.12 || apt-get install -y --no-install-recommends python3.12; } \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 quire \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin quire \
    && install -d -o 10001 -g 10001 -m 0750 /data
# Owned by root: the program cannot change itself.
COPY --from=build /quire /quire
WORKDIR /quire
# Whatever a library would keep in a home goes to /data, what may be forgotten to /tmp; but what SQLite
# lays aside while it tidies up may be as large as the library, and /tmp may be memory.
ENV PATH=/quire/.venv/bin:$PATH \
    QUIRE_HOME=/data QUIRE_HOST=0.0.0.0 \
    HOME=/data TMPDIR=/tmp \
    XDG_CACHE_HOME=/data/.cache XDG_CONFIG_HOME=/data/.config XDG_DATA_HOME=/data/.local/share \
    HF_HOME=/data/.cache/huggingface NLTK_DATA=/data/.cache/nltk \
    SQLITE_TMPDIR=/data NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 11434
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:11434/healthz', timeout=4)"]
# It listens on all addresses, so it asks for keys: QUIRE_ADMIN_KEY_FILE names a file that holds one.
CMD ["quire", "up"]
