import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { keepShown } from "../../api/queries";

const EVERY_MS = 5000;
type Query = Record<string, unknown>;

/** What the page of monitors asks; monitors look around every few seconds, so it does as well. */
export const asked = {
  open: () => queryOptions({ queryKey: keys.alerts({ open: true }), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/alerts", { params: { query: { open: true, limit: 200 } }, signal })) }),
  alerts: (query: Query) => queryOptions({ queryKey: keys.alerts(query), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/alerts", { params: { query: query as never }, signal })) }),
  monitors: (query: Query) => queryOptions({ queryKey: keys.monitors(query), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/monitors", { params: { query: query as never }, signal })) }),
  monitor: (id: string) => queryOptions({ queryKey: keys.monitor(id), queryFn: ({ signal }) => answer(client.GET("/api/monitors/{id}", { params: { path: { id } }, signal })) }),
  proposals: () => queryOptions({ queryKey: keys.proposals(), queryFn: ({ signal }) => answer(client.GET("/api/monitors/proposals", { params: { query: { limit: 200 } as never }, signal })) }),
  checks: (query: Query) => queryOptions({ queryKey: keys.checks(query), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/checks", { params: { query: query as never }, signal })) }),
  check: (id: string) => queryOptions({ queryKey: keys.check(id), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/checks/{id}", { params: { path: { id } }, signal })) }),
  notices: (query: Query) => queryOptions({ queryKey: keys.notices(query), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/notices", { params: { query: query as never }, signal })) }),
  statusPages: () => queryOptions({ queryKey: keys.statusPages(), queryFn: ({ signal }) => answer(client.GET("/api/status-pages", { params: { query: { limit: 200 } as never }, signal })) }),
  /** Schedules and checks with a tag, and what they are called: as a status page shows them. */
  tagged: (tag: string) => queryOptions({
    queryKey: keys.statusPages(tag),
    queryFn: async ({ signal }) => {
      const query = { tag, limit: 100 };
      const [schedules, checks] = await Promise.all([answer(client.GET("/api/schedules", { params: { query }, signal })), answer(client.GET("/api/checks", { params: { query }, signal }))]);
      return [...schedules.schedules.map((one) => ({ key: `schedule:${one.id}`, name: one.id })), ...checks.checks.map((one) => ({ key: `check:${one.id}`, name: one.name || one.id }))];
    },
  }),
  channels: () => queryOptions({ queryKey: keys.channels(), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/channels", { params: { query: { limit: 200 } as never }, signal })) }),
};
