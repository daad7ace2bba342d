// Plays an animation in headless Chromium: node play.mjs FILE CHROMIUM; prints its frames and seconds as JSON.
// The modules are found in $LFSGAN_BROWSER_TOOLS/node_modules.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";

const tools = createRequire(join(resolve(process.env.LFSGAN_BROWSER_TOOLS ?? "browser-tools"), "none.js"));
const { chromium } = tools("playwright-core");
const [file, executablePath] = process.argv.slice(2);
const types = { ".webp": "image/webp", ".gif": "image/gif", ".png": "image/png", ".mp4": "video/mp4" };
const type = types[extname(file)];
const server = createServer((request, response) => {
  response.setHeader("Content-Type", request.url === "/file" ? type : "text/html");
  response.end(request.url === "/file" ? readFileSync(file) : "<!doctype html>");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);

const still = async (type) => {
  const decoder = new ImageDecoder({ data: (await fetch("/file")).body, type });
  await decoder.completed;
  const { frameCount, repetitionCount } = decoder.tracks.selectedTrack;
  let seconds = 0;
  for (let frameIndex = 0; frameIndex < frameCount; frameIndex += 1) {
    const { image } = await decoder.decode({ frameIndex });
    seconds += image.duration / 1e6;
    image.close();
  }
  return { frames: frameCount, seconds, loops: repetitionCount === Infinity };
};

const film = async () => {
  const video = document.createElement("video");
  video.src = "/file";
  video.muted = true;
  document.body.append(video);
  await video.play();
  await new Promise((ended) => video.addEventListener("ended", ended));
  return { frames: video.getVideoPlaybackQuality().totalVideoFrames, seconds: video.duration };
};

console.log(JSON.stringify(await (type === "video/mp4" ? page.evaluate(film) : page.evaluate(still, type))));
await browser.close();
server.close();
