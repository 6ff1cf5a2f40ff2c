// A real browser, led by a test: one order a line on standard input, one answer a line on standard output. It ends with
// its standard input.
//
// `open` an address, `press` a button or a link, `fill` a field, `show` a text as a page: each waits until the page has the heading
// that is expected. `look` at a page, narrow and wide, light and dark: a picture of each, and everything that is wrong.
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const [executablePath, folder] = process.argv.slice(2);
const PATIENCE_MS = 30_000;
const WIDTHS = [['narrow', 320], ['wide', 1200]];
const SCHEMES = ['light', 'dark'];

const browser = await puppeteer.launch({
  executablePath,
  pipe: true,
  userDataDir: join(folder, 'profile'),
  // Our own pages alone are opened: the sandbox protects from nobody here, and root has none. Names lead nowhere.
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
const [page] = await browser.pages();
page.setDefaultTimeout(PATIENCE_MS);

// What the browser says against the page that is open; `unless` it is that of a page that was asked for.
let said = [];
const visited = [];
const against = (text, unless) => said.push({ text, unless });
page.on('request', (request) => { if (request.isNavigationRequest()) visited.push(request.url()); });
page.on('pageerror', (error) => against(`a script failed: ${error.message}`));
page.on('requestfailed', (request) => against(`not loaded: ${request.url()}: ${request.failure()?.errorText}`));
page.on('console', (message) => {
  const { url } = message.location();
  // A page that is itself an answer like 403 is told as an error, too, and sometimes before the request for it is.
  const status = message.text().startsWith('Failed to load resource: the server responded');
  if (['error', 'warn'].includes(message.type())) against(`the console says: ${message.text()} (${url})`, status ? url : undefined);
});

async function reached(heading) {
  const selector = `::-p-xpath(//h1[normalize-space()="${heading}"])`;
  try {
    await page.waitForSelector(selector);
  } catch {
    const text = await page.evaluate(() => document.body.innerText).catch((error) => error.message);
    throw new Error(`there is no heading "${heading}" at ${page.url()}: ${text}`);
  }
  return { url: page.url(), title: await page.title(), text: await page.evaluate(() => document.body.innerText) };
}

// Everything that is wrong with the page as it stands, in words. Runs in the page.
function faults(narrow) {
  const found = [];
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const alpha = (colour) => numbers(colour)[3] ?? 1;
  const light = (colour) => {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(colour).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (alpha(colour) === 1) return colour;
      if (alpha(colour) > 0) found.push(`the background of <${at.localName}> shows through`);
    }
    return null;
  };
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility === 'visible';
  };

  if (!document.title.trim()) found.push('it has no title');
  const heading = document.querySelector('h1');
  if (!heading || !seen(heading) || heading.getBoundingClientRect().bottom > innerHeight) found.push('no heading is seen at once');
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) found.push(`it is ${width} px wide where there are ${innerWidth}`);
  let texts = 0;
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(' ').trim();
    const shown = own || (element.localName === 'input' && element.type !== 'hidden');
    if (!shown || !seen(element)) continue;
    texts += 1;
    const behind = background(element);
    const ink = getComputedStyle(element).color;
    const name = `<${element.localName}> "${own.slice(0, 30)}"`;
    if (!behind) found.push(`${name} has nothing opaque behind it`);
    else if (contrast(ink, behind) < 4.5) found.push(`${name} is ${ink} on ${behind}: contrast ${contrast(ink, behind).toFixed(2)}`);
    if (element.scrollWidth > element.clientWidth && getComputedStyle(element).display !== 'inline') found.push(`${name} is cut off`);
    const size = parseFloat(getComputedStyle(element).fontSize);
    if (size < 12) found.push(`${name} is ${size} px small`);
  }
  if (texts < 2) found.push('it says nothing');
  for (const element of document.querySelectorAll('button, a, input:not([type=hidden])')) {
    const { height } = element.getBoundingClientRect();
    if (narrow && height < 40) found.push(`<${element.localName}> "${element.textContent.trim()}" is ${height} px high, too small for a finger`);
  }
  return found;
}

// Whatever the keyboard reaches must show that it is reached.
async function unringed() {
  const reachable = await page.$$('button, a, input:not([type=hidden])');
  const found = [];
  const reached = new Set();
  // Once around, wherever the page begins: between the last and the first is the page itself.
  for (let step = 0; step <= reachable.length; step += 1) {
    await page.keyboard.press('Tab');
    const { name, number, ring } = await page.evaluate(() => {
      const { activeElement: at } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const number = [...document.querySelectorAll('*')].indexOf(at);
      return { number, name: `<${at.localName}> "${at.textContent.trim()}"`, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
    });
    if (name.startsWith('<body>')) continue;
    reached.add(number);
    if (!ring) found.push(`${name} shows no focus`);
  }
  if (reached.size < reachable.length) found.push(`the keyboard reaches ${reached.size} of ${reachable.length}`);
  return found;
}

const orders = {
  async open({ url, heading }) {
    said = [];
    await page.goto(url);
    return reached(heading);
  },
  async show({ html, heading }) {
    said = [];
    await page.setContent(html);
    return reached(heading);
  },
  async press({ button, nth, heading }) {
    said = [];
    const buttons = await page.$$(`::-p-xpath(//*[self::button or self::a][normalize-space()="${button}"])`);
    if (!buttons[nth]) throw new Error(`there is no button "${button}" number ${nth} at ${page.url()}`);
    // The page that follows may have the same heading.
    await Promise.all([page.waitForNavigation({ waitUntil: 'domcontentloaded' }), buttons[nth].click()]);
    return reached(heading);
  },
  async fill({ field, text, heading }) {
    await page.type(`input[name="${field}"]`, text);
    return reached(heading);
  },
  async look({ name }) {
    const wrong = said.filter(({ unless }) => !visited.includes(unless)).map(({ text }) => text);
    for (const [size, width] of WIDTHS) {
      for (const scheme of SCHEMES) {
        await page.setViewport({ width, height: 800 });
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        await page.screenshot({ path: join(folder, `${name}-${size}-${scheme}.png`), fullPage: true });
        const found = await page.evaluate(faults, size === 'narrow');
        wrong.push(...found.map((fault) => `${size}, ${scheme}: ${fault}`));
      }
    }
    wrong.push(...(await unringed()));
    return { wrong };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const answer = await orders[order.do](order).catch((error) => ({ error: error.message }));
  console.log(JSON.stringify(answer));
}
await browser.close();
