// A client of many years against the imitation: node dynamics.mjs BASE_URL ACCESS_TOKEN
//
// Needs npm dynamics-web-api. Exits with 0 when everything is as the client expects it.

import assert from "node:assert/strict";
import { DynamicsWebApi } from "dynamics-web-api";

const [base, token] = process.argv.slice(2);
const org = new DynamicsWebApi({
  serverUrl: base,
  dataApi: { version: "9.2" },
  onTokenRefresh: async () => token,
});

const made = await org.create({
  collection: "contacts",
  data: { firstname: "Judge", lastname: "Byron", emailaddress1: "judge@example.test" },
  returnRepresentation: true,
});
assert.match(made.contactid, /^[0-9a-f-]{36}$/);
assert.equal(made.fullname, "Judge Byron");

const bare = await org.create({ collection: "accounts", data: { name: "Judge Ltd" } });
assert.match(String(bare), /^[0-9a-f-]{36}$/);

const all = await org.retrieveAll({ collection: "contacts", select: ["fullname"], maxPageSize: 2 });
assert.ok(all.value.some((row) => row.contactid === made.contactid));
assert.ok(all.value.length > 2);

const read = await org.retrieve({ collection: "contacts", key: made.contactid, select: ["lastname", "emailaddress1"] });
assert.equal(read.lastname, "Byron");

const changed = await org.update({
  collection: "contacts",
  key: made.contactid,
  data: { lastname: "King", "parentcustomerid_account@odata.bind": `/accounts(${bare})` },
  returnRepresentation: true,
});
assert.equal(changed.lastname, "King");
assert.equal(changed._parentcustomerid_value, String(bare));

const found = await org.retrieveMultiple({
  collection: "contacts",
  filter: "lastname eq 'King' and startswith(emailaddress1,'judge')",
  count: true,
});
assert.equal(found.value.length, 1);

assert.equal(await org.deleteRecord({ collection: "contacts", key: made.contactid }), true);
for (const attempt of [
  () => org.retrieve({ collection: "contacts", key: made.contactid }),
  () => org.update({ collection: "contacts", key: made.contactid, data: { lastname: "X" }, ifmatch: "*" }),
]) {
  await assert.rejects(attempt, (error) => error.status === 404 && error.code === "0x80040217");
}
await assert.rejects(
  () => org.retrieveMultiple({ collection: "contacts", filter: "nosuchcolumn eq 'x'" }),
  (error) => error.status === 400,
);
console.log("dynamics: ok");
