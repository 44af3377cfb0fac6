/** Codes for colours in a line of a log as spans; all other codes are left out, and nothing is ever markup. */
export type Piece = { text: string; style: string };

// Colours and attributes (SGR), other codes of terminals, titles of windows, and lone control characters.
// eslint-disable-next-line no-control-regex
const CODES = /\u001b\[([\d;:]*)m|\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-_]?|[\u0000-\u0008\u000b-\u001f\u007f]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

type Look = { color: string; bold: boolean; dim: boolean; italic: boolean; underline: boolean };
const PLAIN: Look = { color: "", bold: false, dim: false, italic: false, underline: false };

export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let look = PLAIN;
  let from = 0;
  const add = (text: string) => { if (text) found.push({ text, style: styleOf(look) }); };
  for (const code of line.matchAll(CODES)) {
    add(line.slice(from, code.index));
    from = code.index + code[0].length;
    if (code[1] !== undefined) look = next(look, code[1]);
  }
  add(line.slice(from));
  return found;
}

/** A line without any codes. */
export const plain = (line: string): string => line.replace(CODES, "");

const styleOf = (look: Look): string =>
  [look.color, look.bold && "bold", look.dim && "dim", look.italic && "italic", look.underline && "underline"].filter(Boolean).join(" ");

function next(look: Look, codes: string): Look {
  let now = look;
  const all = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < all.length; at++) {
    const code = all[at] ?? 0;
    if (code === 38 || code === 48) { // of 256 or of 16 million: the nearest of the eight, where there is one
      const [kind, one = 0] = [all[at + 1], all[at + 2]];
      if (code === 38 && kind === 5 && one < 16) now = { ...now, color: NAMES[one % 8] ?? "" };
      at += kind === 5 ? 2 : kind === 2 ? 4 : 1;
    } else now = one(now, code);
  }
  return now;
}

function one(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...look, bold: true };
  if (code === 2) return { ...look, dim: true };
  if (code === 3) return { ...look, italic: true };
  if (code === 4) return { ...look, underline: true };
  if (code === 22) return { ...look, bold: false, dim: false };
  if (code === 23) return { ...look, italic: false };
  if (code === 24) return { ...look, underline: false };
  if (code === 39) return { ...look, color: "" };
  if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) return { ...look, color: NAMES[code % 10] ?? "" };
  return look;
}
