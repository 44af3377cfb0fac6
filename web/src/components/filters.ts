/** Filters as text: `status:failed type:mail since:1h "two words"`; what has no key is the free text `q`. */
export type Filters = Record<string, string>;
const PART = /(?:([A-Za-z][\w.]*):)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;

export function parseFilters(text: string, known: readonly string[]): Filters {
  const found: Filters = {};
  const free: string[] = [];
  for (const [whole, key, quoted, bare] of text.matchAll(PART)) {
    const value = quoted === undefined ? (bare ?? "") : quoted.replace(/\\(.)/g, "$1");
    const isKnown = key !== undefined && (known.includes(key) || (key.includes(".") && known.includes(`${key.split(".")[0]}.*`)));
    if (isKnown) found[key] = value;
    else free.push(key === undefined ? value : whole);
  }
  if (free.length) found["q"] = free.join(" ");
  return found;
}

export function filtersText(filters: Filters): string {
  return Object.entries(filters)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => (key === "q" ? value : `${key}:${/[\s"]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value}`))
    .join(" ");
}
