import createClient, { type Middleware } from "openapi-fetch";
import { parseExact } from "../lib/exact";
import { address, goToLogin } from "../lib/place";
import { accountedTo } from "../live/state";
import { ApiError, unreachable } from "./errors";
import type { paths } from "./schema";

/** How long an answer may take before the service counts as away. */
const PATIENCE_MS = 30_000;

/** fetch of the same origin, whose answers keep the digits of large numbers. */
async function exactFetch(request: Request): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(request, { credentials: "same-origin", signal: AbortSignal.any([request.signal, AbortSignal.timeout(PATIENCE_MS)]) });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw unreachable();
  }
  const seen = answer.headers.get("rota-accounted-to");
  if (seen) accountedTo.saw(seen);
  return answer;
}

const say: Middleware = {
  async onResponse({ response }) {
    const text = await response.text();
    if (response.ok) return exactAnswer(response, text);
    if (response.status === 401) goToLogin();
    let said: object = {};
    try { said = JSON.parse(text) as object; } catch { /* no problem answer: a proxy said it */ }
    throw new ApiError({ ...said, status: response.status });
  },
};

/** The same answer, whose json() keeps digits; openapi-fetch calls that only where a length is told. */
function exactAnswer(response: Response, text: string): Response {
  const headers = new Headers(response.headers);
  headers.set("content-length", String(text.length));
  const same = new Response(text || null, { status: response.status, headers });
  Object.defineProperty(same, "json", { value: () => Promise.resolve(parseExact(text)) });
  return same;
}

/** The whole API, typed by its own description; every refusal is thrown as an ApiError. */
export const client = createClient<paths>({ baseUrl: address("") || location.origin, fetch: exactFetch, headers: { Accept: "application/json" } });
client.use(say);

/** The answer of a call of `client`: `await answer(client.GET("/api/queues"))`. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<NonNullable<T>> {
  return (await call).data as NonNullable<T>;
}
