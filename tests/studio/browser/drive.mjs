// Drives the page in headless Chromium: node drive.mjs SCENARIO URL CHROMIUM OUT_DIR [FILE…]; prints what it saw as JSON.
// The modules are found in $LFSGAN_BROWSER_TOOLS/node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const tools = createRequire(join(resolve(process.env.LFSGAN_BROWSER_TOOLS ?? "."), "from-here.js"));
const { chromium } = tools("playwright-core");
const axe = readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");

const [scenario, url, executablePath, out, ...files] = process.argv.slice(2);
const PATIENCE = 300000; // milliseconds: on a busy machine, a process takes minutes to start
const at = (path) => new URL(path, url).href;
const troubles = [];

async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 844 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  watch(page);
  await page.goto(url);
  return page;
}

function watch(page) {
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(message.text());
  });
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(at("/")) && !asked.startsWith("data:")) troubles.push(`asked ${asked}`);
  });
}

async function start(page, name, steps) {
  await page.goto(at("/learn"));
  await page.setInputFiles("#files", files);
  await page.waitForSelector(".shots img");
  const shown = await page.locator(".shots img").count();
  await page.fill("[name=name]", name);
  await page.click("summary:has-text('More')");
  await page.fill("[name=steps]", String(steps));
  const code = page.locator("#draft .command code", { hasText: `--steps ${steps}` });
  const command = await code.innerText();
  if (!/learn-task --images \S+ --name/.test(command)) troubles.push(`the page shows ${command}`);
  await page.click("text=Start learning");
  await page.waitForURL("**/runs/**");
  return shown;
}

const first = (page) => page.locator("#images .block img").first().getAttribute("src");

