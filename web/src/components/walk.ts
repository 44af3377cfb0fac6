import type { KeyboardEvent } from "react";

/** Arrow keys through the `data-cell` of a grid: one, or `rowStep` up and down; Home and End to its ends. */
export function walkCells(event: KeyboardEvent<HTMLElement>, rowStep = 10): void {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: rowStep, ArrowUp: -rowStep }[event.key];
  if (!step && event.key !== "Home" && event.key !== "End") return;
  event.preventDefault();
  const cells = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-cell]")];
  const at = cells.indexOf(document.activeElement as HTMLElement);
  const to = event.key === "Home" ? 0 : event.key === "End" ? cells.length - 1 : Math.min(cells.length - 1, Math.max(0, at + (step ?? 0)));
  cells[to]?.focus();
}
