// Relative to this page, which is right for every stage prefix.
SwaggerUIBundle({
  url: new URL("openapi.json", location.href).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  // The default is a service on the Internet.
  validatorUrl: null,
});
