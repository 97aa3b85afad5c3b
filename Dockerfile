# One image, two commands: `python -m service` (the default) and `python -m workers`.
# For x86-64 and ARM64: docker buildx build --platform linux/amd64,linux/arm64 .
FROM python:3.11-slim AS packages

# The files whose hashes locks/run.txt has, wheels only: nothing is compiled, and nothing of pip stays.
RUN python -m venv --without-pip /opt/packages
COPY locks/run.txt ./
RUN pip --python /opt/packages/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r run.txt

FROM python:3.11-slim

ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Darkroom" \
    org.opencontainers.image.description="Enlarge photographs with neural networks, and resize, crop, blur or convert them, over HTTP" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/packages/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/home/darkroom/data \
    TMPDIR=/home/darkroom/data/tmp

# A volume that is mounted there begins with what is there: folders of the user's own.
RUN useradd --system --uid 10001 --create-home darkroom \
    && install -d -o darkroom -g darkroom -m 700 /home/darkroom/data /home/darkroom/data/tmp
WORKDIR /app

COPY --from=packages /opt/packages /opt/packages
COPY models models
COPY service service
COPY workers workers
COPY weights weights
# The user cannot write there: else each process, and each health check, compiles all modules again.
RUN python -m compileall -q models service workers

# By number: Kubernetes cannot tell whether a name is root's.
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service", "health"]
CMD ["python", "-m", "service"]
