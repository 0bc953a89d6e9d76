// Checks an AsyncAPI document with AsyncAPI's own parser, which must report nothing, not even a
// hint. Then damages copies of it, each of which the parser must refuse.
//
//   node check_asyncapi.mjs DOCUMENT

import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const [file] = process.argv.slice(2);
const text = readFileSync(file, 'utf8');
const parser = new Parser();

async function problems(content) {
  const { document, diagnostics } = await parser.parse(content, { source: file });
  const found = diagnostics.map(
    ({ code, path, message }) => `${path.join('/')}: ${message} (${code})`);
  return document || found.length > 0 ? found : ['the parser returns no document'];
}

// A copy of the document after `change`.
function damaged(change) {
  const document = JSON.parse(text);
  change(document);
  return JSON.stringify(document);
}

let failed = 0;
function check(name, passed, detail = '') {
  console.log(`test ${name} ... ${passed ? 'ok' : `FAILED ${detail}`}`);
  if (!passed) failed += 1;
}

const found = await problems(text);
check('the parser accepts the AsyncAPI document', found.length === 0, `\n${found.join('\n')}`);

const first = (object) => Object.values(object)[0];
const damages = {
  'a missing version': (document) => { delete document.asyncapi; },
  'a server without a protocol': (document) => { delete first(document.servers).protocol; },
  'an unknown action': (document) => { first(document.operations).action = 'publish'; },
  'a channel that does not exist': (document) => {
    first(document.operations).channel.$ref = '#/channels/Unknown';
  },
  'a message that does not exist': (document) => {
    first(first(document.channels).messages).$ref = '#/components/messages/Unknown';
  },
  'a message of another channel': (document) => {
    const [channel, other] = Object.keys(document.channels);
    const operation = Object.values(document.operations)
      .find((candidate) => candidate.channel.$ref === `#/channels/${channel}`);
    const message = Object.keys(document.channels[other].messages)[0];
    operation.messages[0].$ref = `#/channels/${other}/messages/${message}`;
  },
  'a type that does not exist': (document) => {
    document.components.schemas.Amount.type = 'money';
  },
};
for (const [name, damage] of Object.entries(damages)) {
  const refused = (await problems(damaged(damage))).length > 0;
  check(`the parser refuses ${name}`, refused);
}

const passed = 1 + Object.keys(damages).length - failed;
console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed;`);
process.exit(failed ? 1 : 0);
