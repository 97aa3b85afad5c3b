# One image, two commands: `python -m service` (the default) and `python -m workers`.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/home/darkroom/data

RUN useradd --system --uid 10001 --create-home darkroom
WORKDIR /app

COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt -c constraints.txt

COPY models models
COPY service service
COPY workers workers
COPY weights weights

USER darkroom
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "service", "health"]
CMD ["python", "-m", "service"]
