// Opens a page from disk in headless Chromium, with the network off, at desktop and phone width, light and dark:
// what axe-core finds, whether the page is wider than the screen, which other addresses it asked for.
// node look.mjs PAGE.html OUT_DIR CHROMIUM; the modules are found in $LFSGAN_BROWSER_TOOLS/node_modules.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const tools = createRequire(join(resolve(process.env.LFSGAN_BROWSER_TOOLS ?? "."), "from-here.js"));
const { chromium } = tools("playwright-core");
const axe = tools.resolve("axe-core/axe.min.js");

const [page, out, executablePath] = process.argv.slice(2);
const address = pathToFileURL(resolve(page)).href;
const widths = { desktop: 1280, phone: 390 };
const schemes = ["light", "dark"];

async function look(browser, name, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme, offline: true });
  const tab = await context.newPage();
  const asked = [];
  tab.on("request", (request) => asked.push(request.url()));
  await tab.goto(address);
  await tab.screenshot({ path: join(out, `${name}-${colorScheme}.png`) });
  await tab.screenshot({ path: join(out, `${name}-${colorScheme}-whole.png`), fullPage: true });
  const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  const broken = await tab.evaluate(() => [...document.images].filter((image) => !image.naturalWidth).length);
  await tab.addScriptTag({ path: axe });
  const { violations } = await tab.evaluate(() => window.axe.run());
  await context.close();
  return {
    name,
    colorScheme,
    overflow,
    broken,
    asked: asked.filter((url) => url !== address && !url.startsWith("data:")),
    findings: violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, first: nodes[0].html })),
  };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const looks = [];
for (const [name, width] of Object.entries(widths))
  for (const scheme of schemes) looks.push(await look(browser, name, width, scheme));
await browser.close();
console.log(JSON.stringify(looks));
