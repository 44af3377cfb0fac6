import type { QueryClient } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { askPause } from "../../components/PauseDialog";
import { toast, toastError } from "../../components/toasts";

const at = (id: string) => ({ params: { path: { id } } });

/** All that shows monitors is asked anew. */
export function changed(cache: QueryClient): void {
  for (const root of ["monitors", "monitor", "alerts", "problems"]) void cache.invalidateQueries({ queryKey: [root] });
}

async function tried(cache: QueryClient, work: () => Promise<void>): Promise<void> {
  try { await work(); changed(cache); } catch (error) { toastError(error); }
}

/** Tell nobody of what it finds, after asking why and for how long. */
export const mute = (cache: QueryClient, id: string) => tried(cache, async () => {
  const said = await askPause(`Mute ${id}?`, "What it finds stands here all the same, but nobody is told. What is still so when the mute ends is told then.", "Mute", "Until unmuted");
  if (said === null) return;
  await answer(client.POST("/api/monitors/{id}/mute", { ...at(id), body: said }));
  toast(`${id} is muted`, () => void unmute(cache, id));
});

export const unmute = (cache: QueryClient, id: string) => tried(cache, async () => {
  await answer(client.POST("/api/monitors/{id}/unmute", at(id)));
  toast(`${id} tells again`);
});

/** Back to what it is like by default. */
export const reset = (cache: QueryClient, id: string) => tried(cache, async () => {
  await answer(client.DELETE("/api/monitors/{id}", at(id)));
  toast(`${id} is as by default`);
});

export const accept = (cache: QueryClient, id: string, limit: string) => tried(cache, async () => {
  await answer(client.POST("/api/monitors/{id}/accept", at(id)));
  toast(`${id} tells after ${limit}`, () => void reset(cache, id));
  void cache.invalidateQueries({ queryKey: keys.proposals() });
});

/** Send a test through a channel, which takes as long as the channel does. */
export async function testChannel(cache: QueryClient, name: string): Promise<void> {
  try {
    const said = await answer(client.POST("/api/channels/{name}/test", { params: { path: { name } } }));
    const wrong = said.deliveries.find((one) => one.state !== "sent");
    if (said.ok) toast(`${name} took the message`);
    else toastError(new Error(`${name}: ${wrong?.error ?? (wrong?.state === "pending" ? "not sent within 45 s; it is tried on" : "not sent")}`));
  } catch (error) { toastError(error); }
  void cache.invalidateQueries({ queryKey: keys.channels() });
}
