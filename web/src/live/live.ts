import type { QueryClient } from "@tanstack/react-query";
import { address, eventsAfter } from "../lib/place";
import { parseExact } from "../lib/exact";
import type { JobOut, Stats } from "../api/schema";
import { Batch } from "./batch";
import { applyEvents, type LiveEvent } from "./patch";
import { accountedTo, connection, health, type Connection } from "./state";

/**
 * One event stream per browser, not per tab: HTTP/1.1 gives an origin six connections, so a stream in every tab
 * hangs the seventh. The tab that holds the lock streams, and passes every event and the state on to the others.
 */
const NAME = `rota-live${address("")}`;
const LOOK_EVERY_MS = 2000;
/** How long the service may be silent before it is asked whether it is there, and how long it may take to say so. */
const SILENCE_MS = 2500;
const ANSWER_MS = 2000;
const RETRY_MS = 1000;
const POLL_MS = 5000;

type Message = { events: LiveEvent[] } | { state: Connection["state"]; accountedTo: string | null } | { ask: true };
let batchNumber = 0;

export function connectLive(queries: QueryClient): () => void {
  const bus = new BroadcastChannel(NAME);
  const stop = new AbortController();
  let leading = false;

  const setState = (state: Connection["state"]): void => {
    if (connection.get().state !== state) connection.set({ state, since: Date.now() });
    if (leading) bus.postMessage({ state, accountedTo: accountedTo.get() } satisfies Message);
  };
  const batch = new Batch<LiveEvent>((events) => {
    applyEvents(queries, events);
    bus.postMessage({ events } satisfies Message);
  });
  bus.onmessage = ({ data }: MessageEvent<Message>) => {
    if ("events" in data) applyEvents(queries, data.events);
    else if ("ask" in data) { if (leading) setState(connection.get().state); }
    else if (!leading) { setState(data.state); if (data.accountedTo) accountedTo.saw(data.accountedTo); }
  };

  const lead = (): Promise<void> => new Promise((done) => {
    leading = true;
    const opens = () => { askAnew(queries); bus.postMessage({ events: [{ kind: "resync" }] } satisfies Message); };
    const end = stream({ batch, setState, queries, opens });
    stop.signal.addEventListener("abort", () => { end(); leading = false; done(); });
  });
  if (!("locks" in navigator)) void lead(); // plain http on another host than this one: a stream for each tab
  else navigator.locks.request(NAME, { signal: stop.signal }, lead).catch(() => undefined);
  bus.postMessage({ ask: true } satisfies Message);
  return () => { stop.abort(); bus.close(); };
}

type Way = { batch: Batch<LiveEvent>; setState: (state: Connection["state"]) => void; queries: QueryClient; opens: () => void };

/**
 * What was asked before the stream was open may have changed unheard: it is asked anew, what is asked for the first time
 * once its answer is there. What is asked from now on is not asked twice.
 */
function askAnew(queries: QueryClient): void {
  const first = queries.getQueryCache().findAll({ fetchStatus: "fetching", predicate: (one) => one.state.data === undefined });
  void queries.invalidateQueries();
  for (const one of first) {
    void one.fetch().catch(() => undefined).then(() => queries.invalidateQueries({ queryKey: one.queryKey, exact: true }));
  }
}

/** Keep the stream open, and know within five seconds when it is not. */
function stream({ batch, setState, queries, opens }: Way): () => void {
  let source: EventSource | undefined;
  let heard = Date.now();
  let opened = false;
  let ended = false;
  let lastId = "";
  let looking = false;

  let after = eventsAfter;
  const open = (): void => {
    source = new EventSource(address("/api/events") + (after && `?after=${encodeURIComponent(after)}`));
    source.onopen = () => {
      heard = Date.now();
      opened = true;
      setState("live");
      if (!after) opens();
      after = ""; // once: where it is not known any more the service says `resync`
    };
    source.onerror = () => { opened = false; void look(); };
    for (const kind of ["job", "schedule", "queue", "worker", "stats", "resync"] as const) {
      source.addEventListener(kind, (event) => {
        heard = Date.now();
        lastId = event.lastEventId || lastId;
        take(batch, kind, event.data as string);
      });
    }
  };

  /** Is the service there, and the stream too? A browser that is offline may still hear the stream it has. */
  const look = async (): Promise<void> => {
    if (ended || looking || (opened && navigator.onLine && Date.now() - heard < SILENCE_MS)) return;
    looking = true;
    const there = await isThere();
    looking = false;
    if (ended) return;
    if (!there) { opened = false; source?.close(); setState("broken"); setTimeout(() => void look(), RETRY_MS); return; }
    if (opened) { heard = Date.now(); setState("live"); return; }
    if (!source || source.readyState === EventSource.CLOSED) open();
  };
  const poll = (): void => {
    if (connection.get().state === "polling") void queries.invalidateQueries();
  };
  open();
  const timers = [setInterval(() => void look(), LOOK_EVERY_MS), setInterval(poll, POLL_MS)];
  return () => { ended = true; source?.close(); for (const timer of timers) clearInterval(timer); batch.flush(); };
}

async function isThere(): Promise<boolean> {
  try {
    const answer = await fetch(address("/live"), { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
    return answer.ok;
  } catch {
    return false;
  }
}

function take(batch: Batch<LiveEvent>, kind: LiveEvent["kind"], data: string): void {
  if (kind === "resync") { batch.add(kind, { kind }); return; }
  const value = parseExact(data) as JobOut & Stats & { name?: string };
  if (kind === "job") batch.add(`job ${value.id}`, { kind, job: value });
  else if (kind === "stats") batch.add(kind, { kind, stats: value });
  else { const id = value.id ?? value.name ?? String(batchNumber++); batch.add(`${kind} ${id}`, { kind, id }); }
}

export { health };
