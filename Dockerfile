# The controller, on any architecture that the base image exists for. Python and Mosquitto are the base's own, a
# Debian's, because the usual Python images do not exist for all of them.
#
# To install Python packages from somewhere else, give pip's configuration as a secret:
#     podman build --secret id=pip.conf,src=/etc/pip.conf .
ARG BASE=debian:12-slim

FROM ${BASE} AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq5 mosquitto python3 \
    && rm -rf /var/lib/apt/lists/*

FROM base AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /src
COPY build-requirements.lock ./
COPY controller/requirements.lock controller/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement build-requirements.lock \
    && python3 -m venv --without-pip /opt/polyfleet \
    && /opt/build/bin/pip --python /opt/polyfleet/bin/python \
        install --no-cache-dir --require-hashes --requirement controller/requirements.lock
COPY shared shared
COPY controller controller
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist ./shared ./controller \
    && /opt/build/bin/pip --python /opt/polyfleet/bin/python install --no-deps --no-index /dist/*.whl

FROM base
COPY --from=builder /opt/polyfleet /opt/polyfleet
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/polyfleet-controller polyfleet-controller
USER polyfleet-controller
ENV PATH=/opt/polyfleet/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/polyfleet-controller
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python3", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/v1/health', timeout=4)"]
ENTRYPOINT ["polyfleet-controller"]
CMD ["serve"]
