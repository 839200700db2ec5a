# The dashboard's files behind Nginx, and the gateway before them: one image, two commands.
ARG NODE=node:22.16.0-bookworm-slim
ARG NGINX=nginx:1.28.0-bookworm

FROM ${NODE} AS build
WORKDIR /frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY frontend .
RUN npm run --silent build -- --logLevel warn

FROM ${NGINX}
RUN install --directory --owner 101 --group 1000 --mode 0750 /certificate
COPY deploy/nginx /etc/labkit
COPY --from=build /frontend/dist /usr/share/labkit
USER 101:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --retries=3 CMD ["bash", "-c", "</dev/tcp/127.0.0.1/3000"]
ENTRYPOINT []
CMD ["nginx", "-c", "/etc/labkit/frontend.conf", "-g", "daemon off;"]
