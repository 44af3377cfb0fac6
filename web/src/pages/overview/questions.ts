import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { keepShown } from "../../api/queries";

export type Window = "1h" | "24h";
const EVERY_MS = 10_000;

/** What the overview asks; numbers over time come from the rollups, which are written every ten seconds. */
export const asked = {
  problems: () => queryOptions({ queryKey: keys.problems(), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/problems", { params: { query: { limit: 20 } }, signal })) }),
  series: (window: Window, queue?: string) => queryOptions({ queryKey: keys.series({ window, queue }), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/stats/series", { params: { query: { window, ...(queue === undefined ? {} : { queue }) } }, signal })) }),
  byQueue: (window: Window) => queryOptions({ queryKey: keys.series({ window, by: "queue" }), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/stats/series", { params: { query: { window, by: "queue" } }, signal })) }),
  errors: (window: Window) => queryOptions({ queryKey: keys.errors({ window }), refetchInterval: EVERY_MS, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/errors", { params: { query: { window, limit: 8 } }, signal })) }),
  latest: () => queryOptions({ queryKey: keys.jobs({ limit: 8 }), queryFn: ({ signal }) => answer(client.GET("/api/jobs", { params: { query: { limit: 8 } }, signal })) }),
  due: () => queryOptions({ queryKey: keys.forecast({ hours: 24 }), refetchInterval: 60_000, queryFn: ({ signal }) => answer(client.GET("/api/forecast", { params: { query: { hours: 24 } }, signal })) }),
};
