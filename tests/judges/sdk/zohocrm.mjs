// Drives the sandbox of Zoho CRM with the official client (npm `@zohocrm/typescript-sdk-8.0`): zohocrm.mjs BASE_URL ACCESS_TOKEN,
// where BASE_URL is the API domain. The client reads what fields a module has before its first call of it.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// The packages are those of the working directory.
const require = createRequire(pathToFileURL(`${process.cwd()}/`));
const ZOHO = require('@zohocrm/typescript-sdk-8.0');
const API = '@zohocrm/typescript-sdk-8.0/dist/core/com/zoho/crm/api';
const record = (name) => require(`${API}/record/${name}`);
const coql = (name) => require(`${API}/coql/${name}`);
const only = (module) => module.MasterModel;

const [base, token] = process.argv.slice(2);
if (!base || !token) {
  console.error('usage: zohocrm.mjs BASE_URL ACCESS_TOKEN');
  process.exit(2);
}

function check(condition, what) {
  if (!condition) {
    console.error(`zohocrm: ${what}`);
    process.exit(1);
  }
  console.log(`ok   ${what}`);
}

// The client keeps what it knows of fields in a directory.
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'zohocrm-judge-'));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
const environment = ZOHO.DataCenter.setEnvironment(base, `${base}/oauth/v2/token`, `${base}/upload`);
const builder = await new ZOHO.InitializeBuilder();
await builder
  .environment(environment)
  .token(new ZOHO.OAuthBuilder().accessToken(token).findUser(false).build())
  .store(new ZOHO.FileStore(path.join(directory, 'tokens')))
  .SDKConfig(new ZOHO.SDKConfigBuilder().autoRefreshFields(false).pickListValidation(false).build())
  .resourcePath(directory)
  .logger(new ZOHO.LogBuilder().level(ZOHO.Levels.OFF).filePath(path.join(directory, 'log')).build())
  .initialize();

const RecordOperations = only(record('record_operations'));
const Record = only(record('record'));
const Body = only(record('body_wrapper'));
const Parameters = only(require('@zohocrm/typescript-sdk-8.0/dist/routes/parameter_map'));
const { GetRecordsParam } = record('record_operations');
const kind = (value) => value?.constructor?.name;

function body(fields) {
  const one = new Record();
  for (const [name, value] of Object.entries(fields)) one.addKeyValue(name, value);
  const wrapper = new Body();
  wrapper.setData([one]);
  return wrapper;
}

const contacts = new RecordOperations('Contacts');
const made = (await contacts.createRecords(body({ Last_Name: 'Judge', First_Name: 'Ada', Email: 'ada@judge.example' }))).getObject().getData()[0];
check(kind(made) === 'SuccessResponse' && made.getStatus().getValue() === 'success', 'a contact is made');
const id = made.getDetails().get('id');
check(/^\d{18}$/.test(String(id)), 'its identifier is told');

const lacking = (await contacts.createRecords(body({ First_Name: 'Ada', Last_Name: '' }))).getObject().getData()[0];
check(kind(lacking) === 'APIException' && lacking.getCode().getValue() === 'MANDATORY_NOT_FOUND', 'a row that lacks a field is refused by itself');

const read = (await contacts.getRecord(id)).getObject().getData()[0];
check(read.getKeyValue('Last_Name') === 'Judge' && read.getKeyValue('Owner') !== undefined, 'a read tells what was made');

const page = async (size, number) => {
  const parameters = new Parameters();
  await parameters.add(GetRecordsParam.FIELDS, 'Last_Name,Email');
  await parameters.add(GetRecordsParam.PER_PAGE, size);
  await parameters.add(GetRecordsParam.PAGE, number);
  return (await contacts.getRecords(parameters)).getObject();
};
const first = await page(2, 1);
check(first.getData().length === 2 && first.getInfo().getMoreRecords() === true, 'a list has pages');
const beyond = new Parameters();
await beyond.add(GetRecordsParam.FIELDS, 'Last_Name');
await beyond.add(GetRecordsParam.PAGE, 9);
check((await contacts.getRecords(beyond)).getStatusCode() === 204, 'an empty page has no content');
check(kind((await contacts.getRecords(new Parameters())).getObject()) === 'APIException', 'a list needs fields');

await contacts.updateRecord(id, body({ Last_Name: 'Jury' }));
check((await contacts.getRecord(id)).getObject().getData()[0].getKeyValue('Last_Name') === 'Jury', 'an update changes what is sent');

const queries = new (only(coql('coql_operations')))();
const query = new (only(coql('body_wrapper')))();
query.setSelectQuery("select Last_Name, Email from Contacts where (Last_Name = 'Jury' and Email like '%judge%') order by id asc limit 0, 5");
const found = (await queries.getRecords(query)).getObject();
check(found.getData().length === 1 && String(found.getData()[0].getId()) === String(id), 'a query finds it');

const gone = (await contacts.deleteRecord(id, new Parameters())).getObject().getData()[0];
check(kind(gone) === 'SuccessResponse', 'a delete tells of success');
check((await contacts.getRecord(id)).getStatusCode() === 204, 'what is deleted is gone');
