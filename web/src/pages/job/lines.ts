import { answer, client } from "../../api/client";
import type { LogLine } from "../../api/schema";
import { address } from "../../lib/place";
import { parseExact } from "../../lib/exact";

const CHUNK = 500;
const MOST_CHUNKS = 80;
const TELL_EVERY_MS = 100;
/** A view that moves on is not asked for at every place that it passes. */
const ASK_EVERY_MS = 80;
const AT_ONCE = 2;
const REST_MS = 2000;

/** `part`: some of it is here, from the end or by the stream; `whole`: what is not here was left out of the log. */
type Chunk = { lines: Map<number, LogLine>; state: "asked" | "whole" | "part" };
type Asked = { after?: number; tail?: number; limit: number };

const chunkOf = (n: number): number => Math.floor((n - 1) / CHUNK);

/**
 * The lines of one log by their numbers. Only what is looked at is held: a long log is asked in chunks around the view,
 * a running job's from its end, and what is written meanwhile comes by a stream. `tell` is called, at most ten times a
 * second, when anything changed.
 */
export class Lines {
  last = 0;
  known = false;
  error: unknown = null;
  streaming = false;
  private chunks = new Map<number, Chunk>();
  private wish: readonly [number, number] | null = null;
  private busy = 0;
  private restsUntil = 0;
  private timers: { tell?: ReturnType<typeof setTimeout> | undefined; ask?: ReturnType<typeof setTimeout> | undefined } = {};
  private source: EventSource | undefined;
  private readonly stop = new AbortController();

  constructor(private readonly id: string, private readonly tell: () => void) {}

  /** Learn how long the log is, from its beginning; for a running job, from its end, and follow it from there. */
  async open(follow: boolean): Promise<void> {
    const end = this.chunks.get(chunkOf(Math.max(1, this.last)));
    if (end?.state === "whole") end.state = "part"; // the log may have grown since
    try {
      const first = await this.ask(follow ? { tail: CHUNK, limit: CHUNK } : { after: 0, limit: CHUNK });
      this.put(first.lines);
      if (!follow && (first.nextAfter === null || first.nextAfter >= Math.min(CHUNK, first.lastLine))) this.chunk(0).state = "whole";
      this.last = Math.max(this.last, first.lastLine);
      this.known = true;
      this.error = null;
      if (follow && !this.stop.signal.aborted) this.stream();
    } catch (error) { if (!this.stop.signal.aborted) this.error = error; }
    this.tell();
  }

  /** Follow it no longer; `open` goes on. */
  pause(): void {
    this.source?.close();
    this.streaming = false;
  }

  close(): void {
    this.stop.abort();
    this.pause();
    clearTimeout(this.timers.tell);
    clearTimeout(this.timers.ask);
  }

  /** A line, `null` where it was left out of the log, `undefined` while it is on its way. */
  at(n: number): LogLine | null | undefined {
    const chunk = this.chunks.get(chunkOf(n));
    return chunk?.lines.get(n) ?? (chunk?.state === "whole" ? null : undefined);
  }

  /** Ask for what is not there of these lines; the latest wish counts. */
  need(from: number, to: number): void {
    this.wish = [Math.max(1, from), Math.min(to, this.last)];
    this.pump();
  }

  /** The next chunk with a line that is wished for and not here. */
  private missing(): number | undefined {
    if (!this.wish) return undefined;
    for (let n = this.wish[0]; n <= this.wish[1]; n++) {
      const k = chunkOf(n);
      if (this.chunks.get(k)?.state === "asked") n = (k + 1) * CHUNK;
      else if (this.at(n) === undefined) return k;
    }
    return undefined;
  }

  private pump(): void {
    if (this.timers.ask !== undefined || this.stop.signal.aborted) return;
    const k = this.busy < AT_ONCE ? this.missing() : undefined;
    if (k === undefined) return;
    const rests = this.restsUntil - Date.now();
    if (rests <= 0) {
      this.restsUntil = Date.now() + ASK_EVERY_MS;
      void this.load(k);
    }
    this.timers.ask = setTimeout(() => { this.timers.ask = undefined; this.pump(); }, Math.max(ASK_EVERY_MS, rests));
  }

  private async load(k: number): Promise<void> {
    this.busy++;
    this.chunk(k).state = "asked";
    try {
      let after: number | null = k * CHUNK;
      while (after !== null && after < (k + 1) * CHUNK) {
        const part: Awaited<ReturnType<Lines["ask"]>> = await this.ask({ after, limit: CHUNK });
        this.put(part.lines);
        if (part.nextAfter === after) break;
        after = part.nextAfter;
      }
      // The last chunk of a log that grows is whole only up to here; what follows comes by the stream.
      this.chunk(k).state = "whole";
      this.error = null;
    } catch (error) {
      this.chunks.delete(k);
      if (!this.stop.signal.aborted) this.error = error;
      this.restsUntil = Date.now() + REST_MS;
    }
    this.busy--;
    this.forget(k);
    this.soon();
    this.pump();
  }

  private ask(query: Asked) {
    return answer(client.GET("/api/jobs/{id}/logs", { params: { path: { id: this.id }, query }, signal: this.stop.signal }));
  }

  private stream(): void {
    this.pause();
    const source = new EventSource(address(`/api/jobs/${this.id}/logs/stream?after=${this.last}`));
    this.source = source;
    this.streaming = true;
    source.addEventListener("line", (event) => {
      const line = parseExact((event as MessageEvent<string>).data) as LogLine;
      this.put([line]);
      this.last = Math.max(this.last, line.n);
      if (line.n % CHUNK === 0) this.forget(this.wish ? chunkOf(this.wish[0]) : chunkOf(line.n));
      this.soon();
    });
    const ended = () => { source.close(); this.streaming = false; this.soon(); };
    source.addEventListener("end", ended);
    // The browser comes back by itself with the number of the last line, unless it was told not to.
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) ended(); };
  }

  private chunk(k: number): Chunk {
    let found = this.chunks.get(k);
    if (!found) { found = { lines: new Map(), state: "part" }; this.chunks.set(k, found); }
    return found;
  }

  private put(lines: readonly LogLine[]): void {
    for (const line of lines) this.chunk(chunkOf(line.n)).lines.set(line.n, line);
  }

  /** Chunks that were looked at long ago are asked again when they are looked at. */
  private forget(kept: number): void {
    for (const k of this.chunks.keys()) {
      if (this.chunks.size <= MOST_CHUNKS) return;
      if (Math.abs(k - kept) > 2 && (k + 1) * CHUNK < this.last) this.chunks.delete(k);
    }
  }

  private soon(): void {
    this.timers.tell ??= setTimeout(() => { this.timers.tell = undefined; this.tell(); }, TELL_EVERY_MS);
  }
}
