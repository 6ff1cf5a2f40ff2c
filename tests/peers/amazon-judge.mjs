// Judges exchanges with a pretend Amazon by Amazon's own API models: one exchange a line on standard input, its verdict a line on
// standard output. What is a fault is decided by validators written elsewhere, which read Swagger 2.0 as it stands; here is only
// which operation was called, and which document a signed address is for.
//
// The models let every object have more than they name, so that Amazon can add to them. An app that is not Amazon's must not,
// and neither may a pretend Amazon: here a name that no model knows is a fault.
//
// An exchange: `method`, `target` (path and query as sent), `headers`, `body`, `status`, `answer_headers`, `answer`; bodies in
// base64, `answer` null where it was cut off. A verdict: `operation`, null where no model has it, and `faults`.
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import coercer from 'openapi-request-coercer';
import requestValidator from 'openapi-request-validator';
import responseValidator from 'openapi-response-validator';

const folder = new URL('amazon-models/', import.meta.url);
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

// Every object that names properties allows those only, unless its model says otherwise. Branches of alternatives are left
// open: they speak of properties that stand beside them.
function close(schema) {
  if (typeof schema !== 'object' || schema === null) return;
  if (schema.properties && schema.additionalProperties === undefined) schema.additionalProperties = false;
  for (const part of ['items', 'additionalProperties']) close(schema[part]);
  for (const part of ['properties', 'definitions']) Object.values(schema[part] ?? {}).forEach(close);
}

const read = (name) => JSON.parse(readFileSync(new URL(name, folder)));

// Formats that OpenAPI has beside those of JSON Schema are about how numbers are held.
const formats = Object.fromEntries(Object.entries(fullFormats).map(([name, format]) => {
  const test = format.validate ?? format;
  return [name, typeof test === 'function' ? test : (text) => test.test(text)];
}));

// A text that is not what it should be stays a text, which the validator then refuses.
const coercionStrategy = {
  integer: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
  boolean: (text) => ({ true: true, false: false })[text] ?? text,
};

