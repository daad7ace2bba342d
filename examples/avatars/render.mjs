// Draws portraits of one style as PNG files: node render.mjs STYLE FIRST COUNT SIZE OUT_DIR
//
// Portrait number i comes from the seed "STYLE-i", so that every portrait is the same whoever draws it, and when.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAvatar } from "@dicebear/core";
import * as styles from "@dicebear/collection";
import { Resvg } from "@resvg/resvg-js";

const USAGE = "usage: node render.mjs STYLE FIRST COUNT SIZE OUT_DIR";
const BACKGROUND = ["ffffff"];

function drawing(style, index, size) {
  const options = { seed: `${style}-${index}`, size, backgroundColor: BACKGROUND };
  return createAvatar(styles[style], options).toString();
}

function png(svg, size) {
  return new Resvg(svg, { fitTo: { mode: "width", value: size } }).render().asPng();
}

function fileName(index) {
  return `${String(index).padStart(6, "0")}.png`;
}

function render({ style, first, count, size, folder }) {
  mkdirSync(folder, { recursive: true });
  for (let index = first; index < first + count; index++) {
    writeFileSync(join(folder, fileName(index)), png(drawing(style, index, size), size));
  }
}

function wholeNumber(name, text, least) {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least) {
    throw new Error(`${name} ${JSON.stringify(text)}: expected a whole number of at least ${least}`);
  }
  return number;
}

function parse(words) {
  if (words.length !== 5) throw new Error(USAGE);
  const [style, first, count, size, folder] = words;
  if (!Object.hasOwn(styles, style)) {
    throw new Error(`style ${JSON.stringify(style)}: expected one of ${Object.keys(styles).join(", ")}`);
  }
  return {
    style,
    first: wholeNumber("FIRST", first, 0),
    count: wholeNumber("COUNT", count, 1),
    size: wholeNumber("SIZE", size, 1),
    folder,
  };
}

try {
  render(parse(process.argv.slice(2)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
