// Relative to this page: right under every stage prefix.
SwaggerUIBundle({
  url: new URL("openapi.json", location.href).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  // The default asks a server on the Internet.
  validatorUrl: null,
});
