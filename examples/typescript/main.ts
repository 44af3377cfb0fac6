// Enqueues a job, watches it to its end, and cancels another, with types made from Rota's OpenAPI description.
import createClient from "openapi-fetch";
import type { paths } from "./api.d.ts";

class Refused extends Error {}

const baseUrl = process.env.ROTA_URL ?? "http://127.0.0.1:7005";
const token = process.env.ROTA_TOKEN ?? "";
const jobType = process.argv[2] ?? "hello";
const rota = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

// With a key of your own the same request, sent again after a lost connection, makes no second job.
const made = await rota.POST("/api/jobs", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { jobType, args: { from: "TypeScript" } },
});
if (made.error) throw new Error(made.error.detail);
const id = made.data.id;
console.log(`enqueued ${id}`);

// Its log, line by line as it is written. A browser's EventSource cannot send a token, but has the session's cookie.
for await (const event of events(`/api/jobs/${id}/logs/stream`)) {
  if (event.name === "line") console.log(`log ${JSON.parse(event.data).text}`);
  if (event.name === "end") break;
}
const ended = await rota.GET("/api/jobs/{id}", { params: { path: { id } } });
if (ended.error) throw new Error(ended.error.detail);
console.log(`ended ${ended.data.status}`);

// One that would run in an hour, and does not.
const later = await rota.POST("/api/jobs", { body: { jobType, delayMs: 3_600_000 } });
if (later.error) throw new Error(later.error.detail);
const cancelled = await rota.POST("/api/jobs/{id}/cancel", { params: { path: { id: later.data.id } }, body: {} });
if (cancelled.error) throw new Error(cancelled.error.detail);
console.log(`cancelled ${cancelled.data.id}: ${cancelled.data.status}`);

interface ServerEvent {
  name: string;
  data: string;
  id: string;
}

/** Server-sent events, asked for again from the last one on when the connection is lost. */
async function* events(path: string): AsyncGenerator<ServerEvent> {
  let lastId = "";
  for (;;) {
    try {
      const headers: Record<string, string> = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
      if (lastId) headers["Last-Event-ID"] = lastId;
      const answer = await fetch(baseUrl + path, { headers });
      if (answer.status === 204) return;
      if (!answer.ok || !answer.body) throw new Refused(`HTTP ${answer.status} from ${path}`);
      let rest = "";
      const decoder = new TextDecoder();
      for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
        const blocks = (rest + decoder.decode(piece, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const event = parsed(block);
          if (event.id) lastId = event.id;
          if (event.data) yield event;
        }
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function parsed(block: string): ServerEvent {
  const event: ServerEvent = { name: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = /^(event|data|id): ?(.*)$/.exec(line) ?? [];
    if (field === "event") event.name = value ?? "";
    if (field === "data") event.data += value ?? "";
    if (field === "id") event.id = value ?? "";
  }
  return event;
}
