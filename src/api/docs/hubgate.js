// Fills the list of documents, and puts the credentials typed above into every call. Nothing is stored.
"use strict";

const base = location.pathname.replace(/\/docs\/?$/, "");
const choice = document.getElementById("document");
const credentials = document.getElementById("authorization");
const problem = document.getElementById("problem");

const withCredentials = (request) => {
  if (credentials.value) request.headers.Authorization = credentials.value;
  return request;
};

const read = async (path) => {
  const request = withCredentials({ headers: {} });
  const response = await fetch(base + path, { headers: request.headers });
  const body = await response.json();
  if (!response.ok) throw new Error(body.message || response.statusText);
  return body;
};

const show = async (path) => {
  problem.textContent = "";
  try {
    SwaggerUIBundle({
      spec: await read(path),
      domNode: document.getElementById("viewer"),
      deepLinking: false,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      requestInterceptor: withCredentials,
      tryItOutEnabled: true,
    });
    history.replaceState(null, "", "#" + path);
  } catch (error) {
    problem.textContent = error.message;
  }
};

const add = (group, label, path) => {
  let place = choice.querySelector(`optgroup[label="${group}"]`);
  if (!place) {
    place = document.createElement("optgroup");
    place.label = group;
    choice.append(place);
  }
  const option = document.createElement("option");
  option.value = path;
  option.textContent = label;
  place.append(option);
};

const list = async () => {
  const chosen = choice.value || location.hash.slice(1) || "/docs/openapi/platform";
  choice.replaceChildren();
  add("Platform", "Catalog and instances", "/docs/openapi/platform");
  for (const hub of await read("/hubs?pageSize=500")) add("Hubs", hub.name, "/docs/openapi/hubs/" + hub.key);
  for (const key of await read("/elements/keys?pageSize=500")) add("Elements", key, "/docs/openapi/elements/" + key);
  if (credentials.value) {
    try {
      const found = await read("/instances?pageSize=500");
      for (const one of [].concat(found)) add("Instances", `${one.name} (${one.element.key})`, "/docs/openapi/instances/" + one.id);
    } catch (error) {
      problem.textContent = error.message;
    }
  }
  if ([...choice.options].some((option) => option.value === chosen)) choice.value = chosen;
  return choice.value;
};

choice.addEventListener("change", () => show(choice.value));
credentials.addEventListener("change", async () => {
  const before = choice.value;
  const now = await list();
  if (now !== before) await show(now);
});
list().then(show);