const operations = [];
for (const name of readdirSync(folder).filter((name) => name.endsWith('.json') && !name.includes('-schema-'))) {
  const model = read(name);
  Object.values(model.definitions).forEach(close);
  const named = (parameter) => (parameter.$ref ? model.parameters[parameter.$ref.split('/').pop()] : parameter);
  for (const [path, item] of Object.entries(model.paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
    const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '([^/]+)').replaceAll('.', '\\.')}$`);
    for (const method of METHODS.filter((method) => item[method])) {
      const operation = item[method];
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(named);
      // As an own copy: the validators change what they are given.
      const own = () => structuredClone({ parameters, definitions: model.definitions, responses: operation.responses });
      const body = parameters.find((parameter) => parameter.in === 'body');
      operations.push({
        id: operation.operationId, method, pattern, names, body, last: names.at(-1),
        queries: parameters.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name),
        consumes: operation.consumes ?? model.consumes, produces: operation.produces ?? model.produces,
        coercer: new coercer.default({ ...own(), coercionStrategy }),
        request: new requestValidator.default({ parameters: own().parameters, schemas: own().definitions, customFormats: formats }),
        response: new responseValidator.default({ ...own(), customFormats: formats }),
      });
    }
  }
}

const ajv = addFormats(new Ajv({ allErrors: true, strict: false }));
const compiled = (name) => {
  const schema = read(name);
  close(schema);
  return ajv.compile(schema);
};
const FEED = compiled('listings-feed-schema-v2.json');
const REPORT = compiled('listings-feed-processing-report-schema-v2.json');

const told = (error) => [error.location, error.path ?? error.instancePath, error.message].filter(Boolean).join(' ');
const type = (headers) => (headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
const bytes = (text) => Buffer.from(text, 'base64');

// What a test adds to answers as a field nobody has documented is not the pretend Amazon's word.
const parse = (data) => JSON.parse(data.toString('utf8'), (name, value) => (name === 'zz_new' ? undefined : value));

function judgeRequest(operation, exchange, query) {
  const faults = [];
  const found = exchange.path.match(operation.pattern).slice(1).map(decodeURIComponent);
  const request = {
    headers: exchange.headers,
    params: Object.fromEntries(operation.names.map((name, at) => [name, found[at]])),
    query: {},
  };
  for (const [name, value] of query) {
    if (!operation.queries.includes(name)) faults.push(`query: ${name} is unknown`);
    else if (name in request.query) faults.push(`query: ${name} is given twice`);
    else request.query[name] = value;
  }
  if (exchange.body !== '') {
    if (!operation.body) faults.push('body: there is one, and the operation takes none');
    else if (!operation.consumes.includes(type(exchange.headers))) faults.push(`body: its type is ${type(exchange.headers)}`);
    try {
      request.body = parse(bytes(exchange.body));
    } catch (error) {
      return [...faults, `body: ${error.message}`];
    }
  }
  operation.coercer.coerce(request);
  return [...faults, ...(operation.request.validateRequest(request)?.errors ?? []).map(told)];
}

// A page in HTML is what stands before the API: it has no model.
function judgeAnswer(operation, exchange) {
  if (exchange.answer === null || type(exchange.answer_headers) === 'text/html') return { faults: [] };
  const data = bytes(exchange.answer);
  let answer;
  if (data.length > 0) {
    if (!operation.produces.includes(type(exchange.answer_headers))) {
      return { faults: [`answer: its type is ${type(exchange.answer_headers)}`] };
    }
    try {
      answer = parse(data);
    } catch (error) {
      return { faults: [`answer: ${error.message}`] };
    }
  }
  const wrong = operation.response.validateResponse(exchange.status, structuredClone(answer));
  return { answer, faults: (wrong?.errors ?? []).map((error) => `answer ${exchange.status}: ${told(error)}`) };
}

// Signed addresses, by what the pretend Amazon said of them, and what else one answer tells about another.
let documents, feedTypes, reportTypes, resultOf, reportOf;
const forget = () => { [documents, feedTypes, reportTypes, resultOf, reportOf] = Array.from({ length: 5 }, () => new Map()); };
forget();
const local = (url) => { const { pathname, search } = new URL(url); return pathname + search; };

function learn(operation, exchange, answer) {
  const id = decodeURIComponent(exchange.path.split('/').pop());
  const asked = exchange.body && parse(bytes(exchange.body));
  switch (operation.id) {
    case 'createFeedDocument':
      return documents.set(local(answer.url), { is: 'feed', contentType: asked.contentType });
    case 'getFeed':
      return resultOf.set(answer.resultFeedDocumentId, answer.feedType);
    case 'getFeedDocument':
      return documents.set(local(answer.url), { is: `result of ${resultOf.get(id)}`, gzip: answer.compressionAlgorithm });
    case 'getReport':
      return reportOf.set(answer.reportDocumentId, answer.reportType);
    case 'getReportDocument':
      return documents.set(local(answer.url), { is: reportOf.get(id), gzip: answer.compressionAlgorithm });
  }
}

function judgeJson(validate, data) {
  let document;
  try {
    document = parse(data);
  } catch (error) {
    return [error.message];
  }
  return validate(document) ? [] : validate.errors.map(told);
}

// What `GET_MERCHANT_LISTINGS_ALL_DATA` starts with in every marketplace; others follow by marketplace.
const COLUMNS = ['item-name', 'item-description', 'listing-id', 'seller-sku', 'price', 'quantity', 'open-date'];

function judgeTable(data, answerType) {
  const charset = /charset=([\w-]+)/i.exec(answerType ?? '')?.[1] ?? 'utf-8';
  const lines = new TextDecoder(charset).decode(data).split(/\r?\n/).filter((line) => line !== '');
  const header = (lines[0] ?? '').split('\t');
  const faults = COLUMNS.filter((name) => !header.includes(name)).map((name) => `the column ${name} is missing`);
  if (new Set(header).size !== header.length) faults.push('a column is there twice');
  lines.forEach((line, at) => {
    if (line.split('\t').length !== header.length) faults.push(`line ${at + 1} has another number of columns`);
  });
  return faults;
}

// A document, behind an address that is signed: whoever has it needs no token, and must not show one.
function judgeDocument(document, exchange) {
  const faults = [];
  if (exchange.headers['x-amz-access-token']) faults.push('the access token is shown to whoever keeps documents');
  if (exchange.method === 'PUT') {
    if (document.is !== 'feed') faults.push('it is not to be written');
    const kind = exchange.headers['content-type'];
    if (kind !== document.contentType) faults.push(`its type is ${kind}, not ${document.contentType}`);
    return [...faults, ...judgeJson(FEED, bytes(exchange.body))];
  }
  if (exchange.answer === null || exchange.status !== 200) return faults;
  let data = bytes(exchange.answer);
  if (document.gzip === 'GZIP') {
    try {
      data = gunzipSync(data);
    } catch (error) {
      return [...faults, `it is not what GZIP makes: ${error.message}`];
    }
  }
  if (document.is === 'result of JSON_LISTINGS_FEED') return [...faults, ...judgeJson(REPORT, data)];
  if (document.is === 'GET_MERCHANT_LISTINGS_ALL_DATA') return [...faults, ...judgeTable(data, exchange.answer_headers['content-type'])];
  return [...faults, `nothing is known of ${document.is}`];
}

function judge(exchange) {
  const document = documents.get(exchange.target);
  if (document) return { operation: `document: ${document.is}`, faults: judgeDocument(document, exchange) };
  const [path, search] = exchange.target.split('?', 2);
  const called = { ...exchange, path };
  // A path without parameters goes before one whose parameter would take its last part.
  const fitting = operations.filter((one) => one.method === exchange.method.toLowerCase() && one.pattern.test(path));
  const operation = fitting.sort((a, b) => a.names.length - b.names.length)[0];
  if (!operation) return { operation: null, faults: [] };
  const faults = judgeRequest(operation, called, new URLSearchParams(search ?? ''));
  const { answer, faults: wrong } = judgeAnswer(operation, called);
  if (answer && wrong.length === 0 && exchange.status < 300) learn(operation, called, answer);
  return { operation: operation.id, faults: [...faults, ...wrong] };
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.begin) forget();
  process.stdout.write(`${JSON.stringify(order.begin ? { operation: null, faults: [] } : judge(order))}\n`);
}
