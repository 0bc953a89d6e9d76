// Opens /docs in a real browser, makes a call from it, and sees the answer.
//   node docs.mjs API_URL [SCREENSHOT]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [api, screenshot] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'rialto-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
  viewport: { width: 1200, height: 900 },
});

let failed = 0;
function check(sentence, holds, detail = '') {
  console.log(`test ${sentence} ... ${holds ? 'ok' : `FAILED ${detail}`}`);
  if (!holds) failed += 1;
}

try {
  const page = await browser.newPage();
  const elsewhere = [];
  const complaints = [];
  page.on('request', (request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(api)) elsewhere.push(request.url());
  });
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));

  await page.goto(`${api}/docs`);
  await page.locator('.opblock').first().waitFor({ timeout: 20_000 });
  const shown = await page.locator('.opblock').count();
  const document = await (await fetch(`${api}/openapi.json`)).json();
  const operations = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
  check('the page shows every operation of the document', shown === operations, `${shown} of ${operations}`);

  const operation = page.locator('#operations-catalog-catalogListProducts');
  await operation.locator('.opblock-summary-control').first().click();
  const answered = page.waitForResponse((response) => response.url().startsWith(`${api}/products`));
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = await answered;
  check('a call made from the page reaches the API under its stage', answer.status() === 200, `${answer.status()}`);
  const status = operation.locator('.live-responses-table .response-col_status').last();
  await status.waitFor({ timeout: 20_000 });
  check('the page shows the answer', (await status.innerText()).includes('200'), await status.innerText());
  check('the page asks nobody else for anything', elsewhere.length === 0, elsewhere.join(', '));
  check('the browser has nothing to complain of', complaints.length === 0, complaints.join('; '));
  if (screenshot) await page.screenshot({ path: screenshot });
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${5 - failed} passed; ${failed} failed;`);
process.exit(failed ? 1 : 0);
