// Drives the sandbox of a WebDAV server with a client of many years (npm `webdav`): webdav.mjs URL USER PASSWORD
import assert from 'node:assert/strict';
import { AuthType, createClient } from 'webdav';

const [url, username, password] = process.argv.slice(2);

async function refused(call, status) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status, status, String(error));
    return true;
  });
}

async function drive(authType, folder) {
  const share = createClient(url, { authType, username, password });
  await share.createDirectory(`${folder}/Sub/deep`, { recursive: true });
  await refused(() => share.createDirectory(folder), 405);

  const odd = `${folder}/Öff & Co (1) 100%.txt`;
  assert.equal(await share.putFileContents(odd, 'first'), true);
  assert.equal(await share.putFileContents(odd, 'second', { overwrite: false }), false, 'what is there stays');
  assert.equal(await share.getFileContents(odd, { format: 'text' }), 'first');
  const told = await share.stat(odd);
  assert.deepEqual([told.type, told.size, told.basename, told.mime], ['file', 5, 'Öff & Co (1) 100%.txt', 'text/plain']);
  assert.ok(told.etag && Date.parse(told.lastmod) > 0);

  const names = (items) => items.map((item) => item.basename).sort();
  assert.deepEqual(names(await share.getDirectoryContents(folder)), ['Sub', 'Öff & Co (1) 100%.txt']);
  await share.copyFile(odd, `${folder}/Sub/copy.txt`);
  await share.moveFile(`${folder}/Sub`, `${folder}/Moved`);
  assert.deepEqual(names(await share.getDirectoryContents(`${folder}/Moved`)), ['copy.txt', 'deep']);
  assert.equal(await share.exists(`${folder}/Sub`), false);
  await refused(() => share.moveFile(odd, `${folder}/Moved/copy.txt`, { overwrite: false }), 412);

  const lock = await share.lock(odd);
  await refused(() => share.putFileContents(odd, 'other'), 423);
  await share.putFileContents(odd, 'mine', { headers: { If: `(<${lock.token}>)` } });
  await share.unlock(odd, lock.token);
  await share.putFileContents(odd, 'free');
  assert.equal(await share.getFileContents(odd, { format: 'text' }), 'free');

  // A quota is told to those who ask for it by name, which `getQuota` does not.
  const data = '<D:propfind xmlns:D="DAV:"><D:prop><D:quota-used-bytes/><D:quota-available-bytes/></D:prop></D:propfind>';
  const quota = await (await share.customRequest('/', { method: 'PROPFIND', headers: { Depth: '0' }, data })).text();
  assert.match(quota, /quota-used-bytes>[1-9]\d*<.*quota-available-bytes>[1-9]\d*</s);
  await share.deleteFile(folder);
  await refused(() => share.stat(odd), 404);
  await refused(() => share.deleteFile(folder), 404);
  // After a digest the client looks at the body alone.
  await assert.rejects(() => createClient(url, { authType, username, password: 'wrong' }).stat('/'));
}

await refused(() => createClient(url, { authType: AuthType.Password, username, password: 'wrong' }).stat('/'), 401);
await drive(AuthType.Password, '/Judged by name');
await drive(AuthType.Digest, '/Judged by digest');
console.log('webdav: ok');
