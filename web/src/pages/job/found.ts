import { answer, client } from "../../api/client";
import type { LogLine } from "../../api/schema";

export type Narrow = { attempt?: number; stream?: "log" | "stderr" | "stdout" | "system"; q?: string; errors?: boolean };
type Asked = { lines: readonly LogLine[]; nextAfter: number | null; /** No more is there now. */ isAll: boolean };

const PAGE = 1000;
/** A part of a long log is looked at by each request; so many together answer a question. */
const MOST_PARTS = 200;

/** The next lines that fit, from a line number on: up to `most`, or what there is. */
export async function find(id: string, narrow: Narrow, after: number, most: number, signal: AbortSignal): Promise<Asked> {
  const lines: LogLine[] = [];
  let from = after;
  for (let part = 0; part < MOST_PARTS; part++) {
    const page = await answer(client.GET("/api/jobs/{id}/logs", { params: { path: { id }, query: { ...narrow, after: from, limit: Math.min(PAGE, most - lines.length) } }, signal }));
    lines.push(...page.lines);
    const isAll = page.nextAfter === null || page.nextAfter >= page.lastLine;
    if (isAll || lines.length >= most) return { lines, nextAfter: page.nextAfter, isAll };
    from = page.nextAfter ?? from;
  }
  return { lines, nextAfter: from, isAll: false };
}

/** The number of the first line that speaks of an error, or else the first of stderr; null when there is none. */
export async function firstError(id: string, signal: AbortSignal): Promise<number | null> {
  for (const narrow of [{ errors: true }, { stream: "stderr" }] as const) {
    const [line] = (await find(id, narrow, 0, 1, signal)).lines;
    if (line) return line.n;
  }
  return null;
}
