// Apart from the page, so that the Content-Security-Policy needs no 'unsafe-inline'.
"use strict";
window.addEventListener("load", () => {
  /** @type {any} */
  const { SwaggerUIBundle } = window;
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
  });
});
