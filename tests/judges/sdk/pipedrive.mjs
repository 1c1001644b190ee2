// Drives the sandbox of Pipedrive with the official client (npm `pipedrive`, version 2): pipedrive.mjs BASE_URL ACCESS_TOKEN,
// where BASE_URL is the root of the API without the version.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages are those of the working directory.
const require = createRequire(pathToFileURL(`${process.cwd()}/`));
const { Configuration, PersonsApi, DealsApi, OrganizationsApi, PersonFieldsApi } = require('pipedrive/v2');

const [base, token] = process.argv.slice(2);
if (!base || !token) {
  console.error('usage: pipedrive.mjs BASE_URL ACCESS_TOKEN');
  process.exit(2);
}

function check(condition, what) {
  if (!condition) {
    console.error(`pipedrive: ${what}`);
    process.exit(1);
  }
  console.log(`ok   ${what}`);
}

// What the provider says when a call is refused; the client hands on the body alone.
async function refused(call) {
  try {
    await call();
    return 'nothing';
  } catch (error) {
    return error.success === false ? `${error.code}: ${error.error}` : `no answer of the provider's: ${error}`;
  }
}

const configuration = new Configuration({ accessToken: token, basePath: `${base}/api/v2` });
const persons = new PersonsApi(configuration);
const deals = new DealsApi(configuration);

check((await refused(() => new PersonsApi(new Configuration({ apiKey: 'wrong', basePath: `${base}/api/v2` })).getPersons({}))) === 'ERR_GENERIC: unauthorized access', 'a wrong token is refused');

const organization = (await new OrganizationsApi(configuration).addOrganization({ AddOrganizationRequest: { name: 'Judge & Sons' } })).data;
check(organization.id > 0 && organization.name === 'Judge & Sons', 'an organization is made');
const made = (await persons.addPerson({ AddPersonRequest: { name: 'Ada Judge', org_id: organization.id, emails: [{ value: 'ada@judge.example', primary: true, label: 'work' }] } })).data;
check(made.first_name === 'Ada' && made.last_name === 'Judge' && made.org_id === organization.id, 'a person is made, its name in parts');
check(made.emails[0].value === 'ada@judge.example' && made.is_deleted === false, 'with its address');

const page = await persons.getPersons({ limit: 1 });
check(page.success && page.data.length === 1 && typeof page.additional_data.next_cursor === 'string', 'a list has pages');
const seen = [];
for (let cursor; ;) {
  const next = await persons.getPersons({ limit: 2, cursor });
  seen.push(...next.data.map((person) => person.id));
  cursor = next.additional_data.next_cursor ?? undefined;
  if (!cursor) break;
}
check(seen.includes(made.id) && new Set(seen).size === seen.length, 'the pages have every person once');
check((await persons.getPersons({ org_id: organization.id })).data.length === 1, 'a list is narrowed by a parameter');
check((await persons.getPersons({ updated_since: '2099-01-01T00:00:00Z' })).data.length === 0, 'or by a time');
check((await refused(() => persons.getPersons({ limit: 501 }))).startsWith('ERR_SCHEMA_VALIDATION_FAILED'), 'a page has 500 at most');
check(JSON.stringify((await persons.getPerson({ id: made.id })).data) === JSON.stringify(made), 'a read equals what was made');

const changed = (await persons.updatePerson({ id: made.id, UpdatePersonRequest: { job_title: 'Countess' } })).data;
check(changed.job_title === 'Countess' && changed.name === 'Ada Judge', 'an update changes what is sent');
const found = (await persons.searchPersons({ term: 'ada@judge' })).data.items;
check(found.length === 1 && found[0].item.id === made.id && found[0].item.emails[0] === 'ada@judge.example', 'a search finds it');
check((await refused(() => persons.searchPersons({ term: 'a' }))).startsWith('ERR_SCHEMA_VALIDATION_FAILED'), 'a search needs two characters');

const deal = (await deals.addDeal({ AddDealRequest: { title: 'Judgement', value: 19.99, person_id: made.id } })).data;
check(deal.status === 'open' && deal.value === 19.99, 'a deal is made');
check((await refused(() => deals.addDeal({ AddDealRequest: { value: 1 } }))).includes('title: is required'), 'a deal needs a title');
const fields = (await new PersonFieldsApi(configuration).getPersonFields({ limit: 500 })).data;
check(fields.some((field) => field.is_custom_field && /^[0-9a-f]{40}$/.test(field.field_code)), "the company's own fields are told");

check((await persons.deletePerson({ id: made.id })).data.id === made.id, 'a delete tells what is gone');
check((await refused(() => persons.getPerson({ id: made.id }))) === 'ERR_NOT_FOUND: Person not found', 'what is deleted is gone');
check((await refused(() => deals.getDeal({ id: 999999 }))) === 'ERR_NOT_FOUND: Deal not found', 'nothing is not found');
