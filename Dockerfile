# One image, two commands: `python -m service` (the default) and `python -m workers`.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/home/darkroom/data \
    TMPDIR=/home/darkroom/data/tmp

# A volume that is mounted there begins with what is there: folders of the user's own.
RUN useradd --system --uid 10001 --create-home darkroom \
    && install -d -o darkroom -g darkroom -m 700 /home/darkroom/data /home/darkroom/data/tmp
WORKDIR /app

COPY locks/run.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r run.txt

COPY models models
COPY service service
COPY workers workers
COPY weights weights
# The user cannot write there: else each process, and each health check, compiles all modules again.
RUN python -m compileall -q models service workers

USER darkroom
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service", "health"]
CMD ["python", "-m", "service"]
