# UFO-MAML for the CPU (default) or CUDA devices:
#   docker build -t ufo-maml .
#   docker build -t ufo-maml:cuda --build-arg VARIANT=cuda .
#   docker run --rm -v "$PWD/runs:/work/runs" ufo-maml train configs/quickstart.json
FROM debian:bookworm-slim AS build
ARG VARIANT=cpu
WORKDIR /opt/ufo-maml
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends git ca-certificates
RUN scripts/setup --no-tests $([ "$VARIANT" = cuda ] && echo --cuda)
# What the program loads, and nothing else, under the paths it was linked with.
RUN set -e; mkdir -p /image/opt/ufo-maml/build/release; \
    cp build/release/ufo-maml /image/opt/ufo-maml/build/release/; \
    cp -r configs data LICENSE /image/opt/ufo-maml/; \
    ldd build/release/ufo-maml | awk '/\.deps/ {print $3}' | sort -u | \
      while read -r library; do mkdir -p "/image$(dirname "$library")"; cp -L "$library" "/image$library"; done

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
      libopencv-core406 libopencv-imgproc406 libopencv-imgcodecs406 libarchive13 libspdlog1.10 zlib1g \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home ufo && mkdir -p /work/runs && chown -R ufo /work
COPY --from=build /image/ /
RUN ln -s /opt/ufo-maml/build/release/ufo-maml /usr/local/bin/ufo-maml && \
    ln -s /opt/ufo-maml/configs /opt/ufo-maml/data /work/
USER ufo
WORKDIR /work
VOLUME /work/runs
ENTRYPOINT ["ufo-maml"]
