# The server and the client, and nothing else: no shell, no libraries.
#
#	docker build -t parity .
#
# docs/operations.md, "Running it for real", has the commands to run it.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git: the programs tell the commit that they were built from.
COPY . .
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags='-s -w' -o /out/ ./server ./client
RUN mkdir -p /empty/data /empty/files

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/server /out/client /usr/local/bin/
# A volume takes the owner of the directory that it covers.
COPY --from=build --chown=65532:65532 /empty/data /data
COPY --from=build /empty/files /files

# By number: Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
WORKDIR /data
# Without TLS, or --insecure, the server refuses to start on an address that others reach.
ENV PATH=/usr/local/bin \
    PARITY_GRPC=:50051 \
    PARITY_LEGACY=:2004 \
    PARITY_DATA_DIR=/data
# The register and the log. Mount the files to be served at /files, read-only.
VOLUME /data
EXPOSE 50051 2004 9090

# With TLS it needs PARITY_CLIENT_TLS_CA, and a certificate for localhost.
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s --retries=3 \
    CMD ["/usr/local/bin/client", "ping", "--count=1", "--timeout=3s"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/server"]
CMD ["serve", "/files"]