const scenarios = {
  // From ten dropped images to a downloaded picture.
  async journey(browser) {
    const page = await open(browser);
    const images = await start(page, "drawn", 12);
    await page.waitForURL("**/tasks/drawn");
    await page.waitForSelector(".film img");
    await page.click("text=Explore >> nth=1");
    await page.waitForSelector("#images .block img");
    const samples = await page.locator("#images .block img").count();
    const before = await first(page);
    await page.locator("[name=truncation]").focus();
    const begun = Date.now();
    for (let press = 0; press < 6; press += 1) await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((old) => document.querySelector("#images .block img")?.getAttribute("src") !== old, before);
    await page.waitForURL("**truncation=0.7**");
    const redrawn = Date.now() - begun;
    const focused = await page.evaluate(() => document.activeElement?.getAttribute("name"));
    await page.locator("#images .block .pin").nth(2).focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector(".pinned img");
    const pinFocus = await page.evaluate(() => document.activeElement?.id);
    await page.locator("#images .block .pin").nth(4).press("Space");
    await page.waitForFunction(() => document.querySelectorAll(".pinned li").length === 2);
    await page.click("text=Mix and walk");
    await page.waitForFunction(() => document.querySelectorAll(".together img").length === 2 &&
      [...document.querySelectorAll(".together img")].every((image) => image.naturalWidth));
    const address = page.url();
    await page.reload();
    await page.waitForSelector(".pinned img");
    const pins = await page.locator(".pinned li").count();
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(".take >> text=PNGs")]);
    await download.saveAs(join(out, "images.zip"));
    const [task] = await Promise.all([page.waitForEvent("download"), page.click(".take >> text=Everything")]);
    await task.saveAs(join(out, "everything.zip"));
    return { images, samples, redrawn, focused, pinFocus, pins, address };
  },

  // A run goes on while the page is closed, reloaded, or open twice.
  async begin(browser) {
    const page = await open(browser);
    await start(page, "long", 60000);
    await page.waitForFunction(() => document.querySelector("#live progress").value >= 10);
    const seen = await page.locator("#live progress").evaluate((bar) => bar.value);
    await page.reload();
    await page.waitForFunction((step) => document.querySelector("#live progress").value > step, seen);
    const other = await page.context().newPage();
    watch(other);
    await other.goto(at("/runs/long"));
    await other.waitForFunction((step) => document.querySelector("#live progress").value > step, seen);
    const curves = await other.locator(".losses polyline").count();
    const status = await other.locator("#status").innerText();
    return { seen, curves, status, phases: [await page.locator("#live .phase").innerText(), await other.locator("#live .phase").innerText()] };
  },

  // Another server: the run is there, is stopped in one tab, and resumed in the other.
  async resume(browser) {
    const page = await open(browser);
    await page.goto(at("/"));
    await page.click("a:has-text('long') >> nth=0");
    await page.waitForSelector("#live progress");
    const found = await page.locator("#live .phase").innerText();
    const other = await page.context().newPage();
    watch(other);
    await other.goto(at("/runs/long"));
    if (found !== "Stopped") await page.click("button:has-text('Stop')");
    await other.waitForSelector("button:has-text('Resume')");
    const done = await other.locator("#live progress").evaluate((bar) => bar.value);
    await other.click("button:has-text('Resume')");
    await other.waitForFunction((step) => document.querySelector("#live progress").value > step, done);
    await other.click("button:has-text('Stop')");
    await other.waitForSelector("button:has-text('Resume')");
    return { found, done };
  },

  // Every view at two sizes, light and dark: axe, overflow, broken images, shifts of the layout.
  async views(browser) {
    const seen = [];
    const draft = await open(browser);
    await draft.goto(at("/learn"));
    await draft.setInputFiles("#files", files);
    await draft.waitForSelector(".shots img");
    const learn = new URL(draft.url()).pathname;
    const views = {
      tasks: ["/", ".card img"],
      learn: [learn, ".shots img"],
      empty: ["/learn", ".drop"],
      explore: ["/explore?task=cats&task=base", "#images .block img"],
      pinned: ["/explore?task=cats&pin=3&pin=5", ".pinned img"],
      blend: ["/explore?task=cats&task=twin&mode=blend&coarse=0.5&n=8", "#images .block img"],
      task: ["/tasks/cats", ".film img"],
      run: ["/runs/begun", "#live progress"],
      error: ["/tasks/nobody", "main [role=alert]"],
    };
    for (const [name, [path, selector]] of Object.entries(views)) {
      for (const [size, width] of [["desktop", 1280], ["phone", 390]]) {
        for (const colorScheme of ["light", "dark"]) {
          const page = await open(browser, { viewport: { width, height: 844 }, colorScheme });
          await page.addInitScript(() => {
            window.shifted = 0;
            new PerformanceObserver((list) => {
              for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
          });
          await page.goto(at(path));
          await page.waitForSelector(selector);
          await page.waitForTimeout(400);
          const overflow = await page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth));
          const broken = await page.evaluate(() => [...document.images].filter((one) => one.complete && !one.naturalWidth && one.loading !== "lazy").length);
          const shifted = await page.evaluate(() => window.shifted);
          if (colorScheme === "light") await page.screenshot({ path: join(out, `${name}-${size}.png`) });
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => window.axe.run());
          const findings = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes[0].html}`);
          seen.push({ name, size, colorScheme, overflow, broken, shifted, findings });
          await page.context().close();
        }
      }
    }
    return seen;
  },

  // Everything by keyboard alone: the first Tab leads past the head, menus open and close.
  async keyboard(browser) {
    const page = await open(browser);
    await page.goto(at("/"));
    await page.keyboard.press("Tab");
    const skip = await page.evaluate(() => document.activeElement?.textContent);
    await page.keyboard.press("Enter");
    const inMain = await page.evaluate(() => document.activeElement?.id);
    await page.locator(".menu summary").first().focus();
    await page.keyboard.press("Enter");
    const open_ = await page.locator(".menu[open]").count();
    await page.keyboard.press("Escape");
    const closed = await page.locator(".menu[open]").count();
    await page.goto(at("/explore?task=cats&n=8"));
    await page.waitForSelector("#images .block img");
    const unreachable = await page.evaluate(() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
      .filter((one) => one.tabIndex < 0 && one.offsetParent && !one.closest("[aria-hidden]")).length);
    return { skip, inMain, open: open_, closed, unreachable };
  },
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const saw = await scenarios[scenario](browser);
  console.log(JSON.stringify({ saw, troubles }));
} finally {
  await browser.close();
}
