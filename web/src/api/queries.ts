import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { address } from "../lib/place";
import { accountedTo, health } from "../live/state";
import { answer, client } from "./client";
import { unreachable } from "./errors";
import { keys } from "./keys";
import type { Health, Me } from "./schema";

/** What several pages ask; a page's own questions live beside it, made the same way. */
export const queries = {
  me: () => queryOptions({ queryKey: keys.me(), queryFn: ({ signal }) => answer(client.GET("/api/me", { signal })), staleTime: Infinity }),
  stats: () => queryOptions({ queryKey: keys.stats(), queryFn: ({ signal }) => answer(client.GET("/api/stats", { signal })) }),
  health: () => queryOptions({ queryKey: keys.health(), queryFn: askHealth, refetchInterval: 5000 }),
  queues: () => queryOptions({ queryKey: keys.queues(), queryFn: ({ signal }) => answer(client.GET("/api/queues", { signal })) }),
  workers: () => queryOptions({ queryKey: keys.workers(), queryFn: ({ signal }) => answer(client.GET("/api/workers", { signal })), refetchInterval: 10_000 }),
  jobTypes: () => queryOptions({ queryKey: keys.jobTypes(), queryFn: ({ signal }) => answer(client.GET("/api/job-types", { signal })) }),
};

/** A system that is not well answers 503, which is an answer. */
async function askHealth(): Promise<Health> {
  let said: Response;
  try {
    said = await fetch(address("/health"), { cache: "no-store", signal: AbortSignal.timeout(4000) });
  } catch {
    throw unreachable();
  }
  if (said.status !== 200 && said.status !== 503) throw unreachable();
  const found = (await said.json()) as Health & { problems?: string[] };
  if (!found.status || found.status === (503 as unknown)) throw unreachable();
  if (found.accountedTo) accountedTo.saw(found.accountedTo);
  health.set({ status: found.status, problems: found.problems ?? [] });
  return found;
}

const RANK = { viewer: 0, operator: 1, admin: 2 } as const;
export type Role = keyof typeof RANK;

/** Who looks, whether that role reaches (`can("operator")`), and whether an operation is theirs: `may("pauseQueue")`. */
export function useMe(): { me: Me | undefined; can: (role: Role) => boolean; may: (operationId: string) => boolean } {
  const { data: me } = useQuery(queries.me());
  return {
    me,
    can: (role) => me !== undefined && RANK[(me.role ?? "viewer") as Role] >= RANK[role],
    may: (operationId) => me?.permissions.includes(operationId) ?? false,
  };
}

/** For lists with filters: what was there stays until the new answer is. */
export const keepShown = { placeholderData: keepPreviousData };
