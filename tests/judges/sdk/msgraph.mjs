// Drives an imitation of Microsoft Graph with Microsoft's own client: node msgraph.mjs BASE TOKEN
// BASE is the root of the API, like http://127.0.0.1:4000/v1.0. Needs the package @microsoft/microsoft-graph-client 3.
// The client sends its token over https only, so its requests are addressed to the real host and sent to BASE by `fetch`.
import assert from 'node:assert/strict';
import { Client } from '@microsoft/microsoft-graph-client';

const [base, token] = process.argv.slice(2);
if (!base || !token) {
  console.error('usage: node msgraph.mjs BASE TOKEN');
  process.exit(2);
}
const real = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const url = typeof input === 'string' ? input : input.url;
  return real(url.replace(/^https:\/\/graph\.microsoft\.com\/v1\.0/, base.replace(/\/$/, '')), init);
};
const client = Client.init({ authProvider: (done) => done(null, token) });
const name = `judge ${Date.now()} #1.txt`;
const at = (path) => `/me/drive/root:/${path.split('/').map(encodeURIComponent).join('/')}`;

const me = await client.api('/me').get();
assert.ok(me.id && me.displayName, 'me');

const folder = await client.api('/me/drive/root/children')
  .post({ name: `judge ${Date.now()}`, folder: {}, '@microsoft.graph.conflictBehavior': 'fail' });
assert.ok(folder.folder, 'create folder');

const made = await client.api(`${at(`${folder.name}/${name}`)}:/content`).put('hello');
assert.equal(made.name, name, 'create');
assert.equal(made.size, 5);

const listed = await client.api(`/me/drive/items/${folder.id}/children`).top(1).select('id,name').get();
assert.deepEqual(listed.value.map((item) => item.name), [name], 'list');

const read = await client.api(`/me/drive/items/${made.id}`).get();
assert.equal(read.eTag, made.eTag, 'read');
const stream = await client.api(`/me/drive/items/${made.id}/content`).getStream();
assert.equal(await new Response(stream).text(), 'hello', 'download');

const renamed = await client.api(`/me/drive/items/${made.id}`).patch({ name: `renamed ${name}` });
assert.equal(renamed.name, `renamed ${name}`, 'update');

const found = await client.api(`/me/drive/root/search(q='renamed judge')`).get();
assert.ok(found.value.some((item) => item.id === made.id), 'search');

await client.api(`/me/drive/items/${folder.id}`).delete();
await assert.rejects(client.api(`/me/drive/items/${made.id}`).get(), (error) => {
  assert.equal(error.statusCode, 404, 'read-missing');
  assert.equal(error.code, 'itemNotFound');
  return true;
});
console.log('msgraph: create, list, read, update, search, delete and read-missing held');
