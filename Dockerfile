# Built with `docker build -t kubertnetes .`; runs as a user without rights, with its database in /data.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked && cp target/dist/kubertnetes /kubertnetes

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home kubertnetes
COPY --from=build /kubertnetes /usr/local/bin/kubertnetes
USER 10001
WORKDIR /data
VOLUME /data
ENV KUBERT_STORE__URL=sqlite:///data/kubertnetes.db
EXPOSE 8080
ENTRYPOINT ["kubertnetes"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
