# repwatch in a container of its own: nothing but the program and the authorities that
# vouch for certificates.
#
#   docker build -t repwatch .
#   docker run --network host -v /etc/repwatch:/etc/repwatch:ro -v repwatch:/var/lib/repwatch \
#     -v repwatch-run:/run/repwatch repwatch
#
# --network host, because a probe must leave from the sending address, and NAT hides it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/usr/bin/repwatch ./cmd/repwatch \
	&& install -d /out/etc/repwatch /out/etc/ssl/certs /out/tmp \
	&& install -d -o 65532 -g 65532 -m 0750 /out/var/lib/repwatch /out/run/repwatch \
	&& install -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/ /
# nobody in particular; volumes begin with the owner of what they cover
USER 65532:65532
VOLUME /var/lib/repwatch
EXPOSE 8025
ENTRYPOINT ["/usr/bin/repwatch"]
CMD ["run", "-c", "/etc/repwatch/repwatch.yaml"]
