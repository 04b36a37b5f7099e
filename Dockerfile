# UFO-MAML for the CPU (VARIANT=cpu, the default) or for CUDA devices (VARIANT=cuda); docs/docker.md tells how to use it.
#   docker build -t ufo-maml --build-arg REVISION="$(git describe --always --abbrev=40 --exclude='*' --dirty=+changes)" .
ARG VARIANT=cpu

FROM debian:bookworm-slim AS dependencies
ARG VARIANT
WORKDIR /opt/ufo-maml
COPY scripts/setup scripts/
RUN case "$VARIANT" in \
      cpu) scripts/setup --no-tests --dependencies ;; \
      cuda) scripts/setup --no-tests --dependencies --cuda ;; \
      *) echo "VARIANT is cpu or cuda, not $VARIANT" >&2; exit 2 ;; \
    esac

# What LibTorch loads, by name or by itself, under the paths that the program is linked with, and its licences. Its symbol
# tables are left out: only a debugger reads them, and they are a fifth of it.
FROM dependencies AS libtorch
ARG VARIANT
RUN set -e; cd .deps/python/lib/python3*/site-packages; image="/image$PWD"; mkdir -p "$image"; \
    roots=torch/lib/libtorch_cpu.so; \
    if [ "$VARIANT" = cuda ]; then \
      roots="$roots torch/lib/libtorch_cuda.so torch/lib/libtorch_cuda_linalg.so torch/lib/libcaffe2_nvrtc.so"; \
      roots="$roots $(echo nvidia/*/lib/libcudnn_*.so.* nvidia/*/lib/libnvrtc-builtins.so.*)"; \
    fi; \
    loaded="$(ldd $roots | awk '/\/site-packages\// {print $3}')"; \
    realpath --relative-to=. $roots $loaded | sort -u | xargs cp --parents -t "$image"; \
    find ./*.dist-info -iname 'licen[cs]e*' -o -iname 'notice*' | xargs cp -r --parents -t "$image"; \
    strip --strip-unneeded "$image"/torch/lib/libtorch*.so

# The revision comes after the compilation, so that another one compiles nothing but the file that holds it.
FROM dependencies AS build
ARG VARIANT
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY include include
COPY src src
RUN scripts/setup --no-tests $([ "$VARIANT" = cpu ] || echo --cuda)
ARG REVISION
RUN UFO_REVISION="$REVISION" scripts/setup --no-tests $([ "$VARIANT" = cpu ] || echo --cuda)
# Debian's packages of the libraries that the program names and the wheel does not have.
RUN set -e; for library in $(objdump -p build/release/ufo-maml | awk '$1 == "NEEDED" {print $2}'); do \
      [ -n "$(find .deps -name "$library")" ] || dpkg -S "*/$library"; \
    done | cut -d: -f1 | sort -u > packages.txt; test -s packages.txt

FROM debian:bookworm-slim
COPY --from=build /opt/ufo-maml/packages.txt /opt/ufo-maml/
# OpenCV's packages bring drivers and tables for drawing and for maps, 180 MB that nothing here opens.
RUN apt-get update && xargs apt-get install -y --no-install-recommends < /opt/ufo-maml/packages.txt && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/proj \
      /usr/lib/x86_64-linux-gnu/dri /usr/lib/x86_64-linux-gnu/libLLVM* /usr/lib/x86_64-linux-gnu/libz3.so*
# Any user may write into the volumes and the cache of decoded images, so that docker run --user works.
RUN useradd --uid 1000 --user-group --home-dir /work --no-create-home ufo && \
    install -d /work /work/data && install -d -m 1777 /work/runs /work/cache /work/data/mini_imagenet
COPY --from=libtorch /image/ /
COPY LICENSE /opt/ufo-maml/
COPY data/omniglot /work/data/omniglot
COPY configs /work/configs
COPY --from=build /opt/ufo-maml/build/release/ufo-maml /opt/ufo-maml/build/release/libufo_cuda.so /usr/local/bin/
ENV XDG_CACHE_HOME=/work/cache NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER ufo
WORKDIR /work
VOLUME /work/runs /work/data/mini_imagenet
ENTRYPOINT ["ufo-maml"]
ARG REVISION
LABEL org.opencontainers.image.title="UFO-MAML" org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION"
