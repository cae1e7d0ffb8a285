// Shows /openapi.json with Swagger UI. What is tried out runs in the reader's own session, with its CSRF token.
"use strict";

const SAFE = ["GET", "HEAD", "OPTIONS"];

async function withCsrfToken(request) {
  if (!SAFE.includes(request.method?.toUpperCase() ?? "GET")) {
    const session = await fetch("/api/auth/session");
    if (session.ok) request.headers["X-CSRF-Token"] = (await session.json()).csrf_token;
  }
  return request;
}

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  requestInterceptor: withCsrfToken,
});
