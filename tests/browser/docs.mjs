// Opens /docs in Chromium, calls the API from the page, and checks the response that it shows. Then
// opens /docs/events and checks that it shows the events.
//
//   node docs.mjs API_URL [SCREENSHOT]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [api, screenshot] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'rialto-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  viewport: { width: 1200, height: 900 },
});

let failed = 0;
let checks = 0;
function check(name, passed, detail = '') {
  checks += 1;
  console.log(`test ${name} ... ${passed ? 'ok' : `FAILED ${detail}`}`);
  if (!passed) failed += 1;
}

try {
  const page = await browser.newPage();
  const foreignRequests = [];
  const errors = [];
  page.on('request', (request) => {
    const url = request.url();
    if (/^https?:/.test(url) && !url.startsWith(api)) foreignRequests.push(url);
  });
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('pageerror', (error) => errors.push(String(error)));

  await page.goto(`${api}/docs`);
  await page.locator('.opblock').first().waitFor({ timeout: 20_000 });
  const shown = await page.locator('.opblock').count();
  const document = await (await fetch(`${api}/openapi.json`)).json();
  const operations = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
  check('the page shows every operation of the API document', shown === operations,
    `${shown} of ${operations}`);

  const operation = page.locator('#operations-catalog-catalogListProducts');
  await operation.locator('.opblock-summary-control').first().click();
  const responded = page.waitForResponse(
    (candidate) => candidate.url().startsWith(`${api}/products`));
  await operation.getByRole('button', { name: 'Execute' }).click();
  const response = await responded;
  check('a call from the page reaches the API under its stage', response.status() === 200,
    `${response.status()}`);
  const status = operation.locator('.live-responses-table .response-col_status').last();
  await status.waitFor({ timeout: 20_000 });
  check('the page shows the response', (await status.innerText()).includes('200'),
    await status.innerText());
  if (screenshot) await page.screenshot({ path: screenshot });

  await page.getByRole('link', { name: 'Documentation of the events' }).click();
  await page.waitForURL(`${api}/docs/events`);
  const heading = page.getByRole('heading', { name: 'OrderPlaced version 1' });
  check('the page of the events shows OrderPlaced', await heading.isVisible());
  const fields = page.getByRole('table', { name: 'Data of OrderPlaced' });
  check('the page of the events shows the fields of a line',
    await fields.getByRole('rowheader', { name: 'lines[].quantity', exact: true }).isVisible());
  await page.getByRole('navigation').getByRole('link', { name: 'API documentation' }).click();
  await page.waitForURL(`${api}/docs`);
  await page.locator('.opblock').first().waitFor({ timeout: 20_000 });

  check('the pages send no requests to other hosts', foreignRequests.length === 0,
    foreignRequests.join(', '));
  check('the browser reports no errors', errors.length === 0, errors.join('; '));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${checks - failed} passed; ${failed} failed;`);
process.exit(failed ? 1 : 0);
