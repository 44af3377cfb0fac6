/** Times and durations as people read them; everything here takes milliseconds or RFC 3339. */
const locale = undefined;
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const short = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const shortSecond = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const long = new Intl.DateTimeFormat(locale, {
  weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
});

export const viewerZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const clockTime = (at: string | number | Date): string => clock.format(new Date(at));
/** To the minute; with the second where it is not the full minute. */
export const shortTime = (at: string | number | Date): string => (new Date(at).getTime() % 60_000 < 1000 ? short : shortSecond).format(new Date(at));
export const longTime = (at: string | number | Date): string => long.format(new Date(at));
export const utcTime = (at: string | number | Date): string =>
  `${new Date(at).toISOString().replace("T", " ").replace(/\.000Z$|Z$/, "")} UTC`;

/** A clock that ticks once a second is behind by so much: what has just happened is not to come. */
const BEHIND_MS = 2000;

/** "in 4 min", "in 1 h 20 min", "12 s ago"; exact to a unit, from an hour on to the next smaller one where it is to come. */
export function relative(at: string | number | Date, now: number = Date.now()): string {
  const ms = new Date(at).getTime() - now;
  const size = Math.abs(ms);
  if (size < 1000 || (ms > 0 && ms < BEHIND_MS)) return "now";
  if (ms >= 3_600_000 && ms < 86_400_000 * 7) return `in ${durationText(ms)}`;
  const text = size < 60_000 ? `${Math.floor(size / 1000)} s`
    : size < 3_600_000 ? `${Math.floor(size / 60_000)} min`
    : size < 86_400_000 ? `${Math.floor(size / 3_600_000)} h`
    : size < 86_400_000 * 60 ? `${Math.floor(size / 86_400_000)} d`
    : size < 86_400_000 * 730 ? `${Math.floor(size / (86_400_000 * 30.44))} months`
    : `${Math.floor(size / (86_400_000 * 365))} years`;
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

/** "340 ms", "2.4 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function durationText(ms: number): string {
  if (ms < 0) return `−${durationText(-ms)}`;
  if (ms < 1) return ms === 0 ? "0 ms" : "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86_400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

const two = (a: number, unitA: string, b: number, unitB: string): string => (b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`);

/** "1h", "30m", "7d" as milliseconds, or null. */
export function parseSpan(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim());
  if (!found) return null;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[found[2] as "ms"];
  return Number(found[1]) * unit;
}

/** "1,234", "12.3 k", "1.2 M". */
export function countText(n: number): string {
  if (Math.abs(n) < 10_000) return n.toLocaleString("en");
  return n < 1_000_000 ? `${trim(n / 1000)} k` : `${trim(n / 1_000_000)} M`;
}
const trim = (n: number): string => (n >= 100 ? Math.floor(n).toString() : (Math.floor(n * 10) / 10).toString());

export const plural = (n: number, one: string, many = `${one}s`): string => `${countText(n)} ${n === 1 ? one : many}`;
