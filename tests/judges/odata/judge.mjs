// An OData server that nobody here wrote, driven by the gateway's OData element: node judge.mjs HUBGATE_BINARY
//
// Needs npm @sap-ux/fe-mockserver-core. Exits with 0 when list, filter, order, create and read do through the gateway what
// they say. What this server and Dataverse do differently (the status of writes, $skip) is not asked for, nor what this
// server cannot read (quotes inside of texts).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const FEMockserver = createRequire(join(process.cwd(), "x.js"))("@sap-ux/fe-mockserver-core").default;
const here = dirname(fileURLToPath(import.meta.url));
const rows = mkdtempSync(join(tmpdir(), "odata-"));
const guid = (n) => `0000000${n}-51ca-ee11-9078-6045bd8c5a00`;
const people = [["Maya", "Ekström"], ["Seán", "O'Hara"], ["Giulia", "Rinaldi"], ["Zoë", "Rinaldi"]];
writeFileSync(join(rows, "contacts.json"), JSON.stringify(people.map(([firstname, lastname], n) => ({
  contactid: guid(n + 1), firstname, lastname, emailaddress1: `p${n}@example.test`,
  createdon: `2024-01-0${n + 1}T00:00:00Z`, modifiedon: `2024-01-0${n + 1}T00:00:00Z`,
}))));
writeFileSync(join(rows, "EntityDefinitions.json"), JSON.stringify([{ LogicalName: "contact", EntitySetName: "contacts" }]));
writeFileSync(join(rows, "attributes.json"), JSON.stringify(
  [["contactid", "Uniqueidentifier"], ["lastname", "String"], ["firstname", "String"], ["createdon", "DateTime"]].map(
    ([LogicalName, AttributeType]) => ({ EntityLogicalName: "contact", LogicalName, AttributeType, IsCustomAttribute: false }),
  ),
));
const mock = new FEMockserver({ services: [{ urlPath: "/api/data/v9.2", metadataPath: join(here, "service.xml"), mockdataPath: rows, generateMockData: false, watch: false }] });
await mock.isReady;
const router = mock.getRouter();
const server = createServer((request, response) => {
  // The server knows sets, not the functions beside them.
  if (request.url === "/api/data/v9.2/WhoAmI") {
    response.setHeader("content-type", "application/json");
    return response.end("{}");
  }
  router(request, response, () => { response.statusCode = 404; response.end(); });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const origin = `http://127.0.0.1:${server.address().port}`;

const gateway = spawn(process.argv[2], ["demo", "--json", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
let code = 1;
try {
  const told = JSON.parse((await createInterface({ input: gateway.stdout })[Symbol.asyncIterator]().next()).value);
  const instance = told.instances.dynamicscrmadfs;
  const ask = async (method, path, body, authorization = `Element ${instance.token}`) => {
    const answer = await fetch(told.baseUrl + path, {
      method, headers: { authorization, "content-type": "application/json" }, body: body && JSON.stringify(body),
    });
    return [answer.status, await answer.json().catch(() => null)];
  };
  const account = `User ${told.userSecret}, Organization ${told.organizationSecret}`;
  const [patched, why] = await ask("PATCH", `/instances/${instance.id}`, { configuration: { "base.url": origin } }, account);
  assert.equal(patched, 200, JSON.stringify(why));

  const names = async (query) => {
    const [status, list] = await ask("GET", `/hubs/crm/contacts?${new URLSearchParams(query)}`);
    assert.equal(status, 200, JSON.stringify(list));
    return list.map((one) => one.firstName);
  };
  assert.deepEqual(await names({ orderBy: "firstName" }), ["Giulia", "Maya", "Seán", "Zoë"]);
  assert.deepEqual(await names({ orderBy: "lastName desc, firstName desc" }), ["Zoë", "Giulia", "Seán", "Maya"]);
  for (const [where, expected] of [
    ["lastName='Rinaldi'", ["Giulia", "Zoë"]],
    ["lastName='Rinaldi' AND firstName!='Zoë'", ["Giulia"]],
    ["firstName='Maya' OR firstName='Zoë'", ["Maya", "Zoë"]],
    ["email LIKE 'p1%'", ["Seán"]],
    ["lastName LIKE '%nald%'", ["Giulia", "Zoë"]],
    ["createdDate > '2024-01-02T00:00:00Z'", ["Giulia", "Zoë"]],
    [`id="${guid(3)}"`, ["Giulia"]],
  ]) {
    assert.deepEqual(await names({ where, orderBy: "firstName" }), expected, where);
  }
  const [made, contact] = await ask("POST", "/hubs/crm/contacts", { firstName: "Ada", lastName: "Byron" });
  assert.equal(made, 200, JSON.stringify(contact));
  assert.equal(contact.lastName, "Byron");
  const [read, again] = await ask("GET", `/hubs/crm/contacts/${guid(1)}`);
  assert.deepEqual([read, again.firstName], [200, "Maya"]);
  assert.deepEqual(await names({ where: "lastName='Byron'" }), ["Ada"]);
  console.log("odata: ok");
  code = 0;
} catch (error) {
  console.error(error);
} finally {
  gateway.kill();
  server.close();
}
process.exit(code);
