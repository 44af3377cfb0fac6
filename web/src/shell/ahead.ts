/** How long keys are kept for a palette that does not come. */
const MOST_MS = 10_000;

let typed: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

function keep(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { endAhead(); return; }
  if (event.key.length === 1) typed = (typed ?? "") + event.key;
  else if (event.key === "Backspace") typed = (typed ?? "").slice(0, -1);
  else if (event.key !== "Enter") return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

/** What is typed from now on is for the palette, which is on its way; it is no key of the page and goes into no field. */
export function beginAhead(): void {
  if (typed !== null) return;
  typed = "";
  addEventListener("keydown", keep, true);
  timer = setTimeout(endAhead, MOST_MS);
}

/** The palette is there, or will not come: what was typed until now. */
export function endAhead(): string {
  const text = typed ?? "";
  typed = null;
  clearTimeout(timer);
  removeEventListener("keydown", keep, true);
  return text;
}
